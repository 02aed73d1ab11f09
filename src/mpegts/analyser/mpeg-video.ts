import { BitReader } from './bit-reader.ts'
import type { VideoFormat } from './signature.ts'
import type { Unit } from './start-code.ts'

/** MPEG-1 and MPEG-2 sequence headers, H.262 §6.2.2. */
const CODE_SEQUENCE = 0xb3
const CODE_EXTENSION = 0xb5
const EXTENSION_SEQUENCE = 1
const FRAME_RATES = [0, 24_000 / 1_001, 24, 25, 30_000 / 1_001, 30, 50, 60_000 / 1_001, 60] as const
const CHROMA = [undefined, '4:2:0', '4:2:2', '4:4:4'] as const
const PROFILES: Readonly<Record<number, string>> = { 1: 'High', 2: 'Spatial', 3: 'SNR', 4: 'Main', 5: 'Simple' }
const LEVELS: Readonly<Record<number, string>> = { 4: 'High', 6: 'High 1440', 8: 'Main', 10: 'Low' }

/** Reads the sequence header among `units` with its extension; undefined when there is none. */
export function readMpegVideoFormat(bytes: Buffer, units: readonly Unit[]): VideoFormat | undefined {
  const at = units.findIndex(({ start, end }) => bytes[start] === CODE_SEQUENCE && end - start >= 8)
  const header = units[at]
  if (header === undefined) return undefined
  const reader = new BitReader(bytes, header.start + 1, header.end, false)
  const width = reader.bits(12)
  const height = reader.bits(12)
  reader.skip(4)
  const framesPerSecond = FRAME_RATES[reader.bits(4)]
  const base: VideoFormat = {
    kind: 'video',
    profile: undefined,
    level: undefined,
    width,
    height,
    chroma: '4:2:0',
    bitDepth: 8,
    framesPerSecond,
    isInterlaced: false,
  }
  const extension = units[at + 1]
  if (extension === undefined || bytes[extension.start] !== CODE_EXTENSION) return base
  return extend(base, new BitReader(bytes, extension.start + 1, extension.end, false))
}

/** Adds sequence_extension (§6.2.2.3). */
function extend(base: VideoFormat, reader: BitReader): VideoFormat {
  if (reader.bits(4) !== EXTENSION_SEQUENCE) return base
  reader.skip(1)
  const profile = reader.bits(3)
  const level = reader.bits(4)
  const isProgressive = reader.flag()
  const chroma = CHROMA[reader.bits(2)]
  const width = reader.bits(2) * 4_096 + (base.width ?? 0)
  const height = reader.bits(2) * 4_096 + (base.height ?? 0)
  reader.skip(12 + 1 + 8 + 1)
  const numerator = reader.bits(2) + 1
  const denominator = reader.bits(5) + 1
  if (reader.isExhausted) return base
  const framesPerSecond =
    base.framesPerSecond === undefined ? undefined : (base.framesPerSecond * numerator) / denominator
  return {
    ...base,
    profile: PROFILES[profile] ?? `profile ${profile}`,
    level: LEVELS[level] ?? `${level}`,
    width,
    height,
    chroma,
    framesPerSecond,
    isInterlaced: !isProgressive,
  }
}
