import type { Codec } from './elementary-stream.ts'

/**
 * Whether a decoder can begin at an access unit, judged from the first bytes of its PES packet. `more` asks for more of
 * them.
 */
export type RandomAccess = 'yes' | 'no' | 'more'

/** Codecs whose access units are parsed; for the others the random_access_indicator decides alone. */
type ParsedCodec = 'h264' | 'hevc' | 'vvc' | 'mpeg1video' | 'mpeg2video' | 'mpeg4video'

const H264_SLICE_LAST = 4
const H264_IDR = 5
const H264_SEI = 6
const H264_SPS = 7
const SEI_RECOVERY_POINT = 6
const HEVC_VCL_LAST = 31
const HEVC_IRAP_FIRST = 16
const HEVC_IRAP_LAST = 21
const VVC_VCL_LAST = 11
const VVC_IRAP_FIRST = 7
const VVC_IRAP_LAST = 10
const MPEG2_PICTURE = 0x00
const MPEG2_SLICE_LAST = 0xaf
const MPEG2_SEQUENCE_HEADER = 0xb3
const MPEG4_VOP = 0xb6
const PES_FIXED_BYTES = 9
/** Bytes of a slice header that hold first_mb_in_slice and slice_type, however large the picture. */
const SLICE_HEADER_BYTES = 8

export function isParsedCodec(codec: Codec): codec is ParsedCodec {
  switch (codec) {
    case 'h264':
    case 'hevc':
    case 'vvc':
    case 'mpeg1video':
    case 'mpeg2video':
    case 'mpeg4video':
      return true
    default:
      return false
  }
}

/** Whether `bytes[start]` begins a PES packet with the optional header (ISO/IEC 13818-1 §2.4.3.7). */
export function isPesStart(bytes: Buffer, start: number, end: number): boolean {
  return start + 4 <= end && bytes[start] === 0 && bytes[start + 1] === 0 && bytes[start + 2] === 1
}

/**
 * Judges the access unit that begins in `pes[0, length)`, a PES packet from its start code on. `isFlagged` says whether
 * the packet had random_access_indicator set: it counts where the picture is at least intra coded, since some muxers
 * set it everywhere. Sections: H.264 §7.4.1.2.4 and D.2.8, H.265 §7.4.2.2, H.266 §7.4.2.2, H.262 §6.2.3.
 */
export function judgeAccessUnit(codec: ParsedCodec, pes: Buffer, length: number, isFlagged: boolean): RandomAccess {
  if (length < PES_FIXED_BYTES) return 'more'
  if (!isPesStart(pes, 0, length)) return 'no'
  const start = PES_FIXED_BYTES + (pes[8] ?? 0)
  return start >= length ? 'more' : judgeElementaryBytes(codec, pes, start, length, isFlagged)
}

/** The same for the bytes of an access unit without a PES header, `bytes[start, end)`. */
export function judgeElementaryBytes(
  codec: ParsedCodec,
  bytes: Buffer,
  start: number,
  end: number,
  isFlagged: boolean,
): RandomAccess {
  switch (codec) {
    case 'h264':
      return judgeH264(bytes, start, end, isFlagged)
    case 'hevc':
      return judgeByNalType(bytes, start, end, hevcNalType)
    case 'vvc':
      return judgeByNalType(bytes, start, end, vvcNalType)
    case 'mpeg1video':
    case 'mpeg2video':
      return judgeMpeg2(bytes, start, end, isFlagged)
    case 'mpeg4video':
      return judgeMpeg4(bytes, start, end)
    default:
      return codec satisfies never
  }
}

/** Offset behind the next start code 00 00 01 in `bytes[from, end)`, or -1. */
function nextUnit(bytes: Buffer, from: number, end: number): number {
  for (let at = from + 2; at < end;) {
    const byte = bytes[at] ?? 0
    if (byte > 1) at += 3
    else if (byte === 0) at += 1
    else if (bytes[at - 1] === 0 && bytes[at - 2] === 0) return at + 1
    else at += 3
  }
  return -1
}

function judgeH264(bytes: Buffer, start: number, end: number, isFlagged: boolean): RandomAccess {
  let hasSps = false
  let hasRecoveryPoint = false
  for (let at = nextUnit(bytes, start, end); at >= 0 && at < end; at = nextUnit(bytes, at, end)) {
    const type = (bytes[at] ?? 0) & 0x1f
    if (type === H264_IDR) return 'yes'
    if (type === H264_SPS) hasSps = true
    if (type === H264_SEI && !hasRecoveryPoint) {
      const found = findRecoveryPoint(bytes, at + 1, end)
      if (found === 'more') return 'more'
      hasRecoveryPoint = found === 'yes'
    }
    if (type >= 1 && type <= H264_SLICE_LAST) {
      if (hasRecoveryPoint) return 'yes'
      if (at + 1 + SLICE_HEADER_BYTES > end) return 'more'
      return (hasSps || isFlagged) && isIntraSlice(bytes, at + 1) ? 'yes' : 'no'
    }
  }
  return 'more'
}

/** Looks through the messages of an SEI unit (H.264 §7.3.2.3.1) for a recovery point. */
function findRecoveryPoint(bytes: Buffer, start: number, end: number): RandomAccess {
  const unitEnd = nextUnit(bytes, start, end)
  const limit = unitEnd < 0 ? end : unitEnd - 3
  const short: RandomAccess = unitEnd < 0 ? 'more' : 'no'
  let at = start
  while (at < limit) {
    if (bytes[at] === 0x80) return 'no'
    let type = 0
    while (at < limit && bytes[at] === 0xff) {
      type += 255
      at += 1
    }
    type += bytes[at] ?? 0
    at += 1
    // The type is known at the message's second byte at the latest, before its size.
    if (at <= limit && type === SEI_RECOVERY_POINT) return 'yes'
    let size = 0
    while (at < limit && bytes[at] === 0xff) {
      size += 255
      at += 1
    }
    size += bytes[at] ?? 0
    at = skipPayload(bytes, at + 1, limit, size)
  }
  return short
}

/** Skips `size` payload bytes, not counting emulation_prevention_three_byte (H.264 §7.3.1). */
function skipPayload(bytes: Buffer, start: number, limit: number, size: number): number {
  let at = start
  for (let left = size; left > 0 && at < limit; left -= 1) {
    if (bytes[at] === 3 && bytes[at - 1] === 0 && bytes[at - 2] === 0) at += 1
    at += 1
  }
  return at
}

/** Whether slice_type is I or SI (H.264 §7.3.3): two Exp-Golomb numbers, first_mb_in_slice and slice_type. */
function isIntraSlice(bytes: Buffer, at: number): boolean {
  const first = readExpGolomb(bytes, at * 8)
  const sliceType = readExpGolomb(bytes, first.nextBit).value
  return sliceType % 5 === 2 || sliceType % 5 === 4
}

/** ue(v) of H.264 §9.1; the bits come from at most SLICE_HEADER_BYTES bytes. */
function readExpGolomb(bytes: Buffer, firstBit: number): { readonly value: number; readonly nextBit: number } {
  let zeros = 0
  while (zeros < 24 && bitAt(bytes, firstBit + zeros) === 0) zeros += 1
  let value = 0
  for (let index = 0; index <= zeros; index += 1) value = value * 2 + bitAt(bytes, firstBit + zeros + index)
  return { value: value - 1, nextBit: firstBit + 2 * zeros + 1 }
}

function bitAt(bytes: Buffer, bit: number): number {
  return ((bytes[bit >>> 3] ?? 0) >>> (7 - (bit & 7))) & 1
}

type NalClass = 'irap' | 'other-picture' | 'no-picture'

function hevcNalType(bytes: Buffer, at: number): NalClass {
  const type = ((bytes[at] ?? 0) >>> 1) & 0x3f
  if (type >= HEVC_IRAP_FIRST && type <= HEVC_IRAP_LAST) return 'irap'
  return type <= HEVC_VCL_LAST ? 'other-picture' : 'no-picture'
}

function vvcNalType(bytes: Buffer, at: number): NalClass {
  const type = (bytes[at + 1] ?? 0) >>> 3
  if (type >= VVC_IRAP_FIRST && type <= VVC_IRAP_LAST) return 'irap'
  return type <= VVC_VCL_LAST ? 'other-picture' : 'no-picture'
}

function judgeByNalType(
  bytes: Buffer,
  start: number,
  end: number,
  classOf: (bytes: Buffer, at: number) => NalClass,
): RandomAccess {
  for (let at = nextUnit(bytes, start, end); at >= 0 && at + 1 < end; at = nextUnit(bytes, at, end)) {
    const nalClass = classOf(bytes, at)
    if (nalClass !== 'no-picture') return nalClass === 'irap' ? 'yes' : 'no'
  }
  return 'more'
}

function judgeMpeg2(bytes: Buffer, start: number, end: number, isFlagged: boolean): RandomAccess {
  let hasSequenceHeader = false
  for (let at = nextUnit(bytes, start, end); at >= 0 && at < end; at = nextUnit(bytes, at, end)) {
    const code = bytes[at] ?? 0
    if (code === MPEG2_SEQUENCE_HEADER) hasSequenceHeader = true
    if (code === MPEG2_PICTURE) {
      if (at + 3 > end) return 'more'
      const isIntra = (((bytes[at + 2] ?? 0) >>> 3) & 7) === 1
      return isIntra && (hasSequenceHeader || isFlagged) ? 'yes' : 'no'
    }
    if (code > MPEG2_PICTURE && code <= MPEG2_SLICE_LAST) return 'no'
  }
  return 'more'
}

/** ISO/IEC 14496-2 §6.2.5: vop_coding_type 0 is intra. */
function judgeMpeg4(bytes: Buffer, start: number, end: number): RandomAccess {
  for (let at = nextUnit(bytes, start, end); at >= 0 && at + 1 < end; at = nextUnit(bytes, at, end)) {
    if (bytes[at] === MPEG4_VOP) return (bytes[at + 1] ?? 0) >>> 6 === 0 ? 'yes' : 'no'
  }
  return 'more'
}
