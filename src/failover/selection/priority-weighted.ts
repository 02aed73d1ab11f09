import type { CandidateState } from '../candidate.ts'
import { weightedRoundRobin, type Selected } from './weighted-round-robin.ts'

/** The highest priority there is, and inside it smooth weighted round robin. */
export function priorityWeighted(candidates: readonly CandidateState[]): Selected | undefined {
  let highest = Number.NEGATIVE_INFINITY
  for (const { spec } of candidates) highest = Math.max(highest, spec.priority)
  return weightedRoundRobin(candidates.filter(({ spec }) => spec.priority === highest))
}
