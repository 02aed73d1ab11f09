import type { MediaPlaylist, MediaSegment } from '../../../hls/playlist.ts'
import { SlotTimeline } from './slot-timeline.ts'
import type { SlotMemory, SlotTake } from './slot-timeline.ts'
import { datesFrom, joinIndex } from './span.ts'
import type { Span } from './span.ts'
import { durationOf, upstreamSegments } from './upstream-segments.ts'
import type { UpstreamSegment } from './upstream-segments.ts'

/** A source that begins to deliver. */
export interface Run {
  readonly candidateId: string
  /** 0 is the primary. */
  readonly sourceIndex: number
}

/** What outlives a restart. Plain JSON data. */
export interface StitchMemory {
  readonly span: Span | null
  readonly slots: Readonly<Record<string, SlotMemory>>
  readonly marks: readonly SwitchMark[]
}

/** A switch that stands in the playlists for as long as its first segment does. */
export interface SwitchMark {
  readonly span: number
  readonly fromIndex: number
  readonly toIndex: number
  readonly startMs: number
}

export interface PlaylistTake {
  readonly slot: number
  /** Of the source on air, its URIs as they stood. */
  readonly playlist: MediaPlaylist
  readonly nowMs: number
  /** Milliseconds since 1970 UTC. */
  readonly wallMs: number
  readonly targetFloorS: number
  /** Gives everything that a segment refers to a name of ours; `offset` is our number minus the source's. */
  readonly seal: (segment: UpstreamSegment, offset: number, span: Span) => MediaSegment
}

/** `joined`: a new span has begun with it. `waiting`: what comes next is not in it yet. `reset`: its numbering began anew. */
export type Taken = 'joined' | 'advanced' | 'unchanged' | 'waiting' | 'reset'

/** A source that is behind is waited for so many target durations. */
const WAIT_TARGETS_MAX = 1.5
const MARKS_MAX = 16

/**
 * Makes one playlist for each slot (variant or rendition) out of those of one source after another. All slots agree on
 * where a source begins, so that their discontinuities stand at the same places. Pure: time comes in as a parameter.
 */
export class Stitch {
  readonly #slots = new Map<number, SlotTimeline>()
  #span: Span | undefined
  #run: Run | undefined
  #runSinceMs: number | undefined
  #marks: readonly SwitchMark[] = []

  constructor(memory: StitchMemory | undefined) {
    this.#span = memory?.span ?? undefined
    this.#marks = memory?.marks ?? []
    for (const [slot, kept] of Object.entries(memory?.slots ?? {}))
      this.#slots.set(Number(slot), new SlotTimeline(kept))
  }

  get span(): Span | undefined {
    return this.#span
  }

  get marks(): readonly SwitchMark[] {
    return this.#marks
  }

  get memory(): StitchMemory {
    const slots: Record<string, SlotMemory> = {}
    for (const [slot, { memory }] of this.#slots) if (memory !== undefined) slots[slot] = memory
    return { span: this.#span ?? null, slots, marks: this.#marks }
  }

  slot(slot: number): SlotTimeline {
    const known = this.#slots.get(slot)
    if (known !== undefined) return known
    const timeline = new SlotTimeline(undefined)
    this.#slots.set(slot, timeline)
    return timeline
  }

  /** Playlists that are taken from now on are of this run. */
  begin(run: Run): void {
    this.#run = run
    this.#runSinceMs = undefined
  }

  /** Publishes what is new in a playlist of the run. */
  take(take: PlaylistTake): Taken {
    const upstream = upstreamSegments(take.playlist)
    if (upstream.length === 0) return 'unchanged'
    this.#runSinceMs ??= take.nowMs
    const run = this.#run
    const isNew = run !== undefined && !this.#continuesAt(take, run, upstream)
    if (!isNew) this.#run = undefined
    if (isNew && !this.#beginSpan(take, run, upstream)) return 'waiting'
    const span = this.#span
    if (span === undefined) return 'unchanged'
    return isNew ? (this.#append(take, span, upstream) ? 'joined' : 'waiting') : this.#goOn(take, span, upstream)
  }

  #goOn(take: PlaylistTake, span: Span, upstream: readonly UpstreamSegment[]): Taken {
    const slot = this.slot(take.slot)
    if (slot.span !== span.number) return this.#append(take, span, upstream) ? 'advanced' : 'waiting'
    const continuity = slot.continuity(upstream)
    if (continuity === 'reset') return 'reset'
    if (continuity === 'continues' && this.#append(take, span, upstream)) return 'advanced'
    return 'unchanged'
  }

  /** Whether a run goes on with the span there is: the same source, which has not begun anew in the meantime. */
  #continuesAt(take: PlaylistTake, run: Run, upstream: readonly UpstreamSegment[]): boolean {
    const span = this.#span
    if (span === undefined || span.candidateId !== run.candidateId) return false
    const slot = this.slot(take.slot)
    if (slot.span === span.number) return slot.continuity(upstream) !== 'reset'
    const others = [...this.#slots.values()].filter((other) => other.span === span.number)
    const last = upstream.at(-1)?.sequence ?? 0
    return others.some(({ memory }) => Math.abs(last - (memory?.upstreamSequence ?? Infinity)) <= upstream.length)
  }

  /** False while the new source is waited for. */
  #beginSpan(take: PlaylistTake, run: Run, upstream: readonly UpstreamSegment[]): boolean {
    const slot = this.slot(take.slot)
    const before = this.#span
    const waitedMs = take.nowMs - (this.#runSinceMs ?? take.nowMs)
    const isImpatient = waitedMs > WAIT_TARGETS_MAX * 1_000 * slot.targetDurationS
    const hasPublished = slot.segments.length > 0
    const tail = slot.tail(take.nowMs, before?.dates.kind === 'shifted', isImpatient)
    const index = hasPublished ? joinIndex(upstream, tail) : 0
    const first = upstream[index]
    if (first === undefined) return false
    const isFirst = before === undefined
    const discontinuity = isFirst ? first.discontinuity : this.#highestDiscontinuity() + 1
    const joinedMs = durationOf(upstream.slice(index)) * 1_000
    this.#span = {
      number: (before?.number ?? 0) + 1,
      candidateId: run.candidateId,
      sourceIndex: run.sourceIndex,
      discontinuity,
      join: {
        upstreamSequence: first.sequence,
        upstreamDiscontinuity: first.discontinuity,
        // The first source keeps its own numbers.
        sequence: isFirst ? first.sequence : slot.nextSequence,
        upstreamStartMs: first.startMs ?? null,
      },
      dates: datesFrom(first, tail, isFirst, take.wallMs - joinedMs),
    }
    this.#run = undefined
    if (before !== undefined) this.#mark(before, this.#span, first)
    return true
  }

  #mark(before: Span, span: Span, first: UpstreamSegment): void {
    const startMs = this.#startOf(span, [], first, undefined)
    if (startMs === undefined) return
    const mark = { span: span.number, fromIndex: before.sourceIndex, toIndex: span.sourceIndex, startMs }
    this.#marks = [...this.#marks, mark].slice(-MARKS_MAX)
  }

  #append(take: PlaylistTake, span: Span, upstream: readonly UpstreamSegment[]): boolean {
    const slot = this.slot(take.slot)
    const typicalS = durationOf(upstream) / upstream.length
    const slotTake: SlotTake = {
      ...{ span, playlist: take.playlist, upstream, nowMs: take.nowMs, targetFloorS: take.targetFloorS },
      // After a restart the segment whose date is known may have left the source's playlist: those since then are guessed.
      startOf: (segment) => this.#startOf(span, upstream, segment, typicalS),
      seal: (segment, offset) => take.seal(segment, offset, span),
    }
    const tail = slot.tail(take.nowMs, false, true)
    const changed = slot.append(slotTake, slot.joinIndexFor(upstream, span, tail))
    slot.refresh(slotTake)
    const last = slot.segments.at(-1)
    if (changed && span.dates.kind === 'counted' && last?.startMs !== undefined) {
      const { upstreamSequence, startMs } = last
      if (upstreamSequence > span.dates.upstreamSequence) {
        this.#span = { ...span, dates: { kind: 'counted', upstreamSequence, startMs } }
      }
    }
    return changed
  }

  /** Counted dates go from a segment whose date is known to others by their durations. */
  #startOf(
    { dates }: Span,
    upstream: readonly UpstreamSegment[],
    segment: UpstreamSegment,
    typicalS: number | undefined,
  ): number | undefined {
    if (dates.kind === 'none') return undefined
    if (dates.kind === 'shifted') {
      return segment.startMs === undefined ? undefined : segment.startMs + dates.shiftMs
    }
    const [from, to] = [dates.upstreamSequence, segment.sequence].toSorted((left, right) => left - right)
    if (from === undefined || to === undefined || from === to) return dates.startMs
    const between = upstream.filter(({ sequence }) => sequence >= from && sequence < to)
    const unknownS = (to - from - between.length) * (typicalS ?? 0)
    const distanceMs = (durationOf(between) + unknownS) * 1_000
    return segment.sequence < dates.upstreamSequence ? dates.startMs - distanceMs : dates.startMs + distanceMs
  }

  #highestDiscontinuity(): number {
    return Math.max(
      this.#span?.discontinuity ?? 0,
      ...[...this.#slots.values()].map(({ discontinuity }) => discontinuity),
    )
  }
}
