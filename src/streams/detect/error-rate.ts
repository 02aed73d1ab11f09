/** A second with this many errors is bad; more in the same second do not count for the ten. */
const ERRORS_PER_SECOND = 20
const BAD_SECONDS_IN_ROW = 3
const WINDOW_SECONDS = 10
const ERRORS_PER_WINDOW = 100

/**
 * Errors by seconds of media. An isolated burst, such as a seam that the source itself has made, is no reason to leave
 * it; a source that goes on losing packets is.
 */
export class ErrorRate {
  /** The latest whole seconds as a ring. */
  readonly #seconds = new Uint32Array(WINDOW_SECONDS)
  #next = 0
  #badInRow = 0
  #capped = 0
  #badSinceMs = 0
  #total = 0

  /** A second of media has passed with so many errors. `beganMs` is the monotonic time of its begin. */
  secondEnded(errors: number, beganMs: number): void {
    const wasQuiet = this.#capped === 0
    const oldest = this.#seconds[this.#next] ?? 0
    this.#seconds[this.#next] = errors
    this.#next = (this.#next + 1) % WINDOW_SECONDS
    this.#capped += Math.min(errors, ERRORS_PER_SECOND) - Math.min(oldest, ERRORS_PER_SECOND)
    this.#badInRow = errors >= ERRORS_PER_SECOND ? this.#badInRow + 1 : 0
    this.#total += errors
    if (wasQuiet && this.#capped > 0) this.#badSinceMs = beganMs
  }

  get isTooHigh(): boolean {
    return this.#badInRow >= BAD_SECONDS_IN_ROW || this.#capped >= ERRORS_PER_WINDOW
  }

  /** When the errors within the window began, to a second. */
  get sinceMs(): number {
    return this.#badSinceMs
  }

  get inLastSecond(): number {
    return this.#seconds[(this.#next + WINDOW_SECONDS - 1) % WINDOW_SECONDS] ?? 0
  }

  get inTenSeconds(): number {
    return this.#seconds.reduce((sum, errors) => sum + errors, 0)
  }

  get total(): number {
    return this.#total
  }
}
