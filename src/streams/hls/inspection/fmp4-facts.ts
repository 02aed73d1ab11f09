import type { Box } from '../../../isobmff/box.ts'
import { readFragment } from '../../../isobmff/fragment-reader.ts'
import type { SamplePlace } from '../../../isobmff/fragment-reader.ts'
import { readMovie } from '../../../isobmff/init-reader.ts'
import { IsobmffError } from '../../../isobmff/isobmff-error.ts'
import type { ReadTrack } from '../../../isobmff/track.ts'
import { digestOf } from './digest.ts'
import { together } from './segment-facts.ts'
import type { KindFacts, PictureFacts, SegmentFacts } from './segment-facts.ts'

/** Boxes of one segment that are looked at. */
const BOXES_MAX = 4_096
/** Pictures of a segment that are remembered. */
const PICTURES_MAX = 2_000
/** Samples of one segment; a few bytes of a box can claim any number of them. */
const SAMPLES_MAX = 100_000
const HEADER_BYTES = 8
const LARGE_HEADER_BYTES = 16

interface TopBoxes {
  readonly boxes: readonly Box[]
  /** The last box claims more bytes than there are, or its header is not whole. */
  readonly isCutOff: boolean
}

/** The boxes of a file that may have been cut off, as far as they are whole (ISO/IEC 14496-12 §4.2). */
function topBoxes(bytes: Buffer): TopBoxes {
  const boxes: Box[] = []
  let at = 0
  while (at < bytes.length && boxes.length < BOXES_MAX) {
    if (at + HEADER_BYTES > bytes.length) return { boxes, isCutOff: true }
    const small = bytes.readUInt32BE(at)
    const type = bytes.toString('latin1', at + 4, at + 8)
    const isLarge = small === 1
    if (isLarge && at + LARGE_HEADER_BYTES > bytes.length) return { boxes, isCutOff: true }
    const size = isLarge ? Number(bytes.readBigUInt64BE(at + 8)) : small === 0 ? bytes.length - at : small
    if (size < HEADER_BYTES) throw new IsobmffError('damaged', `a box of ${size} bytes`)
    if (at + size > bytes.length) return { boxes, isCutOff: true }
    boxes.push({ type, start: at, contentStart: at + (isLarge ? LARGE_HEADER_BYTES : HEADER_BYTES), end: at + size })
    at += size
  }
  return { boxes, isCutOff: false }
}

/** The tracks of a media initialisation section; undefined where there are none or they cannot be read. */
export function readInitTracks(section: Buffer): readonly ReadTrack[] | undefined {
  try {
    const moov = topBoxes(section).boxes.find(({ type }) => type === 'moov')
    const tracks = moov === undefined ? [] : readMovie(section, moov)
    return tracks.length === 0 ? undefined : tracks
  } catch (error) {
    if (!(error instanceof IsobmffError)) throw error
    return undefined
  }
}

/**
 * Reads a whole media segment of fragmented MP4, whose initialisation section has these tracks; those of a section of its
 * own come before. Undefined where it cannot be read, is encrypted or claims too much: then nothing can be told.
 */
export function readFmp4Facts(bytes: Buffer, given: readonly ReadTrack[]): SegmentFacts | undefined {
  try {
    const { boxes, isCutOff } = topBoxes(bytes)
    const moov = boxes.find(({ type }) => type === 'moov')
    const tracks = moov === undefined ? given : readMovie(bytes, moov)
    const media = tracks.filter(({ kind }) => kind !== 'other')
    if (media.length === 0 || media.some(({ protection }) => protection !== undefined)) return undefined
    const places: SamplePlace[] = []
    for (const box of boxes) {
      if (box.type !== 'moof') continue
      for (const place of readFragment(bytes, box, media, box.start)) places.push(place)
      if (places.length > SAMPLES_MAX) return undefined
    }
    return factsOf(bytes, media, places, isCutOff)
  } catch (error) {
    if (!(error instanceof IsobmffError)) throw error
    return undefined
  }
}

function factsOf(
  bytes: Buffer,
  tracks: readonly ReadTrack[],
  places: readonly SamplePlace[],
  isCutOff: boolean,
): SegmentFacts {
  // What the file describes and does not have is not there.
  const here = places.filter(({ dataOffset, dataBytes }) => dataOffset + dataBytes <= bytes.length)
  const kindOf = (wanted: ReadTrack['kind']) =>
    together(
      tracks
        .filter(({ kind }) => kind === wanted)
        .map((track) => trackFacts(here.filter((place) => place.track.id === track.id)))
        .filter((facts) => facts !== undefined),
    )
  const first = here.find(({ decodeTime }) => decodeTime !== undefined)
  return {
    ...{
      format: 'fmp4',
      bytes: bytes.length,
      digest: digestOf(bytes),
      isCutOff: isCutOff || here.length < places.length,
    },
    listsVideo: tracks.some(({ kind }) => kind === 'video'),
    listsAudio: tracks.some(({ kind }) => kind === 'audio'),
    signature: tracks
      .map(({ codec }) => (codec.kind === 'other' ? codec.entryType : codec.kind))
      .toSorted()
      .join('+'),
    ...{ video: kindOf('video'), audio: kindOf('audio') },
    ...{ unreadableShare: 0, scrambledShare: 0, continuityErrors: 0, transportErrors: 0, jumps: 0 },
    firstTimestamp: first?.decodeTime === undefined ? undefined : Number(first.decodeTime),
    pictures: picturesOf(bytes, here),
  }
}

/** Of one track. Without tfdt its fragments follow each other. */
function trackFacts(places: readonly SamplePlace[]): KindFacts | undefined {
  const [first] = places
  if (first === undefined) return undefined
  const { timescale } = first.track
  const msOf = (ticks: number): number => (ticks * 1_000) / timescale
  const startMs = msOf(Number(first.decodeTime ?? 0n))
  let endMs = startMs
  let longestIntervalMs = 0
  let beganMs = startMs
  for (const { decodeTime, duration } of places) {
    const atMs = decodeTime === undefined ? endMs : msOf(Number(decodeTime))
    longestIntervalMs = Math.max(longestIntervalMs, atMs - beganMs)
    beganMs = atMs
    endMs = Math.max(endMs, atMs + msOf(duration))
  }
  return { units: places.length, startMs, endMs, longestIntervalMs }
}

function picturesOf(bytes: Buffer, places: readonly SamplePlace[]): readonly PictureFacts[] {
  return places
    .filter(({ track, dataBytes }) => track.kind === 'video' && dataBytes >= 4)
    .slice(0, PICTURES_MAX)
    .map(({ dataOffset, dataBytes, isSync }) => ({
      ...{ bytes: dataBytes, isKeyframe: isSync },
      tail: bytes.readInt32BE(dataOffset + dataBytes - 4),
    }))
}
