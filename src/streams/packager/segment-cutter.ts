import type { Slice } from '../ring.ts'
import { CutPolicy } from './cut-policy.ts'
import { DateTimeline } from './date-timeline.ts'
import { endOf } from './lost-segments.ts'
import type { MediaBody } from './media-body.ts'
import type { SegmentIdentity } from './segment.ts'
import type { TimelineLimits, TimelineStart } from './timeline.ts'
import { TsSegmenter } from './ts-segmenter.ts'
import type { SegmentStart } from './ts-segmenter.ts'

/** Whoever makes something of the segments. */
export interface CutListener {
  /** Whole packets of the stream, in order; told before what follows from them. */
  packets(run: Buffer, joinOffsets: readonly number[]): void
  began(segment: Omit<SegmentIdentity, 'sequence'>): void
  /** The segment that began last is complete. Without `next` the stream was interrupted. */
  ended(body: MediaBody, durationS: number, next: SegmentStart | undefined): void
}

export interface SegmentCutterOptions {
  readonly limits: Pick<TimelineLimits, 'segmentMs' | 'bytesMax'>
  readonly start: TimelineStart
  readonly nowMs: () => number
  readonly wallMs: () => number
}

/** A segment that needs more than this share of the memory is cut wherever it is. */
const SEGMENTS_IN_MEMORY_MIN = 8
const TICKS_PER_SECOND = 90_000

/** Decides where the segments of one stream begin, for all renditions of it alike, and what date each has. */
export class SegmentCutter {
  readonly #options: SegmentCutterOptions
  readonly #policy: CutPolicy
  readonly #segmenter: TsSegmenter
  readonly #dates: DateTimeline
  readonly #listeners: CutListener[] = []
  #needsDiscontinuity: boolean
  #hasBegun = false

  constructor(options: SegmentCutterOptions) {
    const { limits, start } = options
    this.#options = options
    this.#needsDiscontinuity = start.isContinued
    const lastLost = start.lost.at(-1)
    this.#dates = new DateTimeline(lastLost === undefined ? 0 : endOf(lastLost))
    const segmentBytesMax = Math.floor(limits.bytesMax / SEGMENTS_IN_MEMORY_MIN)
    const before =
      start.targetDurationS === undefined
        ? undefined
        : { targetDurationS: start.targetDurationS, longestGroupMs: start.longestGroupMs }
    this.#policy = new CutPolicy({ segmentMs: limits.segmentMs, segmentBytesMax }, before)
    this.#segmenter = new TsSegmenter(this.#policy, {
      packets: (run, joinOffsets) => {
        for (const listener of this.#listeners) listener.packets(run, joinOffsets)
      },
      needsDiscontinuity: () => this.#needsDiscontinuity,
      began: (segmentStart) => this.#began(segmentStart),
      ended: (body, durationTicks, next) => this.#ended(body, durationTicks / TICKS_PER_SECOND, next),
    })
  }

  /** From now on this listener is told, after those that were there before it. */
  listen(listener: CutListener): void {
    this.#listeners.push(listener)
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

  /** Of a random access point of which it is not decided yet whether it begins a segment. */
  get undecidedDts(): number | undefined {
    return this.#segmenter.undecidedDts
  }

  /** How long a unit of the leading stream lasts, 90 kHz. */
  get unitTicks(): number {
    return this.#segmenter.unitTicks
  }

  /** Everything since the segment at work began. */
  get openPieces(): readonly Buffer[] {
    return this.#segmenter.openPieces
  }

  push(slice: Slice): void {
    this.#segmenter.push(slice)
  }

  /** What comes next does not go on with what came: the segment at work ends here. */
  interrupt(): void {
    if (this.#hasBegun) this.#needsDiscontinuity = true
    this.#segmenter.interrupt()
  }

  /** What begins next begins with a discontinuity. */
  requireDiscontinuity(): void {
    this.#needsDiscontinuity = true
  }

  /** Ends the segment at work after the fact at the random access point of this decoding time; false where there is none. */
  cutAtJoin(dts: number): boolean {
    return this.#segmenter.cutAtJoin(dts)
  }

  #began({ dts, isDiscontinuity, isIndependent, publishedAtMs }: SegmentStart): void {
    const { nowMs, wallMs } = this.#options
    const arrivedWallMs = wallMs() - (nowMs() - publishedAtMs)
    const dateMs = this.#dates.begin(arrivedWallMs, isDiscontinuity)
    this.#needsDiscontinuity = false
    this.#hasBegun = true
    for (const listener of this.#listeners) listener.began({ dateMs, isDiscontinuity, isIndependent, dts })
  }

  #ended(body: MediaBody, durationS: number, next: SegmentStart | undefined): void {
    this.#dates.ended(durationS * 1_000)
    for (const listener of this.#listeners) listener.ended(body, durationS, next)
  }
}
