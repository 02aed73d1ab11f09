import { ByteReader } from '../../isobmff/byte-reader.ts'
import type { CodecConfiguration, ReadTrack } from '../../isobmff/track.ts'
import type { Codec } from '../../mpegts/elementary-stream.ts'

/** How samples of a track become units of an elementary stream. */
export interface ElementaryFormat {
  readonly codec: Codec
  /** The unit, in memory of its own or the sample's; undefined where the sample cannot be one. */
  toUnit(sample: Buffer, isSync: boolean): Buffer | undefined
}

const OBJECT_TYPE_AAC = 0x40
/** MPEG-2 AAC Main, LC, SSR. */
const OBJECT_TYPES_MPEG2_AAC: ReadonlySet<number> = new Set([0x66, 0x67, 0x68])
const OBJECT_TYPES_MPEG_AUDIO: ReadonlySet<number> = new Set([0x69, 0x6b])
const OBJECT_TYPE_MPEG1_VIDEO = 0x6a
const OBJECT_TYPES_MPEG2_VIDEO: ReadonlySet<number> = new Set([0x60, 0x61, 0x62, 0x63, 0x64, 0x65])
const START_CODE = Buffer.from([0, 0, 0, 1])
const DELIMITER_H264 = Buffer.from([0, 0, 0, 1, 0x09, 0xf0])
const DELIMITER_HEVC = Buffer.from([0, 0, 0, 1, 0x46, 0x01, 0x50])
const MPEG_SEQUENCE = Buffer.from([0, 0, 1, 0xb3])
const FRAME_BYTES_MAX = 0x1fff
const ADTS_BYTES = 7

/** Undefined for a codec that has no place in MPEG-TS here. */
export function elementaryFormatOf({ codec }: Pick<ReadTrack, 'codec'>): ElementaryFormat | undefined {
  switch (codec.kind) {
    case 'avc': {
      const sets = [...codec.avc.sequenceSets, ...codec.avc.pictureSets]
      return nalFormat('h264', codec.avc.lengthBytes, sets, DELIMITER_H264)
    }
    case 'hevc':
      return nalFormat('hevc', codec.hevc.lengthBytes, codec.hevc.sets, DELIMITER_HEVC)
    case 'mpeg4-video':
      return mpegVideoFormat(codec.descriptor)
    case 'mpeg4-audio':
      return mpegAudioFormat(codec.descriptor)
    case 'mp3':
      return asItIs('mp2')
    case 'ac3':
    case 'eac3':
      return asItIs(codec.kind)
    case 'opus':
      return { codec: 'opus', toUnit: opusUnit }
    case 'other':
      return undefined
    default:
      return codec satisfies never
  }
}

type Descriptor = Extract<CodecConfiguration, { readonly kind: 'mpeg4-audio' }>['descriptor']

function asItIs(codec: Codec): ElementaryFormat {
  return { codec, toUnit: (sample) => sample }
}

function mpegVideoFormat({ objectType, specific }: Descriptor): ElementaryFormat | undefined {
  const isMpeg1 = objectType === OBJECT_TYPE_MPEG1_VIDEO
  if (!isMpeg1 && !OBJECT_TYPES_MPEG2_VIDEO.has(objectType)) return undefined
  const toUnit = (sample: Buffer, isSync: boolean) =>
    isSync && !sample.subarray(0, 1_024).includes(MPEG_SEQUENCE) ? Buffer.concat([specific, sample]) : sample
  return { codec: isMpeg1 ? 'mpeg1video' : 'mpeg2video', toUnit }
}

function mpegAudioFormat({ objectType, specific }: Descriptor): ElementaryFormat | undefined {
  if (OBJECT_TYPES_MPEG_AUDIO.has(objectType)) return asItIs('mp2')
  if (objectType !== OBJECT_TYPE_AAC && !OBJECT_TYPES_MPEG2_AAC.has(objectType)) return undefined
  const header = adtsHeader(specific)
  if (header === undefined) return undefined
  const toUnit = (sample: Buffer) => {
    const length = sample.length + ADTS_BYTES
    if (length > FRAME_BYTES_MAX) return undefined
    const frame = Buffer.allocUnsafeSlow(length)
    header.copy(frame)
    frame[3] = (frame[3] ?? 0) | (length >>> 11)
    frame[4] = (length >>> 3) & 0xff
    frame[5] = ((length & 7) << 5) | 0x1f
    sample.copy(frame, ADTS_BYTES)
    return frame
  }
  return { codec: 'aac', toUnit }
}

const TYPE_SBR = 5
const TYPE_PS = 29
const RATE_EXPLICIT = 15

/**
 * The ADTS header, without the length, of what an AudioSpecificConfig describes (ISO/IEC 14496-3 §1.6.2.1, §1.A.2.2). SBR and PS are left to be found
 * in the frames, as ADTS has it. Undefined for object types above 4, rates that have no index, and channels that a programme config element tells.
 */
function adtsHeader(specific: Buffer): Buffer | undefined {
  if (specific.length < 2) return undefined
  const reader = new ByteReader(specific)
  const bits = reader.u16()
  let objectType = bits >>> 11
  const rateIndex = (bits >>> 7) & 0x0f
  const channels = (bits >>> 3) & 0x0f
  if (rateIndex === RATE_EXPLICIT || channels === 0 || channels > 7) return undefined
  // Explicit signalling: the index above is of the core, whose object type stands behind that of the extension.
  if (objectType === TYPE_SBR || objectType === TYPE_PS) objectType = 2
  if (objectType < 1 || objectType > 4) return undefined
  const header = Buffer.alloc(ADTS_BYTES)
  header.writeUInt16BE(0xfff1, 0)
  header[2] = ((objectType - 1) << 6) | (rateIndex << 2) | (channels >>> 2)
  header[3] = (channels & 3) << 6
  header[6] = 0xfc
  return header
}

/** Opus in MPEG-TS has a control header that tells its length ("Opus Audio Codec in MPEG-2 TS" §4). */
function opusUnit(sample: Buffer): Buffer {
  const sizes = Buffer.alloc(Math.floor(sample.length / 255) + 1, 255)
  sizes[sizes.length - 1] = sample.length % 255
  return Buffer.concat([Buffer.from([0x7f, 0xe0]), sizes, sample])
}

/** Samples of length-prefixed NAL units to Annex B with a delimiter, and the parameter sets where a decoder can begin. */
function nalFormat(
  codec: 'h264' | 'hevc',
  lengthBytes: number,
  sets: readonly Buffer[],
  delimiter: Buffer,
): ElementaryFormat {
  const typeOf = (header: number) => (codec === 'h264' ? header & 0x1f : (header >>> 1) & 0x3f)
  const delimiterType = typeOf(delimiter[4] ?? 0)
  const setParts = sets.flatMap((set) => [START_CODE, set])
  const toUnit = (sample: Buffer, isSync: boolean): Buffer | undefined => {
    const parts: Buffer[] = isSync ? [delimiter, ...setParts] : [delimiter]
    const before = parts.length
    for (let at = 0; at + lengthBytes <= sample.length;) {
      const length = sample.readUIntBE(at, lengthBytes)
      const start = at + lengthBytes
      at = start + length
      // A length that is not true of the rest would give a decoder bytes of another unit.
      if (at > sample.length) return undefined
      if (length > 0 && typeOf(sample[start] ?? 0) !== delimiterType) parts.push(START_CODE, sample.subarray(start, at))
    }
    return parts.length === before ? undefined : Buffer.concat(parts)
  }
  return { codec, toUnit }
}
