import type { CandidateId, CandidateState } from '../candidate.ts'
import { noCredits, type Selected } from './weighted-round-robin.ts'

/**
 * One candidate gets everything: the one on air while it is among the usable, else the first of them. Only one on trial
 * that is preferred to all others goes before it. `preferred` is in the order of preference.
 */
export function activePassive(
  preferred: readonly CandidateState[],
  trialIds: ReadonlySet<CandidateId>,
  onAirId: CandidateId | undefined,
): Selected | undefined {
  const [first] = preferred
  if (first === undefined) return undefined
  const onAir = preferred.find(({ spec }) => spec.id === onAirId)
  const fallback = onAir ?? preferred.find(({ spec }) => !trialIds.has(spec.id)) ?? first
  const active = trialIds.has(first.spec.id) ? first : fallback
  return { id: active.spec.id, credits: noCredits }
}
