import { TIMESTAMP_MODULUS, timestampStep } from '../splice/timestamp.ts'

/** Makes one timeline without a wrap out of the 33-bit timestamps of all streams of a programme. */
export class UnwrappedTimeline {
  #latest: number | undefined

  /**
   * Takes a timestamp in the order of arrival; the first one stays as it is. Steps are the short way round, ±13 hours, but
   * never before zero: what would be there has jumped forwards.
   */
  unwrap(timestamp: number): number {
    const ticks = this.#latest === undefined ? timestamp : this.#latest + timestampStep(timestamp, this.#latest)
    this.#latest = ticks < 0 ? ticks + TIMESTAMP_MODULUS : ticks
    return this.#latest
  }

  restart(): void {
    this.#latest = undefined
  }
}
