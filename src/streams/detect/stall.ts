/**
 * Decides how long a live source may be silent. A fixed limit is either late on a smooth source or wrong on one that
 * delivers in bursts, so the limit follows what the source has shown:
 * - while little is known, media that arrived ahead of real time (by the stream's own clock) is credit, because a source
 *   that has just sent ten seconds of media owes nothing for ten seconds;
 * - once known, the limit is twice the longest pause of the last minute or so.
 * Always within [floorMs, ceilingMs].
 */
export interface StallPolicy {
  readonly floorMs: number
  readonly ceilingMs: number
}

/** Pauses are remembered for one to two of these. */
const MEMORY_MS = 60_000
/** A source is known once it has been delivering for this long … */
const KNOWN_AFTER_MS = 3_000
/** … in at least so many separate arrivals. */
const KNOWN_AFTER_ARRIVALS = 8
/** Arrivals closer together than this are one arrival: a chunk split by the network is not a sign of smoothness. */
const SAME_ARRIVAL_MS = 2

export class StallWatch {
  readonly #policy: StallPolicy
  #firstAtMs = Number.NaN
  #lastAtMs = Number.NaN
  #arrivals = 0
  #mediaMs: number | undefined
  #longestPauseMs = 0
  #longestPauseBeforeMs = 0
  #memoryStartMs = 0

  constructor(policy: StallPolicy) {
    this.#policy = policy
  }

  /** Media arrived. `mediaMs`: media time delivered since the start by the stream's own clock, when it has one. */
  arrived(nowMs: number, mediaMs: number | undefined): void {
    if (Number.isNaN(this.#firstAtMs)) {
      this.#firstAtMs = nowMs
      this.#memoryStartMs = nowMs
    } else {
      this.#notePause(nowMs - this.#lastAtMs, nowMs)
    }
    this.#lastAtMs = nowMs
    this.#mediaMs = mediaMs
  }

  /** Reading was paused on purpose (backpressure): the time until now is nobody's silence. */
  resumed(nowMs: number): void {
    if (!Number.isNaN(this.#lastAtMs)) this.#lastAtMs = nowMs
  }

  /** The silence that would count as a stall now, in milliseconds since the last arrival. */
  limitMs(): number {
    const { floorMs, ceilingMs } = this.#policy
    const learntMs = 2 * Math.max(this.#longestPauseMs, this.#longestPauseBeforeMs)
    const limitMs = this.#isKnown() ? Math.max(floorMs, learntMs) : Math.max(floorMs + this.#creditMs(), learntMs)
    return Math.min(limitMs, Math.max(ceilingMs, 0))
  }

  /** Silence so far. */
  silenceMs(nowMs: number): number {
    return Number.isNaN(this.#lastAtMs) ? 0 : nowMs - this.#lastAtMs
  }

  #isKnown(): boolean {
    return this.#lastAtMs - this.#firstAtMs >= KNOWN_AFTER_MS && this.#arrivals >= KNOWN_AFTER_ARRIVALS
  }

  /** How far the media that arrived is ahead of the time since it began; without a clock, whatever is allowed at most. */
  #creditMs(): number {
    if (this.#mediaMs === undefined) return this.#policy.ceilingMs
    return Math.max(0, this.#mediaMs - (this.#lastAtMs - this.#firstAtMs))
  }

  #notePause(pauseMs: number, nowMs: number): void {
    if (pauseMs > SAME_ARRIVAL_MS) this.#arrivals += 1
    if (nowMs - this.#memoryStartMs > MEMORY_MS) {
      this.#longestPauseBeforeMs = this.#longestPauseMs
      this.#longestPauseMs = 0
      this.#memoryStartMs = nowMs
    }
    this.#longestPauseMs = Math.max(this.#longestPauseMs, pauseMs)
  }
}
