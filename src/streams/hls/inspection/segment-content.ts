import type { ReadTrack } from '../../../isobmff/track.ts'
import type { SourceFailure } from '../../sources/http-failure.ts'
import { formatOf } from '../upstream/segment-format.ts'
import { readFmp4Facts } from './fmp4-facts.ts'
import type { SegmentFacts } from './segment-facts.ts'
import { readTsFacts } from './ts-facts.ts'

/** What a segment turned out to be. */
export type SegmentContent =
  | { readonly kind: 'facts'; readonly facts: SegmentFacts }
  /** Packed audio, text, what is encrypted or cannot be read for certain: nothing is said of it. */
  | { readonly kind: 'unknown' }
  /** No media in any container of HLS. */
  | { readonly kind: 'none'; readonly failure: SourceFailure }

/** More than this of a transport stream that is no packets is no transport stream. */
const UNREADABLE_SHARE_MAX = 0.5
const BEGINS_BYTES = 16
/** WebVTT, TTML and the like; a byte order mark may come before it. */
const TEXT = /^(?:\uFEFF)?\s*(?:WEBVTT|<|\{|#)/
const BOX_TYPE = /^[A-Za-z0-9 ]{4}$/

/** Looks into a whole segment that is not encrypted. `tracks` are those of its EXT-X-MAP; undefined where it has none. */
export function contentOf(bytes: Buffer, tracks: readonly ReadTrack[] | undefined): SegmentContent {
  const format = formatOf(bytes)
  if (format === 'packed_audio') return { kind: 'unknown' }
  if (tracks !== undefined || format === 'fmp4') return fragmented(bytes, tracks ?? [])
  const facts = readTsFacts(bytes)
  if (facts !== undefined && facts.unreadableShare <= UNREADABLE_SHARE_MAX) return { kind: 'facts', facts }
  if (format === undefined && TEXT.test(bytes.toString('utf8', 0, BEGINS_BYTES))) return { kind: 'unknown' }
  return noMedia(bytes)
}

function fragmented(bytes: Buffer, tracks: readonly ReadTrack[]): SegmentContent {
  if (!BOX_TYPE.test(bytes.toString('latin1', 4, 8))) return noMedia(bytes)
  const facts = readFmp4Facts(bytes, tracks)
  return facts === undefined ? { kind: 'unknown' } : { kind: 'facts', facts }
}

function noMedia(bytes: Buffer): SegmentContent {
  const evidence = { bytes: bytes.length, begins_with: bytes.toString('hex', 0, BEGINS_BYTES) }
  return {
    kind: 'none',
    failure: { kind: 'segment_invalid', message: 'sent a segment in which there is no media', evidence },
  }
}
