/**
 * Media time that has passed by whichever of a programme's clocks still runs: its PCR and the timestamps of each of its
 * streams. The PCR alone would stop together with the video that carries it, and then nothing could be measured on it.
 */

/** A step counts for at most this much, so that a source that skipped ten seconds has not been silent for ten. */
const STEP_MS_MAX = 1_000
/** A clock that starts late or jumps lags behind the first by at most this. */
const LAG_MS_MAX = 500

export class ProgressClock {
  #ms = 0

  /** Milliseconds since the start; never back. */
  get ms(): number {
    return this.#ms
  }

  /** One of the clocks, at `positionMs` until now, went on by `stepMs`; returns its new position. */
  advance(positionMs: number, stepMs: number): number {
    const movedMs = Math.max(positionMs + Math.min(stepMs, STEP_MS_MAX), this.#ms - LAG_MS_MAX)
    if (movedMs > this.#ms) this.#ms = movedMs
    return movedMs
  }
}
