import type { Slice } from '../ring.ts'
import type { FragmentSource } from '../cmaf/fragment.ts'
import { CmafRendition } from './cmaf-rendition.ts'
import type { LostSegment } from './lost-segments.ts'
import type { MediaBody } from './media-body.ts'
import type { OpenSegment, Segment, SegmentIdentity } from './segment.ts'
import { PacketRuns } from './packet-runs.ts'
import { SegmentCutter } from './segment-cutter.ts'
import { SegmentWindow } from './segment-window.ts'
import type { WindowSpill } from './segment-window.ts'
import { CONTENT_TYPE_MP4, CONTENT_TYPE_TS, StoredMedia } from './stored-media.ts'
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
  /** Segments of earlier runs, which come before those of this one; `sequence` and the other are of the first of them. */
  readonly lost: readonly LostSegment[]
}

/** Takes what belongs to one rendition out of the packets of a stream that carries several. */
export interface PacketFilter {
  /** Whole packets in, whole packets out. */
  push(packets: Buffer): Buffer
}

/** One of several renditions that are cut together. */
export interface RenditionPart {
  /** Whoever made it pushes the stream into it, and calls `advance` of each rendition after each slice. */
  readonly cutter: SegmentCutter
  /** Makes a filter that has seen nothing yet; what it gets first begins with the tables. */
  readonly createFilter: () => PacketFilter
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
  /** Without, it is all of the stream. */
  readonly part?: RenditionPart | undefined
}

/** Media from before somebody asked for fragmented MP4 that is made into it after the fact, in target durations. */
const CMAF_BACKLOG = 4

/** The segments of one live stream in all renditions, cut at the same places and numbered alike. */
export class Timeline {
  readonly #options: TimelineOptions
  readonly #cutter: SegmentCutter
  /** Of what goes into segments of the transport stream, and into fragmented MP4. */
  readonly #segmentFilter: PacketFilter | undefined
  #cmafFilter: PacketFilter | undefined
  readonly window: SegmentWindow
  #cmaf: CmafRendition | undefined
  #generation = 0
  #open: SegmentIdentity | undefined

  constructor(options: TimelineOptions) {
    const { limits, start, part } = options
    this.#options = options
    this.#cutter = part?.cutter ?? new SegmentCutter(options)
    this.#segmentFilter = part?.createFilter()
    this.window = new SegmentWindow({
      limits,
      nowMs: options.nowMs,
      targetDurationS: () => this.#cutter.targetDurationS,
      firstSequence: start.sequence,
      discontinuitySequence: start.discontinuitySequence,
      spill: options.spill,
    })
    for (const lost of start.lost) this.window.add(lostSegment(lost, this.window.nextSequence))
    this.#cutter.listen({
      packets: (run, joinOffsets) => this.#cmaf?.push(this.#forCmaf(run), joinOffsets),
      began: (segment) => {
        this.#open = { ...segment, sequence: this.window.nextSequence }
      },
      ended: (body, durationS, next) => this.#ended(body, durationS, next),
    })
  }

  /** EXT-X-TARGETDURATION. */
  get targetDurationS(): number {
    return this.#cutter.targetDurationS
  }

  /** A playlist goes out: the target duration stays from now on. */
  published(): void {
    this.#cutter.published()
  }

  get longestGroupMs(): number {
    return this.#cutter.longestGroupMs
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
    this.#cutter.push(slice)
    this.advance()
  }

  /** Makes fragmented MP4 of what the cutter was given. */
  advance(): void {
    if (this.#cmaf !== undefined) this.#advance(this.#cmaf)
  }

  /** What comes next does not go on with what came: the stream was idle, or another source follows without a splice. */
  interrupt(): void {
    this.#cutter.interrupt()
    this.interrupted()
  }

  /** The cutter was interrupted: what comes next is not put together with what came. */
  interrupted(): void {
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
      cmaf.advance(undefined, this.#cutter.unitTicks)
    }
    const last = backlog.at(-1)
    if (this.#open === undefined) {
      if (last !== undefined) cmaf.end(last.durationS, this.#cutter.unitTicks)
      this.#cmaf = this.#createCmaf(this.window.nextSequence)
    } else {
      if (last !== undefined) cmaf.cut({ dts: this.#open.dts, durationS: last.durationS })
      pushPieces(cmaf, this.#cutter.openPieces, (run) => this.#forCmaf(run))
      this.#advance(cmaf)
    }
    this.#options.onChanged()
  }

  #createCmaf(firstSequence: number): CmafRendition {
    const { run, limits, createMuxer } = this.#options
    this.#generation += 1
    this.#cmafFilter = this.#options.part?.createFilter()
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
      if (segment === undefined || segment.isLost || segment.ts.content.kind !== 'memory') break
      durationS += segment.durationS
      first -= 1
    }
    return segments.slice(first)
  }

  #forCmaf(run: Buffer): Buffer {
    return this.#cmafFilter === undefined ? run : this.#cmafFilter.push(run)
  }

  #ended(body: MediaBody, durationS: number, next: SegmentStart | undefined): void {
    const open = this.#open
    if (open === undefined) return
    this.#open = undefined
    const { run, onChanged } = this.#options
    const ts = new StoredMedia(`ts/${run}-${open.sequence}.ts`, CONTENT_TYPE_TS, this.#ofRendition(body))
    this.window.add({ ...open, durationS, ts, isLost: false, cmaf: undefined })
    if (next === undefined) this.#cmaf?.end(durationS, this.#cutter.unitTicks)
    else this.#cmaf?.cut({ dts: next.dts, durationS })
    onChanged()
  }

  /** What of a segment belongs to this rendition. */
  #ofRendition({ pieces }: MediaBody): readonly Buffer[] {
    const filter = this.#segmentFilter
    if (filter === undefined) return pieces
    const runs = new PacketRuns()
    const found: Buffer[] = []
    for (const piece of pieces) runs.push(piece, (run) => found.push(filter.push(run)))
    return found
  }

  #advance(cmaf: CmafRendition): void {
    const cutter = this.#cutter
    let isNew = cmaf.advance(cutter.undecidedDts, cutter.unitTicks)
    const missingDts = cmaf.missingCutDts
    if (missingDts !== undefined) {
      // What the muxer knows of sound comes later than the picture at which the set-up changes.
      if (cutter.cutAtJoin(missingDts)) isNew = cmaf.advance(undefined, cutter.unitTicks) || isNew
      else if (cutter.undecidedDts === undefined) cutter.requireDiscontinuity()
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

function lostSegment({ tsName, cmaf, ...identity }: LostSegment, sequence: number): Segment {
  return {
    ...identity,
    ...{ sequence, isLost: true, isIndependent: true, dts: 0 },
    ts: new StoredMedia(tsName, CONTENT_TYPE_TS, []),
    cmaf: cmaf && {
      media: new StoredMedia(cmaf.name, CONTENT_TYPE_MP4, []),
      durationS: cmaf.durationS,
      ...{ init: undefined, parts: [] },
    },
  }
}

function piecesOf({ content }: StoredMedia): readonly Buffer[] {
  return content.kind === 'memory' ? content.pieces : []
}

/** The pieces begin with a packet, and with a random access point; one may end in the middle of a packet. */
function pushPieces(
  cmaf: CmafRendition,
  pieces: readonly Buffer[],
  filter: (run: Buffer) => Buffer = (run) => run,
): void {
  const runs = new PacketRuns()
  let joins: readonly number[] = [0]
  for (const piece of pieces) {
    runs.push(piece, (run) => {
      cmaf.push(filter(run), joins)
      joins = []
    })
  }
}
