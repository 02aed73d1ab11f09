import type { KindFacts } from './segment-facts.ts'

/** A step forward beyond this, or any large one back, is a jump of the timeline (as in the detection of continuous streams). */
const STEP_MS_MAX = 10_000
/** Steps back up to this are units in another order than they are shown. */
const REORDER_MS_MAX = 1_000

/** Follows the units of one track of one segment by when they begin, ms on the segment's clock. */
export class UnitClock {
  #units = 0
  #stamped = 0
  #firstMs = 0
  #lastMs = 0
  #longestMs = 0
  #jumps = 0

  /** A unit without a time of its own. */
  unit(): void {
    this.#units += 1
  }

  /** A unit that begins at `atMs`. */
  unitAt(atMs: number): void {
    this.#units += 1
    this.#stamped += 1
    if (this.#stamped === 1) {
      this.#firstMs = atMs
      this.#lastMs = atMs
      return
    }
    const stepMs = atMs - this.#lastMs
    if (stepMs > STEP_MS_MAX || stepMs < -REORDER_MS_MAX) this.#jumps += 1
    else if (stepMs > this.#longestMs) this.#longestMs = stepMs
    if (stepMs > 0 || stepMs < -REORDER_MS_MAX) this.#lastMs = atMs
  }

  get jumps(): number {
    return this.#jumps
  }

  /** The last unit is taken to last as long as the others do. Undefined where no unit had a time. */
  get facts(): KindFacts | undefined {
    if (this.#stamped === 0) return undefined
    const lastedMs = this.#lastMs - this.#firstMs
    const unitMs = this.#stamped > 1 ? lastedMs / (this.#stamped - 1) : 0
    return {
      units: this.#units,
      startMs: this.#firstMs,
      endMs: this.#lastMs + unitMs,
      longestIntervalMs: this.#longestMs,
    }
  }
}
