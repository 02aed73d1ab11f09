import type { MediaPlaylist } from '../../../hls/playlist.ts'
import { resolveUri } from '../../../hls/uri.ts'
import type { Reference } from './reference.ts'
import type { SlotOutput } from './slot-output.ts'
import type { SourceRun } from './source-run.ts'

/** Segments of the same place in two copies of a programme differ by no more. */
const DURATION_TOLERANCE_S = 0.1

/**
 * Where another source has the same segment of a finished programme: at the same place of a playlist that is cut alike.
 * Undefined when it is not loaded, cut otherwise, or encrypted (its keys are its own).
 */
export function sameElsewhere(
  name: string,
  reference: Reference,
  slots: ReadonlyMap<number, SlotOutput>,
  run: SourceRun,
): Reference | undefined {
  for (const [number, { complete }] of slots) {
    if (complete === undefined) continue
    const index = complete.segments.findIndex(({ uri, map }) => uri === name || map?.uri === name)
    const other = run.latest(number)
    if (index === -1) continue
    if (other === undefined) {
      run.follow(number)
      continue
    }
    const segment = other.playlist.segments[index]
    if (segment === undefined || !isCutAlike(complete, other.playlist)) continue
    const from = reference.kind === 'map' ? segment.map : segment
    const url = from === undefined ? undefined : resolveUri(from.uri, other.finalUrl)
    if (from === undefined || url === undefined) continue
    return { ...reference, candidateId: run.source.candidateId, url, byteRange: from.byteRange }
  }
  return undefined
}

function isCutAlike(ours: MediaPlaylist, theirs: MediaPlaylist): boolean {
  return (
    ours.segments.length === theirs.segments.length &&
    ours.segments.every((segment, index) => {
      const other = theirs.segments[index]
      if (other === undefined || segment.keys.length > 0 || other.keys.length > 0) return false
      if ((segment.map === undefined) !== (other.map === undefined)) return false
      return Math.abs(segment.durationS - other.durationS) <= DURATION_TOLERANCE_S
    })
  )
}
