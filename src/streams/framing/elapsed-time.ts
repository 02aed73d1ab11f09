/** A step above this is a jump of the source's timestamps, not media that was delivered. */
const STEP_MS_MAX = 10_000

/**
 * Adds up media time from timestamps that come nearly in order (audio and video interleaved, B-frames): only what goes
 * beyond the latest so far counts.
 */
export class ElapsedTime {
  #latestMs: number | undefined
  #elapsedMs = 0

  /** Media time since the first timestamp in ms; undefined before it. Never goes back. */
  get ms(): number | undefined {
    return this.#latestMs === undefined ? undefined : this.#elapsedMs
  }

  observe(timestampMs: number): void {
    const step = this.#latestMs === undefined ? 0 : timestampMs - this.#latestMs
    if (step < 0 && step >= -STEP_MS_MAX) return
    this.#latestMs = timestampMs
    if (step > 0 && step <= STEP_MS_MAX) this.#elapsedMs += step
  }
}
