import type { MediaPlaylist, MediaSegment } from '../../../hls/playlist.ts'

/** One segment of a source's playlist, with what its place in the playlist says of it. */
export interface UpstreamSegment {
  readonly segment: MediaSegment
  /** The source's own media sequence number. */
  readonly sequence: number
  /** The source's own discontinuity sequence number. */
  readonly discontinuity: number
  /** Milliseconds since 1970 UTC of its first sample, where the source dates its segments. */
  readonly startMs: number | undefined
  /** The same for every version of the playlist, and for another segment most likely another. */
  readonly identity: string
}

/** The segments of a playlist, numbered and dated. */
export function upstreamSegments(playlist: MediaPlaylist): readonly UpstreamSegment[] {
  const first = playlist.mediaSequence + (playlist.skip?.segments ?? 0)
  const starts = startsOf(playlist.segments)
  let discontinuity = playlist.discontinuitySequence
  return playlist.segments.map((segment, index) => {
    if (segment.isDiscontinuity) discontinuity += 1
    return {
      segment,
      sequence: first + index,
      discontinuity,
      startMs: starts[index],
      identity: identityOf(segment),
    }
  })
}

/** The date of each segment (RFC 8216 §4.3.2.6); the one at the first dated segment holds backwards up to a discontinuity. */
function startsOf(segments: readonly MediaSegment[]): readonly (number | undefined)[] {
  const starts: (number | undefined)[] = []
  let nextMs: number | undefined
  for (const segment of segments) {
    if (segment.programDateTime !== undefined) nextMs = segment.programDateTime.ms
    else if (segment.isDiscontinuity) nextMs = undefined
    starts.push(nextMs)
    if (nextMs !== undefined) nextMs += segment.durationS * 1_000
  }
  for (let index = segments.length - 2; index >= 0; index -= 1) {
    const [next, segment] = [starts[index + 1], segments[index]]
    if (starts[index] !== undefined || next === undefined || segment === undefined) continue
    if (segments[index + 1]?.isDiscontinuity === true) continue
    starts[index] = next - segment.durationS * 1_000
  }
  return starts
}

/** Without the query: tokens stand there, and change while the segment stays. */
function identityOf({ uri, byteRange }: MediaSegment): string {
  const path = uri.replace(/[?#].*$/s, '')
  const range = byteRange === undefined ? '' : `@${byteRange.offset}+${byteRange.length}`
  return `${path}${range}`
}

/** Where the newest `seconds` of media begin; 0 where there are fewer. */
export function indexOfNewest(segments: readonly UpstreamSegment[], seconds: number): number {
  let index = segments.length - 1
  let lastsS = segments[index]?.segment.durationS ?? 0
  while (index > 0 && lastsS < seconds) {
    index -= 1
    lastsS += segments[index]?.segment.durationS ?? 0
  }
  return Math.max(0, index)
}

/** Seconds of media. */
export function durationOf(segments: readonly { readonly segment: { readonly durationS: number } }[]): number {
  return segments.reduce((sum, { segment }) => sum + segment.durationS, 0)
}
