import { writeAc3Configuration, writeEac3Configuration } from '../../isobmff/dolby-configuration.ts'
import type { CodecConfiguration } from '../../isobmff/track.ts'
import { AUDIO_HEADER_BYTES_MAX, isFramedCodec, readAudioFrame } from '../../mpegts/analyser/audio-frame.ts'
import type { AccessUnit } from '../../mpegts/units/access-unit.ts'
import type { SampleFormat } from './sample-format.ts'

const OBJECT_TYPE_AAC = 0x40
const OBJECT_TYPE_MPEG1_AUDIO = 0x6b
const OBJECT_TYPE_MPEG2_AUDIO = 0x69
const EAC3_UNIT_SAMPLES = 1_536
/** The lowest rates are of MPEG-2 (ISO/IEC 13818-3). */
const MPEG1_RATE_HZ_MIN = 32_000

/** The format that a frame's header tells; undefined where it cannot be read, or the codec has no place in MP4 here. */
export function readAudioFormat(unit: AccessUnit): SampleFormat | undefined {
  const { codec } = unit.stream
  if (codec === 'aac-latm' || !isFramedCodec(codec) || unit.data.length < AUDIO_HEADER_BYTES_MIN) return undefined
  const head = Buffer.alloc(AUDIO_HEADER_BYTES_MAX)
  unit.data.copy(head, 0, 0, AUDIO_HEADER_BYTES_MAX)
  const frame = readAudioFrame(codec, head, 0)
  const { sampleRateHz, channels } = frame?.format ?? {}
  if (frame === undefined || sampleRateHz === undefined || channels === undefined) return undefined
  const unitTicks = codec === 'eac3' ? EAC3_UNIT_SAMPLES : frame.samples
  const configuration = configurationOf(unit, sampleRateHz, unitTicks)
  if (configuration === undefined) return undefined
  const headerBytes = codec === 'aac' ? adtsHeaderBytes : () => 0
  return {
    key: `${codec} ${sampleRateHz} ${channels} ${frame.format.profile ?? ''}`,
    track: {
      kind: 'audio',
      timescale: sampleRateHz,
      codec: configuration,
      width: 0,
      height: 0,
      channels,
      sampleRateHz,
    },
    framesPerSecond: undefined,
    unitTicks,
    toSample: ({ data }) => Buffer.from(data.subarray(headerBytes(data))),
  }
}

const AUDIO_HEADER_BYTES_MIN = 7

/** What of a frame's header decides its format, to see without reading it that it stays: 0 where there is too little. */
export function audioHeaderKey({ stream, data }: AccessUnit): number {
  if (data.length < AUDIO_HEADER_BYTES_MIN) return 0
  switch (stream.codec) {
    case 'aac':
      // Profile, rate and channels.
      return data.readUInt16BE(2) & 0xfdc0
    case 'mp2':
      // Version, layer, rate and whether it is mono.
      return ((data[1] ?? 0) << 8) | ((data[2] ?? 0) & 0x0c) | ((data[3] ?? 0) >>> 6 === 3 ? 1 : 0)
    case 'ac3':
      return data.readUIntBE(4, 3)
    case 'eac3':
      return data.readUIntBE(2, 4)
    default:
      return 0
  }
}

function configurationOf(unit: AccessUnit, sampleRateHz: number, samples: number): CodecConfiguration | undefined {
  const { data, stream } = unit
  switch (stream.codec) {
    case 'aac':
      return aacConfiguration(data)
    case 'mp2': {
      const objectType = sampleRateHz >= MPEG1_RATE_HZ_MIN ? OBJECT_TYPE_MPEG1_AUDIO : OBJECT_TYPE_MPEG2_AUDIO
      return { kind: 'mpeg4-audio', descriptor: { objectType, specific: Buffer.alloc(0) } }
    }
    case 'ac3': {
      const configuration = writeAc3Configuration(data)
      return configuration === undefined ? undefined : { kind: 'ac3', configuration }
    }
    case 'eac3': {
      const configuration = writeEac3Configuration(data, samples, sampleRateHz)
      return configuration === undefined ? undefined : { kind: 'eac3', configuration }
    }
    default:
      return undefined
  }
}

/** AudioSpecificConfig out of an ADTS header, ISO/IEC 14496-3 §1.6.2.1 and §1.A.2.2; several blocks in a frame cannot be told apart. */
function aacConfiguration(frame: Buffer): CodecConfiguration | undefined {
  const objectType = ((frame[2] ?? 0) >>> 6) + 1
  const rateIndex = ((frame[2] ?? 0) >>> 2) & 0x0f
  const channels = (((frame[2] ?? 0) & 1) << 2) | ((frame[3] ?? 0) >>> 6)
  if (((frame[6] ?? 0) & 3) !== 0) return undefined
  const specific = Buffer.alloc(2)
  specific.writeUInt16BE((objectType << 11) | (rateIndex << 7) | (channels << 3), 0)
  return { kind: 'mpeg4-audio', descriptor: { objectType: OBJECT_TYPE_AAC, specific } }
}

/** protection_absent leaves the CRC out. */
function adtsHeaderBytes(frame: Buffer): number {
  return ((frame[1] ?? 0) & 1) === 1 ? 7 : 9
}
