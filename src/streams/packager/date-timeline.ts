/** A segment's time may be moved by this share of the one before it, so that media time and the wall's clock stay together. */
const SLEW = 0.005

/**
 * EXT-X-PROGRAM-DATE-TIME of segments that follow each other (RFC 8216 §4.3.2.6): each begins where the one before ended,
 * slowly drawn towards the time at which it arrived, because the source's clock is another one. It never goes back, and it
 * steps forward only where media was missing.
 */
export class DateTimeline {
  #startMs: number | undefined
  #durationMs = 0

  /**
   * Time of a segment whose first bytes arrived at `wallMs`, milliseconds since 1970-01-01 UTC. A lag of more than
   * `stepMs`, or a discontinuity, makes it step.
   */
  begin(wallMs: number, isDiscontinuity: boolean, stepMs: number): number {
    const expectedMs = this.#startMs === undefined ? wallMs : this.#startMs + this.#durationMs
    const behindMs = wallMs - expectedMs
    const slewMs = SLEW * this.#durationMs
    const isStep = behindMs > stepMs || (isDiscontinuity && behindMs > 0)
    this.#startMs = isStep ? wallMs : expectedMs + Math.max(-slewMs, Math.min(slewMs, behindMs))
    this.#durationMs = 0
    return this.#startMs
  }

  ended(durationMs: number): void {
    this.#durationMs = durationMs
  }
}
