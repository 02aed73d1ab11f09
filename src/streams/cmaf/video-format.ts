import { generalProfileOf } from '../../isobmff/codec-string.ts'
import type { WrittenTrack } from '../../isobmff/track.ts'
import { readH264Sequence } from '../../mpegts/analyser/h264.ts'
import { readHevcFormat } from '../../mpegts/analyser/hevc.ts'
import { readMpegVideoFormat } from '../../mpegts/analyser/mpeg-video.ts'
import type { VideoFormat } from '../../mpegts/analyser/signature.ts'
import { unitsIn } from '../../mpegts/analyser/start-code.ts'
import type { AccessUnit } from '../../mpegts/units/access-unit.ts'
import { LengthPrefixed } from './length-prefixed.ts'
import type { SampleFormat } from './sample-format.ts'

const VIDEO_TIMESCALE = 90_000
const LENGTH_BYTES = 4
const CHROMA_IDC: Readonly<Record<string, number>> = { '4:0:0': 0, '4:2:0': 1, '4:2:2': 2, '4:4:4': 3 }
const OBJECT_TYPE_MPEG2_MAIN = 0x61
const OBJECT_TYPE_MPEG1 = 0x6a
const MPEG_PICTURE = 0x00
const MPEG_GROUP = 0xb8
const START_CODE_BYTES = 3

/** The format that the parameter sets of a random access unit tell; undefined when they are not all there. */
export function readVideoFormat(unit: AccessUnit): SampleFormat | undefined {
  switch (unit.stream.codec) {
    case 'h264':
      return readH264(unit)
    case 'hevc':
      return readHevc(unit)
    case 'mpeg1video':
    case 'mpeg2video':
      return readMpegVideo(unit)
    default:
      return undefined
  }
}

/** Copies of the NAL units whose type is wanted, each content once, in their order. */
function parameterSets({ data, nals }: AccessUnit, isWanted: (header: number) => boolean): readonly Buffer[] {
  const sets: Buffer[] = []
  for (let index = 0; index < nals.length; index += 2) {
    const nal = data.subarray(nals[index], nals[index + 1])
    if (nal.length > 0xffff || !isWanted(nal[0] ?? 0)) continue
    if (!sets.some((set) => set.equals(nal))) sets.push(Buffer.from(nal))
  }
  return sets
}

function keyOf(codec: string, sets: readonly Buffer[]): string {
  return `${codec} ${sets.map((set) => set.toString('base64')).join(' ')}`
}

function trackOf(format: VideoFormat, codec: WrittenTrack['codec']): SampleFormat['track'] {
  const { width = 0, height = 0 } = format
  return { kind: 'video', timescale: VIDEO_TIMESCALE, codec, width, height, channels: 0, sampleRateHz: 0 }
}

function readH264(unit: AccessUnit): SampleFormat | undefined {
  const sequenceSets = parameterSets(unit, (header) => (header & 0x1f) === 7)
  const pictureSets = parameterSets(unit, (header) => (header & 0x1f) === 8)
  const first = sequenceSets[0]
  if (first === undefined || first.length < 4 || pictureSets.length === 0) return undefined
  const format = readH264Sequence(first, 0, first.length)?.format
  if (format === undefined) return undefined
  const chroma = { formatIdc: CHROMA_IDC[format.chroma ?? ''] ?? 1, bitDepth: format.bitDepth ?? 8 }
  const avc = { lengthBytes: LENGTH_BYTES, sequenceSets, pictureSets, chroma }
  const prefixed = new LengthPrefixed('h264', [...sequenceSets, ...pictureSets])
  return {
    key: keyOf('h264', sequenceSets),
    track: trackOf(format, { kind: 'avc', entryType: 'avc1', avc }),
    framesPerSecond: format.framesPerSecond,
    unitTicks: 0,
    toSample: (each) => prefixed.convert(each),
  }
}

function readHevc(unit: AccessUnit): SampleFormat | undefined {
  const typeOf = (header: number) => (header >>> 1) & 0x3f
  const sets = parameterSets(unit, (header) => typeOf(header) >= 32 && typeOf(header) <= 34)
  const sequence = sets.find((set) => typeOf(set[0] ?? 0) === 33)
  const general = sequence === undefined ? undefined : generalProfileOf(sequence)
  if (sequence === undefined || general === undefined) return undefined
  const format = readHevcFormat(sequence, 0, sequence.length)
  if (format === undefined || new Set(sets.map((set) => typeOf(set[0] ?? 0))).size < 3) return undefined
  const hevcProfile = {
    general,
    chromaFormatIdc: CHROMA_IDC[format.chroma ?? ''] ?? 1,
    bitDepth: format.bitDepth ?? 8,
    temporalLayers: (((sequence[2] ?? 0) >>> 1) & 7) + 1,
    isTemporalNested: ((sequence[2] ?? 0) & 1) === 1,
  }
  const prefixed = new LengthPrefixed('hevc', sets)
  const hevc = { lengthBytes: LENGTH_BYTES, sets }
  const keySets = sets.filter((set) => typeOf(set[0] ?? 0) !== 34)
  return {
    key: keyOf('hevc', keySets),
    track: { ...trackOf(format, { kind: 'hevc', entryType: 'hvc1', hevc }), hevcProfile },
    framesPerSecond: format.framesPerSecond,
    unitTicks: 0,
    toSample: (each) => prefixed.convert(each),
  }
}

/** Headers in front of the first group or picture are the decoder's configuration; samples keep them. */
function readMpegVideo({ stream, data }: AccessUnit): SampleFormat | undefined {
  const units = [...unitsIn(data, 0, data.length)]
  const format = readMpegVideoFormat(data, units)
  const end = units.find(({ start }) => data[start] === MPEG_PICTURE || data[start] === MPEG_GROUP)
  const from = units[0]
  if (format === undefined || end === undefined || from === undefined) return undefined
  const headers = Buffer.from(data.subarray(from.start - START_CODE_BYTES, end.start - START_CODE_BYTES))
  const objectType = stream.codec === 'mpeg1video' ? OBJECT_TYPE_MPEG1 : OBJECT_TYPE_MPEG2_MAIN
  const described = `${format.width}x${format.height} ${format.framesPerSecond} ${format.profile} ${format.chroma}`
  return {
    // Bit rate and buffer size stand in the same headers and may vary.
    key: `${stream.codec} ${described}`,
    track: trackOf(format, { kind: 'mpeg4-video', descriptor: { objectType, specific: headers } }),
    framesPerSecond: format.framesPerSecond,
    unitTicks: 0,
    toSample: (unit) => Buffer.from(unit.data),
  }
}
