import type { BreakerState } from './circuit-breaker.ts'
import type { CandidateState } from './candidate.ts'
import type { GroupState } from './group-state.ts'
import { hashText } from './selection/hash.ts'

/**
 * A saved group in a new process: health, circuits, pin, choice and limits as they were, nothing on air, nothing wanted,
 * no request in flight. `shiftMs` is added to every time, to move them from the old monotonic clock to the new one
 * (new now - old now at saving, less the time that passed in between if that should count).
 */
export function restoreGroup(saved: GroupState, shiftMs: number): GroupState {
  const { pin, flap } = saved
  return {
    ...saved,
    candidates: saved.candidates.map((candidate) => restoreCandidate(candidate, shiftMs)),
    credits: [],
    wanted: false,
    onAir: null,
    incident: null,
    pending: null,
    timerAtMs: null,
    pin: pin && {
      ...pin,
      atMs: pin.atMs + shiftMs,
      untilMs: pin.untilMs === null ? null : pin.untilMs + shiftMs,
    },
    settledSwitchesAtMs: saved.settledSwitchesAtMs.map((atMs) => atMs + shiftMs),
    lastSwitchAtMs: saved.lastSwitchAtMs === null ? null : saved.lastSwitchAtMs + shiftMs,
    flap: { ...flap, failedBackAtMs: flap.failedBackAtMs + shiftMs },
  }
}

function restoreCandidate(candidate: CandidateState, shiftMs: number): CandidateState {
  const { health } = candidate
  const { lastFailure } = health
  return {
    ...candidate,
    idHash: hashText(candidate.spec.id),
    inFlight: 0,
    goingOn: 0,
    probing: null,
    breaker: shiftBreaker(candidate.breaker, shiftMs),
    health: {
      ...health,
      lastOutcomeAtMs: health.lastOutcomeAtMs + shiftMs,
      ...(health.recoveredAtMs === undefined ? {} : { recoveredAtMs: health.recoveredAtMs + shiftMs }),
      lastFailure: lastFailure && { ...lastFailure, atMs: lastFailure.atMs + shiftMs },
    },
  }
}

function shiftBreaker(breaker: BreakerState, shiftMs: number): BreakerState {
  switch (breaker.kind) {
    case 'closed':
      return { ...breaker, lastFailureAtMs: breaker.lastFailureAtMs + shiftMs }
    case 'open':
      return { ...breaker, untilMs: breaker.untilMs + shiftMs }
    case 'half_open':
      return { ...breaker, probes: 0, lastProbeAtMs: breaker.lastProbeAtMs + shiftMs }
    default:
      return breaker satisfies never
  }
}
