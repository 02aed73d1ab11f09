/** Further behind the live end than this, in target durations, media is handed out a little faster than it plays … */
const BEHIND_TARGETS = 4
const CATCH_UP_FACTOR = 1.1
/** After an interruption longer than this, in target durations, what was missed is not made up for in a hurry. */
const LATE_TARGETS_MAX = 3

/**
 * When the bytes of segments are due, so that they leave at the pace at which they play. The first segment is due at once: it is what a
 * player begins with.
 */
export class Pacer {
  #startDueMs: number | undefined
  #isFirst = true
  #factor = 1
  #pausedAtMs: number | undefined
  /** Bytes a second of the segment before, for one whose length is not told. */
  #rate: number | undefined

  /** The next segment begins. `aheadS`: seconds of media that are there to be read, this segment included. */
  begin(nowMs: number, aheadS: number, targetDurationS: number, isLive: boolean): void {
    const lateMs = this.#startDueMs === undefined ? 0 : nowMs - this.#startDueMs
    if (this.#startDueMs === undefined || lateMs > LATE_TARGETS_MAX * targetDurationS * 1_000) this.#startDueMs = nowMs
    this.#factor = isLive && aheadS > BEHIND_TARGETS * targetDurationS ? CATCH_UP_FACTOR : 1
  }

  /** How many of the segment's bytes may be out now, from its beginning. */
  allowedBytes(nowMs: number, durationS: number, totalBytes: number | undefined): number {
    if (this.#isFirst || this.#startDueMs === undefined) return Number.POSITIVE_INFINITY
    const share = ((nowMs - this.#startDueMs) * this.#factor) / (durationS * 1_000)
    if (share >= 1) return Number.POSITIVE_INFINITY
    const bytes = totalBytes ?? (this.#rate ?? 0) * durationS
    // Of a length that nobody knows, at least what has come is due.
    return bytes === 0 ? Number.POSITIVE_INFINITY : Math.max(0, Math.floor(bytes * share))
  }

  /** The segment has been handed out. */
  end(durationS: number, bytes: number): void {
    if (durationS > 0) this.#rate = bytes / durationS
    // What follows the first begins to be due with it: a player has a segment in store from then on.
    if (!this.#isFirst) this.#startDueMs = (this.#startDueMs ?? 0) + (durationS * 1_000) / this.#factor
    this.#isFirst = false
  }

  pause(nowMs: number): void {
    this.#pausedAtMs ??= nowMs
  }

  resume(nowMs: number): void {
    if (this.#pausedAtMs !== undefined && this.#startDueMs !== undefined) this.#startDueMs += nowMs - this.#pausedAtMs
    this.#pausedAtMs = undefined
  }
}
