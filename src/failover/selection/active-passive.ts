import type { CandidateId, CandidateState } from '../candidate.ts'
import type { Pool, Selected } from './weighted-round-robin.ts'

/**
 * One candidate gets everything: the one on air while it is among the usable, else the first of them. Only one on trial
 * that is preferred to all others goes before it. `preferred` is the pool in the order of preference.
 */
export function activePassive(
  pool: Pool,
  preferred: readonly CandidateState[],
  isOnTrial: (candidate: CandidateState) => boolean,
  onAirId: CandidateId | undefined,
): Selected | undefined {
  const [first] = preferred
  if (first === undefined) return undefined
  const onAir = preferred.find(({ spec }) => spec.id === onAirId)
  const fallback = onAir ?? preferred.find((candidate) => !isOnTrial(candidate)) ?? first
  return { place: pool.candidates.indexOf(isOnTrial(first) ? first : fallback) }
}
