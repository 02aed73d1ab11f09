import { readAvcConfiguration } from './avc-configuration.ts'
import { boxesIn, findBox, findPath, readFullBox } from './box.ts'
import type { Box } from './box.ts'
import { ByteReader } from './byte-reader.ts'
import { readElementaryDescriptor } from './elementary-descriptor.ts'
import { readHevcConfiguration } from './hevc-configuration.ts'
import type { CodecConfiguration, Protection, Track } from './track.ts'

export type SampleEntry = Pick<Track, 'codec' | 'width' | 'height' | 'channels' | 'sampleRateHz'> & {
  readonly protection: Protection | undefined
}

const VISUAL_BYTES = 78
const AUDIO_BYTES = 28
/** What QuickTime puts behind the fields of an audio entry, by its version. */
const QUICKTIME_BYTES: Readonly<Record<number, number>> = { 1: 16, 2: 36 }

/** Reads the sample entry that counts in an stsd box: its first. Throws an IsobmffError. */
export function readSampleEntry(bytes: Buffer, stsd: Box, kind: Track['kind']): SampleEntry | undefined {
  const { version, reader } = readFullBox(bytes, stsd)
  reader.skip(4)
  for (const entry of boxesIn(bytes, reader.at, stsd.end)) {
    if (kind === 'video') return readVisual(bytes, entry)
    if (kind === 'audio') return readAudio(bytes, entry, version === 0)
    const codec = { kind: 'other', entryType: entry.type } as const
    return { codec, width: 0, height: 0, channels: 0, sampleRateHz: 0, protection: undefined }
  }
  return undefined
}

function readVisual(bytes: Buffer, entry: Box): SampleEntry {
  const fields = new ByteReader(bytes, entry.contentStart, entry.end)
  fields.skip(24)
  const [width, height] = [fields.u16(), fields.u16()]
  const inner = { ...entry, contentStart: childrenStart(entry, VISUAL_BYTES) }
  const { type, protection } = protectionOf(bytes, inner)
  return { codec: videoCodec(bytes, inner, type), width, height, channels: 0, sampleRateHz: 0, protection }
}

function readAudio(bytes: Buffer, entry: Box, mayBeQuickTime: boolean): SampleEntry {
  const fields = new ByteReader(bytes, entry.contentStart, entry.end)
  fields.skip(8)
  const version = fields.u16()
  fields.skip(6)
  const channels = fields.u16()
  fields.skip(6)
  const sampleRateHz = fields.u16()
  const more = mayBeQuickTime ? (QUICKTIME_BYTES[version] ?? 0) : 0
  const inner = { ...entry, contentStart: childrenStart(entry, AUDIO_BYTES + more) }
  const { type, protection } = protectionOf(bytes, inner)
  return { codec: audioCodec(bytes, inner, type), width: 0, height: 0, channels, sampleRateHz, protection }
}

function childrenStart(entry: Box, fixedBytes: number): number {
  return Math.min(entry.contentStart + fixedBytes, entry.end)
}

/** ISO/IEC 14496-12 §8.12: the original type of a protected entry, and its scheme. */
function protectionOf(bytes: Buffer, entry: Box): { type: string; protection: Protection | undefined } {
  if (entry.type !== 'encv' && entry.type !== 'enca') return { type: entry.type, protection: undefined }
  const format = findPath(bytes, entry, ['sinf', 'frma'])
  const scheme = findPath(bytes, entry, ['sinf', 'schm'])
  const type = format === undefined ? entry.type : new ByteReader(bytes, format.contentStart, format.end).fourCc()
  return { type, protection: { scheme: scheme === undefined ? 'unknown' : readFullBox(bytes, scheme).reader.fourCc() } }
}

function contentOf(bytes: Buffer, parent: Box, type: string): Buffer | undefined {
  const box = findBox(bytes, type, parent)
  return box === undefined ? undefined : bytes.subarray(box.contentStart, box.end)
}

function videoCodec(bytes: Buffer, entry: Box, type: string): CodecConfiguration {
  const avcC = contentOf(bytes, entry, 'avcC')
  const hvcC = contentOf(bytes, entry, 'hvcC')
  const esds = contentOf(bytes, entry, 'esds')
  if (avcC !== undefined) {
    return { kind: 'avc', entryType: type === 'avc3' ? 'avc3' : 'avc1', avc: readAvcConfiguration(avcC) }
  }
  if (hvcC !== undefined) {
    const entryType = type === 'hev1' || type === 'dvhe' ? 'hev1' : 'hvc1'
    return { kind: 'hevc', entryType, hevc: readHevcConfiguration(hvcC) }
  }
  if (esds !== undefined) return { kind: 'mpeg4-video', descriptor: readElementaryDescriptor(esds.subarray(4)) }
  return { kind: 'other', entryType: type }
}

function audioCodec(bytes: Buffer, entry: Box, type: string): CodecConfiguration {
  if (type === '.mp3') return { kind: 'mp3' }
  const boxOf = (name: string) => {
    const box = findBox(bytes, name, entry)
    return box === undefined ? undefined : bytes.subarray(box.start, box.end)
  }
  const [dac3, dec3, opus] = [boxOf('dac3'), boxOf('dec3'), boxOf('dOps')]
  if (dac3 !== undefined) return { kind: 'ac3', configuration: dac3 }
  if (dec3 !== undefined) return { kind: 'eac3', configuration: dec3 }
  if (opus !== undefined) return { kind: 'opus', configuration: opus }
  const esds = contentOf(bytes, entry, 'esds') ?? waveEsds(bytes, entry)
  if (esds === undefined) return { kind: 'other', entryType: type }
  return { kind: 'mpeg4-audio', descriptor: readElementaryDescriptor(esds.subarray(4)) }
}

/** QuickTime keeps esds in a box of its own. */
function waveEsds(bytes: Buffer, entry: Box): Buffer | undefined {
  const wave = findBox(bytes, 'wave', entry)
  return wave === undefined ? undefined : contentOf(bytes, wave, 'esds')
}
