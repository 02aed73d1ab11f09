import { timestampStep } from '../splice/timestamp.ts'

/** Makes one timeline without a wrap out of the 33-bit timestamps of all streams of a programme. */
export class UnwrappedTimeline {
  #latest: number | undefined

  /** Takes a timestamp in the order of arrival; the first one stays as it is. Steps are the short way round, ±13 hours. */
  unwrap(timestamp: number): number {
    const ticks = this.#latest === undefined ? timestamp : this.#latest + timestampStep(timestamp, this.#latest)
    this.#latest = ticks
    return ticks
  }

  restart(): void {
    this.#latest = undefined
  }
}
