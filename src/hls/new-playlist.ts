import { formatDateTime } from './date-time.ts'
import type { MasterPlaylist, MediaPlaylist, MediaSegment, Part, ProgramDateTime } from './playlist.ts'
import { formatSeconds } from './write-values.ts'

/** Playlists that are made here rather than read: what is not named has the value of an absent tag. */

/** A media playlist; without anything else it is live, empty and begins with segment 0. */
export function newMediaPlaylist(
  fields: Partial<MediaPlaylist> & Pick<MediaPlaylist, 'targetDurationS' | 'segments'>,
): MediaPlaylist {
  return {
    kind: 'media',
    version: 1,
    isIndependentSegments: false,
    start: undefined,
    defines: [],
    otherTags: [],
    mediaSequence: 0,
    discontinuitySequence: 0,
    playlistType: undefined,
    hasEndList: false,
    iFramesOnly: false,
    serverControl: undefined,
    partTargetS: undefined,
    skip: undefined,
    trailing: undefined,
    preloadHints: [],
    renditionReports: [],
    dateRanges: [],
    ...fields,
  }
}

export function newMasterPlaylist(fields: Partial<MasterPlaylist> & Pick<MasterPlaylist, 'variants'>): MasterPlaylist {
  return {
    kind: 'master',
    version: 1,
    isIndependentSegments: false,
    start: undefined,
    defines: [],
    otherTags: [],
    trickPlayVariants: [],
    renditions: [],
    sessionKeys: [],
    sessionData: [],
    contentSteering: undefined,
    ...fields,
  }
}

/** A segment; its duration is written to the microsecond unless `durationText` says otherwise. */
export function newSegment(fields: Partial<MediaSegment> & Pick<MediaSegment, 'uri' | 'durationS'>): MediaSegment {
  return {
    isDiscontinuity: false,
    keys: [],
    map: undefined,
    programDateTime: undefined,
    bitrateKbps: undefined,
    parts: [],
    otherTags: [],
    durationText: formatSeconds(fields.durationS),
    title: '',
    byteRange: undefined,
    isGap: false,
    ...fields,
  }
}

/** A partial segment; its duration is written to the microsecond unless `durationText` says otherwise. */
export function newPart(fields: Partial<Part> & Pick<Part, 'uri' | 'durationS'>): Part {
  return {
    durationText: formatSeconds(fields.durationS),
    isIndependent: false,
    byteRange: undefined,
    isGap: false,
    otherAttributes: [],
    ...fields,
  }
}

/** A date for a segment, from milliseconds since 1970. */
export function newProgramDateTime(ms: number): ProgramDateTime {
  return { ms, text: formatDateTime(ms) }
}
