import type { CandidateId, CandidateState } from '../candidate.ts'

/**
 * Those of a group among whom is chosen: their places in its list, ascending. `weights` has the weight of each place when
 * it is not what the specification says; `credits` are the running credits of all places of the group.
 */
export interface Pool {
  readonly candidates: readonly CandidateState[]
  readonly places: readonly number[]
  readonly weights: ReadonlyMap<number, number> | undefined
  readonly credits: readonly number[]
}

/** What a way of choosing found: a place in the group's list, and the credits when they have changed. */
export interface Selected {
  readonly place: number
  readonly credits?: readonly number[]
}

export function weightAt({ candidates, weights }: Pool, place: number): number {
  return weights?.get(place) ?? candidates[place]?.spec.weight ?? 0
}

/** The pool with those of its places only that pass; the same one when all do. */
export function narrowed(pool: Pool, passes: (candidate: CandidateState, id: CandidateId) => boolean): Pool {
  const places = pool.places.filter((place) => {
    const candidate = pool.candidates[place]
    return candidate !== undefined && passes(candidate, candidate.spec.id)
  })
  return places.length === pool.places.length ? pool : { ...pool, places }
}

/** Whether all of the pool are drained; then they share equally. */
export function isAllDrained(pool: Pool): boolean {
  for (const place of pool.places) if (weightAt(pool, place) > 0) return false
  return true
}

/**
 * Smooth weighted round robin, as in nginx: each gains its weight, the richest is taken and pays the sum. Exact over each
 * full cycle and never in bursts. Candidates that all weigh 0 share equally. Undefined for an empty pool.
 */
export function weightedRoundRobin(pool: Pool): Selected | undefined {
  const [only] = pool.places
  if (only === undefined) return undefined
  if (pool.places.length === 1) return { place: only }
  const allDrained = isAllDrained(pool)
  const credits = pool.credits.length === pool.candidates.length ? pool.credits.slice() : pool.candidates.map(() => 0)
  let total = 0
  let richest = -1
  let most = Number.NEGATIVE_INFINITY
  for (const place of pool.places) {
    const weight = allDrained ? 1 : weightAt(pool, place)
    const credit = (credits[place] ?? 0) + weight
    total += weight
    credits[place] = credit
    if (weight > 0 && credit > most) {
      most = credit
      richest = place
    }
  }
  credits[richest] = most - total
  return { place: richest, credits }
}
