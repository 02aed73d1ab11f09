import type { Codec } from '../elementary-stream.ts'

/** One audio frame as its header tells it. */
export interface AudioFrame {
  readonly bytes: number
  /** Duration in 90 kHz ticks, not rounded. */
  readonly ticks: number
}

/** Bytes that are enough to read any of the headers below. */
export const AUDIO_HEADER_BYTES = 8
const TICKS_PER_SECOND = 90_000
/** The shortest header that counts as a frame; anything that says less would make a reader crawl. */
const FRAME_BYTES_MIN = AUDIO_HEADER_BYTES

type FrameReader = (bytes: Buffer, at: number) => AudioFrame | undefined

const READERS: Partial<Readonly<Record<Codec, FrameReader>>> = {
  aac: readAdts,
  mp2: readMpegAudio,
  ac3: readAc3,
  eac3: readAc3,
}

/** Whether the frames of a codec can be told apart here. */
export function hasReadableFrames(codec: Codec): boolean {
  return READERS[codec] !== undefined
}

/** Reads the frame header at `at`, where AUDIO_HEADER_BYTES follow; undefined where no frame of the codec begins. */
export function readAudioFrame(codec: Codec, bytes: Buffer, at: number): AudioFrame | undefined {
  const frame = READERS[codec]?.(bytes, at)
  return frame !== undefined && frame.bytes >= FRAME_BYTES_MIN ? frame : undefined
}

const AAC_RATES_HZ = [
  96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350,
]

/** ADTS, ISO/IEC 14496-3 §1.A.2.2. */
function readAdts(bytes: Buffer, at: number): AudioFrame | undefined {
  if (bytes[at] !== 0xff || ((bytes[at + 1] ?? 0) & 0xf6) !== 0xf0) return undefined
  const rateHz = AAC_RATES_HZ[((bytes[at + 2] ?? 0) >>> 2) & 0x0f]
  if (rateHz === undefined) return undefined
  const length = (((bytes[at + 3] ?? 0) & 0x03) << 11) | ((bytes[at + 4] ?? 0) << 3) | ((bytes[at + 5] ?? 0) >>> 5)
  const blocks = ((bytes[at + 6] ?? 0) & 0x03) + 1
  return { bytes: length, ticks: (1_024 * blocks * TICKS_PER_SECOND) / rateHz }
}

const MPEG_RATES_HZ = [44_100, 48_000, 32_000]
const MPEG1_KBPS: Readonly<Record<number, readonly number[]>> = {
  1: [0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
  2: [0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
  3: [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
}
const MPEG2_KBPS: Readonly<Record<number, readonly number[]>> = {
  1: [0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
  2: [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
  3: [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
}

/** MPEG-1 and MPEG-2 audio, ISO/IEC 11172-3 §2.4.1.3 and 13818-3 §2.4.2.3, with the "2.5" rates. */
function readMpegAudio(bytes: Buffer, at: number): AudioFrame | undefined {
  const second = bytes[at + 1] ?? 0
  if (bytes[at] !== 0xff || (second & 0xe0) !== 0xe0) return undefined
  const version = (second >>> 3) & 3
  const layer = 4 - ((second >>> 1) & 3)
  const third = bytes[at + 2] ?? 0
  const fullRateHz = MPEG_RATES_HZ[(third >>> 2) & 3]
  const kbps = (version === 3 ? MPEG1_KBPS : MPEG2_KBPS)[layer]?.[third >>> 4]
  if (version === 1 || fullRateHz === undefined || kbps === undefined || kbps === 0) return undefined
  const rateHz = version === 3 ? fullRateHz : version === 2 ? fullRateHz / 2 : fullRateHz / 4
  const samples = layer === 1 ? 384 : layer === 3 && version !== 3 ? 576 : 1_152
  const slotBytes = layer === 1 ? 4 : 1
  const slots = Math.floor((samples * kbps * 1_000) / (8 * slotBytes * rateHz)) + ((third >>> 1) & 1)
  return { bytes: slots * slotBytes, ticks: (samples * TICKS_PER_SECOND) / rateHz }
}

const AC3_RATES_HZ = [48_000, 44_100, 32_000]
const AC3_KBPS = [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640]
const AC3_BLOCK_SAMPLES = 256
const EAC3_BLOCKS = [1, 2, 3, 6]
const EAC3_DEPENDENT = 1

/** AC-3 and Enhanced AC-3, ETSI TS 102 366 §4.3 and Annex E §1.2. */
function readAc3(bytes: Buffer, at: number): AudioFrame | undefined {
  if (bytes[at] !== 0x0b || bytes[at + 1] !== 0x77) return undefined
  const bitStreamId = (bytes[at + 5] ?? 0) >>> 3
  const fifth = bytes[at + 4] ?? 0
  if (bitStreamId > 10) return bitStreamId <= 16 ? readEac3(bytes, at, fifth) : undefined
  const rateHz = AC3_RATES_HZ[fifth >>> 6]
  const sizeCode = fifth & 0x3f
  const kbps = AC3_KBPS[sizeCode >>> 1]
  if (rateHz === undefined || kbps === undefined) return undefined
  const padding = rateHz === 44_100 ? sizeCode & 1 : 0
  const words = Math.floor((kbps * 1_000 * 6 * AC3_BLOCK_SAMPLES) / rateHz / 16) + padding
  return { bytes: 2 * words, ticks: (6 * AC3_BLOCK_SAMPLES * TICKS_PER_SECOND) / rateHz }
}

function readEac3(bytes: Buffer, at: number, fifth: number): AudioFrame | undefined {
  const third = bytes[at + 2] ?? 0
  const length = 2 * ((((third & 0x07) << 8) | (bytes[at + 3] ?? 0)) + 1)
  const rateCode = fifth >>> 6
  const reducedRateHz = AC3_RATES_HZ[(fifth >>> 4) & 3]
  const rateHz = rateCode === 3 ? (reducedRateHz === undefined ? undefined : reducedRateHz / 2) : AC3_RATES_HZ[rateCode]
  if (rateHz === undefined) return undefined
  const blocks = rateCode === 3 ? 6 : (EAC3_BLOCKS[(fifth >>> 4) & 3] ?? 6)
  // A dependent substream plays together with the independent one before it.
  const duration = third >>> 6 === EAC3_DEPENDENT ? 0 : (blocks * AC3_BLOCK_SAMPLES * TICKS_PER_SECOND) / rateHz
  return { bytes: length, ticks: duration }
}
