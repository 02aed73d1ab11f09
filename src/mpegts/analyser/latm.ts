import { BitReader } from './bit-reader.ts'
import type { AudioFrame } from './audio-frame.ts'

/** AAC in LOAS/LATM, ISO/IEC 14496-3 §1.7. */
const SYNC_BITS = 11
const SYNC_WORD = 0x2b7
const HEADER_BYTES = 3
const RATE_EXPLICIT = 15
const TYPE_ESCAPE = 31
const RATES_HZ = [
  96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350,
] as const
const PROFILES: Readonly<Record<number, string>> = {
  1: 'Main',
  2: 'LC',
  3: 'SSR',
  4: 'LTP',
  5: 'HE-AAC',
  29: 'HE-AAC v2',
  23: 'LD',
  39: 'ELD',
}
const CHANNELS = [undefined, 1, 2, 3, 4, 5, 6, 8] as const
const FRAME_SAMPLES = 1_024

/**
 * Reads an AudioSyncStream header and, where the configuration comes with the frame, its AudioSpecificConfig. A frame
 * that refers to the configuration before it has samples −1: the caller knows them.
 */
export function readLatmFrame(bytes: Buffer, at: number): AudioFrame | undefined {
  const reader = new BitReader(bytes, at, bytes.length, false)
  if (reader.bits(SYNC_BITS) !== SYNC_WORD) return undefined
  const lengthBytes = reader.bits(13) + HEADER_BYTES
  const unknown = { kind: 'audio', profile: undefined, sampleRateHz: undefined, channels: undefined } as const
  if (reader.flag()) return { lengthBytes, samples: -1, format: unknown }
  const version = reader.bit()
  const isVersionA = version === 1 && reader.flag()
  if (isVersionA) return { lengthBytes, samples: -1, format: unknown }
  if (version === 1) latmValue(reader)
  reader.skip(1)
  const subFrames = reader.bits(6) + 1
  const programmes = reader.bits(4)
  const layers = reader.bits(3)
  if (version === 1) latmValue(reader)
  if (programmes > 0 || layers > 0) return { lengthBytes, samples: -1, format: unknown }
  const { type, rateHz, channels } = readSpecificConfig(reader)
  if (reader.isExhausted || rateHz === undefined) return { lengthBytes, samples: -1, format: unknown }
  const profile = PROFILES[type] ?? `object type ${type}`
  return {
    lengthBytes,
    samples: FRAME_SAMPLES * subFrames,
    format: { kind: 'audio', profile, sampleRateHz: rateHz, channels },
  }
}

function latmValue(reader: BitReader): number {
  return reader.bits(8 * (reader.bits(2) + 1))
}

/** AudioSpecificConfig, §1.6.2.1: the rate is that of the core, in which frames are counted. */
function readSpecificConfig(reader: BitReader): {
  readonly type: number
  readonly rateHz: number | undefined
  readonly channels: number | undefined
} {
  const first = reader.bits(5)
  const type = first === TYPE_ESCAPE ? 32 + reader.bits(6) : first
  const rateIndex = reader.bits(4)
  const rateHz = rateIndex === RATE_EXPLICIT ? reader.bits(24) : RATES_HZ[rateIndex]
  const channels = CHANNELS[reader.bits(4)]
  return { type, rateHz, channels }
}
