import type { CandidateId, CandidateState } from './candidate.ts'
import { breakerAfterSuccess } from './circuit-breaker.ts'
import { failureRehearsed, leaveForBetter, onAirFailed } from './failover.ts'
import type { GroupPolicy } from './group-policy.ts'
import type { GroupEvent, GroupState } from './group-state.ts'
import { afterSuccess } from './health.ts'
import { settle } from './on-air.ts'
import { badnessOf } from './standing.ts'
import {
  change,
  changeCandidate,
  closeRequest,
  findCandidate,
  keepRequest,
  recordAttempt,
  recordFailure,
  recordSuccess,
  type Turn,
} from './turn.ts'

type EventOf<Kind extends GroupEvent['kind']> = Extract<GroupEvent, { kind: Kind }>

/**
 * The state after what nearly every request is: answered by a candidate that was well, in a group where nothing is under
 * way. It is what the whole step would give, at a fraction of its cost; undefined when more has to be looked at.
 */
export function plainSuccess(
  state: GroupState,
  { id, epoch, generation, goesOn }: EventOf<'candidate_succeeded'>,
  nowMs: number,
  policy: GroupPolicy,
): GroupState | undefined {
  const { onAir, timerAtMs } = state
  if (epoch !== undefined || goesOn === true || state.incident !== null || state.pending !== null || state.pin !== null)
    return undefined
  // What time alone changes is due at the timer.
  if (onAir?.firstSuccessAtMs === null || (timerAtMs !== null && timerAtMs <= nowMs)) return undefined
  const place = state.candidates.findIndex(({ spec }) => spec.id === id)
  const candidate = state.candidates[place]
  if (candidate === undefined || candidate.health.verdict !== 'healthy') return undefined
  // Where all are probed all the time an answer changes nothing about that.
  if (candidate.probing !== null && policy.probe.watch !== 'always') return undefined
  const { breaker } = candidate
  if (breaker.kind !== 'closed' || (generation !== undefined && generation !== breaker.generation)) return undefined
  const answered: CandidateState = {
    spec: candidate.spec,
    idHash: candidate.idHash,
    health: afterSuccess(candidate.health, nowMs, policy.health),
    breaker: breakerAfterSuccess(breaker, policy.breaker),
    inFlight: Math.max(candidate.goingOn, candidate.inFlight - 1),
    goingOn: candidate.goingOn,
    probing: candidate.probing,
  }
  return { ...state, candidates: state.candidates.with(place, answered), lastGoodId: id }
}

/**
 * With an epoch it speaks of the candidate on air and counts only in that epoch; health is credited when it has
 * delivered for the stable time. Without, it answers one request and counts at once.
 */
export function candidateSucceeded(turn: Turn, event: EventOf<'candidate_succeeded'>): void {
  const { onAir } = turn.state
  if (event.epoch !== undefined) {
    if (onAir?.id === event.id && onAir.epoch === event.epoch) settle(turn)
    return
  }
  const { id, generation, goesOn } = event
  if (!(goesOn === true ? keepRequest(turn, id, generation) : closeRequest(turn, id, generation, true))) return
  recordSuccess(turn, event.id, 'request_succeeded')
  if (turn.state.lastGoodId !== event.id && findCandidate(turn.state, event.id) !== undefined)
    change(turn, { lastGoodId: event.id })
  if (onAir?.id === event.id) settle(turn)
}

export function candidateFailed(turn: Turn, event: EventOf<'candidate_failed'>): void {
  const { onAir } = turn.state
  const evidence = event.evidence ?? null
  if (event.epoch !== undefined) {
    if (onAir?.id !== event.id || onAir.epoch !== event.epoch) return
    if (event.isRehearsal === true) failureRehearsed(turn, onAir, event.reason, evidence)
    else onAirFailed(turn, onAir, { reason: event.reason, evidence, avoid: event.avoid ?? [] })
    return
  }
  if (!closeRequest(turn, event.id, event.generation, true)) return
  recordFailure(turn, event.id, { reason: event.reason, atMs: turn.nowMs, epoch: null, evidence })
  leaveIfBad(turn, event.id, event.reason)
}

/** One failed request is no reason to move everybody; a candidate on air that is now known to be bad is. */
function leaveIfBad(turn: Turn, id: CandidateId, reason: string): void {
  const { onAir } = turn.state
  const candidate = findCandidate(turn.state, id)
  if (onAir?.id !== id || candidate === undefined) return
  if (badnessOf(candidate, turn.nowMs, turn.policy) > 0) leaveForBetter(turn, onAir, reason)
}

/**
 * A probe's answer: it counts for health and as a trial of an open circuit whose time has come. A good one counts as a
 * trial before that time too: the circuit is open to spare requests, and a probe that was answered has cost none.
 */
export function probed(turn: Turn, event: EventOf<'probe_succeeded' | 'probe_failed'>): void {
  const { nowMs } = turn
  const candidate = findCandidate(turn.state, event.id)
  if (candidate === undefined) return
  const { breaker } = candidate
  const isTrial = breaker.kind === 'open' && (nowMs >= breaker.untilMs || event.kind === 'probe_succeeded')
  if (isTrial) recordAttempt(turn, event.id)
  if (event.kind === 'probe_failed') {
    const reason = event.reason ?? 'probe_failed'
    recordFailure(turn, event.id, { reason, atMs: nowMs, epoch: null, evidence: event.evidence ?? null })
    if (turn.policy.probe.watch === 'always') leaveIfBad(turn, event.id, reason)
    return
  }
  recordSuccess(turn, event.id, 'probe_succeeded')
  if (turn.policy.probe.watch === 'always' && turn.state.onAir?.id === event.id) settle(turn)
  changeCandidate(turn, event.id, 'probe_succeeded', (known) =>
    known.probing === null || known.probing.goodSinceMs !== null
      ? known
      : { ...known, probing: { ...known.probing, goodSinceMs: nowMs } },
  )
  const { onAir, incident } = turn.state
  if (onAir === null || incident === null || onAir.firstSuccessAtMs !== null || onAir.id === event.id) return
  leaveForBetter(turn, onAir, turn.state.pending?.reason ?? 'candidate_recovered')
}
