import { IsobmffError } from '../../../isobmff/isobmff-error.ts'
import { SegmentReader } from '../../../isobmff/segment-reader.ts'

/** Under which numbers, and in which ticks, the tracks of fragmented MP4 come: players that read one initialisation section for all rely on it. */
export interface LaidOutTrack {
  readonly id: number
  /** Ticks per second. */
  readonly timescale: number
}

/** The first track of each kind. Plain JSON data. */
export interface TrackLayout {
  readonly video?: LaidOutTrack
  readonly audio?: LaidOutTrack
}

/** Reads a whole media initialisation section; undefined for anything else. */
export function readTrackLayout(section: Buffer): TrackLayout | undefined {
  const reader = new SegmentReader({ onTracks: () => {}, onSample: () => {}, onEvent: () => {} })
  try {
    reader.push(section)
  } catch (error) {
    if (!(error instanceof IsobmffError)) throw error
    return undefined
  }
  const of = (wanted: 'video' | 'audio'): TrackLayout => {
    const found = reader.tracks.find(({ kind }) => kind === wanted)
    return found === undefined ? {} : { [wanted]: { id: found.id, timescale: found.timescale } }
  }
  return reader.tracks.length === 0 ? undefined : { ...of('video'), ...of('audio') }
}
