import { thresholds } from './thresholds.ts'

const { windowWallMs: WINDOW_MS, factorMin: FACTOR_MIN, windows: SLOW_WINDOWS } = thresholds.slower_than_real_time
/** Media that a source is ahead of real time, up to this, lies in its viewers' buffers. */
const LEAD_MS_MAX = 10_000

/**
 * How fast media comes against real time. The lead over the wall clock is taken at its peak in windows of ten seconds: a
 * source that delivers in bursts has the same lead at the end of each burst, whatever their lengths, and one that is too
 * slow has less and less.
 */
export class RealTimeFactor {
  #startNowMs = Number.NaN
  #startMediaMs = 0
  #jumps = 0
  #windowStartMs = 0
  #peakMs = Number.NEGATIVE_INFINITY
  #peakBeforeMs = Number.NaN
  #highestMs = Number.NEGATIVE_INFINITY
  #factor = 1
  #slowWindows = 0
  #slowSinceMs = 0

  /** Media arrived: `mediaMs` by the PCR since the start, `jumps` of the PCR so far. */
  arrived(mediaMs: number, jumps: number, nowMs: number): void {
    if (Number.isNaN(this.#startNowMs)) this.#begin(mediaMs, jumps, nowMs)
    const leadMs = mediaMs - this.#startMediaMs - (nowMs - this.#startNowMs)
    if (leadMs > this.#peakMs) this.#peakMs = leadMs
    if (leadMs > this.#highestMs) this.#highestMs = leadMs
    if (nowMs - this.#windowStartMs >= WINDOW_MS) this.#endWindow(jumps, nowMs)
  }

  /** Reading was paused on purpose: what was measured before says nothing about what comes. */
  resumed(): void {
    this.#startNowMs = Number.NaN
  }

  get isSlow(): boolean {
    if (this.#slowWindows < SLOW_WINDOWS) return false
    const ranDryAtMs = Math.max(0, this.#highestMs - LEAD_MS_MAX)
    return this.#peakBeforeMs < ranDryAtMs
  }

  /** Of the latest whole window; 1 is real time. */
  get factor(): number {
    return this.#factor
  }

  get slowSinceMs(): number {
    return this.#slowSinceMs
  }

  #begin(mediaMs: number, jumps: number, nowMs: number): void {
    this.#startNowMs = nowMs
    this.#startMediaMs = mediaMs
    this.#jumps = jumps
    this.#windowStartMs = nowMs
    this.#peakMs = Number.NEGATIVE_INFINITY
    this.#peakBeforeMs = Number.NaN
    this.#highestMs = Number.NEGATIVE_INFINITY
    this.#slowWindows = 0
  }

  #endWindow(jumps: number, nowMs: number): void {
    const windowMs = nowMs - this.#windowStartMs
    // Across a jump of the clock nobody knows how much media came; the first window has nothing to be compared with.
    const isKnown = jumps === this.#jumps && !Number.isNaN(this.#peakBeforeMs)
    if (isKnown) {
      this.#factor = 1 - (this.#peakBeforeMs - this.#peakMs) / windowMs
      const isSlow = this.#factor < FACTOR_MIN
      if (isSlow && this.#slowWindows === 0) this.#slowSinceMs = this.#windowStartMs
      this.#slowWindows = isSlow ? this.#slowWindows + 1 : 0
    }
    this.#jumps = jumps
    this.#peakBeforeMs = this.#peakMs
    this.#peakMs = Number.NEGATIVE_INFINITY
    this.#windowStartMs = nowMs
  }
}
