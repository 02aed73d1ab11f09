import type { Chance } from './backoff.ts'
import { breakerAt, closedBreaker, type BreakerState } from './circuit-breaker.ts'
import { checkCandidates, newCandidate, type CandidateId, type CandidateSpec } from './candidate.ts'
import { candidateFailed, candidateSucceeded, plainSuccess, probed } from './evidence.ts'
import { considerFailback, nextFailback } from './failback.ts'
import { nextAfterFailure, resumeAfterPin } from './failover.ts'
import type { GroupPolicy } from './group-policy.ts'
import type { GroupEffect, GroupEvent, GroupState, StepResult } from './group-state.ts'
import { unknownHealth, type LastFailure, type Verdict } from './health.ts'
import { candidatesChanged, pinRequested, start, stop, switchRequested } from './orders.ts'
import { arrangeProbes } from './probing.ts'
import { change, closeRequest, findCandidate, forgetFailures, recordProof, requestLeft, type Turn } from './turn.ts'

// The public entry of the engine: a reader needs this file and pick.ts.
export { candidateId, type CandidateId, type CandidateSpec } from './candidate.ts'
export { restoreGroup } from './restore.ts'
export type * from './group-state.ts'
export * from './group-policy.ts'

/** A group at rest. Throws a RangeError when the candidates cannot be ranked (duplicate id, bad weight or priority). */
export function createGroup(candidates: readonly CandidateSpec[]): GroupState {
  checkCandidates(candidates)
  return {
    version: 1,
    candidates: candidates.map(newCandidate),
    credits: [],
    wanted: false,
    epoch: 0,
    onAir: null,
    resume: null,
    incident: null,
    pending: null,
    pin: null,
    lastGoodId: null,
    settledSwitchesAtMs: [],
    lastSwitchAtMs: null,
    flap: { level: 0, failedBackTo: null, failedBackAtMs: 0 },
    timerAtMs: null,
  }
}

const NO_EFFECTS: readonly GroupEffect[] = []

const EVEN_CHANCE: Chance = { next: () => 0.5 }

/**
 * What follows from one event: the new state and, as data, what the adapter has to do, in this order. Pure; `nowMs` must
 * not run backwards from call to call. Without `chance` a wait is the middle of its range. Throws a RangeError only for
 * a `candidates_changed` that cannot be ranked; the state given stays valid.
 */
export function step(
  state: GroupState,
  event: GroupEvent,
  nowMs: number,
  policy: GroupPolicy,
  chance: Chance = EVEN_CHANCE,
): StepResult {
  const plain = event.kind === 'candidate_succeeded' ? plainSuccess(state, event, nowMs, policy) : undefined
  if (plain !== undefined) return { state: plain, effects: NO_EFFECTS }
  const turn: Turn = { state, effects: [], nowMs, policy, chance }
  const pinRanOut = settleTime(turn)
  handle(turn, event)
  if (pinRanOut && turn.state.epoch === state.epoch) resumeAfterPin(turn)
  considerFailback(turn)
  arrangeProbes(turn)
  armTimer(turn)
  return { state: turn.state, effects: turn.effects }
}

/** What is known of a candidate, for showing; nothing is known of one that the group does not list. */
export function healthOf(state: GroupState, id: CandidateId, nowMs: number, _policy: GroupPolicy): HealthSnapshot {
  const { health, breaker } = findCandidate(state, id) ?? { health: unknownHealth, breaker: closedBreaker }
  const { verdict, failures, lastFailure } = health
  return {
    health: verdict,
    failures,
    breaker: breakerAt(breaker, nowMs),
    ...(lastFailure === null ? {} : { lastFailure }),
  }
}

/** The candidate that would take over if the one on air failed now; undefined when nothing is on air or none is left. */
export function standbyOf(state: GroupState, nowMs: number, policy: GroupPolicy): CandidateId | undefined {
  if (state.onAir === null) return undefined
  return nextAfterFailure({ state, effects: [], nowMs, policy, chance: EVEN_CHANCE }, state.onAir)
}

export interface HealthSnapshot {
  readonly health: Verdict
  readonly failures: number
  readonly lastFailure?: LastFailure
  readonly breaker: BreakerState['kind']
}

/** What became true by time alone since the last step: a candidate has proved itself; true if a pin ran out. */
function settleTime(turn: Turn): boolean {
  const { pin, onAir } = turn.state
  if (onAir !== null && onAir.firstSuccessAtMs !== null && !onAir.stable) {
    if (turn.nowMs - onAir.firstSuccessAtMs >= turn.policy.stableMs) {
      change(turn, { onAir: { ...onAir, stable: true }, incident: null })
      recordProof(turn, onAir.id)
    }
  }
  if (pin === null || pin.untilMs === null || turn.nowMs < pin.untilMs) return false
  change(turn, { pin: null })
  return true
}

function handle(turn: Turn, event: GroupEvent): void {
  switch (event.kind) {
    case 'started':
      return start(turn)
    case 'stopped':
      return stop(turn)
    case 'candidate_succeeded':
      return candidateSucceeded(turn, event)
    case 'candidate_failed':
      return candidateFailed(turn, event)
    case 'request_abandoned':
      closeRequest(turn, event.id, event.generation, false)
      return
    case 'request_left':
      return requestLeft(turn, event.id)
    case 'probe_succeeded':
    case 'probe_failed':
      return probed(turn, event)
    case 'switch_requested':
      return switchRequested(turn, event)
    case 'pin_requested':
      return pinRequested(turn, event)
    case 'unpin_requested':
      return unpin(turn)
    case 'failures_reset':
      if (findCandidate(turn.state, event.id) !== undefined) return forgetFailures(turn, event.id, event.trusted)
      turn.effects.push({ kind: 'request_refused', request: 'reset', reason: 'unknown_candidate' })
      return
    case 'candidates_changed':
      return candidatesChanged(turn, event.candidates)
    case 'tick':
      // The timer is spent; one that fired a moment early is armed again.
      return change(turn, { timerAtMs: null })
    default:
      return event satisfies never
  }
}

function unpin(turn: Turn): void {
  if (turn.state.pin === null) return
  change(turn, { pin: null })
  resumeAfterPin(turn)
}

function armTimer(turn: Turn): void {
  const atMs = nextTimerMs(turn)
  if (atMs === turn.state.timerAtMs) return
  turn.effects.push(atMs === null ? { kind: 'cancel_timer' } : { kind: 'arm_timer', atMs })
  change(turn, { timerAtMs: atMs })
}

function nextTimerMs({ state, nowMs, policy }: Turn): number | null {
  if (!state.wanted || state.onAir === null) return null
  const { onAir, pin } = state
  const provedAtMs = onAir.firstSuccessAtMs === null || onAir.stable ? null : onAir.firstSuccessAtMs + policy.stableMs
  const failback = nextFailback(state, nowMs, policy)
  const times = [provedAtMs, pin?.untilMs ?? null, failback?.atMs ?? null].filter((atMs) => atMs !== null)
  return times.length === 0 ? null : Math.min(...times)
}
