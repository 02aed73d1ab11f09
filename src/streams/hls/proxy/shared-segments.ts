import { withoutFragment } from '../../../hls/uri.ts'
import type { SegmentRequest } from '../upstream/segment.ts'
import type { PublishedSlots } from './published-slots.ts'
import type { Publisher } from './publisher.ts'
import type { Reference, References } from './reference.ts'

/** Segments of each playlist that are looked through, from the newest: readers are not further behind. */
const NEWEST_MAX = 16

/**
 * The name under which the source on air has published a segment; undefined where it is another source's, or not (or not
 * any more) published. Of an address that is used again and again, the newest segment is meant.
 */
export function namedAlike(
  candidateId: string,
  { url, byteRange }: SegmentRequest,
  { current }: Pick<Publisher, 'current'>,
  { all, stitch }: Pick<PublishedSlots, 'all' | 'stitch'>,
  references: References,
): string | undefined {
  if (current?.isAlive !== true || current.source.candidateId !== candidateId) return undefined
  for (const { timeline } of all.values()) {
    const newest = timeline.segments.slice(-NEWEST_MAX).filter(({ span }) => span === stitch.span?.number)
    for (const { segment } of newest.toReversed()) {
      const own = references.open(segment.uri)
      if (own === undefined || withoutFragment(own.url) !== withoutFragment(url)) continue
      const { offset, length } = byteRange ?? {}
      if (own.byteRange?.offset === offset && own.byteRange?.length === length) return segment.uri
    }
  }
  return undefined
}

/**
 * What the source on air has named to another reader of its playlist, and will most likely have named to the playlists of
 * players with their next reading; undefined where it is another source's. With sticky sessions each reader may have been
 * sent to a host of its own, so nothing is assumed of them.
 */
export function namedSoon(
  candidateId: string,
  { url, byteRange }: SegmentRequest,
  { current }: Pick<Publisher, 'current'>,
  { stitch }: Pick<PublishedSlots, 'stitch'>,
): Reference | undefined {
  const span = stitch.span?.number
  if (span === undefined || current?.isAlive !== true || current.source.candidateId !== candidateId) return undefined
  return current.source.useStickySession ? undefined : { kind: 'segment', span, candidateId, url, byteRange }
}
