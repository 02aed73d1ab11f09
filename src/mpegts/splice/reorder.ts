import { StepMeter } from './step-meter.ts'
import { NO_TIMESTAMP, timestampStep } from './timestamp.ts'

/** More pictures than any codec reorders. */
const GROUP_PICTURES_MAX = 24

/**
 * Follows pictures in decoding order and tells which of them wait for others that are shown before them. A cut between
 * would leave a hole in what is shown, and a picture of the old source would be due after the first of the new one.
 */
export class ReorderGroup {
  readonly #steps = new StepMeter()
  #beginsAt = -1
  #pictures = 0
  #lastDts = NO_TIMESTAMP
  /** The latest PTS, and the latest of the groups before. */
  #maxPts = NO_TIMESTAMP
  #shownUntil = NO_TIMESTAMP
  #isLast = false

  /** Position of the first picture that must not go out alone; −1 when all may. */
  get beginsAt(): number {
    return this.#beginsAt
  }

  /** A picture with these timestamps of the source begins at `position`; all before it are complete. */
  beginPicture(position: number, pts: number, dts: number): void {
    if (this.#lastDts !== NO_TIMESTAMP) this.#steps.observe(timestampStep(dts, this.#lastDts))
    this.#lastDts = dts
    const isShownLast = this.#maxPts === NO_TIMESTAMP || timestampStep(pts, this.#maxPts) > 0
    if (isShownLast || this.#beginsAt < 0 || this.#pictures >= GROUP_PICTURES_MAX) {
      this.#shownUntil = this.#maxPts
      this.#beginsAt = position
      this.#pictures = 0
    }
    if (isShownLast) this.#maxPts = pts
    this.#pictures += 1
    this.#isLast = this.#hasAllPictures()
  }

  /** The picture in progress is complete. */
  endPicture(): void {
    if (this.#isLast) this.#beginsAt = -1
  }

  /** Nothing is held any longer. */
  release(): void {
    this.#beginsAt = -1
  }

  #hasAllPictures(): boolean {
    const step = this.#steps.usual
    if (this.#shownUntil === NO_TIMESTAMP || step === undefined || step <= 0) return false
    return Math.round(timestampStep(this.#maxPts, this.#shownUntil) / step) <= this.#pictures
  }
}
