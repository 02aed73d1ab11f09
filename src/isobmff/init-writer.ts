import { numbers, writeBox, writeFullBox } from './box.ts'
import { writeSampleEntry } from './sample-entry-writer.ts'
import type { WrittenTrack } from './track.ts'

const MOVIE_TIMESCALE = 90_000
const RATE_1 = 0x0001_0000
const VOLUME_1 = 0x0100
/** Enabled, in the movie, in its preview. */
const TRACK_FLAGS = 7
/** The data is in this file. */
const FLAG_SELF_CONTAINED = 1
const VIDEO_HEADER_FLAGS = 1
const MATRIX = numbers(
  ...([0x0001_0000, 0, 0, 0, 0x0001_0000, 0, 0, 0, 0x4000_0000] as const).map((value) => [4, value] as const),
)
/** Signed composition offsets and default-base-is-moof, ISO/IEC 14496-12 Annex E. */
const BRANDS = ['iso6', 'mp41', 'dash', 'cmfc'] as const

/** ftyp and moov for fragments, ISO/IEC 14496-12 §8.8: tracks without samples, their defaults in mvex. */
export function writeInit(tracks: readonly WrittenTrack[]): Buffer {
  const ftyp = writeBox('ftyp', Buffer.from('iso6'), numbers([4, 1]), ...BRANDS.map((brand) => Buffer.from(brand)))
  const nextTrackId = tracks.reduce((highest, { id }) => Math.max(highest, id), 0) + 1
  const moov = writeBox(
    'moov',
    movieHeader(nextTrackId),
    ...tracks.map(writeTrack),
    writeBox(
      'mvex',
      ...tracks.map(({ id }) => writeFullBox('trex', 0, 0, numbers([4, id], [4, 1], [4, 0], [4, 0], [4, 0]))),
    ),
  )
  return Buffer.concat([ftyp, moov])
}

/** §8.2.2. */
function movieHeader(nextTrackId: number): Buffer {
  return writeFullBox(
    'mvhd',
    0,
    0,
    numbers([4, 0], [4, 0], [4, MOVIE_TIMESCALE], [4, 0], [4, RATE_1], [2, VOLUME_1], [2, 0], [4, 0], [4, 0]),
    MATRIX,
    Buffer.alloc(24),
    numbers([4, nextTrackId]),
  )
}

function writeTrack(track: WrittenTrack): Buffer {
  return writeBox(
    'trak',
    trackHeader(track),
    writeBox('mdia', mediaHeader(track), handler(track), mediaInformation(track)),
  )
}

/** §8.3.2; width and height are 16.16. */
function trackHeader({ id, kind, width, height }: WrittenTrack): Buffer {
  return writeFullBox(
    'tkhd',
    0,
    TRACK_FLAGS,
    numbers([4, 0], [4, 0], [4, id], [4, 0], [4, 0], [4, 0], [4, 0], [2, 0]),
    numbers([2, kind === 'audio' ? 1 : 0], [2, kind === 'audio' ? VOLUME_1 : 0], [2, 0]),
    MATRIX,
    numbers([2, width], [2, 0], [2, height], [2, 0]),
  )
}

/** §8.4.2. */
function mediaHeader({ timescale, language }: WrittenTrack): Buffer {
  return writeFullBox(
    'mdhd',
    0,
    0,
    numbers([4, 0], [4, 0], [4, timescale], [4, 0], [2, packLanguage(language)], [2, 0]),
  )
}

/** Three letters of five bits. */
function packLanguage(language: string | undefined): number {
  const code = language !== undefined && /^[a-z]{3}$/.test(language) ? language : 'und'
  return [0, 1, 2].reduce((packed, index) => (packed << 5) | (code.charCodeAt(index) - 0x60), 0)
}

/** §8.4.3. */
function handler({ kind }: WrittenTrack): Buffer {
  const [type, name] = kind === 'audio' ? ['soun', 'sound'] : ['vide', 'video']
  return writeFullBox('hdlr', 0, 0, numbers([4, 0]), Buffer.from(type), Buffer.alloc(12), Buffer.from(`${name}\0`))
}

function mediaInformation(track: WrittenTrack): Buffer {
  const header =
    track.kind === 'audio'
      ? writeFullBox('smhd', 0, 0, Buffer.alloc(4))
      : writeFullBox('vmhd', 0, VIDEO_HEADER_FLAGS, Buffer.alloc(8))
  const references = writeFullBox('dref', 0, 0, numbers([4, 1]), writeFullBox('url ', 0, FLAG_SELF_CONTAINED))
  const table = writeBox(
    'stbl',
    writeFullBox('stsd', 0, 0, numbers([4, 1]), writeSampleEntry(track)),
    writeFullBox('stts', 0, 0, numbers([4, 0])),
    writeFullBox('stsc', 0, 0, numbers([4, 0])),
    writeFullBox('stsz', 0, 0, numbers([4, 0], [4, 0])),
    writeFullBox('stco', 0, 0, numbers([4, 0])),
  )
  return writeBox('minf', header, writeBox('dinf', references), table)
}
