/** Where segments end, in milliseconds of media. */
export interface CutTarget {
  readonly segmentMs: number
  /** Bytes of a segment that is cut wherever it is; a bound on memory. */
  readonly segmentBytesMax: number
}

/** The first segments are short, so that a player that comes at the start gets a playlist soon. */
const SHORT_SEGMENTS = 3
const SHORT_SEGMENT_MS = 1_000
/** Room that the target duration leaves for sources with longer groups of pictures than those seen so far. */
const HEADROOM = 1.25
/** EXTINF is rounded when it is compared with the target duration (RFC 8216 §4.3.3.1). */
const ROUNDING_MS = 450

/**
 * Decides which random access points begin a segment, and when one has to end without one. EXT-X-TARGETDURATION may not
 * change (RFC 8216 §6.2.1), so it is fixed when a playlist first tells it, with room above the longest group of pictures seen;
 * a source whose groups are longer still is cut inside of them.
 */
export class CutPolicy {
  readonly #target: CutTarget
  #groupMs = 0
  #longestGroupMs = 0
  #longestSegmentMs = 0
  #targetDurationS: number | undefined
  #segments = 0

  /** `before` are values of an earlier run of the same stream. */
  constructor(
    target: CutTarget,
    before: { readonly targetDurationS: number; readonly longestGroupMs: number } | undefined,
  ) {
    this.#target = target
    if (before === undefined) return
    this.#longestGroupMs = before.longestGroupMs
    // It may only change where everything begins anew.
    this.#targetDurationS = Math.max(before.targetDurationS, this.#wantedDurationS())
  }

  /** Longest time between two random access points, ms; 0 before any. */
  get longestGroupMs(): number {
    return this.#longestGroupMs
  }

  /** EXT-X-TARGETDURATION, seconds; before it is fixed, what it would be now. */
  get targetDurationS(): number {
    return this.#targetDurationS ?? this.#wantedDurationS()
  }

  /** A playlist tells it: from now on it stays. */
  fixTargetDuration(): void {
    this.#targetDurationS ??= this.#wantedDurationS()
  }

  #wantedDurationS(): number {
    const wanted = Math.ceil((HEADROOM * Math.max(this.#target.segmentMs, this.#longestGroupMs)) / 1_000)
    return Math.max(wanted, Math.round(this.#longestSegmentMs / 1_000))
  }

  /** The longest that a segment may become, ms. */
  get segmentMsMax(): number {
    return (this.#targetDurationS ?? Math.max(this.#wantedDurationS(), OPEN_SECONDS_MAX)) * 1_000 + ROUNDING_MS
  }

  /** A group of pictures was `groupMs` long. */
  observeGroup(groupMs: number): void {
    this.#groupMs = groupMs
    this.#longestGroupMs = Math.max(this.#longestGroupMs, Math.min(groupMs, GROUP_MS_MAX))
  }

  /** Whether a random access point ends a segment that is `elapsedMs` long. */
  cutsAtJoin(elapsedMs: number, bytes: number): boolean {
    if (elapsedMs <= 0) return false
    const { segmentMs, segmentBytesMax } = this.#target
    if (this.#segments < SHORT_SEGMENTS && elapsedMs >= Math.min(SHORT_SEGMENT_MS, segmentMs)) return true
    if (elapsedMs + this.#groupMs / 2 >= segmentMs) return true
    return elapsedMs + this.#groupMs > this.segmentMsMax || 2 * bytes > segmentBytesMax
  }

  /** Whether a segment has to end before a unit that begins `elapsedMs` after it, wherever that is. */
  cutsAnywhere(elapsedMs: number, unitMs: number, bytes: number): boolean {
    return elapsedMs + unitMs > this.segmentMsMax || bytes > this.#target.segmentBytesMax
  }

  /** A segment has ended. */
  counted(durationMs: number): void {
    this.#segments += 1
    this.#longestSegmentMs = Math.max(this.#longestSegmentMs, durationMs)
  }
}

/** Before anybody has asked for a playlist a segment may become this long: the group of pictures is still being learnt. */
const OPEN_SECONDS_MAX = 12
/** Groups longer than this are taken for a source without random access points. */
const GROUP_MS_MAX = 20_000
