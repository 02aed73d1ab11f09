import type { Spread } from './report.ts'

/** Different values that are counted; further ones count for the least and the largest only. */
const VALUES_MAX = 512
/** The median is counted anew after this share of new values. */
const STALE_AFTER = 1.1

/** Least, median and largest of many whole numbers. Bounded. */
export class Distribution {
  readonly #counts = new Map<number, number>()
  #counted = 0
  #total = 0
  #min = Infinity
  #max = -Infinity
  #median = 0
  #medianAt = 0

  get total(): number {
    return this.#total
  }

  get min(): number {
    return this.#min
  }

  get max(): number {
    return this.#max
  }

  add(value: number): void {
    this.#total += 1
    this.#min = Math.min(this.#min, value)
    this.#max = Math.max(this.#max, value)
    const count = this.#counts.get(value)
    if (count === undefined && this.#counts.size >= VALUES_MAX) return
    this.#counts.set(value, (count ?? 0) + 1)
    this.#counted += 1
  }

  /** Of all values up to a tenth ago; 0 while there is none. */
  get median(): number {
    if (this.#counted === 0) return 0
    if (this.#counted < this.#medianAt * STALE_AFTER) return this.#median
    let seen = 0
    for (const [value, count] of [...this.#counts].toSorted(([left], [right]) => left - right)) {
      seen += count
      this.#median = value
      if (seen * 2 >= this.#counted) break
    }
    this.#medianAt = this.#counted
    return this.#median
  }

  /** In ms, the values being `perMs` to the millisecond; undefined while there is none. */
  spread(perMs: number): Spread | undefined {
    if (this.#total === 0) return undefined
    return { minMs: this.#min / perMs, medianMs: this.median / perMs, maxMs: this.#max / perMs }
  }
}
