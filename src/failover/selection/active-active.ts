import type { CandidateState } from '../candidate.ts'
import { hashText, mix } from './hash.ts'
import { noCredits, weightedRoundRobin, type Selected } from './weighted-round-robin.ts'

/**
 * Everybody works. The same key goes to the same candidate, by weighted rendezvous hashing (each pair of key and candidate
 * has a score; the highest wins), so that a candidate that leaves moves only its own keys. Bounded load (Mirrokni,
 * Thorup, Zadimoghaddam 2016): one that already has `loadFactor` times its fair share of the requests in flight is passed
 * over for the key's next best. Without a key, smooth weighted round robin.
 */
export function activeActive(
  candidates: readonly CandidateState[],
  key: string | undefined,
  loadFactor: number,
): Selected | undefined {
  if (key === undefined) return weightedRoundRobin(candidates)
  const allDrained = candidates.every(({ spec }) => spec.weight === 0)
  const weightOf = ({ spec }: CandidateState) => (allDrained ? 1 : spec.weight)
  const keyHash = hashText(key)
  let totalWeight = 0
  let inFlight = 1
  for (const candidate of candidates) {
    totalWeight += weightOf(candidate)
    inFlight += candidate.inFlight
  }
  let best: CandidateState | undefined
  let bestScore = Number.NEGATIVE_INFINITY
  for (const candidate of candidates) {
    const weight = weightOf(candidate)
    if (weight === 0) continue
    const share = Math.ceil((Math.max(1, loadFactor) * inFlight * weight) / totalWeight)
    const score = rendezvousScore(keyHash, candidate, weight)
    if (candidate.inFlight + 1 <= share && score > bestScore) {
      best = candidate
      bestScore = score
    }
  }
  return best === undefined ? undefined : { id: best.spec.id, credits: noCredits }
}

/** The larger the weight, the likelier the highest score, in exact proportion. */
function rendezvousScore(keyHash: number, { spec }: CandidateState, weight: number): number {
  const chance = (mix(keyHash ^ mix(hashText(spec.id))) + 0.5) / 2 ** 32
  return -weight / Math.log(chance)
}
