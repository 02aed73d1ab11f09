import { BitReader } from './bit-reader.ts'
import type { VideoFormat } from './signature.ts'
import { readTickRate, skipVideoSignal } from './vui.ts'

/** Sequence parameter sets and slice headers, H.264 §7.3.2.1.1 and §7.3.3. */
export interface H264Sequence {
  readonly format: VideoFormat
  /** Bits of frame_num. */
  readonly frameNumBits: number
  readonly hasSeparatePlanes: boolean
  readonly hasFieldPictures: boolean
  readonly allowsFrameNumGaps: boolean
}

const PROFILES: Readonly<Record<number, string>> = {
  44: 'CAVLC 4:4:4',
  66: 'Baseline',
  77: 'Main',
  88: 'Extended',
  100: 'High',
  110: 'High 10',
  118: 'Multiview High',
  122: 'High 4:2:2',
  128: 'Stereo High',
  244: 'High 4:4:4',
}
/** Profiles whose parameter set has chroma_format_idc. */
const PROFILES_WITH_CHROMA: ReadonlySet<number> = new Set([
  44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244,
])
const CHROMA = ['4:0:0', '4:2:0', '4:2:2', '4:4:4'] as const
const REFERENCE_CYCLE_MAX = 255
const SIDE_MAX = 16_384

interface Colour {
  readonly chromaIdc: number
  readonly hasSeparatePlanes: boolean
  readonly bitDepth: number
}

/** Reads seq_parameter_set_data behind the NAL header at `start`; undefined when it is damaged or cut short. */
export function readH264Sequence(bytes: Buffer, start: number, end: number): H264Sequence | undefined {
  const reader = new BitReader(bytes, start + 1, end)
  const profileIdc = reader.bits(8)
  const constraints = reader.bits(8)
  const levelIdc = reader.bits(8)
  reader.ue()
  const colour = PROFILES_WITH_CHROMA.has(profileIdc)
    ? readColour(reader)
    : { chromaIdc: 1, hasSeparatePlanes: false, bitDepth: 8 }
  const frameNumBits = reader.ue() + 4
  skipPictureOrder(reader)
  reader.ue()
  const allowsFrameNumGaps = reader.flag()
  const widthMbs = reader.ue() + 1
  const heightUnits = reader.ue() + 1
  const isFrameOnly = reader.flag()
  if (!isFrameOnly) reader.skip(1)
  reader.skip(1)
  const crop = reader.flag() ? [reader.ue(), reader.ue(), reader.ue(), reader.ue()] : [0, 0, 0, 0]
  if (reader.isExhausted || frameNumBits > 16) return undefined
  const framesPerSecond = reader.flag() ? readFrameRate(reader) : undefined
  const fieldFactor = isFrameOnly ? 1 : 2
  const cropX = colour.chromaIdc === 1 || colour.chromaIdc === 2 ? 2 : 1
  const cropY = (colour.chromaIdc === 1 ? 2 : 1) * fieldFactor
  const width = widthMbs * 16 - ((crop[0] ?? 0) + (crop[1] ?? 0)) * cropX
  const height = heightUnits * 16 * fieldFactor - ((crop[2] ?? 0) + (crop[3] ?? 0)) * cropY
  if (width <= 0 || height <= 0 || width > SIDE_MAX || height > SIDE_MAX) return undefined
  const isConstrainedBaseline = profileIdc === 66 && (constraints & 0x40) !== 0
  return {
    format: {
      kind: 'video',
      profile: isConstrainedBaseline ? 'Constrained Baseline' : (PROFILES[profileIdc] ?? `profile ${profileIdc}`),
      level: levelIdc === 11 && (constraints & 0x10) !== 0 && profileIdc < 100 ? '1b' : `${levelIdc / 10}`,
      width,
      height,
      chroma: CHROMA[colour.chromaIdc],
      bitDepth: colour.bitDepth,
      framesPerSecond,
      isInterlaced: !isFrameOnly,
    },
    frameNumBits,
    hasSeparatePlanes: colour.hasSeparatePlanes,
    hasFieldPictures: !isFrameOnly,
    allowsFrameNumGaps,
  }
}

function readColour(reader: BitReader): Colour {
  const chromaIdc = reader.ue()
  const hasSeparatePlanes = chromaIdc === 3 && reader.flag()
  const bitDepth = reader.ue() + 8
  reader.ue()
  reader.skip(1)
  if (reader.flag()) {
    for (let list = 0; list < (chromaIdc === 3 ? 12 : 8); list += 1) {
      if (reader.flag()) skipScalingList(reader, list < 6 ? 16 : 64)
    }
  }
  return { chromaIdc, hasSeparatePlanes, bitDepth }
}

function skipScalingList(reader: BitReader, size: number): void {
  let last = 8
  let next = 8
  for (let index = 0; index < size && !reader.isExhausted; index += 1) {
    if (next !== 0) next = (last + reader.se() + 256) % 256
    if (next !== 0) last = next
  }
}

function skipPictureOrder(reader: BitReader): void {
  const type = reader.ue()
  if (type === 0) reader.ue()
  if (type !== 1) return
  reader.skip(1)
  reader.se()
  reader.se()
  const cycle = Math.min(reader.ue(), REFERENCE_CYCLE_MAX)
  for (let index = 0; index < cycle && !reader.isExhausted; index += 1) reader.se()
}

/** Two ticks of the clock of its VUI are a frame. */
function readFrameRate(reader: BitReader): number | undefined {
  skipVideoSignal(reader)
  const ticksPerSecond = readTickRate(reader)
  return ticksPerSecond === undefined ? undefined : ticksPerSecond / 2
}

export interface H264Slice {
  /** first_mb_in_slice; other than 0 in the further slices of a picture. */
  readonly firstMacroblock: number
  readonly frameNum: number
  /** nal_ref_idc is not 0: later pictures may refer to it. */
  readonly isReference: boolean
}

/** Reads a slice header up to frame_num; undefined when it is cut short. */
export function readH264Slice(
  bytes: Buffer,
  start: number,
  end: number,
  sequence: H264Sequence,
): H264Slice | undefined {
  const reader = new BitReader(bytes, start + 1, end)
  const firstMacroblock = reader.ue()
  reader.ue()
  reader.ue()
  if (sequence.hasSeparatePlanes) reader.skip(2)
  const frameNum = reader.bits(sequence.frameNumBits)
  return reader.isExhausted ? undefined : { firstMacroblock, frameNum, isReference: ((bytes[start] ?? 0) & 0x60) !== 0 }
}
