import { thresholds } from './thresholds.ts'

/** Size of the pictures that are judged: small enough to cost nothing, large enough for a caption to count. */
export const PICTURE_WIDTH = 64
export const PICTURE_HEIGHT = 36
export const PICTURE_BYTES = PICTURE_WIDTH * PICTURE_HEIGHT

const { black: BLACK, frozen: FROZEN } = thresholds
/** Full luma brought down by so many dB. */
const FROZEN_MEAN_MAX = 255 * 10 ** (FROZEN.differenceDbMax / 20)
/** A step between two pictures counts for at most this much: what lies between was not seen. */
const STEP_MS_MAX = 15_000

/** For how long something has been true of the pictures, in media time. */
export interface PictureRun {
  readonly ms: number
  readonly pictures: number
  /** Monotonic time at which the first of them was judged. */
  readonly sinceMs: number
}

interface MutableRun {
  ms: number
  pictures: number
  sinceMs: number
}

/**
 * Whether the picture of a source is black or stands still, judged by its keyframes in small. Pure; time comes in with
 * the pictures. What stands still is compared with the first picture of the run, so that slow movement adds up.
 */
export class PictureWatch {
  readonly #black: MutableRun = { ms: 0, pictures: 0, sinceMs: Number.NaN }
  readonly #frozen: MutableRun = { ms: 0, pictures: 0, sinceMs: Number.NaN }
  readonly #reference = Buffer.alloc(PICTURE_BYTES)
  #hasReference = false
  #latestMs = Number.NaN
  #blackShare = 0
  #difference = 0

  /**
   * A picture of `PICTURE_BYTES` luma values from 0 to 255. `mediaMs` is its time on any clock that goes on with the
   * media, NaN when it has none; `nowMs` is monotonic.
   */
  observe(picture: Buffer, mediaMs: number, nowMs: number): void {
    const stepMs = Math.min(STEP_MS_MAX, Math.max(0, mediaMs - this.#latestMs)) || 0
    this.#latestMs = mediaMs
    this.#blackShare = blackShareOf(picture)
    extend(this.#black, this.#blackShare >= BLACK.shareMin, stepMs, nowMs)
    const isStill = this.#hasReference && this.#isLikeReference(picture)
    if (!isStill) {
      picture.copy(this.#reference)
      this.#hasReference = true
      clear(this.#frozen)
    }
    extend(this.#frozen, true, stepMs, nowMs)
  }

  /** The pictures that follow are not counted on from those before: another decoder, or media that was not seen. */
  restart(): void {
    clear(this.#black)
    clear(this.#frozen)
    this.#hasReference = false
    this.#latestMs = Number.NaN
  }

  get black(): PictureRun {
    return this.#black
  }

  get frozen(): PictureRun {
    return this.#frozen
  }

  get isBlack(): boolean {
    return this.#black.ms >= BLACK.holdMs && this.#black.pictures >= BLACK.keyframesMin
  }

  get isFrozen(): boolean {
    return this.#frozen.ms >= FROZEN.holdMs && this.#frozen.pictures >= FROZEN.keyframesMin
  }

  /** Share of black cells in the latest picture, 0 to 1. */
  get blackShare(): number {
    return this.#blackShare
  }

  /** Mean difference of the latest picture from the one that it was compared with, in steps of luma. */
  get difference(): number {
    return this.#difference
  }

  #isLikeReference(picture: Buffer): boolean {
    let sum = 0
    let largest = 0
    for (let at = 0; at < PICTURE_BYTES; at += 1) {
      const difference = Math.abs((picture[at] ?? 0) - (this.#reference[at] ?? 0))
      sum += difference
      if (difference > largest) largest = difference
    }
    this.#difference = sum / PICTURE_BYTES
    return this.#difference <= FROZEN_MEAN_MAX && largest <= FROZEN.cellMax
  }
}

function blackShareOf(picture: Buffer): number {
  let black = 0
  for (let at = 0; at < PICTURE_BYTES; at += 1) if ((picture[at] ?? 0) <= BLACK.lumaMax) black += 1
  return black / PICTURE_BYTES
}

/** The time between two pictures belongs to the run when both do. */
function extend(run: MutableRun, isTrue: boolean, stepMs: number, nowMs: number): void {
  if (!isTrue) {
    clear(run)
    return
  }
  if (run.pictures === 0) run.sinceMs = nowMs
  else run.ms += stepMs
  run.pictures += 1
}

function clear(run: MutableRun): void {
  run.ms = 0
  run.pictures = 0
  run.sinceMs = Number.NaN
}
