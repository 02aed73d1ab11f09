import type { Chance } from './backoff.ts'
import {
  afterAttempt,
  breakerAfterAbandoned,
  breakerAfterFailure,
  breakerAfterSuccess,
  closeBreaker,
} from './circuit-breaker.ts'
import type { CandidateId, CandidateState } from './candidate.ts'
import type { GroupPolicy } from './group-policy.ts'
import type { GroupEffect, GroupState } from './group-state.ts'
import { afterFailure, afterFirstSign, afterProof, afterSuccess, unknownHealth, type LastFailure } from './health.ts'

/**
 * One step in progress: the state as far as it has got and the effects so far. It lives inside one call of `step`, and
 * `state` is only ever replaced, so the caller's state is never touched.
 */
export interface Turn {
  state: GroupState
  readonly effects: GroupEffect[]
  readonly nowMs: number
  readonly policy: GroupPolicy
  readonly chance: Chance
}

export function change(turn: Turn, changes: Partial<GroupState>): void {
  turn.state = { ...turn.state, ...changes }
}

export function findCandidate(state: GroupState, id: CandidateId): CandidateState | undefined {
  return state.candidates.find((candidate) => candidate.spec.id === id)
}

/** Replaces one candidate, keeps the others as they are, and tells of a changed verdict. */
export function changeCandidate(
  turn: Turn,
  id: CandidateId,
  reason: string,
  changed: (candidate: CandidateState) => CandidateState,
): void {
  const index = turn.state.candidates.findIndex((candidate) => candidate.spec.id === id)
  const before = turn.state.candidates[index]
  if (before === undefined) return
  const after = changed(before)
  if (after === before) return
  change(turn, { candidates: turn.state.candidates.with(index, after) })
  const from = before.health.verdict
  const to = after.health.verdict
  if (from !== to) turn.effects.push({ kind: 'health_changed', id, from, to, reason })
}

export function recordFailure(turn: Turn, id: CandidateId, failure: LastFailure): void {
  const { nowMs, policy } = turn
  changeCandidate(turn, id, failure.reason, (candidate) => ({
    ...candidate,
    health: afterFailure(candidate.health, failure, policy.health),
    breaker: breakerAfterFailure(candidate.breaker, nowMs, policy.breaker),
    probing: candidate.probing === null ? null : { ...candidate.probing, goodSinceMs: null },
  }))
}

export function recordSuccess(turn: Turn, id: CandidateId, reason: string): void {
  const { nowMs, policy } = turn
  changeCandidate(turn, id, reason, (candidate) => ({
    ...candidate,
    health: afterSuccess(candidate.health, nowMs, policy.health),
    breaker: breakerAfterSuccess(candidate.breaker, policy.breaker),
  }))
}

/** A candidate on air has delivered for the stable time: healthy, and its circuit closes at once. */
export function recordProof(turn: Turn, id: CandidateId): void {
  const { nowMs, policy } = turn
  changeCandidate(turn, id, 'delivered', (candidate) => ({
    ...candidate,
    health: afterProof(candidate.health, nowMs, policy.health),
    breaker:
      candidate.breaker.kind === 'closed'
        ? breakerAfterSuccess(candidate.breaker, policy.breaker)
        : closeBreaker(candidate.breaker),
  }))
}

export function recordFirstSign(turn: Turn, id: CandidateId): void {
  changeCandidate(turn, id, 'delivered', (candidate) => ({ ...candidate, health: afterFirstSign(candidate.health) }))
}

export function recordAttempt(turn: Turn, id: CandidateId): void {
  const { nowMs, policy } = turn
  changeCandidate(turn, id, 'attempt', (candidate) => ({
    ...candidate,
    breaker: afterAttempt(candidate.breaker, nowMs, policy.breaker),
  }))
}

/**
 * Frees the place of a request that `pick` handed out. False when its circuit has changed since: then its result says
 * nothing about the present one.
 */
export function closeRequest(turn: Turn, id: CandidateId, generation: number | undefined, answered: boolean): boolean {
  let current = true
  changeCandidate(turn, id, 'answered', (candidate) => {
    current = generation === undefined || generation === candidate.breaker.generation
    return {
      ...candidate,
      inFlight: Math.max(candidate.goingOn, candidate.inFlight - 1),
      breaker: current && !answered ? breakerAfterAbandoned(candidate.breaker) : candidate.breaker,
    }
  })
  return current
}

/**
 * A request was answered and goes on: it keeps its place, and no longer stands in the way of a trial. What it gives is as
 * with `closeRequest`.
 */
export function keepRequest(turn: Turn, id: CandidateId, generation: number | undefined): boolean {
  let current = true
  changeCandidate(turn, id, 'answered', (candidate) => {
    current = generation === undefined || generation === candidate.breaker.generation
    return { ...candidate, goingOn: Math.min(candidate.inFlight, candidate.goingOn + 1) }
  })
  return current
}

/** The end of a request that went on after its answer. */
export function requestLeft(turn: Turn, id: CandidateId): void {
  changeCandidate(turn, id, 'answered', (candidate) =>
    candidate.goingOn === 0
      ? candidate
      : { ...candidate, inFlight: candidate.inFlight - 1, goingOn: candidate.goingOn - 1 },
  )
}

/** Forgets what was held against a candidate; a trusted one is taken for healthy until it fails. */
export function forgetFailures(turn: Turn, id: CandidateId, trusted = false): void {
  changeCandidate(turn, id, 'failures_reset', (candidate) => ({
    ...candidate,
    health: trusted ? { ...unknownHealth, verdict: 'healthy' } : unknownHealth,
    breaker: closeBreaker(candidate.breaker),
  }))
}
