/**
 * How long something that comes again and again may stay away. A fixed limit is wrong for the source that sends one
 * clock reference per group of pictures, so the limit follows the longest interval that the source has shown.
 */
export interface IntervalLimits {
  /** Never less than this … */
  readonly holdMs: number
  /** … nor than this many times the longest interval of the last five to ten minutes. */
  readonly factor: number
  /** While fewer than three intervals are known. */
  readonly unlearntMs: number
}

const LEARNT_AFTER = 3
/** Intervals are remembered for one to two of these. */
const MEMORY_MS = 300_000

/** Positions are milliseconds of whatever clock the caller measures on; never back. */
export class IntervalWatch {
  readonly #limits: IntervalLimits
  #lastAtMs = Number.NaN
  #lastNowMs = Number.NaN
  #intervals = 0
  #longestMs = 0
  #longestBeforeMs = 0
  #memoryStartMs = 0
  #limitMs: number

  constructor(limits: IntervalLimits) {
    this.#limits = limits
    this.#limitMs = limits.unlearntMs
  }

  get hasArrived(): boolean {
    return !Number.isNaN(this.#lastAtMs)
  }

  get isLearnt(): boolean {
    return this.#intervals >= LEARNT_AFTER
  }

  get longestMs(): number {
    return Math.max(this.#longestMs, this.#longestBeforeMs)
  }

  get limitMs(): number {
    return this.#limitMs
  }

  /** Monotonic time of the latest arrival. */
  get lastNowMs(): number {
    return this.#lastNowMs
  }

  /** `atMs` on the clock that is measured on, `nowMs` monotonic. */
  arrived(atMs: number, nowMs: number): void {
    if (this.hasArrived) this.#note(atMs - this.#lastAtMs, atMs)
    else this.#memoryStartMs = atMs
    this.#lastAtMs = atMs
    this.#lastNowMs = nowMs
  }

  /** How long it has been away; 0 before the first arrival. */
  gapMs(atMs: number): number {
    return this.hasArrived ? atMs - this.#lastAtMs : 0
  }

  isOverdue(atMs: number): boolean {
    return atMs - this.#lastAtMs > this.#limitMs
  }

  #note(intervalMs: number, atMs: number): void {
    this.#intervals = Math.min(this.#intervals + 1, LEARNT_AFTER)
    if (atMs - this.#memoryStartMs > MEMORY_MS) {
      this.#longestBeforeMs = this.#longestMs
      this.#longestMs = 0
      this.#memoryStartMs = atMs
    }
    // A gap that was an alarm is not what the source usually does.
    if (intervalMs <= this.#limitMs) this.#longestMs = Math.max(this.#longestMs, intervalMs)
    const { holdMs, factor, unlearntMs } = this.#limits
    const learntMs = Math.max(holdMs, factor * this.longestMs)
    this.#limitMs = this.isLearnt ? learntMs : Math.max(unlearntMs, learntMs)
  }
}
