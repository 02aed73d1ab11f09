import { narrowed, weightedRoundRobin, type Pool, type Selected } from './weighted-round-robin.ts'

/** The highest priority there is, and inside it smooth weighted round robin. */
export function priorityWeighted(pool: Pool): Selected | undefined {
  let highest = Number.NEGATIVE_INFINITY
  let lowest = Number.POSITIVE_INFINITY
  for (const place of pool.places) {
    const priority = pool.candidates[place]?.spec.priority ?? 0
    if (priority > highest) highest = priority
    if (priority < lowest) lowest = priority
  }
  return weightedRoundRobin(highest === lowest ? pool : narrowed(pool, ({ spec }) => spec.priority === highest))
}
