import { boxesIn, findBox, findPath, readFullBox } from './box.ts'
import type { Box } from './box.ts'
import { IsobmffError } from './isobmff-error.ts'
import { readSampleEntry } from './sample-entry-reader.ts'
import type { ReadTrack, SampleDefaults, Track } from './track.ts'

/** Tracks of a file that are looked at. */
const TRACKS_MAX = 64
const NO_DEFAULTS: SampleDefaults = { duration: 0, size: 0, flags: 0 }
/** media_time of an edit that shows nothing. */
const EMPTY_EDIT = -1n
const EDITS_MAX = 1_024

/** Reads the tracks of a moov box, `moov` in `bytes` (ISO/IEC 14496-12 §8.2.1). Throws an IsobmffError. The result has views of `bytes`. */
export function readMovie(bytes: Buffer, moov: Box): readonly ReadTrack[] {
  const movieTimescale = readTimescale(bytes, moov, ['mvhd'])
  const defaults = readDefaults(bytes, moov)
  const tracks: ReadTrack[] = []
  for (const trak of boxesIn(bytes, moov.contentStart, moov.end)) {
    if (trak.type !== 'trak' || tracks.length === TRACKS_MAX) continue
    const track = readTrack(bytes, trak, movieTimescale, defaults)
    if (track !== undefined) tracks.push(track)
  }
  return tracks
}

function readTrack(
  bytes: Buffer,
  trak: Box,
  movieTimescale: number,
  defaults: ReadonlyMap<number, SampleDefaults>,
): ReadTrack | undefined {
  const id = readTrackId(bytes, trak)
  const timescale = readTimescale(bytes, trak, ['mdia', 'mdhd'])
  const handler = findPath(bytes, trak, ['mdia', 'hdlr'])
  const stsd = findPath(bytes, trak, ['mdia', 'minf', 'stbl', 'stsd'])
  if (handler === undefined || stsd === undefined) return undefined
  const { reader } = readFullBox(bytes, handler)
  reader.skip(4)
  const type = reader.fourCc()
  const kind: Track['kind'] = type === 'vide' ? 'video' : type === 'soun' ? 'audio' : 'other'
  const entry = readSampleEntry(bytes, stsd, kind)
  if (entry === undefined) return undefined
  const language = readLanguage(bytes, trak)
  const editOffset = readEditOffset(bytes, trak, timescale, movieTimescale)
  return { id, kind, timescale, language, ...entry, editOffset, defaults: defaults.get(id) ?? NO_DEFAULTS }
}

function readTrackId(bytes: Buffer, trak: Box): number {
  const tkhd = findBox(bytes, 'tkhd', trak)
  if (tkhd === undefined) throw new IsobmffError('damaged', 'a track without tkhd')
  const { version, reader } = readFullBox(bytes, tkhd)
  reader.skip(version === 0 ? 8 : 16)
  return reader.u32()
}

function readTimescale(bytes: Buffer, parent: Box, path: readonly string[]): number {
  const box = findPath(bytes, parent, path)
  if (box === undefined) throw new IsobmffError('damaged', `no ${path.join('/')} in ${parent.type}`)
  const { version, reader } = readFullBox(bytes, box)
  reader.skip(version === 0 ? 8 : 16)
  const timescale = reader.u32()
  if (timescale === 0) throw new IsobmffError('damaged', `a timescale of 0 in ${path.join('/')}`)
  return timescale
}

function readLanguage(bytes: Buffer, trak: Box): string | undefined {
  const mdhd = findPath(bytes, trak, ['mdia', 'mdhd'])
  if (mdhd === undefined) return undefined
  const { version, reader } = readFullBox(bytes, mdhd)
  reader.skip(version === 0 ? 16 : 28)
  const packed = reader.u16()
  const code = [10, 5, 0].map((shift) => String.fromCharCode(((packed >>> shift) & 0x1f) + 0x60)).join('')
  return /^[a-z]{3}$/.test(code) && code !== 'und' ? code : undefined
}

/** trex of every track. */
function readDefaults(bytes: Buffer, moov: Box): ReadonlyMap<number, SampleDefaults> {
  const defaults = new Map<number, SampleDefaults>()
  const mvex = findBox(bytes, 'mvex', moov)
  if (mvex === undefined) return defaults
  for (const trex of boxesIn(bytes, mvex.contentStart, mvex.end)) {
    if (trex.type !== 'trex') continue
    const { reader } = readFullBox(bytes, trex)
    const id = reader.u32()
    reader.skip(4)
    defaults.set(id, { duration: reader.u32(), size: reader.u32(), flags: reader.u32() })
  }
  return defaults
}

/** An edit list that begins late, or not at the first sample: further edits are not followed, since live streams have none. */
function readEditOffset(bytes: Buffer, trak: Box, timescale: number, movieTimescale: number): number {
  const elst = findPath(bytes, trak, ['edts', 'elst'])
  if (elst === undefined) return 0
  const { version, reader } = readFullBox(bytes, elst)
  const count = Math.min(reader.u32(), EDITS_MAX)
  let delay = 0
  for (let index = 0; index < count; index += 1) {
    const duration = reader.versioned(version)
    const mediaTime = version === 0 ? BigInt(reader.i32()) : BigInt.asIntN(64, reader.u64())
    reader.skip(4)
    if (mediaTime !== EMPTY_EDIT) return delay - Number(mediaTime)
    delay += (Number(duration) * timescale) / movieTimescale
  }
  return delay
}
