/** A second with `perSecond` errors is bad; more in the same second do not count for the window. */
export interface ErrorLimits {
  readonly perSecond: number
  readonly secondsInRow: number
  readonly windowSeconds: number
  readonly perWindow: number
}

/**
 * Errors by seconds of media. An isolated burst, such as a seam that the source itself has made, is no reason to leave
 * it; a source that goes on losing packets is.
 */
export class ErrorRate {
  readonly #limits: ErrorLimits
  /** The latest whole seconds as a ring. */
  readonly #seconds: Uint32Array
  #next = 0
  #badInRow = 0
  #capped = 0
  #badSinceMs = 0
  #total = 0

  constructor(limits: ErrorLimits) {
    this.#limits = limits
    this.#seconds = new Uint32Array(limits.windowSeconds)
  }

  /** A second of media has passed with so many errors. `beganMs` is the monotonic time of its begin. */
  secondEnded(errors: number, beganMs: number): void {
    const { perSecond, windowSeconds } = this.#limits
    const wasQuiet = this.#capped === 0
    const oldest = this.#seconds[this.#next] ?? 0
    this.#seconds[this.#next] = errors
    this.#next = (this.#next + 1) % windowSeconds
    this.#capped += Math.min(errors, perSecond) - Math.min(oldest, perSecond)
    this.#badInRow = errors >= perSecond ? this.#badInRow + 1 : 0
    this.#total += errors
    if (wasQuiet && this.#capped > 0) this.#badSinceMs = beganMs
  }

  get isTooHigh(): boolean {
    return this.#badInRow >= this.#limits.secondsInRow || this.#capped >= this.#limits.perWindow
  }

  /** When the errors within the window began, to a second. */
  get sinceMs(): number {
    return this.#badSinceMs
  }

  get inLastSecond(): number {
    const { windowSeconds } = this.#limits
    return this.#seconds[(this.#next + windowSeconds - 1) % windowSeconds] ?? 0
  }

  get inTenSeconds(): number {
    return this.#seconds.reduce((sum, errors) => sum + errors, 0)
  }

  get total(): number {
    return this.#total
  }
}
