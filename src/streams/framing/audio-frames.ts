/** Frame headers of raw audio: ADTS (ISO/IEC 13818-7 §6.2) and MPEG audio (ISO/IEC 11172-3 §2.4.1), and ID3v2 tags. */
export interface AudioFrame {
  readonly container: 'adts' | 'mp3'
  /** Whole frame, header included. */
  readonly bytes: number
  readonly durationMs: number
}

/** Bytes that `readAudioFrame` needs. */
export const AUDIO_HEADER_BYTES = 7
export const ID3_HEADER_BYTES = 10

const ADTS_SAMPLE_RATES_HZ = [
  96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350,
]
const MPEG1_SAMPLE_RATES_HZ = [44_100, 48_000, 32_000]
const BITRATES_KBPS = {
  mpeg1Layer1: [32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
  mpeg1Layer2: [32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
  mpeg1Layer3: [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
  mpeg2Layer1: [32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
  mpeg2Other: [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
} as const
const ADTS_SAMPLES_PER_BLOCK = 1_024

/** The frame whose header is at `at`; undefined if there is none, or it needs a header that is cut short. */
export function readAudioFrame(bytes: Buffer, at: number): AudioFrame | undefined {
  if (at + AUDIO_HEADER_BYTES > bytes.length) return undefined
  const first = bytes[at + 1] ?? 0
  if (bytes[at] !== 0xff || (first & 0xe0) !== 0xe0) return undefined
  return (first & 0x06) === 0 ? readAdts(bytes, at) : readMpegAudio(bytes, at)
}

function readAdts(bytes: Buffer, at: number): AudioFrame | undefined {
  if (((bytes[at + 1] ?? 0) & 0xf0) !== 0xf0) return undefined
  const sampleRateHz = ADTS_SAMPLE_RATES_HZ[((bytes[at + 2] ?? 0) >>> 2) & 0x0f]
  const length = (((bytes[at + 3] ?? 0) & 0x03) << 11) | ((bytes[at + 4] ?? 0) << 3) | ((bytes[at + 5] ?? 0) >>> 5)
  if (sampleRateHz === undefined || length <= AUDIO_HEADER_BYTES) return undefined
  const blocks = ((bytes[at + 6] ?? 0) & 0x03) + 1
  return { container: 'adts', bytes: length, durationMs: (blocks * ADTS_SAMPLES_PER_BLOCK * 1_000) / sampleRateHz }
}

function readMpegAudio(bytes: Buffer, at: number): AudioFrame | undefined {
  const second = bytes[at + 1] ?? 0
  const third = bytes[at + 2] ?? 0
  const version = (second >>> 3) & 0x03
  const layer = 4 - ((second >>> 1) & 0x03)
  const isMpeg1 = version === 3
  const baseRateHz = MPEG1_SAMPLE_RATES_HZ[(third >>> 2) & 0x03]
  const bitrateKbps = bitratesOf(isMpeg1, layer)[(third >>> 4) - 1]
  if (version === 1 || baseRateHz === undefined || bitrateKbps === undefined) return undefined
  const sampleRateHz = baseRateHz / (isMpeg1 ? 1 : version === 2 ? 2 : 4)
  const padding = (third >>> 1) & 0x01
  const samples = layer === 1 ? 384 : layer === 2 || isMpeg1 ? 1_152 : 576
  const slotBytes = layer === 1 ? 4 : 1
  const slots = Math.floor(((samples / 8 / slotBytes) * bitrateKbps * 1_000) / sampleRateHz) + padding
  return { container: 'mp3', bytes: slots * slotBytes, durationMs: (samples * 1_000) / sampleRateHz }
}

function bitratesOf(isMpeg1: boolean, layer: number): readonly number[] {
  if (!isMpeg1) return layer === 1 ? BITRATES_KBPS.mpeg2Layer1 : BITRATES_KBPS.mpeg2Other
  if (layer === 1) return BITRATES_KBPS.mpeg1Layer1
  return layer === 2 ? BITRATES_KBPS.mpeg1Layer2 : BITRATES_KBPS.mpeg1Layer3
}

/** Whole length of the ID3v2 tag at `at` (ID3v2.4 §3.1), or undefined if there is none. */
export function id3TagBytes(bytes: Buffer, at: number): number | undefined {
  if (at + ID3_HEADER_BYTES > bytes.length || bytes.toString('latin1', at, at + 3) !== 'ID3') return undefined
  let size = 0
  for (let index = 6; index < ID3_HEADER_BYTES; index += 1) {
    const byte = bytes[at + index] ?? 0
    if (byte >= 0x80) return undefined
    size = size * 128 + byte
  }
  const hasFooter = ((bytes[at + 5] ?? 0) & 0x10) !== 0
  return ID3_HEADER_BYTES + size + (hasFooter ? ID3_HEADER_BYTES : 0)
}
