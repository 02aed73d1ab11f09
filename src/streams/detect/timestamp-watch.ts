/** A step forward beyond this, or any large one back, is a jump of the source's timeline (as in the media clock). */
const STEP_MS_MAX = 10_000
/** Steps back up to this are pictures in another order than they are shown. */
const REORDER_MS_MAX = 1_000

/**
 * Follows one series of wrapping timestamps. `observe` returns how far it went on in ms, 0 for a jump (it moved, but
 * nobody knows how far), or undefined when it did not move on.
 */
export class TimestampWatch {
  readonly #modulus: number
  readonly #ticksPerMs: number
  #last = -1

  constructor(modulus: number, ticksPerMs: number) {
    this.#modulus = modulus
    this.#ticksPerMs = ticksPerMs
  }

  observe(ticks: number): number | undefined {
    const last = this.#last
    if (last < 0) {
      this.#last = ticks
      return 0
    }
    if (ticks === last) return undefined
    const forwardTicks = ticks > last ? ticks - last : ticks - last + this.#modulus
    const forwardMs = forwardTicks / this.#ticksPerMs
    if (forwardMs <= STEP_MS_MAX) {
      this.#last = ticks
      return forwardMs
    }
    const backMs = (this.#modulus - forwardTicks) / this.#ticksPerMs
    if (backMs <= REORDER_MS_MAX) return undefined
    this.#last = ticks
    return 0
  }

  /** The next one begins a new timeline. */
  restart(): void {
    this.#last = -1
  }
}
