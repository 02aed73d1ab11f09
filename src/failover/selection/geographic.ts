import type { CandidateState } from '../candidate.ts'
import { priorityWeighted } from './priority-weighted.ts'
import { narrowed, type Pool, type Selected } from './weighted-round-robin.ts'

/**
 * The request's own region, then `regions` in their order, then the regions left, in the order of the candidates; the
 * first that has anything wins, and inside it the highest priority by weight.
 */
export function geographic(pool: Pool, region: string | undefined, regions: readonly string[]): Selected | undefined {
  const present = pool.places.flatMap((place) => pool.candidates[place] ?? [])
  const near = new Set(nearest(present, region, regions))
  return priorityWeighted(narrowed(pool, (candidate) => near.has(candidate)))
}

/** The candidates of the nearest region that has any. A candidate without a region is in the last one. */
export function nearest(
  candidates: readonly CandidateState[],
  region: string | undefined,
  regions: readonly string[],
): readonly CandidateState[] {
  const listed = candidates.map(({ spec }) => spec.region).filter((name) => name !== undefined)
  const order = new Set([...(region === undefined ? [] : [region]), ...regions, ...listed])
  for (const name of order) {
    const inRegion = candidates.filter(({ spec }) => spec.region === name)
    if (inRegion.length > 0) return inRegion
  }
  return candidates
}
