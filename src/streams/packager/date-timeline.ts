/** A segment's date may be moved by this share of the one before it, so that media time and the wall's clock stay together. */
const SLEW = 0.005
/** … and by this one when they are far apart: after an outage, or a start with media from before. */
const FAST_SLEW = 0.02
const FAR_APART_MS = 5_000

/**
 * EXT-X-PROGRAM-DATE-TIME of segments that follow each other (RFC 8216 §4.3.2.6): each begins where the one before ended,
 * slowly drawn towards the time at which it arrived, because the source's clock is another one. It never goes back, and it
 * steps forward only at a discontinuity.
 */
export class DateTimeline {
  #startMs: number | undefined
  #durationMs = 0
  readonly #notBeforeMs: number

  /** The first segment begins at `notBeforeMs` at the earliest, milliseconds since 1970-01-01 UTC. */
  constructor(notBeforeMs = 0) {
    this.#notBeforeMs = notBeforeMs
  }

  /** Date of a segment whose first bytes arrived at `wallMs`, both milliseconds since 1970-01-01 UTC. */
  begin(wallMs: number, isDiscontinuity: boolean): number {
    const expectedMs =
      this.#startMs === undefined ? Math.max(wallMs, this.#notBeforeMs) : this.#startMs + this.#durationMs
    const behindMs = wallMs - expectedMs
    const slewMs = (Math.abs(behindMs) > FAR_APART_MS ? FAST_SLEW : SLEW) * this.#durationMs
    const isStep = isDiscontinuity && behindMs > 0
    this.#startMs = isStep ? wallMs : expectedMs + Math.max(-slewMs, Math.min(slewMs, behindMs))
    this.#durationMs = 0
    return this.#startMs
  }

  /** The segment that began last was so long. */
  ended(durationMs: number): void {
    this.#durationMs = durationMs
  }
}
