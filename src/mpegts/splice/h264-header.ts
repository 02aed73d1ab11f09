/** The beginnings of H.264 NAL units as far as the numbering of pictures goes: H.264 §7.3.1.2, §7.3.2, §7.3.3. */

/** How the slices that refer to a sequence parameter set write their numbers. */
export interface H264Numbering {
  readonly frameNumBits: number
  /** 0: pic_order_cnt_lsb is written; 2: order follows frame_num. 1 is not supported here. */
  readonly orderType: number
  readonly orderBits: number
  readonly hasColourPlanes: boolean
  readonly areFramesOnly: boolean
}

export interface H264Slice {
  readonly numbering: H264Numbering
  /** Whether a picture or field begins with it. */
  readonly isFirst: boolean
  /** Fields in the unescaped bytes, in bits. */
  readonly frameNumAt: number
  readonly frameNum: number
  /** −1 where there is none. */
  readonly orderAt: number
  readonly order: number
}

const HIGH_PROFILES: ReadonlySet<number> = new Set([100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135])
const CHROMA_444 = 3
const ZEROS_MAX = 31

/** Bits of unescaped bytes; behind the end there are zeros. */
class HeaderBits {
  readonly #bytes: Uint8Array
  at: number

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes
    this.at = at
  }

  get isBeyondEnd(): boolean {
    return this.at > this.#bytes.length * 8
  }

  /** Up to 32 bits. */
  take(bits: number): number {
    let value = 0
    for (let index = 0; index < bits; index += 1) {
      value = value * 2 + (((this.#bytes[this.at >>> 3] ?? 0) >>> (7 - (this.at & 7))) & 1)
      this.at += 1
    }
    return value
  }

  /** ue(v), H.264 §9.1. */
  takeUnsigned(): number {
    let zeros = 0
    while (zeros < ZEROS_MAX && this.take(1) === 0) zeros += 1
    return 2 ** zeros - 1 + this.take(zeros)
  }

  /** se(v), H.264 §9.1.1. */
  takeSigned(): number {
    const code = this.takeUnsigned()
    return code % 2 === 0 ? -code / 2 : (code + 1) / 2
  }
}

/** Writes the low `bits` bits of `value` into `bytes` from bit `at` on. */
export function writeBits(bytes: Uint8Array, at: number, bits: number, value: number): void {
  for (let index = 0; index < bits; index += 1) {
    const bit = (value >>> (bits - 1 - index)) & 1
    const mask = 0x80 >>> ((at + index) & 7)
    const byte = bytes[(at + index) >>> 3] ?? 0
    bytes[(at + index) >>> 3] = bit === 1 ? byte | mask : byte & ~mask
  }
}

/** Reads a sequence parameter set behind its NAL header byte; undefined when it is damaged or numbers in another way. */
export function readH264Numbering(
  bytes: Uint8Array,
): { readonly id: number; readonly numbering: H264Numbering } | undefined {
  const bits = new HeaderBits(bytes, 0)
  const profile = bits.take(8)
  bits.take(16)
  const id = bits.takeUnsigned()
  const hasColourPlanes = HIGH_PROFILES.has(profile) && skipHighProfile(bits)
  const frameNumBits = bits.takeUnsigned() + 4
  const orderType = bits.takeUnsigned()
  const orderBits = orderType === 0 ? bits.takeUnsigned() + 4 : 0
  if (id > 31 || frameNumBits > 16 || orderBits > 16 || (orderType !== 0 && orderType !== 2)) return undefined
  // max_num_ref_frames, gaps_in_frame_num_value_allowed_flag, pic_width_in_mbs_minus1, pic_height_in_map_units_minus1
  bits.takeUnsigned()
  bits.take(1)
  bits.takeUnsigned()
  bits.takeUnsigned()
  const areFramesOnly = bits.take(1) === 1
  if (bits.isBeyondEnd) return undefined
  return { id, numbering: { frameNumBits, orderType, orderBits, hasColourPlanes, areFramesOnly } }
}

/** Whether separate_colour_plane_flag is set. */
function skipHighProfile(bits: HeaderBits): boolean {
  const chroma = bits.takeUnsigned()
  const hasColourPlanes = chroma === CHROMA_444 && bits.take(1) === 1
  bits.takeUnsigned()
  bits.takeUnsigned()
  bits.take(1)
  if (bits.take(1) === 0) return hasColourPlanes
  const lists = chroma === CHROMA_444 ? 12 : 8
  for (let list = 0; list < lists; list += 1) {
    if (bits.take(1) === 1) skipScalingList(bits, list < 6 ? 16 : 64)
  }
  return hasColourPlanes
}

/** H.264 §7.3.2.1.1.1. */
function skipScalingList(bits: HeaderBits, size: number): void {
  let [last, next] = [8, 8]
  for (let index = 0; index < size; index += 1) {
    if (next !== 0) next = (last + bits.takeSigned() + 256) % 256
    last = next === 0 ? last : next
  }
}

/** Which sequence parameter set a picture parameter set refers to, behind its NAL header byte. */
export function readH264PictureSet(
  bytes: Uint8Array,
): { readonly id: number; readonly sequenceId: number } | undefined {
  const bits = new HeaderBits(bytes, 0)
  const id = bits.takeUnsigned()
  const sequenceId = bits.takeUnsigned()
  return bits.isBeyondEnd || id > 255 || sequenceId > 31 ? undefined : { id, sequenceId }
}

/**
 * Reads a slice header behind its NAL header byte. `numberingOf` says how a picture parameter set numbers. Undefined when
 * that is not known or the bytes end before.
 */
export function readH264Slice(
  bytes: Uint8Array,
  isIdr: boolean,
  numberingOf: (pictureSetId: number) => H264Numbering | undefined,
): H264Slice | undefined {
  const bits = new HeaderBits(bytes, 0)
  const isFirst = bits.takeUnsigned() === 0
  bits.takeUnsigned()
  const numbering = numberingOf(bits.takeUnsigned())
  if (numbering === undefined) return undefined
  if (numbering.hasColourPlanes) bits.take(2)
  const frameNumAt = bits.at
  const frameNum = bits.take(numbering.frameNumBits)
  const isField = !numbering.areFramesOnly && bits.take(1) === 1
  if (isField) bits.take(1)
  if (isIdr) bits.takeUnsigned()
  const orderAt = numbering.orderType === 0 ? bits.at : -1
  const order = bits.take(numbering.orderBits)
  return bits.isBeyondEnd ? undefined : { numbering, isFirst, frameNumAt, frameNum, orderAt, order }
}
