import type { MediaPlaylist } from './playlist.ts'

/** What follows from a media playlist for each of its segments; all lists have one entry a segment. */

/** The media sequence number of the first segment that the playlist holds: after the skipped ones. */
export function firstSequence({ mediaSequence, skip }: MediaPlaylist): number {
  return mediaSequence + (skip?.segments ?? 0)
}

/** The media sequence number after the last segment: that of the segment still being made. */
export function endSequence(playlist: MediaPlaylist): number {
  return firstSequence(playlist) + playlist.segments.length
}

/** Seconds of the segments that the playlist holds, without trailing parts. */
export function durationOfSegmentsS({ segments }: Pick<MediaPlaylist, 'segments'>): number {
  return segments.reduce((sum, { durationS }) => sum + durationS, 0)
}

/**
 * Discontinuity sequence numbers (§6.2.2): a tag before the first segment counts, so that the number of a segment stays
 * the same when the tag is removed before the segment is, with EXT-X-DISCONTINUITY-SEQUENCE incremented.
 */
export function discontinuitySequences({ discontinuitySequence, segments }: MediaPlaylist): readonly number[] {
  let current = discontinuitySequence
  return segments.map(({ isDiscontinuity }) => (current += isDiscontinuity ? 1 : 0))
}

/**
 * When each segment begins, in milliseconds since 1970: of its EXT-X-PROGRAM-DATE-TIME, or counted by durations on from
 * the last one before it, or back from the first of all (§6.3.3), discontinuities or not. Undefined without any.
 */
export function programDateTimesMs({ segments }: Pick<MediaPlaylist, 'segments'>): readonly (number | undefined)[] {
  const firstDated = segments.findIndex(({ programDateTime }) => programDateTime !== undefined)
  const untilFirstS = durationOfSegmentsS({ segments: segments.slice(0, Math.max(0, firstDated)) })
  const firstMs = segments[firstDated]?.programDateTime?.ms
  let nextMs = firstMs === undefined ? undefined : firstMs - untilFirstS * 1000
  return segments.map(({ programDateTime, durationS }) => {
    const ms = programDateTime?.ms ?? nextMs
    nextMs = ms === undefined ? undefined : ms + durationS * 1000
    return ms
  })
}
