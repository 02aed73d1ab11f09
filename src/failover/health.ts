/** Text and numbers that explain a verdict; plain JSON. */
export type EvidenceValue =
  null | boolean | number | string | readonly EvidenceValue[] | { readonly [key: string]: EvidenceValue }

export interface Evidence {
  readonly [key: string]: EvidenceValue
}

export type Verdict = 'healthy' | 'unhealthy' | 'unknown'

export interface LastFailure {
  readonly reason: string
  readonly atMs: number
  /** The epoch in which it was observed; null for a probe and for request-style evidence. */
  readonly epoch: number | null
  readonly evidence: Evidence | null
}

export interface HealthPolicy {
  /** The counter (+1 a failure, -1 a success, never below 0) at which a candidate is unhealthy. */
  readonly failureThreshold: number
  /** Successes in a row that make an unhealthy candidate healthy. */
  readonly riseThreshold: number
  /** Outcomes that the failure rate looks back on, 1 to `OUTCOMES_MAX`. */
  readonly rateOutcomes: number
  /** The rate is not judged on fewer outcomes than this. */
  readonly rateOutcomesMin: number
  /** Share of failures, 0 to 1, at which a candidate is unhealthy; above 1 switches the rate off. */
  readonly rateThreshold: number
  /** After so long without any outcome the window begins empty. */
  readonly rateMaxAgeMs: number
  /** An unhealthy candidate of which nothing was heard for so long ranks as unknown again, so that it gets a chance. */
  readonly coolDownMs: number
}

/** Outcomes are kept as bits of one integer. */
const OUTCOMES_MAX = 30

export interface HealthState {
  readonly verdict: Verdict
  readonly failures: number
  readonly successesInRow: number
  /** The newest outcome is bit 0; 1 is a failure. */
  readonly outcomeBits: number
  readonly outcomes: number
  readonly lastOutcomeAtMs: number
  readonly lastFailure: LastFailure | null
  /** When it was last found well again after it had been unhealthy. */
  readonly recoveredAtMs?: number
}

export const unknownHealth: HealthState = {
  verdict: 'unknown',
  failures: 0,
  successesInRow: 0,
  outcomeBits: 0,
  outcomes: 0,
  lastOutcomeAtMs: 0,
  lastFailure: null,
}

/**
 * The health after a failure: unhealthy when the counter reaches its threshold, or when too large a share of the last
 * outcomes failed (which catches a candidate that fails every other time and so never raises the counter).
 */
export function afterFailure(health: HealthState, failure: LastFailure, policy: HealthPolicy): HealthState {
  const window = withOutcome(health, 1, failure.atMs, policy)
  const failures = health.failures + 1
  const tooMany = failures >= policy.failureThreshold
  const tooOften =
    window.outcomes >= policy.rateOutcomesMin && countOnes(window.outcomeBits) / window.outcomes >= policy.rateThreshold
  return {
    ...window,
    verdict: tooMany || tooOften ? 'unhealthy' : health.verdict,
    failures,
    successesInRow: 0,
    lastFailure: failure,
  }
}

/** The health after one success; an unhealthy candidate needs `riseThreshold` of them in a row. */
export function afterSuccess(health: HealthState, nowMs: number, policy: HealthPolicy): HealthState {
  const successesInRow = health.successesInRow + 1
  if (health.verdict === 'unhealthy' && successesInRow >= policy.riseThreshold) {
    return recovered(health, successesInRow, nowMs)
  }
  return {
    ...withOutcome(health, 0, nowMs, policy),
    verdict: health.verdict === 'unhealthy' ? 'unhealthy' : 'healthy',
    failures: Math.max(0, health.failures - 1),
    successesInRow,
  }
}

/** The health of a candidate that delivered without a break for the policy's stable time: stronger than any probe. */
export function afterProof(health: HealthState, nowMs: number, policy: HealthPolicy): HealthState {
  return health.verdict === 'unhealthy' ? recovered(health, 1, nowMs) : afterSuccess(health, nowMs, policy)
}

/** First media: not yet a success that counts (it may be one byte before the end), but no longer unknown. */
export function afterFirstSign(health: HealthState): HealthState {
  return health.verdict === 'unknown' ? { ...health, verdict: 'healthy' } : health
}

/** How a candidate ranks by its health now: old bad news fades to unknown. */
export function verdictAt(health: HealthState, nowMs: number, policy: HealthPolicy): Verdict {
  if (health.verdict !== 'unhealthy') return health.verdict
  return nowMs - health.lastOutcomeAtMs >= policy.coolDownMs ? 'unknown' : 'unhealthy'
}

/** A recovered candidate starts with a clean window: the failures that condemned it are not held against it twice. */
function recovered({ lastFailure }: HealthState, successesInRow: number, nowMs: number): HealthState {
  const counted = { successesInRow, outcomes: 1, lastOutcomeAtMs: nowMs, lastFailure }
  return { ...unknownHealth, ...counted, recoveredAtMs: nowMs, verdict: 'healthy' }
}

function withOutcome(health: HealthState, bit: 0 | 1, nowMs: number, policy: HealthPolicy): HealthState {
  const stale = nowMs - health.lastOutcomeAtMs > policy.rateMaxAgeMs
  const length = Math.min(policy.rateOutcomes, OUTCOMES_MAX)
  const mask = 2 ** length - 1
  const bits = stale ? 0 : health.outcomeBits
  const outcomes = stale ? 0 : health.outcomes
  return {
    ...health,
    outcomeBits: ((bits << 1) | bit) & mask,
    outcomes: Math.min(outcomes + 1, length),
    lastOutcomeAtMs: nowMs,
  }
}

function countOnes(bits: number): number {
  let left = bits
  let ones = 0
  while (left !== 0) {
    left &= left - 1
    ones += 1
  }
  return ones
}
