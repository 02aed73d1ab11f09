import { timestampStep, wrapTimestamp } from '../../mpegts/splice/timestamp.ts'
import type { CmafFragment, CmafInit, FragmentSource } from '../cmaf/fragment.ts'
import type { CmafInitFile, CmafPart, CmafSegment } from './segment.ts'
import { CONTENT_TYPE_MP4, StoredMedia } from './stored-media.ts'

export interface CmafRenditionOptions {
  readonly muxer: FragmentSource
  /** Duration of a part, seconds: parts are at most so long. */
  readonly partS: number
  /** Begins the names of what is made, so that they are never used again. */
  readonly run: string
  /** The rendition's number in this run. */
  readonly generation: number
}

const TICKS_PER_SECOND = 90_000

/** The stream as fragmented MP4: parts as soon as they are complete, and segments where the transport stream is cut. */
export class CmafRendition {
  readonly #options: CmafRenditionOptions
  #parts: CmafPart[] = []
  #init: CmafInitFile | undefined
  #segmentInit: CmafInitFile | undefined
  #initId = -1
  #sequence: number

  constructor(options: CmafRenditionOptions, sequence: number) {
    this.#options = options
    this.#sequence = sequence
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

  /** What is made from here on needs another initialisation segment: the segment at work has to end. */
  get isSetUpChanging(): boolean {
    return this.#parts.length > 0 && (this.#options.muxer.isLastOfInit || this.#isOtherInit())
  }

  push(packets: Buffer, joinOffsets: readonly number[]): void {
    this.#options.muxer.push(packets, joinOffsets)
  }

  /**
   * Makes parts of what is complete; nothing from `undecidedDts` on (90 kHz, 0 to 2^33 − 1), where a segment may begin.
   * True when there is a new one.
   */
  takeParts(undecidedDts: number | undefined): boolean {
    const { muxer, partS } = this.#options
    let isAny = false
    while (muxer.bufferedS >= partS && !this.isSetUpChanging) {
      if (!this.#takePart(undecidedDts === undefined ? undefined : this.#unwrapped(undecidedDts))) break
      isAny = true
    }
    return isAny
  }

  /**
   * Ends the segment at work before `dts` (90 kHz, 0 to 2^33 − 1), or where the set-up or the timeline changes. A gap of the
   * transport stream's duration where nothing could be made of it.
   */
  endSegment(dts: number, durationS: number): CmafSegment {
    const { muxer } = this.#options
    const untilDts = this.#unwrapped(dts)
    while (!this.#isSegmentOver() && (muxer.isLastOfInit || (muxer.nextDts ?? untilDts) < untilDts)) {
      if (!this.#takePart(muxer.isLastOfInit ? undefined : untilDts)) break
    }
    return this.#finish(durationS)
  }

  /** Ends the segment at work with everything that is there. Nothing more can be pushed. */
  end(durationS: number): CmafSegment {
    this.#options.muxer.end()
    while (!this.#isSegmentOver() && this.#takePart(undefined));
    return this.#finish(durationS)
  }

  #finish(durationS: number): CmafSegment {
    const parts = this.#parts
    this.#parts = []
    this.#segmentInit = undefined
    const pieces = parts.flatMap(({ media }) => (media.content.kind === 'memory' ? media.content.pieces : []))
    const media = new StoredMedia(this.#nameOf(`${this.#sequence}.m4s`), CONTENT_TYPE_MP4, pieces)
    this.#sequence += 1
    if (parts.length === 0) return { media, durationS, init: undefined, parts }
    return { media, durationS: parts.reduce((sum, part) => sum + part.durationS, 0), init: this.#init, parts }
  }

  #isOtherInit(): boolean {
    return this.#options.muxer.init?.id !== this.#initId
  }

  /** Whether the next fragment belongs to another initialisation segment than the segment at work. */
  #isSegmentOver(): boolean {
    return this.#parts.length > 0 && this.#isOtherInit()
  }

  /** One part, which ends at `untilDts` at the latest. */
  #takePart(untilDts: number | undefined): boolean {
    const { muxer, partS } = this.#options
    if (muxer.nextDts === undefined) return false
    const endDts = muxer.nextDts + Math.round(partS * TICKS_PER_SECOND)
    const fragment = muxer.take({ untilDts: Math.min(endDts, untilDts ?? endDts) })
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

  #initFile({ id, bytes, codecs, width, height, frameRate }: CmafInit): CmafInitFile {
    const media = new StoredMedia(this.#nameOf(`init-${id}.mp4`), CONTENT_TYPE_MP4, [bytes])
    return { media, codecs, width, height, frameRate }
  }

  #nameOf(rest: string): string {
    return `cmaf/${this.#options.run}.${this.#options.generation}-${rest}`
  }

  /** The time on the muxer's timeline. */
  #unwrapped(dts: number): number {
    const next = this.#options.muxer.nextDts
    return next === undefined ? dts : next + timestampStep(dts, wrapTimestamp(next))
  }
}
