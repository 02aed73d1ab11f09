import type { Codec } from '../elementary-stream.ts'
import { readLatmFrame } from './latm.ts'
import type { AudioFormat } from './signature.ts'

/** One frame of audio as its header tells it. */
export interface AudioFrame {
  readonly lengthBytes: number
  /** Per channel; 0 for a frame that only adds to the one before it. */
  readonly samples: number
  readonly format: AudioFormat
}

/** Bytes that every header fits into. */
export const AUDIO_HEADER_BYTES_MAX = 64

type FramedCodec = 'aac' | 'aac-latm' | 'mp2' | 'ac3' | 'eac3'

export function isFramedCodec(codec: Codec): codec is FramedCodec {
  return codec === 'aac' || codec === 'aac-latm' || codec === 'mp2' || codec === 'ac3' || codec === 'eac3'
}

/**
 * Reads the header of the frame at `at`: undefined when none is there. There must be AUDIO_HEADER_BYTES_MAX bytes, or
 * zeros behind what there is.
 */
export function readAudioFrame(codec: FramedCodec, bytes: Buffer, at: number): AudioFrame | undefined {
  switch (codec) {
    case 'aac':
      return readAdts(bytes, at)
    case 'aac-latm':
      return readLatmFrame(bytes, at)
    case 'mp2':
      return readMpegAudio(bytes, at)
    case 'ac3':
    case 'eac3':
      return readAc3(bytes, at)
    default:
      return codec satisfies never
  }
}

function byteAt(bytes: Buffer, at: number): number {
  return bytes[at] ?? 0
}

const AAC_RATES_HZ = [
  96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350,
] as const
const AAC_PROFILES = ['Main', 'LC', 'SSR', 'LTP'] as const
const AAC_CHANNELS = [undefined, 1, 2, 3, 4, 5, 6, 8] as const

/** ADTS, ISO/IEC 14496-3 §1.A.2.2 (and 13818-7 §6.2). */
function readAdts(bytes: Buffer, at: number): AudioFrame | undefined {
  if (byteAt(bytes, at) !== 0xff || (byteAt(bytes, at + 1) & 0xf6) !== 0xf0) return undefined
  const sampleRateHz = AAC_RATES_HZ[(byteAt(bytes, at + 2) >>> 2) & 0x0f]
  const lengthBytes =
    ((byteAt(bytes, at + 3) & 0x03) << 11) | (byteAt(bytes, at + 4) << 3) | (byteAt(bytes, at + 5) >>> 5)
  if (sampleRateHz === undefined || lengthBytes < 7) return undefined
  const channelIdc = ((byteAt(bytes, at + 2) & 0x01) << 2) | (byteAt(bytes, at + 3) >>> 6)
  const profile = AAC_PROFILES[byteAt(bytes, at + 2) >>> 6]
  const samples = 1_024 * ((byteAt(bytes, at + 6) & 0x03) + 1)
  return { lengthBytes, samples, format: { kind: 'audio', profile, sampleRateHz, channels: AAC_CHANNELS[channelIdc] } }
}

/** Layers 1 to 3 in kbit/s, ISO/IEC 11172-3 §2.4.2.3; then those of 13818-3 for low rates. */
const KBPS_V1 = {
  1: [0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
  2: [0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
  3: [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
} as const
const KBPS_V2 = {
  1: [0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
  2: [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
  3: [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
} as const
const MPEG_RATES_HZ = [44_100, 48_000, 32_000] as const
const VERSION_1 = 3
const VERSION_2 = 2
const VERSION_2_5 = 0

function readMpegAudio(bytes: Buffer, at: number): AudioFrame | undefined {
  if (byteAt(bytes, at) !== 0xff || (byteAt(bytes, at + 1) & 0xe0) !== 0xe0) return undefined
  const version = (byteAt(bytes, at + 1) >>> 3) & 3
  const layer = layerOf(4 - ((byteAt(bytes, at + 1) >>> 1) & 3))
  const rateHz = MPEG_RATES_HZ[(byteAt(bytes, at + 2) >>> 2) & 3]
  if (layer === undefined || rateHz === undefined) return undefined
  if (version !== VERSION_1 && version !== VERSION_2 && version !== VERSION_2_5) return undefined
  const isFirst = version === VERSION_1
  const kbps = (isFirst ? KBPS_V1 : KBPS_V2)[layer][byteAt(bytes, at + 2) >>> 4]
  if (kbps === undefined || kbps === 0) return undefined
  const sampleRateHz = rateHz / (isFirst ? 1 : version === VERSION_2 ? 2 : 4)
  const padding = (byteAt(bytes, at + 2) >>> 1) & 1
  const samples = layer === 1 ? 384 : layer === 2 || isFirst ? 1_152 : 576
  const slotBytes = layer === 1 ? 4 : 1
  const slots = Math.floor((samples / 8 / slotBytes) * ((kbps * 1_000) / sampleRateHz)) + padding
  const channels = byteAt(bytes, at + 3) >>> 6 === 3 ? 1 : 2
  return {
    lengthBytes: slots * slotBytes,
    samples,
    format: { kind: 'audio', profile: `Layer ${'I'.repeat(layer)}`, sampleRateHz, channels },
  }
}

function layerOf(value: number): 1 | 2 | 3 | undefined {
  return value === 1 || value === 2 || value === 3 ? value : undefined
}

const AC3_RATES_HZ = [48_000, 44_100, 32_000] as const
const AC3_KBPS = [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640] as const
/** Full channels by acmod, ETSI TS 102 366 §4.4.2.3. */
const AC3_CHANNELS = [2, 1, 2, 3, 3, 4, 4, 5] as const
const EAC3_BSID_FIRST = 11
const EAC3_BLOCKS = [1, 2, 3, 6] as const
const EAC3_DEPENDENT = 1

/** AC-3 and E-AC-3 syncinfo and bsi, ETSI TS 102 366 §4.3 and Annex E. */
function readAc3(bytes: Buffer, at: number): AudioFrame | undefined {
  if (byteAt(bytes, at) !== 0x0b || byteAt(bytes, at + 1) !== 0x77) return undefined
  const bsid = byteAt(bytes, at + 5) >>> 3
  if (bsid >= EAC3_BSID_FIRST) return bsid <= 16 ? readEac3(bytes, at) : undefined
  const rate = byteAt(bytes, at + 4) >>> 6
  const sizeCode = byteAt(bytes, at + 4) & 0x3f
  const sampleRateHz = AC3_RATES_HZ[rate]
  const kbps = AC3_KBPS[sizeCode >>> 1]
  if (sampleRateHz === undefined || kbps === undefined) return undefined
  const words = Math.floor((kbps * 1_000 * 96) / sampleRateHz) + (rate === 1 ? sizeCode & 1 : 0)
  const mode = byteAt(bytes, at + 6) >>> 5
  const hasCentreMix = (mode & 1) !== 0 && mode !== 1
  const skipped = 3 + (hasCentreMix ? 2 : 0) + ((mode & 4) !== 0 ? 2 : 0) + (mode === 2 ? 2 : 0)
  const lfe = (byteAt(bytes, at + 6) >>> (7 - skipped)) & 1
  return {
    lengthBytes: words * 2,
    samples: 1_536,
    format: { kind: 'audio', profile: undefined, sampleRateHz, channels: (AC3_CHANNELS[mode] ?? 0) + lfe },
  }
}

function readEac3(bytes: Buffer, at: number): AudioFrame | undefined {
  const streamType = byteAt(bytes, at + 2) >>> 6
  const lengthBytes = (((byteAt(bytes, at + 2) & 0x07) << 8) | byteAt(bytes, at + 3)) * 2 + 2
  const rate = byteAt(bytes, at + 4) >>> 6
  const blocksCode = (byteAt(bytes, at + 4) >>> 4) & 3
  const fullRate = AC3_RATES_HZ[rate === 3 ? blocksCode : rate]
  const blocks = rate === 3 ? 6 : EAC3_BLOCKS[blocksCode]
  if (fullRate === undefined || blocks === undefined || streamType === 3) return undefined
  const mode = (byteAt(bytes, at + 4) >>> 1) & 7
  const channels = (AC3_CHANNELS[mode] ?? 0) + (byteAt(bytes, at + 4) & 1)
  const sampleRateHz = rate === 3 ? fullRate / 2 : fullRate
  // A dependent substream adds channels to the frame before it, and further independent ones play beside the first.
  const isFirst = streamType !== EAC3_DEPENDENT && ((byteAt(bytes, at + 2) >>> 3) & 7) === 0
  return {
    lengthBytes,
    samples: isFirst ? blocks * 256 : 0,
    format: { kind: 'audio', profile: undefined, sampleRateHz, channels },
  }
}
