import type { ByteRange, Key } from '../../../hls/playlist.ts'
import { resolveUri } from '../../../hls/uri.ts'
import type { FollowedPlaylist } from '../upstream/playlist-follower.ts'
import { joinIndex, OWED_TARGETS_MAX } from './span.ts'
import type { Tail } from './span.ts'
import { indexOfNewest, upstreamSegments } from './upstream-segments.ts'
import type { UpstreamSegment } from './upstream-segments.ts'

/** Something that a standby has to have here when it goes on air. */
export interface StandbyResource {
  readonly kind: 'segment' | 'map' | 'key'
  /** Absolute. */
  readonly url: string
  readonly byteRange: ByteRange | undefined
  /** The source's media sequence number of a segment; an address may be used again for another. 0 for all else. */
  readonly sequence: number
  /** Nothing encrypts it, so that its first bytes show what it is. */
  readonly isClear: boolean
}

/** Segments of one playlist that are kept ready at most, however short they are. */
const SEGMENTS_MAX = 12

/**
 * What a switch to this source would need of its playlist now, the newest first: the segments that a join could begin with and
 * all after them, with their initialisation sections and keys. `tail`: where players are. That is as much as a join
 * ever publishes at once, and where both sources date their segments, all from where players are.
 */
export function standbyWindow({ playlist, finalUrl }: FollowedPlaylist, tail: Tail): readonly StandbyResource[] {
  const upstream = upstreamSegments(playlist)
  const wantedS = OWED_TARGETS_MAX * Math.max(tail.targetDurationS, playlist.targetDurationS)
  const first = indexOfNewest(upstream, wantedS)
  const from = Math.max(0, upstream.length - SEGMENTS_MAX, Math.min(first, joinIndex(upstream, tail)))
  return upstream
    .slice(from)
    .toReversed()
    .flatMap((segment) => resourcesOf(segment, finalUrl))
}

function resourcesOf({ segment, sequence }: UpstreamSegment, base: string): readonly StandbyResource[] {
  if (segment.isGap) return []
  const { keys, map, byteRange } = segment
  const all = [
    ...[...keys, ...(map?.keys ?? [])].map((key) => keyOf(key, base)),
    map === undefined ? undefined : resource('map', map.uri, base, { byteRange: map.byteRange, isClear: false }),
    resource('segment', segment.uri, base, { byteRange, sequence, isClear: keys.length === 0 }),
  ]
  return all.filter((each) => each !== undefined)
}

/** Keys that only players can get are theirs to ask for. */
function keyOf({ uri }: Key, base: string): StandbyResource | undefined {
  return uri === undefined ? undefined : resource('key', uri, base, { byteRange: undefined, isClear: false })
}

function resource(
  kind: StandbyResource['kind'],
  uri: string,
  base: string,
  rest: Omit<StandbyResource, 'kind' | 'url' | 'sequence'> & { readonly sequence?: number },
): StandbyResource | undefined {
  const url = resolveUri(uri, base)
  return url === undefined ? undefined : { kind, url, sequence: 0, ...rest }
}
