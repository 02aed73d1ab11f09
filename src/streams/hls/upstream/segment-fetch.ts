import type { ByteRange } from '../../../hls/playlist.ts'
import type { Clock } from '../../../lib/clock.ts'
import type { SourceHead, SourceReader } from '../../sources/http-client.ts'
import type { SourceFailure } from '../../sources/http-failure.ts'
import { BodyDeadlines, tooLong } from './resource.ts'
import type { ResponseHead, SegmentAnswer, SegmentPiece, SegmentReader, SegmentRequest } from './segment.ts'

/** A longer segment is a failure: two minutes at 8 Mbit/s. */
export const SEGMENT_BYTES_MAX = 134_217_728

type FetchState =
  | { readonly kind: 'fetching' }
  | { readonly kind: 'complete' }
  | { readonly kind: 'failed'; readonly failure: SourceFailure }

export interface SegmentFetchOptions {
  readonly request: SegmentRequest
  readonly clock: Clock
  /** Bytes have come. */
  readonly onBytes: (bytes: number) => void
  /** It is complete or has failed; called once, never while `begin` runs. Not when it was cancelled. */
  readonly onDone: () => void
  /** Nobody reads it any more. */
  readonly onUnread: () => void
}

/** How far one reader has come. */
interface ReaderPlace {
  index: number
  isClosed: boolean
}

/** One request for one segment, and what has come of it. Any number of readers read from its beginning, whenever they come. */
export class SegmentFetch {
  readonly #options: SegmentFetchOptions
  readonly #chunks: Buffer[] = []
  readonly #deadlines: BodyDeadlines
  #window: RangeWindow | undefined
  #source: SourceReader | undefined
  #head: ResponseHead | undefined
  #state: FetchState = { kind: 'fetching' }
  #waiting: (() => void)[] = []
  #readers = 0
  bytes = 0

  constructor(options: SegmentFetchOptions) {
    this.#options = options
    const { session } = options.request
    this.#deadlines = new BodyDeadlines(options.clock, session.segmentTimeouts ?? session.timeouts, (failure) =>
      this.#fail(failure),
    )
  }

  get state(): FetchState['kind'] {
    return this.#state.kind
  }

  begin(): void {
    const { session, url, byteRange } = this.#options.request
    const range = byteRange === undefined ? undefined : rangeHeader(byteRange)
    this.#source = session.open(url, range, {
      onHead: (head) => this.#answered(head),
      onData: (chunk) => this.#take(chunk),
      onEnd: () => this.#ended(),
      onFailure: (failure) => this.#fail(missing(failure)),
    })
  }

  /** Gives the request up; readers that are left are told. */
  cancel(): void {
    if (this.#state.kind !== 'fetching') return
    this.#close({ kind: 'failed', failure: { kind: 'aborted', message: 'the request was given up' } })
  }

  reader(): SegmentReader {
    this.#readers += 1
    const place = { index: 0, isClosed: false }
    return {
      head: () => this.#firstAnswer(place),
      next: () => this.#nextPiece(place),
      close: () => {
        if (place.isClosed) return
        place.isClosed = true
        this.#readers -= 1
        this.#wake()
        if (this.#readers === 0) this.#options.onUnread()
      },
    }
  }

  async #nextPiece(place: ReaderPlace): Promise<SegmentPiece> {
    while (!place.isClosed && this.#state.kind === 'fetching' && place.index >= this.#chunks.length) {
      await this.#change()
    }
    if (place.isClosed) return CLOSED
    const bytes = this.#chunks[place.index]
    if (bytes === undefined) return pieceOf(this.#state)
    place.index += 1
    return { kind: 'data', bytes }
  }

  /** The head is told when the first bytes have shown that it may be believed. */
  async #firstAnswer(place: ReaderPlace): Promise<SegmentAnswer> {
    while (!place.isClosed && this.#state.kind === 'fetching' && this.#chunks.length === 0) await this.#change()
    if (place.isClosed) return CLOSED
    if (this.#head !== undefined && this.#chunks.length > 0) return { kind: 'answered', head: this.#head }
    const failure = this.#state.kind === 'failed' ? this.#state.failure : EMPTY
    return { kind: 'failed', failure }
  }

  #answered(head: SourceHead): 'accept' | 'reject' {
    this.#deadlines.arrived()
    if (head.status < 200 || head.status > 299) return 'reject'
    const { byteRange } = this.#options.request
    const window = byteRange === undefined ? wholeWindow(head) : rangeWindow(head, byteRange)
    if (window.kind === 'invalid') {
      this.#fail(window.failure)
      return 'reject'
    }
    this.#window = window
    this.#head = window.head
    if ((window.head.contentLength ?? 0) > SEGMENT_BYTES_MAX) {
      this.#fail(tooLong(SEGMENT_BYTES_MAX))
      return 'reject'
    }
    return 'accept'
  }

  #take(chunk: Buffer): boolean {
    const window = this.#window
    if (window === undefined || this.#state.kind !== 'fetching') return true
    this.#deadlines.arrived()
    const wanted = window.take(chunk)
    if (wanted.length === 0) return true
    if (this.#chunks.length === 0 && isWebPage(wanted)) {
      this.#fail(webPage(wanted, this.#head?.contentType))
      return true
    }
    this.bytes += wanted.length
    if (this.bytes > SEGMENT_BYTES_MAX) {
      this.#fail(tooLong(SEGMENT_BYTES_MAX))
      return true
    }
    this.#chunks.push(wanted)
    this.#options.onBytes(wanted.length)
    // Of an answer to a range that is the whole resource, the rest is not waited for.
    if (window.isFull) this.#complete()
    else this.#wake()
    return true
  }

  #ended(): void {
    if (this.#state.kind !== 'fetching') return
    const { byteRange } = this.#options.request
    if (this.bytes === 0) this.#fail(EMPTY)
    else if (byteRange !== undefined && this.bytes !== byteRange.length) {
      const evidence = { bytes: this.bytes, bytes_wanted: byteRange.length }
      this.#fail({ kind: 'segment_invalid', message: 'sent fewer bytes than the playlist gives the segment', evidence })
    } else this.#complete()
  }

  #complete(): void {
    this.#close({ kind: 'complete' })
    this.#options.onDone()
  }

  #fail(failure: SourceFailure): void {
    if (this.#state.kind !== 'fetching') return
    this.#close({ kind: 'failed', failure: { ...failure, evidence: { bytes: this.bytes, ...failure.evidence } } })
    this.#options.onDone()
  }

  #close(state: FetchState): void {
    this.#state = state
    this.#deadlines.cancel()
    this.#source?.close()
    this.#source = undefined
    this.#wake()
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  #wake(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const resolve of waiting) resolve()
  }
}

const EMPTY: SourceFailure = { kind: 'segment_invalid', message: 'sent an empty segment' }
const CLOSED: SegmentPiece & SegmentAnswer = {
  kind: 'failed',
  failure: { kind: 'aborted', message: 'the reader was closed' },
}

function pieceOf(state: FetchState): SegmentPiece {
  return state.kind === 'failed' ? state : { kind: 'end' }
}

/** 404 and 410: the segment itself is not there, which says less of the source than other statuses do. */
function missing(failure: SourceFailure): SourceFailure {
  if (failure.status !== 404 && failure.status !== 410) return failure
  return { ...failure, kind: 'segment_missing', message: `does not have the segment (${failure.status})` }
}

function isWebPage(bytes: Buffer): boolean {
  return /^[\s\uFEFF]*<(?:!doctype html|html|head|body|script)/i.test(bytes.toString('utf8', 0, 256))
}

function webPage(bytes: Buffer, contentType: string | undefined): SourceFailure {
  const begins = bytes.toString('latin1', 0, 60).replaceAll(/[^\x20-\x7e]+/g, ' ')
  const evidence = { content_type: contentType ?? null, begins_with: begins }
  return { kind: 'segment_invalid', message: 'sent a web page instead of a segment', evidence }
}

/** What of a body belongs to the segment. */
interface RangeWindow {
  readonly kind: 'window'
  readonly head: ResponseHead
  /** The part of the next piece of the body that is wanted. */
  take(chunk: Buffer): Buffer
  readonly isFull: boolean
}

interface InvalidRange {
  readonly kind: 'invalid'
  readonly failure: SourceFailure
}

function rangeHeader({ offset, length }: ByteRange): string {
  return `bytes=${offset}-${offset + length - 1}`
}

function wholeWindow(head: SourceHead): RangeWindow {
  const length = Number(head.headers['content-length'] ?? Number.NaN)
  const response = responseHead(head, head.status, Number.isSafeInteger(length) ? length : undefined)
  return { kind: 'window', head: response, take: (chunk) => chunk, isFull: false }
}

/** An origin may answer a range with the whole (RFC 9110 §14.2): then the range is cut out of it here. */
function rangeWindow(head: SourceHead, { offset, length }: ByteRange): RangeWindow | InvalidRange {
  const given = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(head.headers['content-range'] ?? '')
  if (head.status === 206 && (Number(given?.[1]) !== offset || Number(given?.[2]) !== offset + length - 1)) {
    const evidence = {
      wanted: rangeHeader({ offset, length }),
      got: (head.headers['content-range'] ?? '').slice(0, 80),
    }
    return { kind: 'invalid', failure: { kind: 'segment_invalid', message: 'sent another range than asked', evidence } }
  }
  let at = head.status === 206 ? offset : 0
  const end = offset + length
  const total = head.headers['content-length'] ?? '*'
  const headers =
    head.status === 206 ? head.headers : { ...head.headers, 'content-range': `bytes ${offset}-${end - 1}/${total}` }
  return {
    kind: 'window',
    head: responseHead({ ...head, headers: { ...headers, 'content-length': String(length) } }, 206, length),
    take: (chunk) => {
      const wanted = chunk.subarray(Math.max(0, offset - at), Math.max(0, end - at))
      at += chunk.length
      return wanted
    },
    get isFull() {
      return at >= end
    },
  }
}

function responseHead({ headers, finalUrl }: SourceHead, status: number, contentLength?: number): ResponseHead {
  return { status, headers, contentLength, contentType: headers['content-type'], finalUrl }
}
