import type { SilencePolicy } from './conditions.ts'
import { thresholds } from './thresholds.ts'

/** The sound that is judged: 16 bit little endian, two channels, 8,000 samples a second. */
export const SOUND_SAMPLES_PER_SECOND = 8_000
export const SOUND_CHANNELS = 2
const FRAME_BYTES = 2 * SOUND_CHANNELS
const WINDOW_MS = thresholds.silent.windowMs
const WINDOW_FRAMES = (SOUND_SAMPLES_PER_SECOND * WINDOW_MS) / 1_000
const FULL_SCALE = 32_768
/** Nothing at all is this level, in dBFS: below the least step of 16 bit. */
export const LEVEL_DB_MIN = -100

/**
 * Whether the sound of a source is silent: the level (RMS over 100 ms, the louder channel) stays below the threshold.
 * Time is counted in samples, so it does not matter when they come. Pure.
 */
export class SoundWatch {
  readonly #policy: SilencePolicy
  /** Squares of the window that is being filled, one sum a channel. */
  readonly #sums = new Float64Array(SOUND_CHANNELS)
  readonly #partial = Buffer.alloc(FRAME_BYTES)
  #partialBytes = 0
  #windowFrames = 0
  #levelDb = LEVEL_DB_MIN
  #heardMs = 0
  #silentMs = 0
  #sinceMs = Number.NaN
  #checkDueMs: number
  #badChecks = 0

  constructor(policy: SilencePolicy) {
    this.#policy = policy
    const { checks } = policy
    this.#checkDueMs = checks === undefined ? Number.POSITIVE_INFINITY : checks.gracePeriodMs + checks.intervalMs
  }

  /** Samples as they come, cut anywhere. `nowMs` is monotonic. */
  observe(samples: Buffer, nowMs: number): void {
    let at = 0
    if (this.#partialBytes > 0) {
      at = samples.copy(this.#partial, this.#partialBytes, 0, FRAME_BYTES - this.#partialBytes)
      this.#partialBytes += at
      if (this.#partialBytes < FRAME_BYTES) return
      this.#frame(this.#partial, 0, nowMs)
    }
    for (; at + FRAME_BYTES <= samples.length; at += FRAME_BYTES) this.#frame(samples, at, nowMs)
    this.#partialBytes = samples.copy(this.#partial, 0, at)
  }

  /** What follows does not belong to what was heard so far: another decoder, or media that was not heard. */
  restart(): void {
    this.#sums.fill(0)
    this.#partialBytes = 0
    this.#windowFrames = 0
    this.#silentMs = 0
    this.#badChecks = 0
    this.#sinceMs = Number.NaN
  }

  get isSilent(): boolean {
    const { checks, holdMs } = this.#policy
    if (checks === undefined) return this.#silentMs >= holdMs
    // Sound that is back ends the condition at once; it need not wait for the next check.
    return this.#badChecks >= checks.badMax && this.#silentMs > 0
  }

  /** For how long the sound has been silent, ms of media. */
  get silentMs(): number {
    return this.#silentMs
  }

  /** Monotonic time at which the first silent window was heard; NaN while it is loud. */
  get sinceMs(): number {
    return this.#sinceMs
  }

  /** Of the latest window, dBFS. */
  get levelDb(): number {
    return this.#levelDb
  }

  /** Checks in a row that found silence. */
  get badChecks(): number {
    return this.#badChecks
  }

  get policy(): SilencePolicy {
    return this.#policy
  }

  #frame(samples: Buffer, at: number, nowMs: number): void {
    for (let channel = 0; channel < SOUND_CHANNELS; channel += 1) {
      const sample = samples.readInt16LE(at + 2 * channel)
      this.#sums[channel] = (this.#sums[channel] ?? 0) + sample * sample
    }
    this.#windowFrames += 1
    if (this.#windowFrames === WINDOW_FRAMES) this.#endWindow(nowMs)
  }

  #endWindow(nowMs: number): void {
    const rms = Math.sqrt(Math.max(...this.#sums) / WINDOW_FRAMES)
    this.#levelDb = rms === 0 ? LEVEL_DB_MIN : Math.max(LEVEL_DB_MIN, 20 * Math.log10(rms / FULL_SCALE))
    this.#sums.fill(0)
    this.#windowFrames = 0
    this.#heardMs += WINDOW_MS
    if (this.#levelDb < this.#policy.thresholdDb) {
      if (this.#silentMs === 0) this.#sinceMs = nowMs
      this.#silentMs += WINDOW_MS
    } else {
      this.#silentMs = 0
      this.#sinceMs = Number.NaN
    }
    this.#check()
  }

  #check(): void {
    const { checks, holdMs } = this.#policy
    if (checks === undefined || this.#heardMs < this.#checkDueMs) return
    this.#checkDueMs += checks.intervalMs
    this.#badChecks = this.#silentMs >= holdMs ? this.#badChecks + 1 : 0
  }
}
