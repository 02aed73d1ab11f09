import { NO_TIMESTAMP, TICKS_PER_MS, timestampStep } from './timestamp.ts'

/** A longer step is a jump of the clock, which nobody has waited for. */
const STEP_TICKS_MAX = 10_000 * TICKS_PER_MS

/** How far the media of a source has come, by whichever of its streams is furthest. */
export class Progress {
  #furthest = NO_TIMESTAMP
  #ticks = 0

  /** 90 kHz ticks since the first timestamp. */
  get ticks(): number {
    return this.#ticks
  }

  observe(timestamp: number): void {
    if (this.#furthest === NO_TIMESTAMP) this.#furthest = timestamp
    const step = timestampStep(timestamp, this.#furthest)
    if (Math.abs(step) > STEP_TICKS_MAX) this.#furthest = timestamp
    else if (step > 0) {
      this.#furthest = timestamp
      this.#ticks += step
    }
  }
}
