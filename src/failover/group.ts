import type { Chance } from './backoff.ts'
import { checkCandidates, newCandidate, type CandidateSpec } from './candidate.ts'
import type { GroupPolicy } from './group-policy.ts'
import type { GroupEvent, GroupState, StepResult } from './group-state.ts'

export { candidateId, type CandidateId, type CandidateSpec } from './candidate.ts'
export type * from './group-state.ts'
export * from './group-policy.ts'

/** A group at rest. Throws a RangeError when the candidates cannot be ranked (duplicate id, bad weight or priority). */
export function createGroup(candidates: readonly CandidateSpec[]): GroupState {
  checkCandidates(candidates)
  return {
    version: 1,
    candidates: candidates.map(newCandidate),
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

/**
 * What follows from one event: the new state and, as data, what the adapter has to do. Pure; `nowMs` must not run
 * backwards from call to call. Without `chance` a wait is the middle of its range.
 */
export function step(
  state: GroupState,
  event: GroupEvent,
  nowMs: number,
  policy: GroupPolicy,
  chance: Chance = { next: () => 0.5 },
): StepResult {
  throw new Error(
    `not built yet: ${event.kind} at ${nowMs} ${state.epoch} ${policy.immediateAttempts} ${chance.next()}`,
  )
}
