/**
 * One candidate's circuit. `generation` rises at each transition: a result that was begun under an older generation says
 * nothing about the present one and is not counted.
 */
export type BreakerState =
  | {
      readonly kind: 'closed'
      readonly generation: number
      readonly failures: number
      readonly lastFailureAtMs: number
    }
  | { readonly kind: 'open'; readonly generation: number; readonly untilMs: number; readonly trips: number }
  | {
      readonly kind: 'half_open'
      readonly generation: number
      readonly successes: number
      readonly probes: number
      readonly lastProbeAtMs: number
      readonly trips: number
    }

export interface BreakerPolicy {
  /** Failures in a row that open it; a success starts the count again. */
  readonly failureThreshold: number
  /** A failure that is older than this no longer belongs to the row. */
  readonly failureMaxAgeMs: number
  /** How long it stays open the first time. */
  readonly openMs: number
  /** Each reopening multiplies the time by this. */
  readonly openFactor: number
  readonly openMsMax: number
  /** Trials that may be under way at once while half open. */
  readonly halfOpenProbesMax: number
  /** Successful trials that close it. */
  readonly halfOpenSuccesses: number
  /** A trial of which nothing was heard for so long gives its place to another. */
  readonly probeLeaseMs: number
}

export const closedBreaker: BreakerState = { kind: 'closed', generation: 0, failures: 0, lastFailureAtMs: 0 }

/** The circuit as it stands now: an open one whose time has come counts as half open. */
export function breakerAt(breaker: BreakerState, nowMs: number): BreakerState['kind'] {
  return breaker.kind === 'open' && nowMs >= breaker.untilMs ? 'half_open' : breaker.kind
}

/** Whether a request may go now; while half open only `halfOpenProbesMax` at a time. */
export function admits(breaker: BreakerState, nowMs: number, policy: BreakerPolicy): boolean {
  switch (breaker.kind) {
    case 'closed':
      return true
    case 'open':
      return nowMs >= breaker.untilMs
    case 'half_open':
      return breaker.probes < policy.halfOpenProbesMax || nowMs - breaker.lastProbeAtMs >= policy.probeLeaseMs
    default:
      return breaker satisfies never
  }
}

/**
 * The circuit after an attempt was sent through it. One that is open becomes half open, before its time too: when every
 * candidate's circuit is open the caller forces a trial rather than stay dark.
 */
export function afterAttempt(breaker: BreakerState, nowMs: number, policy: BreakerPolicy): BreakerState {
  switch (breaker.kind) {
    case 'closed':
      return breaker
    case 'open':
      return {
        kind: 'half_open',
        generation: breaker.generation + 1,
        successes: 0,
        probes: 1,
        lastProbeAtMs: nowMs,
        trips: breaker.trips,
      }
    case 'half_open':
      return { ...breaker, probes: Math.min(breaker.probes + 1, policy.halfOpenProbesMax), lastProbeAtMs: nowMs }
    default:
      return breaker satisfies never
  }
}

export function breakerAfterSuccess(breaker: BreakerState, policy: BreakerPolicy): BreakerState {
  switch (breaker.kind) {
    case 'closed':
      return breaker.failures === 0 ? breaker : { ...breaker, failures: 0 }
    case 'open':
      return breaker
    case 'half_open': {
      const successes = breaker.successes + 1
      if (successes >= policy.halfOpenSuccesses) return closeBreaker(breaker)
      return { ...breaker, successes, probes: Math.max(0, breaker.probes - 1) }
    }
    default:
      return breaker satisfies never
  }
}

export function breakerAfterFailure(breaker: BreakerState, nowMs: number, policy: BreakerPolicy): BreakerState {
  switch (breaker.kind) {
    case 'closed': {
      const inRow = nowMs - breaker.lastFailureAtMs > policy.failureMaxAgeMs ? 1 : breaker.failures + 1
      if (inRow >= policy.failureThreshold) return opened(breaker.generation, 1, nowMs, policy)
      return { ...breaker, failures: inRow, lastFailureAtMs: nowMs }
    }
    case 'open':
      return breaker
    case 'half_open':
      return opened(breaker.generation, breaker.trips + 1, nowMs, policy)
    default:
      return breaker satisfies never
  }
}

/** A trial ended without an answer either way (the client went away): its place is free again. */
export function breakerAfterAbandoned(breaker: BreakerState): BreakerState {
  return breaker.kind === 'half_open' ? { ...breaker, probes: Math.max(0, breaker.probes - 1) } : breaker
}

/** Closes it whatever it was, all counters at zero. */
export function closeBreaker(breaker: BreakerState): BreakerState {
  return { kind: 'closed', generation: breaker.generation + 1, failures: 0, lastFailureAtMs: 0 }
}

function opened(generation: number, trips: number, nowMs: number, policy: BreakerPolicy): BreakerState {
  const openForMs = Math.min(policy.openMsMax, policy.openMs * policy.openFactor ** Math.min(trips - 1, 64))
  return { kind: 'open', generation: generation + 1, untilMs: nowMs + openForMs, trips }
}
