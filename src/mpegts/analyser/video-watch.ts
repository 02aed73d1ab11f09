import type { Codec } from '../elementary-stream.ts'
import { isParsedCodec, judgeAccessUnit } from '../random-access.ts'
import type { Place } from './finding.ts'
import { readH264Sequence, readH264Slice } from './h264.ts'
import type { H264Sequence, H264Slice } from './h264.ts'
import { readHevcFormat } from './hevc.ts'
import { readMpegVideoFormat } from './mpeg-video.ts'
import { readMpeg4VideoFormat } from './mpeg4-video.ts'
import type { VideoFormat } from './signature.ts'
import { unitsIn } from './start-code.ts'
import type { Unit } from './start-code.ts'

/** How an access unit stands to the one before it. */
export interface Standing {
  /** random_access_indicator of its packet. */
  readonly isFlagged: boolean
  /** The timeline jumped to it. */
  readonly isJoin: boolean
}

export interface AccessUnit extends Standing {
  readonly place: Place
  readonly dts: number | undefined
  readonly isRandomAccess: boolean
}

export interface VideoEvents {
  onAccessUnit(accessUnit: AccessUnit): void
  onFormat(place: Place, format: VideoFormat): void
  /** Reference pictures between this one and the last are not there. */
  onReferenceMissing(place: Place, pictures: number): void
}

/** Parameter sets and the first slice header are looked for in this much of an access unit. */
const HEAD_BYTES_MAX = 4_096
/** A PES header without fields, in front of the elementary stream's bytes. */
const PES_HEADER = Buffer.from([0, 0, 1, 0xe0, 0, 0, 0x80, 0, 0])
const H264_SLICE = 1
const H264_IDR = 5
const H264_SPS = 7
const HEVC_VCL_LAST = 31
const HEVC_SPS = 33
const MPEG2_SLICE_FIRST = 0x01
const MPEG2_SLICE_LAST = 0xaf

/** Looks into the head of each access unit of one video PID. Holds 4 KiB. */
export class VideoWatch {
  readonly #codec: Codec
  readonly #events: VideoEvents
  readonly #head = Buffer.alloc(HEAD_BYTES_MAX)
  #headBytes = 0
  /** The access unit in progress. */
  #unit: Omit<AccessUnit, 'isRandomAccess'> | undefined
  #sequence: H264Sequence | undefined
  #hasFormat = false
  #accessUnits = 0
  /** frame_num of the last reference picture; undefined while it is not known. */
  #frameNum: number | undefined

  constructor(codec: Codec, events: VideoEvents) {
    this.#codec = codec
    this.#events = events
    PES_HEADER.copy(this.#head)
  }

  get accessUnits(): number {
    return this.#accessUnits
  }

  /** Whether its codec is one whose parameter sets are read, and none came with any access unit so far. */
  get lacksParameterSets(): boolean {
    return isReadCodec(this.#codec) && this.#accessUnits > 0 && !this.#hasFormat
  }

  /** A PES packet begins. */
  begin(place: Place, dts: number | undefined, standing: Standing): void {
    this.flush()
    this.#unit = { place, dts, ...standing }
    this.#headBytes = PES_HEADER.length
  }

  push(buffer: Buffer, from: number, to: number): void {
    if (this.#unit === undefined) return
    const taken = Math.min(to - from, HEAD_BYTES_MAX - this.#headBytes)
    buffer.copy(this.#head, this.#headBytes, from, from + taken)
    this.#headBytes += taken
    if (this.#headBytes === HEAD_BYTES_MAX) this.flush()
  }

  /** Bytes are missing here. */
  lose(): void {
    this.flush()
    this.#frameNum = undefined
  }

  /** Judges what there is of the access unit in progress. */
  flush(): void {
    const unit = this.#unit
    if (unit === undefined) return
    this.#unit = undefined
    if (this.#headBytes === PES_HEADER.length) return
    this.#accessUnits += 1
    const isRandomAccess = isParsedCodec(this.#codec)
      ? judgeAccessUnit(this.#codec, this.#head, this.#headBytes, unit.isFlagged) === 'yes'
      : unit.isFlagged
    this.#events.onAccessUnit({ ...unit, isRandomAccess })
    const { place } = unit
    if (this.#codec === 'h264') this.#readH264(place, isRandomAccess)
    else if (this.#codec === 'hevc') this.#readHevc(place)
    else if (this.#codec === 'mpeg2video' || this.#codec === 'mpeg1video') this.#readMpegVideo(place)
    else if (this.#codec === 'mpeg4video') this.#readMpeg4Video(place)
  }

  #readH264(place: Place, isRandomAccess: boolean): void {
    for (const { start, end } of unitsIn(this.#head, PES_HEADER.length, this.#headBytes)) {
      const type = (this.#head[start] ?? 0) & 0x1f
      if (type === H264_SPS) {
        const sequence = readH264Sequence(this.#head, start, end)
        if (sequence !== undefined) {
          this.#sequence = sequence
          this.#formatIs(place, sequence.format)
        }
      }
      if (type < H264_SLICE || type > H264_IDR) continue
      if (this.#sequence === undefined) return
      const slice = readH264Slice(this.#head, start, end, this.#sequence)
      if (slice === undefined) this.#frameNum = undefined
      else if (slice.firstMacroblock === 0) this.#follow(place, slice, this.#sequence, isRandomAccess)
      return
    }
  }

  /** frame_num goes up by one behind each reference picture (H.264 §7.4.3). */
  #follow(place: Place, { frameNum, isReference }: H264Slice, sequence: H264Sequence, isRandomAccess: boolean): void {
    const last = this.#frameNum
    const isChecked = last !== undefined && !isRandomAccess && !sequence.allowsFrameNumGaps
    const modulus = 2 ** sequence.frameNumBits
    if (isChecked) {
      const step = (frameNum - last + modulus) % modulus
      const isSecondField = step === 0 && sequence.hasFieldPictures
      if (step !== 1 && !isSecondField) this.#events.onReferenceMissing(place, (step - 1 + modulus) % modulus)
    }
    if (isReference) this.#frameNum = frameNum
    // Behind a join nothing is known before the first reference picture.
    else if (last === undefined || isChecked) this.#frameNum = (frameNum - 1 + modulus) % modulus
  }

  #readHevc(place: Place): void {
    for (const { start, end } of unitsIn(this.#head, PES_HEADER.length, this.#headBytes)) {
      const type = ((this.#head[start] ?? 0) >>> 1) & 0x3f
      if (type <= HEVC_VCL_LAST) return
      if (type !== HEVC_SPS) continue
      const format = readHevcFormat(this.#head, start, end)
      if (format !== undefined) this.#formatIs(place, format)
    }
  }

  #readMpegVideo(place: Place): void {
    const units: Unit[] = []
    for (const unit of unitsIn(this.#head, PES_HEADER.length, this.#headBytes)) {
      const code = this.#head[unit.start] ?? 0
      if (code >= MPEG2_SLICE_FIRST && code <= MPEG2_SLICE_LAST) break
      units.push(unit)
    }
    const format = readMpegVideoFormat(this.#head, units)
    if (format !== undefined) this.#formatIs(place, format)
  }

  #readMpeg4Video(place: Place): void {
    const units = [...unitsIn(this.#head, PES_HEADER.length, this.#headBytes)]
    const format = readMpeg4VideoFormat(this.#head, units)
    if (format !== undefined) this.#formatIs(place, format)
  }

  #formatIs(place: Place, format: VideoFormat): void {
    this.#hasFormat = true
    this.#events.onFormat(place, format)
  }
}

function isReadCodec(codec: Codec): boolean {
  return codec === 'h264' || codec === 'hevc' || codec === 'mpeg2video' || codec === 'mpeg1video'
}
