import { escapeUnit, unescapeUnit } from './emulation.ts'
import { readH264Numbering, readH264PictureSet, readH264Slice, writeBits } from './h264-header.ts'
import type { H264Numbering, H264Slice } from './h264-header.ts'
import { PES_PREFIX_BYTES } from './pes-header.ts'
import { UnitPayload } from './unit-payload.ts'
import type { UnitPlace } from './unit-rewrite.ts'

const START_CODE = Buffer.from([0, 0, 1])
/** nal_unit_type, H.264 Table 7-1. */
const TYPE_SLICE = 1
const TYPE_PARTITION_A = 2
const TYPE_IDR = 5
const TYPE_SEQUENCE = 7
const TYPE_PICTURE_SET = 8
/** Enough for the fields that change, with so much behind them that what they change ends before. */
const SLICE_BYTES_MAX = 48
const PARAMETER_BYTES_MAX = 256
/** Packets in which the first slice is looked for while nothing is to be changed. */
const PACKETS_READ_MAX = 12
const PES_LENGTH_MAX = 0xffff

/** Bytes of a unit that others, more or fewer, take the place of. */
interface Edit {
  readonly from: number
  readonly to: number
  readonly bytes: Buffer
}

/**
 * Numbers the pictures of H.264 across seams. A source that is joined at a picture which is no IDR picture goes on
 * counting frame_num and picture order from wherever it is, so that decoders take its pictures for older than those on
 * air and leave them out. Until its next IDR picture both numbers are moved by one offset each, as if the key picture
 * were the next of the source before (H.264 §7.4.3, §8.2.1).
 */
export class PictureNumbers {
  readonly #unit = new UnitPayload()
  readonly #sequences = new Map<number, H264Numbering>()
  readonly #pictureSets = new Map<number, number>()
  /** How the last picture that went out is numbered; undefined before it. */
  #numbering: H264Numbering | undefined
  #isJoining = false
  #frameNumShift = 0
  #orderShift = 0
  /** Of the last reference picture; the order with its high part. */
  #lastFrameNum = 0
  #lastOrder = 0
  /** Of the picture that is shown last. */
  #maxOrder = 0
  #edits: Edit[] = []

  /** The next picture is of another source. */
  join(): void {
    this.#isJoining = true
  }

  /** It is the same encode after all: its numbers go on as they are. */
  goOn(): void {
    this.#isJoining = false
  }

  /** Numbers the slices of the unit at `place`, `headerBytes` of whose payload are the PES header. */
  number(place: UnitPlace, headerBytes: number): void {
    this.#unit.read(place, this.#isMoving ? Infinity : PACKETS_READ_MAX)
    if (!this.#walk(headerBytes)) {
      this.#numbering = undefined
      this.#isJoining = false
    }
    if (this.#edits.length > 0) this.#rebuild()
  }

  get #isMoving(): boolean {
    return this.#isJoining || this.#frameNumShift !== 0 || this.#orderShift !== 0
  }

  /** Goes from NAL unit to NAL unit, to the first slice or, while numbers move, through all. False without a slice. */
  #walk(from: number): boolean {
    const { bytes } = this.#unit
    let hasSlice = false
    for (let next = bytes.indexOf(START_CODE, from); next >= 0;) {
      const at = next + START_CODE.length
      next = bytes.indexOf(START_CODE, at)
      const end = next < 0 ? bytes.length : next
      const header = bytes[at] ?? 0
      const type = header & 0x1f
      if (type === TYPE_SEQUENCE || type === TYPE_PICTURE_SET) this.#learn(type, at + 1, end)
      if (type !== TYPE_SLICE && type !== TYPE_PARTITION_A && type !== TYPE_IDR) continue
      if (this.#takeSlice(header, at + 1, Math.min(end, at + 1 + SLICE_BYTES_MAX))) hasSlice = true
      if (hasSlice && !this.#isMoving) return true
    }
    return hasSlice
  }

  #learn(type: number, from: number, end: number): void {
    const plain = unescapeUnit(this.#unit.bytes, from, Math.min(end, from + PARAMETER_BYTES_MAX))
    if (type === TYPE_SEQUENCE) {
      const read = readH264Numbering(plain)
      if (read !== undefined) this.#sequences.set(read.id, read.numbering)
    } else {
      const read = readH264PictureSet(plain)
      if (read !== undefined) this.#pictureSets.set(read.id, read.sequenceId)
    }
  }

  /** False when the slice cannot be read. */
  #takeSlice(header: number, from: number, to: number): boolean {
    const isIdr = (header & 0x1f) === TYPE_IDR
    const plain = unescapeUnit(this.#unit.bytes, from, to)
    const slice = readH264Slice(plain, isIdr, (id) => this.#sequences.get(this.#pictureSets.get(id) ?? -1))
    if (slice === undefined) return false
    if (isIdr) this.#restart()
    else if (this.#isJoining) this.#succeed(slice)
    const { frameNumBits, orderBits } = slice.numbering
    const frameNum = (slice.frameNum + this.#frameNumShift) % 2 ** frameNumBits
    const order = (slice.order + this.#orderShift) % 2 ** orderBits
    if (this.#isMoving) {
      writeBits(plain, slice.frameNumAt, frameNumBits, frameNum)
      if (slice.orderAt >= 0) writeBits(plain, slice.orderAt, orderBits, order)
      this.#put(plain, from, to)
    }
    if (slice.isFirst) this.#follow(slice.numbering, frameNum, order, (header & 0x60) !== 0)
    return true
  }

  /** An IDR picture: all numbers begin anew. */
  #restart(): void {
    this.#stay()
    this.#lastOrder = 0
    this.#maxOrder = 0
  }

  /** The slice begins the first picture of another source: it becomes the next of those before. */
  #succeed({ numbering, frameNum, order }: H264Slice): void {
    const before = this.#numbering
    this.#stay()
    if (before?.frameNumBits !== numbering.frameNumBits || before.orderType !== numbering.orderType) return
    if (before.orderBits !== numbering.orderBits) return
    this.#frameNumShift = modulo(this.#lastFrameNum + 1 - frameNum, 2 ** numbering.frameNumBits)
    // Two, and even: the fields of a frame have numbers of their own.
    const next = 2 * Math.ceil(this.#maxOrder / 2) + 2
    this.#orderShift = numbering.orderBits === 0 ? 0 : modulo(next - order, 2 ** numbering.orderBits)
  }

  /** Numbers stay as they come. */
  #stay(): void {
    this.#isJoining = false
    this.#frameNumShift = 0
    this.#orderShift = 0
  }

  /** Changes the slice in its packets, or notes the change where prevention bytes come or go. */
  #put(plain: Buffer, from: number, to: number): void {
    const escaped = escapeUnit(plain)
    if (escaped.length !== to - from) {
      this.#edits.push({ from, to, bytes: escaped })
      return
    }
    const { bytes } = this.#unit
    for (let index = 0; index < escaped.length; index += 1) {
      const byte = escaped[index] ?? 0
      if (bytes[from + index] !== byte) this.#unit.write(from + index, byte)
    }
  }

  /** Makes the changes that move what follows them. Where the packets have no room, the slices stay as they were. */
  #rebuild(): void {
    const { bytes } = this.#unit
    const parts: Buffer[] = []
    let at = 0
    for (const edit of this.#edits) {
      parts.push(bytes.subarray(at, edit.from), edit.bytes)
      at = edit.to
    }
    this.#edits = []
    const rebuilt = Buffer.concat([...parts, bytes.subarray(at)])
    if (bytes.readUInt16BE(4) !== 0) {
      const length = rebuilt.length - PES_PREFIX_BYTES
      rebuilt.writeUInt16BE(length > PES_LENGTH_MAX ? 0 : length, 4)
    }
    this.#unit.replace(rebuilt)
  }

  #follow(numbering: H264Numbering, frameNum: number, orderLow: number, isReference: boolean): void {
    this.#numbering = numbering
    const order = this.#wholeOrder(orderLow, 2 ** numbering.orderBits)
    this.#maxOrder = Math.max(this.#maxOrder, order)
    if (!isReference) return
    this.#lastFrameNum = frameNum
    this.#lastOrder = order
  }

  /** PicOrderCnt, H.264 §8.2.1.1. */
  #wholeOrder(low: number, modulus: number): number {
    const lastLow = modulo(this.#lastOrder, modulus)
    const lastHigh = this.#lastOrder - lastLow
    if (low < lastLow && lastLow - low >= modulus / 2) return lastHigh + modulus + low
    if (low > lastLow && low - lastLow > modulus / 2) return lastHigh - modulus + low
    return lastHigh + low
  }
}

function modulo(value: number, modulus: number): number {
  const rest = value % modulus
  return rest < 0 ? rest + modulus : rest
}
