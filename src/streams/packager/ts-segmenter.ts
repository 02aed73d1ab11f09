import { NO_TIMESTAMP, TICKS_PER_MS, timestampStep } from '../../mpegts/splice/timestamp.ts'
import type { Slice } from '../ring.ts'
import type { CutPolicy } from './cut-policy.ts'
import { MediaBody } from './media-body.ts'
import { SignatureWatch } from './media-signature.ts'
import type { MediaSignature } from './media-signature.ts'
import { PacketRuns } from './packet-runs.ts'
import { TsScan } from './ts-scan.ts'

/** A segment begins: everything before `dts` belongs to the one before. */
export interface SegmentStart {
  /** Decoding time of its first unit, 90 kHz, 0 to 2^33 − 1. */
  readonly dts: number
  /** The players' decoders begin anew: RFC 8216 §4.3.2.3. */
  readonly isDiscontinuity: boolean
  /** It begins at a random access point. */
  readonly isIndependent: boolean
  /** When its first bytes were there, on the ring's clock. */
  readonly publishedAtMs: number
}

export interface SegmenterListener {
  /** Whole packets of the stream, in order; told before what follows from them. */
  packets(run: Buffer, joinOffsets: readonly number[]): void
  /** Whether what comes has to begin with a segment of its own, and a discontinuity. */
  needsDiscontinuity(): boolean
  began(start: SegmentStart): void
  /** The segment that began last is complete; `durationTicks` in 90 kHz. Without `next` the stream was interrupted. */
  ended(body: MediaBody, durationTicks: number, next: SegmentStart | undefined): void
}

/** A longer step of the decoding time is a jump of the timeline, or a hole too large for any segment. */
const STEP_TICKS_MAX = 10_000 * TICKS_PER_MS
/** Steps back up to this are units in another order than they are decoded. */
const REORDER_TICKS_MAX = 1_000 * TICKS_PER_MS
/** A source that has sent no random access point for so much media is taken as it comes. */
const JOIN_PATIENCE_TICKS = 10_000 * TICKS_PER_MS
/** Random access points of the segment at work that are remembered; where every unit is one, the oldest go. */
const MARKS_MAX = 256
const AT_START: readonly number[] = [0]
const NOWHERE: readonly number[] = []

/** Units since the last random access point, until it is known what they begin with. */
interface Group {
  readonly body: MediaBody
  readonly publishedAtMs: number
  dts: number
  startTicks: number
  isBroken: boolean
}

/** A random access point inside of the segment at work. */
interface Mark {
  readonly offset: number
  readonly dts: number
  readonly startTicks: number
  readonly publishedAtMs: number
}

interface ForcedCut {
  /** Offset in the slice at work. */
  readonly offset: number
  readonly dts: number
  readonly isDiscontinuity: boolean
  readonly startTicks: number
}

/**
 * Cuts the slices of a transport stream into segments without touching a byte: at random access points where the policy
 * wants it, and wherever the decoders' set-up or the timeline changes.
 */
export class TsSegmenter {
  readonly #policy: CutPolicy
  readonly #listener: SegmenterListener
  readonly #runs = new PacketRuns()
  readonly #scan: TsScan
  readonly #signatures = new SignatureWatch()
  /** Media so far, 90 kHz. */
  #ticks = 0
  #lastDts = NO_TIMESTAMP
  /** How long a unit lasts. */
  #unitTicks = 3_600
  #group: Group | undefined
  #lastGroupTicks: number | undefined
  /** The segment at work. */
  #body: MediaBody | undefined
  #startTicks = 0
  #marks: Mark[] = []
  #forced: ForcedCut | undefined
  #runOffset = 0
  #publishedAtMs = 0

  constructor(policy: CutPolicy, listener: SegmenterListener) {
    this.#policy = policy
    this.#listener = listener
    this.#scan = new TsScan({
      unit: (offset, dts) => this.#unit(this.#runOffset + offset, dts),
      signature: (signature) => this.#resolve(signature),
    })
  }

  /** Of a random access point of which it is not decided yet whether it begins a segment. */
  get undecidedDts(): number | undefined {
    const dts = this.#group?.dts ?? NO_TIMESTAMP
    return dts === NO_TIMESTAMP ? undefined : dts
  }

  /** How long a unit of the leading stream lasts, 90 kHz. */
  get unitTicks(): number {
    return this.#unitTicks
  }

  /** Everything since the segment at work began. */
  get openPieces(): readonly Buffer[] {
    return [...(this.#body?.pieces ?? []), ...(this.#group?.body.pieces ?? [])]
  }

  /** Takes the next slice of the stream. */
  push({ data, preamble, publishedAtMs }: Slice): void {
    this.#publishedAtMs = publishedAtMs
    const isJoin = preamble !== undefined
    if (isJoin) this.#beginGroup(preamble)
    const body = this.#group?.body ?? this.#body
    body?.append(data)
    let joins = isJoin && preamble.length === 0 ? AT_START : NOWHERE
    this.#runs.push(data, (run, offset) => {
      this.#runOffset = offset
      this.#listener.packets(run, joins)
      joins = NOWHERE
      this.#scan.scan(run)
    })
    if (this.#forced !== undefined) this.#cutInside(this.#forced, data)
  }

  /** What comes next does not go on with what came: the segment at work ends here. */
  interrupt(): void {
    if (this.#group !== undefined) this.#keepGroup(this.#group)
    if (this.#body !== undefined) this.#end(this.#body, this.#ticks + this.#unitTicks, undefined)
    this.#runs.restart()
    this.#body = undefined
    this.#marks = []
    this.#forced = undefined
    this.#lastDts = NO_TIMESTAMP
    this.#lastGroupTicks = undefined
  }

  /**
   * Ends the segment at work after the fact at the random access point of this decoding time, and begins the next with a
   * discontinuity. False when there is none inside of it.
   */
  cutAtJoin(dts: number): boolean {
    const body = this.#body
    const index = this.#marks.findIndex((mark) => Math.abs(timestampStep(mark.dts, dts)) <= this.#unitTicks / 2)
    const mark = this.#marks[index]
    if (body === undefined || mark === undefined) return false
    const later = this.#marks.slice(index + 1)
    const rest = body.splitOff(body.bytes - mark.offset)
    const { startTicks, publishedAtMs } = mark
    this.#begin(rest, startTicks, { dts: mark.dts, publishedAtMs, isDiscontinuity: true, isIndependent: true })
    this.#marks = later.map((each) => ({ ...each, offset: each.offset - mark.offset }))
    return true
  }

  #beginGroup(preamble: Buffer): void {
    if (this.#group !== undefined) this.#keepGroup(this.#group)
    this.#runs.restart()
    this.#group = {
      body: new MediaBody(),
      publishedAtMs: this.#publishedAtMs,
      ...{ dts: NO_TIMESTAMP, startTicks: 0, isBroken: false },
    }
    this.#scan.watchUnit()
    if (preamble.length === 0) return
    this.#group.body.append(preamble)
    this.#listener.packets(preamble, AT_START)
    this.#scan.scan(preamble)
  }

  #unit(offset: number, dts: number): void {
    const isJump = !this.#advance(dts)
    const group = this.#group
    if (group?.dts === NO_TIMESTAMP) {
      group.dts = dts
      group.startTicks = this.#ticks
      group.isBroken = isJump
      return
    }
    // A packet that began in the slice before is not where a segment can be cut.
    if (this.#forced !== undefined || offset < 0 || group !== undefined) return
    const isDiscontinuity = isJump || this.#listener.needsDiscontinuity()
    if (this.#body === undefined) {
      if (this.#ticks < JOIN_PATIENCE_TICKS) return
    } else if (!isDiscontinuity) {
      const elapsedMs = (this.#ticks - this.#startTicks) / TICKS_PER_MS
      if (!this.#policy.cutsAnywhere(elapsedMs, this.#unitTicks / TICKS_PER_MS, this.#body.bytes)) return
    }
    this.#forced = { offset, dts, isDiscontinuity, startTicks: this.#ticks }
  }

  /** Adds up media time; false for a jump. */
  #advance(dts: number): boolean {
    if (this.#lastDts === NO_TIMESTAMP) {
      this.#lastDts = dts
      return true
    }
    const step = timestampStep(dts, this.#lastDts)
    if (step <= 0 && step >= -REORDER_TICKS_MAX) return true
    this.#lastDts = dts
    const elapsedMs = (this.#ticks + step - this.#startTicks) / TICKS_PER_MS
    const isHole = step > 2 * this.#unitTicks && this.#body !== undefined && elapsedMs > this.#policy.segmentMsMax
    if (step > 0 && step <= STEP_TICKS_MAX && !isHole) {
      this.#ticks += step
      this.#unitTicks = step
      return true
    }
    this.#ticks += this.#unitTicks
    return false
  }

  /** It is known what the group begins with: it begins a segment, or goes on with the one at work. */
  #resolve(signature: MediaSignature): void {
    const group = this.#group
    if (group === undefined || group.dts === NO_TIMESTAMP) return
    const isChanged = this.#signatures.changes(signature)
    const isDiscontinuity = isChanged || group.isBroken || this.#listener.needsDiscontinuity()
    if (this.#lastGroupTicks !== undefined && !group.isBroken) {
      this.#policy.observeGroup((group.startTicks - this.#lastGroupTicks) / TICKS_PER_MS)
    }
    this.#lastGroupTicks = group.startTicks
    const elapsedMs = (group.startTicks - this.#startTicks) / TICKS_PER_MS
    const body = this.#body
    if (body !== undefined && !isDiscontinuity && !this.#policy.cutsAtJoin(elapsedMs, body.bytes)) {
      this.#keepGroup(group)
      return
    }
    this.#group = undefined
    const { dts, startTicks, publishedAtMs } = group
    this.#begin(group.body, startTicks, { dts, publishedAtMs, isDiscontinuity, isIndependent: true })
  }

  #keepGroup(group: Group): void {
    this.#group = undefined
    const { dts, startTicks, publishedAtMs, body } = group
    if (this.#body !== undefined && dts !== NO_TIMESTAMP) {
      this.#marks.push({ offset: this.#body.bytes, dts, startTicks, publishedAtMs })
      if (this.#marks.length > MARKS_MAX) this.#marks.shift()
    }
    for (const piece of body.pieces) this.#body?.append(piece)
  }

  #cutInside({ offset, dts, isDiscontinuity, startTicks }: ForcedCut, slice: Buffer): void {
    this.#forced = undefined
    this.#body?.splitOff(slice.length - offset)
    const body = new MediaBody()
    body.append(Buffer.from(this.#scan.tables))
    body.append(slice.subarray(offset))
    const start = { dts, isDiscontinuity, publishedAtMs: this.#publishedAtMs }
    this.#begin(body, startTicks, { ...start, isIndependent: !this.#scan.hasVideo })
  }

  #begin(body: MediaBody, startTicks: number, start: SegmentStart): void {
    if (this.#body !== undefined) this.#end(this.#body, startTicks, start)
    this.#body = body
    this.#marks = []
    this.#startTicks = startTicks
    this.#listener.began(start)
  }

  #end(body: MediaBody, endTicks: number, next: SegmentStart | undefined): void {
    const ticks = Math.max(1, endTicks - this.#startTicks)
    this.#policy.counted(ticks / TICKS_PER_MS)
    this.#listener.ended(body, ticks, next)
  }
}
