import type { Slice } from '../ring.ts'
import type { FragmentSource } from '../cmaf/fragment.ts'
import { CmafRendition } from './cmaf-rendition.ts'
import { CutPolicy } from './cut-policy.ts'
import { DateTimeline } from './date-timeline.ts'
import type { MediaBody } from './media-body.ts'
import type { OpenSegment, Segment, SegmentIdentity } from './segment.ts'
import { PacketRuns } from './packet-runs.ts'
import { SegmentWindow } from './segment-window.ts'
import type { WindowSpill } from './segment-window.ts'
import { CONTENT_TYPE_TS, StoredMedia } from './stored-media.ts'
import { TsSegmenter } from './ts-segmenter.ts'
import type { SegmentStart } from './ts-segmenter.ts'

export interface TimelineLimits {
  readonly segmentMs: number
  readonly partMs: number
  readonly windowMs: number
  readonly bytesMax: number
}

/** What a run takes over from the one before it. */
export interface TimelineStart {
  readonly sequence: number
  readonly discontinuitySequence: number
  /** Players may know segments of an earlier run. */
  readonly isContinued: boolean
  readonly targetDurationS: number | undefined
  readonly longestGroupMs: number
}

export interface TimelineOptions {
  /** Begins the names of this run's segments: no other run of any stream may have had it. */
  readonly run: string
  readonly limits: TimelineLimits
  readonly start: TimelineStart
  readonly nowMs: () => number
  readonly wallMs: () => number
  readonly createMuxer: () => FragmentSource
  readonly spill: WindowSpill | undefined
  /** Playlists are different from now on. */
  readonly onChanged: () => void
}

/** A segment that needs more than this share of the memory is cut wherever it is. */
const SEGMENTS_IN_MEMORY_MIN = 8
const TICKS_PER_SECOND = 90_000
/** Media from before somebody asked for fragmented MP4 that is made into it after the fact, in target durations. */
const CMAF_BACKLOG = 4

/** The segments of one live stream in all renditions, cut at the same places and numbered alike. */
export class Timeline {
  readonly #options: TimelineOptions
  readonly #policy: CutPolicy
  readonly #segmenter: TsSegmenter
  readonly #dates = new DateTimeline()
  readonly window: SegmentWindow
  #cmaf: CmafRendition | undefined
  #generation = 0
  #open: SegmentIdentity | undefined
  #needsDiscontinuity: boolean

  constructor(options: TimelineOptions) {
    const { limits, start } = options
    this.#options = options
    this.#needsDiscontinuity = start.isContinued
    const segmentBytesMax = Math.floor(limits.bytesMax / SEGMENTS_IN_MEMORY_MIN)
    const before =
      start.targetDurationS === undefined
        ? undefined
        : { targetDurationS: start.targetDurationS, longestGroupMs: start.longestGroupMs }
    this.#policy = new CutPolicy({ segmentMs: limits.segmentMs, segmentBytesMax }, before)
    this.window = new SegmentWindow({
      limits,
      nowMs: options.nowMs,
      targetDurationS: () => this.#policy.targetDurationS,
      firstSequence: start.sequence,
      discontinuitySequence: start.discontinuitySequence,
      spill: options.spill,
    })
    this.#segmenter = new TsSegmenter(this.#policy, {
      packets: (run, joinOffsets) => this.#cmaf?.push(run, joinOffsets),
      needsDiscontinuity: () => this.#needsDiscontinuity,
      began: (segmentStart) => this.#began(segmentStart),
      ended: (body, durationTicks, next) => this.#ended(body, durationTicks / TICKS_PER_SECOND, next),
    })
  }

  /** EXT-X-TARGETDURATION. */
  get targetDurationS(): number {
    return this.#policy.targetDurationS
  }

  /** A playlist goes out: the target duration stays from now on. */
  published(): void {
    this.#policy.fixTargetDuration()
  }

  get longestGroupMs(): number {
    return this.#policy.longestGroupMs
  }

  /** The segment that is being made as fragmented MP4; undefined before the first. */
  get open(): OpenSegment | undefined {
    const cmaf = this.#cmaf
    if (cmaf === undefined) return undefined
    const { sequence, init, parts } = cmaf
    const identity = this.#open?.sequence === sequence ? this.#open : this.window.at(sequence)
    return identity === undefined ? undefined : { ...identity, init, parts }
  }

  /** Name of the part that comes next, if the segment at work has another. */
  get nextPartName(): string | undefined {
    return this.open === undefined ? undefined : this.#cmaf?.nextPartName
  }

  push(slice: Slice): void {
    this.#segmenter.push(slice)
    if (this.#cmaf !== undefined) this.#advance(this.#cmaf)
  }

  /** What comes next does not go on with what came: the stream was idle, or another source follows without a splice. */
  interrupt(): void {
    if (this.#open !== undefined || this.window.segments.length > 0) this.#needsDiscontinuity = true
    this.#segmenter.interrupt()
    if (this.#cmaf !== undefined) this.#cmaf = this.#createCmaf(this.window.nextSequence)
  }

  /** Makes fragmented MP4 from here on, and of the latest segments after the fact, so that there is something at once. */
  startCmaf(): void {
    if (this.#cmaf !== undefined) return
    const backlog = this.#backlog()
    const cmaf = this.#createCmaf(backlog[0]?.sequence ?? this.window.nextSequence)
    this.#cmaf = cmaf
    for (const [index, segment] of backlog.entries()) {
      if (index > 0) cmaf.cut({ dts: segment.dts, durationS: backlog[index - 1]?.durationS ?? 0 })
      pushPieces(cmaf, piecesOf(segment.ts))
      cmaf.advance(undefined, this.#segmenter.unitTicks)
    }
    const last = backlog.at(-1)
    if (this.#open === undefined) {
      if (last !== undefined) cmaf.end(last.durationS, this.#segmenter.unitTicks)
      this.#cmaf = this.#createCmaf(this.window.nextSequence)
    } else {
      if (last !== undefined) cmaf.cut({ dts: this.#open.dts, durationS: last.durationS })
      pushPieces(cmaf, this.#segmenter.openPieces)
      this.#advance(cmaf)
    }
    this.#options.onChanged()
  }

  #createCmaf(firstSequence: number): CmafRendition {
    const { run, limits, createMuxer } = this.#options
    this.#generation += 1
    return new CmafRendition({
      muxer: createMuxer(),
      partS: limits.partMs / 1_000,
      namePrefix: `${run}.${this.#generation}`,
      firstSequence,
      onSegment: (sequence, cmaf) => {
        const segment = this.window.at(sequence)
        if (segment !== undefined) this.window.replace({ ...segment, cmaf })
      },
    })
  }

  /** The latest segments that are in memory. */
  #backlog(): readonly Segment[] {
    const { segments } = this.window
    let durationS = 0
    let first = segments.length
    while (first > 0 && durationS < CMAF_BACKLOG * this.targetDurationS) {
      const segment = segments[first - 1]
      if (segment?.ts.content.kind !== 'memory') break
      durationS += segment.durationS
      first -= 1
    }
    return segments.slice(first)
  }

  #began({ dts, isDiscontinuity, isIndependent, publishedAtMs }: SegmentStart): void {
    const { nowMs, wallMs } = this.#options
    const arrivedWallMs = wallMs() - (nowMs() - publishedAtMs)
    const dateMs = this.#dates.begin(arrivedWallMs, isDiscontinuity)
    this.#needsDiscontinuity = false
    this.#open = { sequence: this.window.nextSequence, dateMs, isDiscontinuity, isIndependent, dts }
  }

  #ended(body: MediaBody, durationS: number, next: SegmentStart | undefined): void {
    const open = this.#open
    if (open === undefined) return
    this.#open = undefined
    this.#dates.ended(durationS * 1_000)
    const { run, onChanged } = this.#options
    const ts = new StoredMedia(`ts/${run}-${open.sequence}.ts`, CONTENT_TYPE_TS, body.pieces)
    this.window.add({ ...open, durationS, ts, cmaf: undefined })
    if (next === undefined) this.#cmaf?.end(durationS, this.#segmenter.unitTicks)
    else this.#cmaf?.cut({ dts: next.dts, durationS })
    onChanged()
  }

  #advance(cmaf: CmafRendition): void {
    let isNew = cmaf.advance(this.#segmenter.undecidedDts, this.#segmenter.unitTicks)
    const missingDts = cmaf.missingCutDts
    if (missingDts !== undefined) {
      // What the muxer knows of sound comes later than the picture at which the set-up changes.
      if (this.#segmenter.cutAtJoin(missingDts)) isNew = cmaf.advance(undefined, this.#segmenter.unitTicks) || isNew
      else if (this.#segmenter.undecidedDts === undefined) this.#needsDiscontinuity = true
    }
    if (!isNew) return
    this.#nameParts(cmaf)
    this.#options.onChanged()
  }

  #nameParts(cmaf: CmafRendition): void {
    if (cmaf.init !== undefined) this.window.name(cmaf.init.media)
    for (const { media } of cmaf.parts) this.window.name(media)
  }
}

function piecesOf({ content }: StoredMedia): readonly Buffer[] {
  return content.kind === 'memory' ? content.pieces : []
}

/** The pieces begin with a packet, and with a random access point; one may end in the middle of a packet. */
function pushPieces(cmaf: CmafRendition, pieces: readonly Buffer[]): void {
  const runs = new PacketRuns()
  let joins: readonly number[] = [0]
  for (const piece of pieces) {
    runs.push(piece, (run) => {
      cmaf.push(run, joins)
      joins = []
    })
  }
}
