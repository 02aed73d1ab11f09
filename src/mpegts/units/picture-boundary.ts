import { BitReader } from '../analyser/bit-reader.ts'
import { readH264Sequence } from '../analyser/h264.ts'
import type { H264Sequence } from '../analyser/h264.ts'
import type { Codec } from '../elementary-stream.ts'

/**
 * What a unit of an elementary stream is for the borders between access units: `prefix` may stand in front of a picture, `picture` begins one.
 * Two fields make one picture: `first-field` begins it, `second-field` goes on with it.
 */
export type UnitRole = 'prefix' | 'picture' | 'first-field' | 'second-field' | 'other'

/** Tells the roles of units in turn; `units` are offsets of begin and end, `index` that of the begin. */
export interface PictureBoundary {
  roleOf(bytes: Buffer, units: readonly number[], index: number): UnitRole
}

export function pictureBoundaryOf(codec: Codec): PictureBoundary | undefined {
  switch (codec) {
    case 'h264':
      return new H264Boundary()
    case 'hevc':
      return { roleOf: hevcRole }
    case 'mpeg1video':
    case 'mpeg2video':
      return new MpegVideoBoundary()
    default:
      return undefined
  }
}

/** H.264 §7.4.1.2.3 and §7.4.1.2.4, with fields told by frame_num and parity. */
class H264Boundary implements PictureBoundary {
  #sequence: H264Sequence | undefined
  #openFrameNum = -1
  #isOpenBottom = false

  roleOf(bytes: Buffer, units: readonly number[], index: number): UnitRole {
    const start = units[index] ?? 0
    const end = units[index + 1] ?? start
    const type = (bytes[start] ?? 0) & 0x1f
    if (type === 7) this.#sequence = readH264Sequence(bytes, start, end) ?? this.#sequence
    if ((type >= 6 && type <= 9) || (type >= 14 && type <= 18)) return 'prefix'
    if (type !== 1 && type !== 2 && type !== 5) return 'other'
    // ue(v) of first_mb_in_slice: a first bit of 1 is macroblock 0.
    if (((bytes[start + 1] ?? 0) & 0x80) === 0) return 'other'
    return this.#sequence?.hasFieldPictures === true ? this.#fieldRole(bytes, start, end, this.#sequence) : 'picture'
  }

  #fieldRole(bytes: Buffer, start: number, end: number, sequence: H264Sequence): UnitRole {
    const reader = new BitReader(bytes, start + 1, end)
    reader.ue()
    reader.ue()
    reader.ue()
    if (sequence.hasSeparatePlanes) reader.skip(2)
    const frameNum = reader.bits(sequence.frameNumBits)
    const isField = reader.flag()
    const isBottom = isField && reader.flag()
    const isSecond = isField && this.#openFrameNum === frameNum && this.#isOpenBottom !== isBottom
    this.#openFrameNum = isField && !isSecond ? frameNum : -1
    this.#isOpenBottom = isBottom
    if (!isField) return 'picture'
    return isSecond ? 'second-field' : 'first-field'
  }
}

const HEVC_VCL_LAST = 31

/** H.265 §7.4.2.4.4. */
function hevcRole(bytes: Buffer, units: readonly number[], index: number): UnitRole {
  const start = units[index] ?? 0
  const type = ((bytes[start] ?? 0) >>> 1) & 0x3f
  if (type <= HEVC_VCL_LAST) return ((bytes[start + 2] ?? 0) & 0x80) === 0 ? 'other' : 'picture'
  const isPrefix = type <= 35 || type === 39 || (type >= 41 && type <= 44) || (type >= 48 && type <= 55)
  return isPrefix ? 'prefix' : 'other'
}

const CODE_PICTURE = 0x00
const CODE_SEQUENCE = 0xb3
const CODE_EXTENSION = 0xb5
const CODE_GROUP = 0xb8
const EXTENSION_PICTURE_CODING = 8
const STRUCTURE_FRAME = 3
/** Units behind a picture header among which its coding extension is looked for. */
const EXTENSIONS_MAX = 4

/** H.262 §6.2.3 and §6.3.10: picture_structure tells fields. */
class MpegVideoBoundary implements PictureBoundary {
  #openStructure = STRUCTURE_FRAME

  roleOf(bytes: Buffer, units: readonly number[], index: number): UnitRole {
    const code = bytes[units[index] ?? 0]
    if (code === CODE_SEQUENCE || code === CODE_GROUP) return 'prefix'
    if (code !== CODE_PICTURE) return 'other'
    const structure = structureOf(bytes, units, index)
    if (structure === STRUCTURE_FRAME || structure === 0) {
      this.#openStructure = STRUCTURE_FRAME
      return 'picture'
    }
    const isSecond = this.#openStructure !== STRUCTURE_FRAME && this.#openStructure !== structure
    this.#openStructure = isSecond ? STRUCTURE_FRAME : structure
    return isSecond ? 'second-field' : 'first-field'
  }
}

function structureOf(bytes: Buffer, units: readonly number[], index: number): number {
  for (let next = index + 2; next <= index + EXTENSIONS_MAX * 2; next += 2) {
    const start = units[next]
    if (start === undefined) break
    const isCoding = bytes[start] === CODE_EXTENSION && (bytes[start + 1] ?? 0) >>> 4 === EXTENSION_PICTURE_CODING
    if (isCoding) return (bytes[start + 3] ?? 0) & 3
  }
  return STRUCTURE_FRAME
}
