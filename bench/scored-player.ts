/** The first that came of a source. */
export interface Arrival {
  readonly source: string
  readonly atMs: number
}

/** A player of a scoreboard: what it plays, and what it had to bear. */
export interface ScoredPlayer extends AsyncDisposable {
  /** Whose media came last. */
  readonly source: string | undefined
  /** Sources in the order in which they came, each change once. */
  readonly changes: readonly Arrival[]
  /** How much has come of the source that came last, milliseconds of media or of time. */
  readonly settledMs: number
  /** Why it gave up, or its only connection ended. */
  readonly fatal: string | undefined
  /** Answers other than the one that was asked for. */
  readonly refusals: readonly string[]
  /** What was wrong with what it was given. */
  readonly violations: readonly string[]
  /** Segments that it had to leave out. */
  readonly skipped: number
  /** Times that it had nothing to play, after it had begun; disposing of it counts one that goes on. */
  readonly stalls: number
  readonly stalledMs: number
  readonly longestStallMs: number
}

/** Stalls that are closer to each other than this are one: media that comes in drops does not count for each of them. */
const ONE_STALL_MS = 1_000

/** Keeps a player's time: media that has come is played in real time, and when there is none it stands still. */
export class Playhead {
  /** When what has come will have been played. */
  #untilMs: number | undefined
  #stallEndedMs = Number.NEGATIVE_INFINITY
  #stallMs = 0
  stalls = 0
  stalledMs = 0
  longestStallMs = 0

  /** Media of so many milliseconds has come; the first is played after `delayMs`. */
  came(mediaMs: number, nowMs: number, delayMs = 0): void {
    this.#untilMs ??= nowMs + delayMs
    this.count(nowMs)
    this.#untilMs = Math.max(this.#untilMs, nowMs) + mediaMs
  }

  /** How much is left to play. */
  aheadMs(nowMs: number): number {
    return (this.#untilMs ?? nowMs) - nowMs
  }

  /** Counts a stall that ends now. */
  count(nowMs: number): void {
    const stalledMs = -this.aheadMs(nowMs)
    if (stalledMs <= 0) return
    const isSame = nowMs - stalledMs - this.#stallEndedMs < ONE_STALL_MS
    this.#stallMs = isSame ? this.#stallMs + stalledMs : stalledMs
    if (!isSame) this.stalls += 1
    this.#stallEndedMs = nowMs
    this.stalledMs += stalledMs
    this.longestStallMs = Math.max(this.longestStallMs, this.#stallMs)
  }
}
