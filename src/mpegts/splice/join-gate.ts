import type { Codec } from '../elementary-stream.ts'
import { PACKET_BYTES, payloadOffset } from '../packet.ts'
import { timestampStep, wrapTimestamp } from './timestamp.ts'

/** A picture as its PES header tells it, in the source's time, with the position of its first packet. */
export interface Picture {
  readonly position: number
  readonly pts: number
  readonly dts: number
}

/** How a source begins. */
export interface Opening {
  readonly key: Picture
  /** DTS of the key picture once the leading ones are gone: right before the next that stays. */
  readonly firstDts: number
  /** From one picture to the next; undefined when there is only one. */
  readonly pictureTicks: number | undefined
  /** How many leading pictures are left out, and whether any stay. */
  readonly leadingPictures: number
  readonly hasLeadingPictures: boolean
  /** Pictures from the first of these positions up to the second are left out; equal when none is. */
  readonly dropFrom: number
  readonly dropTo: number
}

/** More pictures than any codec reorders. */
const LEADING_PICTURES_MAX = 32

/**
 * Finds how a source can begin at its key picture. Pictures that follow it but are shown before it (leading pictures of
 * an open group) refer to what the viewer never got; they are left out. That shows when the first picture comes that is
 * shown after it.
 */
export class JoinGate {
  #key: Picture | undefined
  readonly #leading: Picture[] = []

  get hasKey(): boolean {
    return this.#key !== undefined
  }

  /**
   * Takes the next picture in decoding order. `areLeadingDecodable` is asked once, about the key picture and the first
   * leading one. The answer is undefined while it cannot be told.
   */
  offer(picture: Picture, areLeadingDecodable: (key: Picture, leading: Picture) => boolean): Opening | undefined {
    const key = this.#key
    if (key === undefined) {
      this.#key = picture
      return undefined
    }
    const isLeading = timestampStep(picture.pts, key.pts) < 0
    if (isLeading && this.#leading.length < LEADING_PICTURES_MAX) {
      this.#leading.push(picture)
      return undefined
    }
    const first = this.#leading[0]
    const step = Math.round(timestampStep(picture.dts, key.dts) / (this.#leading.length + 1))
    if (first === undefined || areLeadingDecodable(key, first)) return openingAt(key, first !== undefined, step)
    return {
      key,
      firstDts: step > 0 ? wrapTimestamp(picture.dts - step) : key.dts,
      pictureTicks: step,
      leadingPictures: this.#leading.length,
      hasLeadingPictures: false,
      dropFrom: first.position,
      dropTo: picture.position,
    }
  }

  /** Begins with what there is; undefined without a key picture. */
  settle(): Opening | undefined {
    return this.#key === undefined ? undefined : openingAt(this.#key, this.#leading.length > 0, undefined)
  }
}

function openingAt(key: Picture, hasLeadingPictures: boolean, pictureTicks: number | undefined): Opening {
  const dropAt = key.position
  return {
    key,
    firstDts: key.dts,
    pictureTicks,
    leadingPictures: 0,
    hasLeadingPictures,
    dropFrom: dropAt,
    dropTo: dropAt,
  }
}

const HEVC_RADL = [6, 7]
const HEVC_VCL_LAST = 31
const VVC_RADL = 2
const VVC_VCL_LAST = 11
const MPEG2_GROUP = 0xb8

/**
 * Whether leading pictures need nothing from before the key picture, judged from the first packet of both: H.265
 * §7.4.2.2 (RADL), H.266 §7.4.2.2, H.262 §6.3.8 (closed_gop).
 */
export function areLeadingDecodable(codec: Codec, buffer: Buffer, keyAt: number, leadingAt: number): boolean {
  switch (codec) {
    case 'hevc':
      return HEVC_RADL.includes(firstSliceType(buffer, leadingAt, 0, (byte) => (byte >>> 1) & 0x3f, HEVC_VCL_LAST))
    case 'vvc':
      return firstSliceType(buffer, leadingAt, 1, (byte) => byte >>> 3, VVC_VCL_LAST) === VVC_RADL
    case 'mpeg1video':
    case 'mpeg2video':
      return isClosedGroup(buffer, keyAt)
    default:
      return false
  }
}

/** nal_unit_type of the first slice in a packet; −1 when there is none. */
function firstSliceType(
  buffer: Buffer,
  at: number,
  typeByte: number,
  typeOf: (byte: number) => number,
  vclLast: number,
): number {
  const end = at + PACKET_BYTES
  for (let unit = afterStartCode(buffer, payloadOffset(buffer, at) + 3, end); unit < end;) {
    const type = typeOf(buffer[unit + typeByte] ?? 0)
    if (type <= vclLast) return type
    unit = afterStartCode(buffer, unit, end)
  }
  return -1
}

function isClosedGroup(buffer: Buffer, at: number): boolean {
  const end = at + PACKET_BYTES
  for (let unit = afterStartCode(buffer, payloadOffset(buffer, at) + 3, end); unit + 5 <= end;) {
    if (buffer[unit] === MPEG2_GROUP) return ((buffer[unit + 4] ?? 0) & 0x40) !== 0
    unit = afterStartCode(buffer, unit, end)
  }
  return false
}

/** Offset behind the next 00 00 01; `end` when there is none. */
function afterStartCode(buffer: Buffer, from: number, end: number): number {
  for (let at = from; at + 3 <= end; at += 1) {
    if (buffer[at] === 0 && buffer[at + 1] === 0 && buffer[at + 2] === 1) return at + 3
  }
  return end
}
