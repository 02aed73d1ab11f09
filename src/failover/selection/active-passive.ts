import type { CandidateId, CandidateState } from '../candidate.ts'
import { noCredits, type Selected } from './weighted-round-robin.ts'

/**
 * One candidate gets everything: the one on air while it is among the usable, else the first of them. `preferred` is in
 * the order of preference.
 */
export function activePassive(
  preferred: readonly CandidateState[],
  onAirId: CandidateId | undefined,
): Selected | undefined {
  const active = preferred.find(({ spec }) => spec.id === onAirId) ?? preferred[0]
  return active === undefined ? undefined : { id: active.spec.id, credits: noCredits }
}
