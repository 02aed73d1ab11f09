import type { BitRateFloor } from './conditions.ts'
import { thresholds } from './thresholds.ts'

/** Weight of a new second in the baseline: it follows within a minute or so. */
const BASELINE_WEIGHT = 1 / 60
/** A still picture takes little more than the packets that it cannot do without, hence so small a share. */
const { shareMin: LOW_SHARE, seconds: LOW_SECONDS, learntSeconds: LEARNT_AFTER_SECONDS } = thresholds.low_bitrate

/** Bytes of video and audio a second of media, against what the source has been sending. */
export class BitRateBaseline {
  #seconds = 0
  #baseline = 0
  #latest = 0
  #lowInRow = 0
  #lowSinceMs = 0

  /** A second of media has passed with so many bytes. `beganMs` is the monotonic time of its begin. */
  secondEnded(bytes: number, beganMs: number): void {
    this.#seconds += 1
    this.#latest = bytes
    const isLow = this.isLearnt && bytes < this.#baseline * LOW_SHARE
    if (isLow) {
      if (this.#lowInRow === 0) this.#lowSinceMs = beganMs
      this.#lowInRow += 1
      return
    }
    this.#lowInRow = 0
    const weight = Math.max(BASELINE_WEIGHT, 1 / this.#seconds)
    this.#baseline += (bytes - this.#baseline) * weight
  }

  /** Whole seconds seen. */
  get seconds(): number {
    return this.#seconds
  }

  get isLearnt(): boolean {
    return this.#seconds > LEARNT_AFTER_SECONDS
  }

  get isLow(): boolean {
    return this.#lowInRow >= LOW_SECONDS
  }

  get lowSinceMs(): number {
    return this.#lowSinceMs
  }

  /** Bytes a second of media: the usual and the latest. */
  get baseline(): number {
    return this.#baseline
  }

  get latest(): number {
    return this.#latest
  }
}

/**
 * The absolute threshold of the compatible environment, on the wall clock as there. An interval ends with the first
 * arrival after it, so that a source that delivers in bursts is measured over whole bursts.
 */
export class BitRateFloorWatch {
  readonly #floor: BitRateFloor
  #graceEndsMs = Number.NaN
  #startMs = Number.NaN
  #bytes = 0
  #lowInRow = 0
  #lowSinceMs = 0
  #latest = 0

  constructor(floor: BitRateFloor) {
    this.#floor = floor
  }

  arrived(bytes: number, nowMs: number): void {
    if (Number.isNaN(this.#startMs)) {
      this.#startMs = nowMs
      this.#graceEndsMs = nowMs + this.#floor.gracePeriodMs
    }
    this.#bytes += bytes
    const elapsedMs = nowMs - this.#startMs
    if (elapsedMs < this.#floor.checkIntervalMs || elapsedMs <= 0) return
    this.#latest = (this.#bytes * 1_000) / elapsedMs
    const isLow = this.#startMs >= this.#graceEndsMs && this.#latest < this.#floor.bytesPerSecondMin
    if (isLow && this.#lowInRow === 0) this.#lowSinceMs = this.#startMs
    this.#lowInRow = isLow ? this.#lowInRow + 1 : 0
    this.#startMs = nowMs
    this.#bytes = 0
  }

  /** Reading was paused on purpose: the interval begins anew. */
  resumed(nowMs: number): void {
    if (!Number.isNaN(this.#startMs)) this.#startMs = nowMs
    this.#bytes = 0
  }

  get isLow(): boolean {
    return this.#lowInRow >= this.#floor.intervalsMax
  }

  get intervals(): number {
    return this.#lowInRow
  }

  get lowSinceMs(): number {
    return this.#lowSinceMs
  }

  /** Bytes a second in the latest whole interval. */
  get latest(): number {
    return this.#latest
  }
}
