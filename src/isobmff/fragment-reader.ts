import { boxesIn, findBox, readFullBox } from './box.ts'
import type { Box } from './box.ts'
import type { ByteReader } from './byte-reader.ts'
import { IsobmffError } from './isobmff-error.ts'
import { FLAG_NON_SYNC } from './track.ts'
import type { ReadTrack, SampleDefaults } from './track.ts'

/** A sample as moof describes it. */
export interface SamplePlace {
  readonly track: ReadTrack
  /** Decoding time in ticks of the track; undefined when tfdt is missing: it goes on from the fragment before. */
  readonly decodeTime: bigint | undefined
  readonly duration: number
  readonly compositionOffset: number
  readonly isSync: boolean
  /** Offset of its bytes, on the scale of `moofOffset`. */
  readonly dataOffset: number
  readonly dataBytes: number
}

/** Samples of one moof: 20 s of 8 audio tracks are not 10,000. */
const SAMPLES_MAX = 100_000
/** Samples of one moof without any bytes: a few bytes of a box could claim a hundred thousand of them. */
const EMPTY_SAMPLES_MAX = 100

const TFHD_BASE_OFFSET = 0x01
const TFHD_DESCRIPTION = 0x02
const TFHD_DURATION = 0x08
const TFHD_SIZE = 0x10
const TFHD_FLAGS = 0x20
const TFHD_BASE_IS_MOOF = 0x02_0000
const TRUN_DATA_OFFSET = 0x001
const TRUN_FIRST_FLAGS = 0x004
const TRUN_DURATION = 0x100
const TRUN_SIZE = 0x200
const TRUN_FLAGS = 0x400
const TRUN_COMPOSITION = 0x800

interface TrackFragment {
  readonly track: ReadTrack
  readonly defaults: SampleDefaults
  readonly baseOffset: number
  decodeTime: bigint | undefined
  /** Where the next run begins that does not say it. */
  dataOffset: number
}

/**
 * Reads a moof box, ISO/IEC 14496-12 §8.8.4: its samples in the order of the boxes. `moofOffset` is where it stands in the file, which the
 * offsets of data refer to. Tracks that are not in `tracks` are left out. Throws an IsobmffError.
 */
export function readFragment(
  bytes: Buffer,
  moof: Box,
  tracks: readonly ReadTrack[],
  moofOffset: number,
): readonly SamplePlace[] {
  const places: SamplePlace[] = []
  let impliedOffset = moofOffset
  for (const traf of boxesIn(bytes, moof.contentStart, moof.end)) {
    if (traf.type !== 'traf') continue
    const fragment = readTrackFragment(bytes, traf, tracks, moofOffset, impliedOffset)
    if (fragment === undefined) continue
    for (const trun of boxesIn(bytes, traf.contentStart, traf.end)) {
      if (trun.type === 'trun') readRun(bytes, trun, fragment, places)
    }
    impliedOffset = fragment.dataOffset
  }
  const empty = places.filter(({ dataBytes }) => dataBytes === 0).length
  if (empty > EMPTY_SAMPLES_MAX) throw new IsobmffError('damaged', `${empty} samples without bytes in one fragment`)
  return places
}

function readTrackFragment(
  bytes: Buffer,
  traf: Box,
  tracks: readonly ReadTrack[],
  moofOffset: number,
  impliedOffset: number,
): TrackFragment | undefined {
  const tfhd = findBox(bytes, 'tfhd', traf)
  if (tfhd === undefined) throw new IsobmffError('damaged', 'a traf without tfhd')
  const { flags, reader } = readFullBox(bytes, tfhd)
  const trackId = reader.u32()
  const track = tracks.find(({ id }) => id === trackId)
  if (track === undefined) return undefined
  const isFromMoof = (flags & TFHD_BASE_IS_MOOF) !== 0
  const baseOffset = (flags & TFHD_BASE_OFFSET) !== 0 ? Number(reader.u64()) : isFromMoof ? moofOffset : impliedOffset
  if ((flags & TFHD_DESCRIPTION) !== 0) reader.skip(4)
  const defaults = {
    duration: (flags & TFHD_DURATION) !== 0 ? reader.u32() : track.defaults.duration,
    size: (flags & TFHD_SIZE) !== 0 ? reader.u32() : track.defaults.size,
    flags: (flags & TFHD_FLAGS) !== 0 ? reader.u32() : track.defaults.flags,
  }
  return { track, defaults, baseOffset, decodeTime: readDecodeTime(bytes, traf), dataOffset: baseOffset }
}

function readDecodeTime(bytes: Buffer, traf: Box): bigint | undefined {
  const tfdt = findBox(bytes, 'tfdt', traf)
  if (tfdt === undefined) return undefined
  const { version, reader } = readFullBox(bytes, tfdt)
  return reader.versioned(version)
}

function readRun(bytes: Buffer, trun: Box, fragment: TrackFragment, places: SamplePlace[]): void {
  const { version, flags, reader } = readFullBox(bytes, trun)
  const count = reader.u32()
  if (places.length + count > SAMPLES_MAX) throw new IsobmffError('too-large', `${count} samples in one run`)
  if ((flags & TRUN_DATA_OFFSET) !== 0) fragment.dataOffset = fragment.baseOffset + reader.i32()
  const firstFlags = (flags & TRUN_FIRST_FLAGS) !== 0 ? reader.u32() : undefined
  for (let index = 0; index < count; index += 1) {
    const place = readSample(reader, version, flags, fragment, index === 0 ? firstFlags : undefined)
    places.push(place)
    fragment.dataOffset += place.dataBytes
    if (fragment.decodeTime !== undefined) fragment.decodeTime += BigInt(place.duration)
  }
}

function readSample(
  reader: ByteReader,
  version: number,
  flags: number,
  { track, defaults, decodeTime, dataOffset }: TrackFragment,
  firstFlags: number | undefined,
): SamplePlace {
  const duration = (flags & TRUN_DURATION) !== 0 ? reader.u32() : defaults.duration
  const dataBytes = (flags & TRUN_SIZE) !== 0 ? reader.u32() : defaults.size
  const ownFlags = (flags & TRUN_FLAGS) !== 0 ? reader.u32() : undefined
  const hasComposition = (flags & TRUN_COMPOSITION) !== 0
  // Version 0 is unsigned, but writers that put negative numbers there are met in practice.
  const compositionOffset = hasComposition ? reader.i32() : 0
  const sampleFlags = firstFlags ?? ownFlags ?? defaults.flags
  const isSync = (sampleFlags & FLAG_NON_SYNC) === 0
  const isSane = version <= 1 && dataOffset >= 0
  if (!isSane) throw new IsobmffError('damaged', `a run of version ${version} with data at ${dataOffset}`)
  return { track, decodeTime, duration, compositionOffset, isSync, dataOffset, dataBytes }
}
