import { hashText, mix } from './hash.ts'
import { isAllDrained, weightAt, weightedRoundRobin, type Pool, type Selected } from './weighted-round-robin.ts'

/**
 * Everybody works. The same key goes to the same candidate, by weighted rendezvous hashing (each pair of key and candidate
 * has a score; the highest wins), so that a candidate that leaves moves only its own keys. Bounded load (Mirrokni,
 * Thorup, Zadimoghaddam 2016): one that already has `loadFactor` times its fair share of the requests in flight is passed
 * over for the key's next best. Without a key, smooth weighted round robin.
 */
export function activeActive(pool: Pool, key: string | undefined, loadFactor: number): Selected | undefined {
  if (key === undefined) return weightedRoundRobin(pool)
  const allDrained = isAllDrained(pool)
  const keyHash = hashText(key)
  let totalWeight = 0
  let inFlight = 1
  let sharedWeight: number | undefined
  let isWeighted = false
  for (const place of pool.places) {
    inFlight += pool.candidates[place]?.inFlight ?? 0
    const weight = allDrained ? 1 : weightAt(pool, place)
    totalWeight += weight
    if (weight === 0) continue
    isWeighted ||= sharedWeight !== undefined && sharedWeight !== weight
    sharedWeight = weight
  }
  const fairShare = (Math.max(1, loadFactor) * inFlight) / totalWeight
  let best = -1
  let bestScore = Number.NEGATIVE_INFINITY
  for (const place of pool.places) {
    const candidate = pool.candidates[place]
    const weight = allDrained ? 1 : weightAt(pool, place)
    if (candidate === undefined || weight === 0) continue
    const drawn = mix(keyHash ^ mix(candidate.idHash))
    const score = isWeighted ? rendezvousScore(drawn, weight) : drawn
    if (score > bestScore && candidate.inFlight + 1 <= Math.ceil(fairShare * weight)) {
      best = place
      bestScore = score
    }
  }
  return best < 0 ? undefined : { place: best }
}

/** The larger the weight, the likelier the highest score, in exact proportion. `drawn` has 32 bits. */
function rendezvousScore(drawn: number, weight: number): number {
  return -weight / Math.log((drawn + 0.5) / 2 ** 32)
}
