import type { CandidateId, CandidateState } from '../candidate.ts'

/** What a way of choosing found: the candidate, and every candidate whose round-robin credit has changed. */
export interface Selected {
  readonly id: CandidateId
  readonly credits: ReadonlyMap<CandidateId, number>
}

export const noCredits: ReadonlyMap<CandidateId, number> = new Map()

/**
 * Smooth weighted round robin, as in nginx: each gains its weight, the richest is taken and pays the sum. Exact over each
 * full cycle and never in bursts. Candidates that all weigh 0 share equally. Undefined for an empty list.
 */
export function weightedRoundRobin(candidates: readonly CandidateState[]): Selected | undefined {
  const allDrained = candidates.every(({ spec }) => spec.weight === 0)
  const credits = new Map<CandidateId, number>()
  let total = 0
  let richest: CandidateId | undefined
  let most = Number.NEGATIVE_INFINITY
  for (const { spec, smoothWeight } of candidates) {
    const weight = allDrained ? 1 : spec.weight
    const credit = smoothWeight + weight
    total += weight
    credits.set(spec.id, credit)
    if (weight > 0 && credit > most) {
      most = credit
      richest = spec.id
    }
  }
  if (richest === undefined) return undefined
  credits.set(richest, most - total)
  return { id: richest, credits }
}
