import type { ByteRange } from '../../../hls/playlist.ts'
import type { SourceFailure } from '../../sources/http-failure.ts'
import type { SegmentSession } from './hls-session.ts'

/** What is fetched once however many read it: a segment, a part, a media initialisation section or a key. */
export interface SegmentRequest {
  /** Whose it is: cookies, headers and the hosts that may be private. Sessions are told apart by `session.key`. */
  readonly session: SegmentSession
  /** Absolute. */
  readonly url: string
  /** When the playlist gave one: exactly these bytes. */
  readonly byteRange?: ByteRange
  /** A failure of a moment ago is not the answer. */
  readonly isRetry?: true
  /** It is made here, out of what other requests bring: no request to a source. */
  readonly isMade?: true
}

/** The head of an answer, as the origin gave it. */
export interface ResponseHead {
  /** 200, or 206 where a range was asked for. */
  readonly status: number
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  /** Bytes of the body; undefined where the origin did not say. */
  readonly contentLength: number | undefined
  readonly contentType: string | undefined
  readonly finalUrl: string
}

/** `failed` after some data means that what came is incomplete: it must not be ended as if it were whole. */
export type SegmentPiece =
  | { readonly kind: 'data'; readonly bytes: Buffer }
  | { readonly kind: 'end' }
  | { readonly kind: 'failed'; readonly failure: SourceFailure }

export type SegmentAnswer =
  | { readonly kind: 'answered'; readonly head: ResponseHead }
  | { readonly kind: 'failed'; readonly failure: SourceFailure }

/** Reads what somebody else of the stream reads too, so that it is fetched once; undefined for all else. */
export type SharedSegments = (request: SegmentRequest) => SegmentReader | undefined

/** One reader of a segment that may still be arriving. Readers share the buffers: nobody may write into them. */
export interface SegmentReader {
  /** Never rejects. */
  head(): Promise<SegmentAnswer>
  /** The next piece in order, as soon as it is there; after `end` or `failed` the same again. Never rejects. One call at a time. */
  next(): Promise<SegmentPiece>
  /** No more is wanted; a fetch that nobody reads is given up. */
  close(): void
}
