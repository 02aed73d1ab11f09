import type { MediaPlaylist, MediaSegment } from '../../../hls/playlist.ts'
import { withoutMapAfter } from './seal-playlist.ts'
import { joinIndex, sameJoinIndex } from './span.ts'
import type { Span, Tail } from './span.ts'
import { durationOf } from './upstream-segments.ts'
import type { UpstreamSegment } from './upstream-segments.ts'

/** A segment as it is published: its numbers, date and name are ours and never change. */
export interface PublishedSegment {
  readonly sequence: number
  readonly discontinuity: number
  /** The discontinuity begins with it. */
  readonly startsDiscontinuity: boolean
  readonly span: number
  readonly upstreamSequence: number
  readonly identity: string
  /** With names of ours for everything that it refers to. */
  readonly segment: MediaSegment
  readonly startMs: number | undefined
  /** Nobody can get it any more: players are told that it is a gap. */
  readonly isLost: boolean
}

/** What of a slot outlives a restart. Plain JSON data. */
export interface SlotMemory {
  readonly nextSequence: number
  readonly discontinuity: number
  readonly span: number
  readonly offset: number
  readonly upstreamSequence: number
  readonly identity: string
  readonly endMs: number | null
  readonly targetDurationS: number
  /** Segments of earlier spans that are still in the playlist: their sources do not tell of them any more. */
  readonly earlier: readonly PublishedSegment[]
}

/** Segments of earlier spans that are kept. */
const EARLIER_MAX = 64
/** Numbers that may have been published after the memory was last kept. */
const UNKEPT_SEQUENCES = 64
/** A playlist is never longer; three hours of two-second segments are 5,400. */
const SEGMENTS_MAX = 20_000
/** RFC 8216 §6.2.2: what is left in a live playlist after a segment was taken off lasts at least so many target durations. */
const TARGETS_KEPT = 3
/** Sums of decimal seconds are not exact. */
const ROUNDING_S = 0.001
/** With segments of twice that many numbers missing, a source has more likely begun anew than gone on. */
const JUMP_MAX = 3
/** Players do not wait for longer than this until the gateway is back. */
const OUTAGE_S_MAX = 300

export type Continuity = 'continues' | 'stale' | 'reset'

export interface SlotTake {
  readonly span: Span
  readonly playlist: MediaPlaylist
  readonly upstream: readonly UpstreamSegment[]
  readonly nowMs: number
  /** The date of a segment on our timeline, where the one before it is not published in this span. */
  readonly startOf: (segment: UpstreamSegment) => number | undefined
  /** The target duration is at least this, so that a source with longer segments can follow. */
  readonly targetFloorS: number
  /** Gives everything that a segment refers to a name of ours; `offset` is our number minus the source's. */
  readonly seal: (segment: UpstreamSegment, offset: number) => MediaSegment
}

/** One media playlist of ours: the segments of one source after another, numbered without a break. */
export class SlotTimeline {
  #segments: PublishedSegment[] = []
  #nextSequence = 0
  #discontinuity = 0
  #span = 0
  /** Ours minus the source's. */
  #offset = 0
  #upstreamSequence = -1
  #identity = ''
  #endMs: number | undefined
  /** What stood before the source on air when the memory was kept. */
  readonly #earlier: readonly PublishedSegment[]
  #appendedAtMs: number | undefined
  #owedLostS = 0
  /** Whole seconds; 0 before the first segment. */
  targetDurationS = 0
  /** Rises whenever the playlist changes. */
  revision = 0

  constructor(memory: SlotMemory | undefined) {
    this.#earlier = memory?.earlier ?? []
    if (memory === undefined) return
    this.#nextSequence = memory.nextSequence
    this.#discontinuity = memory.discontinuity
    this.#span = memory.span
    this.#offset = memory.offset
    this.#upstreamSequence = memory.upstreamSequence
    this.#identity = memory.identity
    this.#endMs = memory.endMs ?? undefined
    this.targetDurationS = memory.targetDurationS
  }

  get segments(): readonly PublishedSegment[] {
    return this.#segments
  }

  /** The media sequence number that the next segment will have. */
  get nextSequence(): number {
    return this.#nextSequence
  }

  /** The highest discontinuity sequence number so far. */
  get discontinuity(): number {
    return this.#discontinuity
  }

  /** The span whose segments it has published last; 0 before the first. */
  get span(): number {
    return this.#span
  }

  get appendedAtMs(): number | undefined {
    return this.#appendedAtMs
  }

  /** Undefined before anything was published. */
  get memory(): SlotMemory | undefined {
    if (this.#span === 0) return undefined
    return {
      nextSequence: this.#nextSequence,
      discontinuity: this.#discontinuity,
      span: this.#span,
      offset: this.#offset,
      upstreamSequence: this.#upstreamSequence,
      identity: this.#identity,
      endMs: this.#endMs ?? null,
      targetDurationS: this.targetDurationS,
      earlier:
        this.#segments.length === 0
          ? this.#earlier
          : this.#segments.filter(({ span }) => span !== this.#span).slice(-EARLIER_MAX),
    }
  }

  /** What a join is measured against. */
  tail(nowMs: number, hasTrueDates: boolean, isImpatient: boolean): Tail {
    const sinceS = this.#appendedAtMs === undefined ? Infinity : (nowMs - this.#appendedAtMs) / 1_000
    return {
      endMs: this.#endMs,
      hasTrueDates,
      owedS: sinceS + this.#owedLostS,
      targetDurationS: this.targetDurationS,
      isImpatient,
    }
  }

  /** How a playlist of the same source follows what this slot has published of it. */
  continuity(upstream: readonly UpstreamSegment[]): Continuity {
    const [first, last] = [upstream[0], upstream.at(-1)]
    if (first === undefined || last === undefined) return 'stale'
    const known = upstream.find(({ sequence }) => sequence === this.#upstreamSequence)
    if (known !== undefined) return known.identity === this.#identity ? 'continues' : 'reset'
    if (last.sequence < this.#upstreamSequence) {
      const published = this.#segments.find(
        ({ span, upstreamSequence }) => span === this.#span && upstreamSequence === last.sequence,
      )
      return published?.identity === last.identity ? 'stale' : 'reset'
    }
    const missing = first.sequence - this.#upstreamSequence - 1
    if (missing <= JUMP_MAX * upstream.length) return 'continues'
    // After a restart they are what it published meanwhile: with a discontinuity hls.js would not find its way back.
    const missingS = (missing * durationOf(upstream)) / upstream.length
    return this.#appendedAtMs === undefined && missingS <= OUTAGE_S_MAX ? 'continues' : 'reset'
  }

  /** Where its first segment of the span would be; the number of segments when that is not there yet. */
  joinIndexFor(upstream: readonly UpstreamSegment[], span: Span, tail: Tail): number {
    const [first, last] = [upstream[0], upstream.at(-1)]
    if (first === undefined || last === undefined) return 0
    const { upstreamSequence, upstreamStartMs } = span.join
    const isDated = upstreamStartMs !== null && first.startMs !== undefined
    const isNumberedAlike =
      last.sequence >= upstreamSequence - upstream.length && first.sequence <= upstreamSequence + 10_000
    return isDated || isNumberedAlike ? sameJoinIndex(upstream, span) : joinIndex(upstream, tail)
  }

  /** Publishes what is new from `index` on; true if that was anything. */
  append(take: SlotTake, index: number): boolean {
    const { span, upstream } = take
    const isNew = this.#span !== span.number
    const isJoin = isNew || this.#segments.length === 0
    const added = isJoin ? upstream.slice(index) : upstream.filter(({ sequence }) => sequence > this.#upstreamSequence)
    const [first] = added
    if (first === undefined) return false
    const correction = this.#discontinuityCorrection(upstream, span)
    if (isJoin) this.#join(span, first)
    else if (first.sequence !== this.#upstreamSequence + 1) {
      // What is missing was never ours to give; a playlist has no holes, so what stood before it goes.
      this.#segments = []
      this.#nextSequence = first.sequence + this.#offset
    }
    // After a restart older segments of the same source are published again, with the numbers they had.
    if (isJoin && !isNew) this.#discontinuity = 0
    this.#fitTargetDuration(take, added)
    for (const segment of added) this.#publish(take, segment, correction)
    this.#span = span.number
    this.#appendedAtMs = take.nowMs
    this.#owedLostS = 0
    this.#trim(take)
    this.revision += 1
    return true
  }

  /** The published segments of the source on air are told anew: their parts come and go. */
  refresh({ span, upstream, seal }: SlotTake): void {
    const bySequence = new Map(upstream.map((segment) => [segment.sequence, segment]))
    this.#segments = this.#segments.map((published) => {
      const now = published.span === span.number ? bySequence.get(published.upstreamSequence) : undefined
      if (now === undefined || now.segment.parts.length === published.segment.parts.length) return published
      this.revision += 1
      return { ...published, segment: { ...published.segment, parts: seal(now, this.#offset).parts } }
    })
  }

  /** Segments of these names cannot be had any more. True if one of them stands in the playlist. */
  lost(uris: ReadonlySet<string>): boolean {
    const isNew = ({ segment, isLost }: PublishedSegment): boolean => !isLost && uris.has(segment.uri)
    const found = this.#segments.filter(isNew)
    if (found.length === 0) return false
    this.#segments = this.#segments.map((published) => (isNew(published) ? { ...published, isLost: true } : published))
    this.#owedLostS += durationOf(found)
    this.revision += 1
    return true
  }

  #join(span: Span, first: UpstreamSegment): void {
    const { join } = span
    const last = this.#segments.at(-1)
    const discontinuity = span.discontinuity + Math.max(0, first.discontinuity - join.upstreamDiscontinuity)
    const isAdjacent = last !== undefined && last.span !== span.number && last.discontinuity + 1 === discontinuity
    if (!isAdjacent) this.#segments = []
    if (this.#span === span.number && last === undefined) {
      // After a restart the same source goes on: its numbers say what ours are.
      this.#nextSequence = first.sequence + this.#offset
      if (this.#earlier.at(-1)?.sequence === this.#nextSequence - 1) this.#segments = [...this.#earlier]
    } else if (!isAdjacent) {
      // Renditions that come in later have the numbers of those that are there already.
      const alike = join.sequence + (first.sequence - join.upstreamSequence)
      const unseen = this.#span === 0 ? 0 : last === undefined ? UNKEPT_SEQUENCES : 1
      this.#nextSequence = Math.max(this.#nextSequence + unseen, alike)
    }
    this.#offset = this.#nextSequence - first.sequence
  }

  /** What has to be added to the source's discontinuity numbers; a source that forgets to count on is put right. */
  #discontinuityCorrection(upstream: readonly UpstreamSegment[], span: Span): number {
    const isKnown = this.#span === span.number
    const known = isKnown ? upstream.find(({ sequence }) => sequence === this.#upstreamSequence) : undefined
    if (known !== undefined) return this.#discontinuity - known.discontinuity
    return span.discontinuity - span.join.upstreamDiscontinuity
  }

  #publish({ span, startOf, seal }: SlotTake, upstream: UpstreamSegment, correction: number): void {
    const last = this.#segments.at(-1)
    const discontinuity = Math.max(this.#discontinuity, upstream.discontinuity + correction)
    const isFollowing = last !== undefined && last.span === span.number
    const startMs =
      span.dates.kind === 'counted' && isFollowing && last.startMs !== undefined
        ? last.startMs + last.segment.durationS * 1_000
        : startOf(upstream)
    // Without a segment before it nobody can tell from the numbers; the tag does no harm there.
    const isSeam = last === undefined && span.number > 1 && upstream.sequence === span.join.upstreamSequence
    const startsDiscontinuity =
      last === undefined ? isSeam || upstream.segment.isDiscontinuity : discontinuity > last.discontinuity
    const sequence = this.#nextSequence
    const segment = withoutMapAfter(seal(upstream, this.#offset), last?.segment.map)
    const { sequence: upstreamSequence, identity } = upstream
    this.#segments.push({
      ...{ sequence, discontinuity, startsDiscontinuity, span: span.number, upstreamSequence, identity },
      ...{ segment, startMs, isLost: false },
    })
    this.#nextSequence = sequence + 1
    this.#discontinuity = discontinuity
    this.#upstreamSequence = upstreamSequence
    this.#identity = identity
    this.#endMs = startMs === undefined ? undefined : startMs + segment.durationS * 1_000
  }

  /**
   * Chosen at the first segment and kept (RFC 8216 §6.2.1). Only segments that are longer than it allows raise it, once,
   * because players refuse those rather than a number that changed.
   */
  #fitTargetDuration({ playlist, targetFloorS }: SlotTake, added: readonly UpstreamSegment[]): void {
    const longestS = added.reduce((longest, { segment }) => Math.max(longest, Math.round(segment.durationS)), 0)
    const wantedS = this.targetDurationS === 0 ? Math.max(targetFloorS, playlist.targetDurationS) : this.targetDurationS
    this.targetDurationS = Math.max(wantedS, longestS)
  }

  /** What the source has taken off goes, as long as enough is left for players. */
  #trim({ playlist, span, upstream }: SlotTake): void {
    if (playlist.playlistType === 'EVENT' && span.number === 1) return
    const oldest = upstream[0]?.sequence ?? 0
    const keptS = Math.max(TARGETS_KEPT * this.targetDurationS, durationOf(upstream))
    let leftS = durationOf(this.#segments)
    let gone = 0
    for (const published of this.#segments) {
      leftS -= published.segment.durationS
      const isOld = published.span !== span.number || published.upstreamSequence < oldest
      const isTooMuch = this.#segments.length - gone > SEGMENTS_MAX
      if (!isTooMuch && (!isOld || leftS < keptS - ROUNDING_S)) break
      gone += 1
    }
    if (gone > 0) this.#segments = this.#segments.slice(gone)
  }
}
