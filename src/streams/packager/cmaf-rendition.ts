import { timestampStep, wrapTimestamp } from '../../mpegts/splice/timestamp.ts'
import type { CmafFragment, CmafInit, FragmentSource } from '../cmaf/fragment.ts'
import type { CmafInitFile, CmafPart, CmafSegment } from './segment.ts'
import { CONTENT_TYPE_MP4, StoredMedia } from './stored-media.ts'

export interface CmafRenditionOptions {
  readonly muxer: FragmentSource
  /** Parts are at most so long, seconds. */
  readonly partS: number
  /** Names begin with it, so that they are never used again: no other rendition may have it. */
  readonly namePrefix: string
  /** Media sequence number of the first segment. */
  readonly firstSequence: number
  /** A segment is complete. */
  readonly onSegment: (sequence: number, segment: CmafSegment) => void
}

/** Where the transport stream was cut. */
export interface Boundary {
  /** The segment ends before this time, 90 kHz, 0 to 2^33 − 1; undefined: with all that there is. */
  readonly dts: number | undefined
  /** Of the segment of the transport stream that ends there. */
  readonly durationS: number
}

const TICKS_PER_SECOND = 90_000
/** Times of fragments are compared with this to spare, 90 kHz. */
const TOLERANCE_TICKS = 90
/** Of one frame of HE-AAC, the longest of what is packaged. */
const SOUND_SAMPLES_MAX = 2_048
/** The timeline has jumped where a boundary is this much further away than the segment is long. */
const JUMP_TICKS = 2 * TICKS_PER_SECOND
/** Segments that may wait for their fragmented MP4: then it is taken that nothing comes. */
const BOUNDARIES_MAX = 3

/**
 * The stream as fragmented MP4: parts as soon as they are complete, and segments where the transport stream is cut. It is a
 * little behind, since a fragment is complete only when all of its tracks are.
 */
export class CmafRendition {
  readonly #options: CmafRenditionOptions
  readonly #boundaries: Boundary[] = []
  #parts: CmafPart[] = []
  #init: CmafInitFile | undefined
  #segmentInit: CmafInitFile | undefined
  #initId = -1
  #sequence: number

  constructor(options: CmafRenditionOptions) {
    this.#options = options
    this.#sequence = options.firstSequence
  }

  /** Media sequence number of the segment at work. */
  get sequence(): number {
    return this.#sequence
  }

  /** Of the segment at work. */
  get parts(): readonly CmafPart[] {
    return this.#parts
  }

  /** Of the segment at work; undefined before its first part. */
  get init(): CmafInitFile | undefined {
    return this.#segmentInit
  }

  /** Name of the part that comes next, if the segment at work has another. */
  get nextPartName(): string {
    return this.#nameOf(`${this.#sequence}.${this.#parts.length}.m4s`)
  }

  /**
   * Where what comes needs another initialisation segment, and the transport stream has not been cut: 90 kHz, 0 to
   * 2^33 − 1. Undefined where nothing of the kind is known.
   */
  get missingCutDts(): number | undefined {
    const { muxer } = this.#options
    if (this.#boundaries.length > 0 || !this.#isSetUpChanging || muxer.nextDts === undefined) return undefined
    const leftS = this.#isSegmentOver ? 0 : muxer.bufferedS
    return wrapTimestamp(Math.round(muxer.nextDts + leftS * TICKS_PER_SECOND))
  }

  /** Takes whole packets. */
  push(packets: Buffer, joinOffsets: readonly number[]): void {
    this.#options.muxer.push(packets, joinOffsets)
  }

  /** The segment at work, or one that comes after it, ends there. */
  cut(boundary: Boundary): void {
    this.#boundaries.push(boundary)
  }

  /** Nothing more comes: all that was pushed is complete, and the segment at work ends with it. */
  end(durationS: number, unitTicks: number): void {
    this.#options.muxer.end()
    this.cut({ dts: undefined, durationS })
    this.advance(undefined, unitTicks)
    while (this.#boundaries.length > 0) this.#finish()
  }

  /**
   * Makes parts and segments of what is complete. At `undecidedDts` (90 kHz, 0 to 2^33 − 1) a segment may begin, which is
   * not known yet; a unit lasts `unitTicks`. True when there is something new.
   */
  advance(undecidedDts: number | undefined, unitTicks: number): boolean {
    let isNew = false
    while (this.#step(undecidedDts, unitTicks)) isNew = true
    while (this.#boundaries.length > BOUNDARIES_MAX) {
      this.#finish()
      isNew = true
    }
    return isNew
  }

  #step(undecidedDts: number | undefined, unitTicks: number): boolean {
    const [boundary] = this.#boundaries
    if (boundary === undefined) return !this.#isSetUpChanging && this.#takeWholePart(undecidedDts, unitTicks)
    const { muxer } = this.#options
    const { nextDts } = muxer
    const untilDts = this.#untilDts(boundary)
    const isReached = nextDts !== undefined && untilDts !== undefined && nextDts >= untilDts - TOLERANCE_TICKS
    if (this.#isSegmentOver || isReached) {
      this.#finish()
      return true
    }
    if (nextDts === undefined) return false
    const partDts = this.#partEnd(nextDts, unitTicks)
    const wantedTicks = Math.min(this.#options.partS * TICKS_PER_SECOND, (untilDts ?? Infinity) - nextDts)
    const isBuffered = muxer.bufferedS * TICKS_PER_SECOND >= wantedTicks - TOLERANCE_TICKS
    const isComplete = muxer.isLastOfInit || untilDts === undefined || isBuffered
    const endDts = Math.min(partDts, untilDts ?? partDts)
    if (!isComplete || !this.#take(endDts)) return false
    // That was the last part: with another one hinted at, players would wait for what never comes.
    if (isBuffered && endDts === untilDts && muxer.nextDts === undefined) this.#finish()
    return true
  }

  #takeWholePart(undecidedDts: number | undefined, unitTicks: number): boolean {
    const { muxer, partS } = this.#options
    const { nextDts } = muxer
    if (nextDts === undefined || muxer.bufferedS < partS) return false
    const endDts = this.#partEnd(nextDts, unitTicks)
    if (undecidedDts !== undefined && endDts > this.#unwrapped(undecidedDts, nextDts)) return false
    return this.#take(endDts)
  }

  /** Fragments have the samples that begin before a time; the last of them is to end within the part. */
  #partEnd(nextDts: number, unitTicks: number): number {
    const { muxer, partS } = this.#options
    const sampleTicks = soundSampleTicks(muxer.init) ?? unitTicks
    return nextDts + Math.max(1, Math.round(partS * TICKS_PER_SECOND) - sampleTicks + TOLERANCE_TICKS)
  }

  /** Undefined where the timeline jumps: what is left of the old one belongs to the segment. */
  #untilDts({ dts, durationS }: Boundary): number | undefined {
    const { nextDts } = this.#options.muxer
    if (dts === undefined || nextDts === undefined) return undefined
    const untilDts = this.#unwrapped(dts, nextDts)
    const isNear = Math.abs(untilDts - nextDts) <= durationS * TICKS_PER_SECOND + JUMP_TICKS
    return isNear || !this.#options.muxer.isLastOfInit ? untilDts : undefined
  }

  get #isSetUpChanging(): boolean {
    return this.#parts.length > 0 && (this.#options.muxer.isLastOfInit || this.#isSegmentOver)
  }

  /** Whether the next fragment belongs to another initialisation segment than the segment at work. */
  get #isSegmentOver(): boolean {
    const { init } = this.#options.muxer
    return this.#parts.length > 0 && init !== undefined && init.id !== this.#initId
  }

  #take(untilDts: number): boolean {
    const { muxer, partS } = this.#options
    // Where something is missing a sample lasts longer than others.
    const endDts = (muxer.nextDts ?? 0) + partS * TICKS_PER_SECOND + TOLERANCE_TICKS
    const fragment = muxer.take({ untilDts, endDts })
    if (fragment === undefined) return false
    this.#keep(fragment)
    return true
  }

  #keep({ init, bytes, durationS, isIndependent }: CmafFragment): void {
    if (init.id !== this.#initId) {
      this.#initId = init.id
      this.#init = this.#initFile(init)
    }
    this.#segmentInit = this.#init
    const media = new StoredMedia(this.nextPartName, CONTENT_TYPE_MP4, [bytes], true)
    this.#parts.push({ media, durationS, isIndependent })
  }

  /** A segment of which nothing could be made is a gap as long as the one of the transport stream. */
  #finish(): void {
    const boundary = this.#boundaries.shift()
    const parts = this.#parts
    const init = this.#segmentInit
    const sequence = this.#sequence
    const pieces = parts.flatMap(({ media }) => (media.content.kind === 'memory' ? media.content.pieces : []))
    const media = new StoredMedia(this.#nameOf(`${sequence}.m4s`), CONTENT_TYPE_MP4, pieces)
    this.#parts = []
    this.#segmentInit = undefined
    this.#sequence += 1
    const partsS = parts.reduce((sum, { durationS }) => sum + durationS, 0)
    const durationS = parts.length === 0 ? (boundary?.durationS ?? 0) : partsS
    this.#options.onSegment(sequence, { media, durationS, init, parts })
  }

  #initFile({ id, bytes, codecs, width, height, frameRate }: CmafInit): CmafInitFile {
    const media = new StoredMedia(this.#nameOf(`init-${id}.mp4`), CONTENT_TYPE_MP4, [bytes])
    return { media, codecs, width, height, frameRate }
  }

  #nameOf(rest: string): string {
    return `cmaf/${this.#options.namePrefix}-${rest}`
  }

  /** A time of the transport stream on the muxer's timeline. */
  #unwrapped(dts: number, nextDts: number): number {
    return nextDts + timestampStep(dts, wrapTimestamp(Math.round(nextDts)))
  }
}

/** Where there is sound only, units of the transport stream have several samples: the longest that one may be, 90 kHz. */
function soundSampleTicks(init: CmafInit | undefined): number | undefined {
  const [track] = init?.tracks ?? []
  if (track?.kind !== 'audio' || track.sampleRateHz === undefined) return undefined
  return Math.round((SOUND_SAMPLES_MAX * TICKS_PER_SECOND) / track.sampleRateHz)
}
