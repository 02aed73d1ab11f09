import { BitReader } from './bit-reader.ts'
import type { VideoFormat } from './signature.ts'
import type { Unit } from './start-code.ts'

/** MPEG-4 visual headers of a video object layer, ISO/IEC 14496-2 §6.2.3. */
const CODE_LAYER_FIRST = 0x20
const CODE_LAYER_LAST = 0x2f
const ASPECT_EXTENDED = 15
const VBV_BITS = 79
const SHAPE_RECTANGULAR = 0

/** Reads the video object layer among `units`; undefined when there is none, or it is damaged or of another shape. */
export function readMpeg4VideoFormat(bytes: Buffer, units: readonly Unit[]): VideoFormat | undefined {
  const layer = units.find(({ start }) => {
    const code = bytes[start] ?? 0
    return code >= CODE_LAYER_FIRST && code <= CODE_LAYER_LAST
  })
  if (layer === undefined) return undefined
  const reader = new BitReader(bytes, layer.start + 1, layer.end, false)
  reader.skip(9)
  if (reader.flag()) reader.skip(7)
  if (reader.bits(4) === ASPECT_EXTENDED) reader.skip(16)
  if (reader.flag()) {
    reader.skip(3)
    if (reader.flag()) reader.skip(VBV_BITS)
  }
  if (reader.bits(2) !== SHAPE_RECTANGULAR) return undefined
  reader.skip(1)
  const ticksPerSecond = reader.bits(16)
  reader.skip(1)
  const frameTicks = reader.flag() ? reader.bits(bitsFor(ticksPerSecond)) : undefined
  reader.skip(1)
  const width = reader.bits(13)
  reader.skip(1)
  const height = reader.bits(13)
  reader.skip(1)
  const isInterlaced = reader.flag()
  if (reader.isExhausted || width === 0 || height === 0) return undefined
  const framesPerSecond = frameTicks === undefined || frameTicks === 0 ? undefined : ticksPerSecond / frameTicks
  return {
    kind: 'video',
    profile: undefined,
    level: undefined,
    width,
    height,
    chroma: '4:2:0',
    bitDepth: 8,
    framesPerSecond,
    isInterlaced,
  }
}

/** Bits of a number below `limit`, at least one. */
function bitsFor(limit: number): number {
  return Math.max(1, Math.ceil(Math.log2(limit)))
}
