/** What follows on an encoder that failed: another on the same source, one on the next, or nothing at once. */
export type EncoderVerdict = 'same_source' | 'next_source' | 'give_up'

/** An encoder that has put out media for so long was well; its end is no word against the source. */
export const ENCODER_PROVEN_MS = 10_000
/** Encoders in a row that may fail on one source. */
const FAILURES_PER_SOURCE = 2

/**
 * Tells an encoder that died by chance from a source that no encoder can read: the first is started again, twice in a row
 * is the source's doing, and when no source is left with which one lives, haste does not help.
 */
export class EncoderHealth {
  /** In a row on the same source. */
  #failures = 0
  /** Sources in a row on which it failed. */
  #sourcesFailed = 0

  /** `deliveredMs`: for how long it put out media; 0 for one that put out none. `sources`: how many there are. */
  failed(deliveredMs: number, sources: number): EncoderVerdict {
    if (deliveredMs >= ENCODER_PROVEN_MS) {
      this.#failures = 0
      this.#sourcesFailed = 0
    }
    this.#failures += 1
    if (this.#failures < FAILURES_PER_SOURCE) return this.#sourcesFailed >= sources ? 'give_up' : 'same_source'
    this.#failures = 0
    this.#sourcesFailed += 1
    return this.#sourcesFailed >= sources ? 'give_up' : 'next_source'
  }
}
