import type { MediaPlaylist, MediaSegment } from './playlist.ts'

/**
 * The segments that a delta update leaves out (bis §6.2.5.1): the first `count` from `mediaSequence` on, as the playlist
 * before it has them. Undefined when it does not have them all.
 */
export function completeDelta(
  previous: MediaPlaylist,
  mediaSequence: number,
  count: number,
): readonly MediaSegment[] | undefined {
  const from = mediaSequence - previous.mediaSequence - (previous.skip?.segments ?? 0)
  if (from < 0 || from + count > previous.segments.length) return undefined
  return previous.segments.slice(from, from + count)
}
