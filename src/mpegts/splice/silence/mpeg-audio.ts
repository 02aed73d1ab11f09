import { AUDIO_HEADER_BYTES, readAudioFrame } from '../audio-frame.ts'
import type { AudioFrame } from '../audio-frame.ts'
import { atConstantRate, kbpsOf } from './bit-rate.ts'
import { crc16 } from './crc16.ts'
import type { SilentFrames } from './silent-sound.ts'

const HEADER_BYTES = 4
const MODE_JOINT = 1
const MODE_MONO = 3
const SUBBANDS = 32
const RATES_HZ = [44_100, 48_000, 32_000]
const CHECK_BEGIN = 0xffff

/** Bits of the allocation by subband for Layer II (ISO/IEC 11172-3 Tables B.2a to d; 13818-3 Table B.1): how many of each width. */
type AllocationTable = readonly (readonly [bits: number, subbands: number])[]
const TABLE_A: AllocationTable = [
  [4, 11],
  [3, 12],
  [2, 4],
]
const TABLE_B: AllocationTable = [
  [4, 11],
  [3, 12],
  [2, 7],
]
const TABLE_C: AllocationTable = [
  [4, 2],
  [3, 6],
]
const TABLE_D: AllocationTable = [
  [4, 2],
  [3, 10],
]
const TABLE_LOW_RATES: AllocationTable = [
  [4, 4],
  [3, 7],
  [2, 19],
]

/** Layer I has four bits for each subband (11172-3 §2.4.1.5). */
const TABLE_LAYER_1: AllocationTable = [[4, 32]]
/** side_info by channels, bytes (§2.4.1.7; 13818-3 §2.4.1.7). */
const SIDE_INFO_MPEG1: readonly number[] = [0, 17, 32]
const SIDE_INFO_LOW_RATES: readonly number[] = [0, 9, 17]

/** What the header tells, as far as silence depends on it. */
interface Shape {
  readonly layer: number
  readonly isMpeg1: boolean
  readonly rateHz: number
  readonly channels: number
  /** Subbands below it have an allocation for each channel, those from it on one for both. */
  readonly bound: number
  readonly kbps: number
}

/**
 * Silent frames of Layer I, II or III with the header of another one: no subband has bits, or no granule has
 * (ISO/IEC 11172-3 §2.4.1, 13818-3 §2.4.1). Padding comes as often as the bit rate wants it. Undefined where there is no
 * such header.
 */
export function silentMpegAudio(header: Buffer): SilentFrames | undefined {
  const plain = Buffer.from(header.subarray(0, AUDIO_HEADER_BYTES))
  plain[2] = (plain[2] ?? 0) & ~2
  const padded = Buffer.from(plain)
  padded[2] = (padded[2] ?? 0) | 2
  const short = readAudioFrame('mp2', plain, 0)
  const long = readAudioFrame('mp2', padded, 0)
  if (short === undefined || long === undefined) return undefined
  const shape = shapeOf(plain, short)
  return atConstantRate(silentFrame(plain, short, shape), silentFrame(padded, long, shape), short.ticks)
}

function silentFrame(header: Buffer, { bytes }: AudioFrame, shape: Shape): Buffer {
  const frame = Buffer.alloc(bytes)
  header.copy(frame, 0, 0, HEADER_BYTES)
  const hasCheckWord = ((header[1] ?? 0) & 1) === 0
  if (hasCheckWord && bytes >= HEADER_BYTES + 2) frame.writeUInt16BE(checkWord(header, shape), HEADER_BYTES)
  return frame
}

function shapeOf(header: Buffer, { bytes, ticks }: AudioFrame): Shape {
  const [, second = 0, third = 0, fourth = 0] = header
  const isMpeg1 = ((second >>> 3) & 3) === 3
  const mode = fourth >>> 6
  return {
    layer: 4 - ((second >>> 1) & 3),
    isMpeg1,
    rateHz: RATES_HZ[(third >>> 2) & 3] ?? 0,
    channels: mode === MODE_MONO ? 1 : 2,
    bound: mode === MODE_JOINT ? (((fourth >>> 4) & 3) + 1) * 4 : SUBBANDS,
    kbps: kbpsOf(bytes, ticks),
  }
}

/** crc_check covers the second half of the header and what tells which bits mean what, here all zeros (§2.4.3.1). */
function checkWord(header: Buffer, shape: Shape): number {
  let crc = crc16(CHECK_BEGIN, header.readUInt16BE(2), 16)
  for (let bits = zerosCovered(shape); bits > 0; bits -= 1) crc = crc16(crc, 0, 1)
  return crc
}

function zerosCovered(shape: Shape): number {
  const { layer, isMpeg1, channels } = shape
  if (layer === 3) return 8 * ((isMpeg1 ? SIDE_INFO_MPEG1 : SIDE_INFO_LOW_RATES)[channels] ?? 0)
  let bits = 0
  let subband = 0
  for (const [width, count] of layer === 1 ? TABLE_LAYER_1 : allocationTableOf(shape)) {
    const separate = Math.min(Math.max(shape.bound - subband, 0), count)
    bits += width * (separate * channels + count - separate)
    subband += count
  }
  return bits
}

/** Which table a Layer II stream uses (11172-3 Table B.2). */
function allocationTableOf({ isMpeg1, rateHz, channels, kbps }: Shape): AllocationTable {
  if (!isMpeg1) return TABLE_LOW_RATES
  const channelKbps = kbps / channels
  if (channelKbps >= 56 && (rateHz === 48_000 || channelKbps <= 80)) return TABLE_A
  if (channelKbps >= 96 && rateHz !== 48_000) return TABLE_B
  return rateHz === 32_000 ? TABLE_D : TABLE_C
}
