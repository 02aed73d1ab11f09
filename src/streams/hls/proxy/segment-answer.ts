import type { ServerResponse } from 'node:http'
import { once } from 'node:events'
import { finished } from 'node:stream/promises'
import type { Clock } from '../../../lib/clock.ts'
import type { SourceFailure } from '../../sources/http-failure.ts'
import type { ResponseHead, SegmentPiece, SegmentReader } from '../upstream/segment.ts'

/** What of a segment is here before a player is told anything of it. */
export interface Held {
  readonly kind: 'held'
  readonly head: ResponseHead
  readonly pieces: readonly Buffer[]
  /** The bytes in `pieces`. */
  readonly bytes: number
  /** What comes next; undefined when that is all. */
  readonly rest: Promise<SegmentPiece> | undefined
}

export type HoldResult = Held | { readonly kind: 'failed'; readonly failure: SourceFailure }

/**
 * A segment is held back until it is complete, because one that was begun and breaks off costs players more than one that is
 * refused (hls.js does not ask again). After this it is sent as it comes, or players would give up waiting.
 */
const HOLD_MS = 4_000
/** A longer one is sent as it comes. */
const HOLD_BYTES_MAX = 16_777_216

/** Headers of the source's answer that describe the bytes. */
const PASSED = ['cache-control', 'content-encoding', 'content-language', 'etag', 'expires', 'last-modified'] as const
const TYPES: Readonly<Record<string, string>> = {
  ts: 'video/mp2t',
  mp4: 'video/mp4',
  m4s: 'video/iso.segment',
  aac: 'audio/aac',
  mp3: 'audio/mpeg',
  vtt: 'text/vtt',
  key: 'application/octet-stream',
}

/** Takes in a segment until it is complete, or as far as it may be held back. `isPatient`: however long that takes. */
export async function hold(reader: SegmentReader, clock: Clock, isPatient: boolean): Promise<HoldResult> {
  const answer = await reader.head()
  if (answer.kind === 'failed') return answer
  const pieces: Buffer[] = []
  let bytes = 0
  const late = Promise.withResolvers<'late'>()
  const timer = isPatient ? undefined : clock.schedule(HOLD_MS, () => late.resolve('late'))
  try {
    for (;;) {
      const next = reader.next()
      const piece = await Promise.race([next, late.promise])
      if (piece === 'late') return { kind: 'held', head: answer.head, pieces, bytes, rest: next }
      if (piece.kind === 'failed') return piece
      if (piece.kind === 'end') return { kind: 'held', head: answer.head, pieces, bytes, rest: undefined }
      pieces.push(piece.bytes)
      bytes += piece.bytes.length
      if (bytes > HOLD_BYTES_MAX && !isPatient) {
        return { kind: 'held', head: answer.head, pieces, bytes, rest: reader.next() }
      }
    }
  } finally {
    timer?.cancel()
  }
}

/** What a browser shows as a page, or runs, would do so as a page of this gateway: types of media and data only. */
function mediaTypeOf(told: string | undefined): string | undefined {
  return /^(?:(?:audio|video)\/|text\/vtt\b|application\/(?:octet-stream|mp4|ttml\+xml)\b)/i.test(told ?? '')
    ? told
    : undefined
}

/** The head for a whole segment. */
export function headersOf({ head, bytes, rest }: Held, name: string): Record<string, string | number> {
  const headers: Record<string, string | number> = {
    'content-type':
      mediaTypeOf(head.contentType) ?? TYPES[name.slice(name.lastIndexOf('.') + 1)] ?? 'application/octet-stream',
    'accept-ranges': 'bytes',
    'x-content-type-options': 'nosniff',
  }
  for (const passed of PASSED) {
    const value = head.headers[passed]
    if (value !== undefined) headers[passed] = value
  }
  const length = rest === undefined ? bytes : head.contentLength
  if (length !== undefined) headers['content-length'] = length
  return headers
}

/**
 * Sends what is held and what comes after it. A segment that breaks off is cut: its connection is destroyed, so that
 * nobody takes it for complete. Resolves when the player has it all, or has left.
 */
export async function send(held: Held, reader: SegmentReader, response: ServerResponse): Promise<void> {
  try {
    // All at once, out of the memory that everybody's answers share: a system call for each piece costs more than the rest.
    response.cork()
    for (const piece of held.pieces) response.write(piece)
    if (held.rest !== undefined && !(await sendRest(held.rest, reader, response))) return
    response.end()
    await finished(response).catch(() => undefined)
  } finally {
    reader.close()
  }
}

/** False when the player has left, or there is no end to the segment. */
async function sendRest(
  first: Promise<SegmentPiece>,
  reader: SegmentReader,
  response: ServerResponse,
): Promise<boolean> {
  response.uncork()
  for (let next = first; await drained(response); next = reader.next()) {
    const piece = await next
    if (piece.kind === 'end') return true
    if (piece.kind === 'failed') {
      response.destroy()
      return false
    }
    response.write(piece.bytes)
  }
  return false
}

/** False when the player has left. */
async function drained(response: ServerResponse): Promise<boolean> {
  if (response.destroyed) return false
  if (!response.writableNeedDrain) return true
  const gone = new AbortController()
  const onClose = (): void => gone.abort()
  response.once('close', onClose)
  try {
    await once(response, 'drain', { signal: gone.signal })
    return true
  } catch {
    return false
  } finally {
    response.off('close', onClose)
  }
}

/** A part of something, bytes; `end` is past the last. */
export interface ByteSpan {
  readonly start: number
  readonly end: number
}

/**
 * The one range that a Range header asks for of `total` bytes (RFC 9110 §14.2); undefined when the whole is the answer:
 * no header, another unit, several ranges, or nonsense.
 */
export function rangeOf(header: string | undefined, total: number): ByteSpan | 'unsatisfiable' | undefined {
  const [, first = '', last = ''] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.trim() ?? '') ?? []
  if (first === '' && last === '') return undefined
  if (first === '')
    return last === '0' || total === 0 ? 'unsatisfiable' : { start: Math.max(0, total - Number(last)), end: total }
  const start = Number(first)
  const end = last === '' ? total : Math.min(total, Number(last) + 1)
  if (last !== '' && Number(last) < start) return undefined
  return start >= total ? 'unsatisfiable' : { start, end }
}

/** The bytes of a span, out of pieces. */
export function slice(pieces: readonly Buffer[], { start, end }: ByteSpan): readonly Buffer[] {
  const wanted: Buffer[] = []
  let at = 0
  for (const piece of pieces) {
    const from = Math.max(start - at, 0)
    const to = Math.min(end - at, piece.length)
    if (from < to) wanted.push(piece.subarray(from, to))
    at += piece.length
  }
  return wanted
}
