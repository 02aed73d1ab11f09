import type { MediaPlaylist } from '../../src/hls/playlist.ts'

/** Players begin so many target durations before the end (RFC 8216 §6.3.3). */
const BEHIND_TARGETS = 3

/** Media sequence number of the segment with which a player begins to play a live playlist. */
export function startSequence({ mediaSequence, segments, targetDurationS }: MediaPlaylist): number {
  let behindS = 0
  for (let index = segments.length - 1; index >= 0; index -= 1) {
    behindS += segments[index]?.durationS ?? 0
    if (behindS >= BEHIND_TARGETS * targetDurationS) return mediaSequence + index
  }
  return mediaSequence
}
