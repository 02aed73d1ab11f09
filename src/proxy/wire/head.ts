import { readControlFields } from './control-fields.ts'
import type { ControlFields } from './control-fields.ts'
import { controlReason, findControl, readFieldLines } from './fields.ts'
import type { Fields } from './fields.ts'
import type { HeadNotes, KnownFields, RequestMemory, ResponseMemory } from './head-memory.ts'
import { isHost } from './host.ts'
import type { RefusalReason } from './refusal.ts'
import { LINE_BYTES_BESIDE_TARGET, readRequestLine } from './request-line.ts'
import type { RequestLine } from './request-line.ts'

/** How the end of a body is known (RFC 9112 section 6.3). `close` exists for responses only. */
export type BodyFraming =
  | { readonly kind: 'none' }
  | { readonly kind: 'length'; readonly bytes: number }
  | { readonly kind: 'chunked' }
  | { readonly kind: 'close' }

export const NO_BODY: BodyFraming = { kind: 'none' }
const CHUNKED: BodyFraming = { kind: 'chunked' }
const UNTIL_CLOSE: BodyFraming = { kind: 'close' }

export interface RequestHead extends RequestLine {
  readonly fields: Fields
  /** Host with its port as it was sent, from the target if that names it; empty on HTTP/1.0 without Host. */
  readonly host: string
  readonly framing: BodyFraming
  /** Whether the client lets the connection live on after the response (RFC 9112 section 9.3). */
  readonly keepAlive: boolean
  readonly expectsContinue: boolean
  /** The protocols of Upgrade, when Connection names it; undefined otherwise. */
  readonly upgrade: string | undefined
  /** The options of Connection in lower case: the names of fields that end here. */
  readonly connection: readonly string[]
  /** What the request came by, where that is not HTTP/1: "2.0". The rest of the head is as HTTP/1.1 would have it. */
  readonly receivedProtocol?: '2.0'
  /** For whoever forwards it. */
  readonly notes?: HeadNotes | undefined
}

export interface ResponseHead {
  readonly status: number
  readonly reason: string
  readonly versionMinor: 0 | 1
  readonly fields: Fields
  readonly framing: BodyFraming
  /** Content-Length as it was sent, which a response to HEAD has without a body. */
  readonly contentLength: number | undefined
  readonly keepAlive: boolean
  readonly upgrade: string | undefined
  readonly connection: readonly string[]
  /** For whoever forwards it. */
  readonly notes?: HeadNotes | undefined
}

export interface HeadLimits {
  /** The whole head with its line breaks, bytes. */
  readonly headBytesMax: number
  /** The request target, bytes. */
  readonly targetBytesMax: number
  readonly fieldsMax: number
}

export const defaultHeadLimits: HeadLimits = { headBytesMax: 32_768, targetBytesMax: 16_384, fieldsMax: 128 }

/** `end` is the offset of the first byte behind the head. */
export type Parsed<Head> =
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'refused'; readonly reason: RefusalReason }
  | { readonly kind: 'head'; readonly head: Head; readonly end: number }

const INCOMPLETE: Parsed<never> = { kind: 'incomplete' }
const END_OF_HEAD = Buffer.from('\r\n\r\n')
const CR = 0x0d
const LF = 0x0a

/**
 * Parses the request head in `bytes` between `from` and `to` (RFC 9112 sections 2 to 6). One empty line ahead of it is
 * skipped. What is refused is refused as soon as the offending byte is there, and the answer does not depend on the
 * pieces in which the bytes arrived. `memory` is the connection's: it spares reading fields that are the same again.
 */
export function parseRequestHead(
  bytes: Buffer,
  from: number,
  to: number,
  limits: HeadLimits,
  memory?: RequestMemory,
): Parsed<RequestHead> {
  let start = from
  if (bytes[start] === CR && start < to) {
    if (start + 1 === to) return INCOMPLETE
    if (bytes[start + 1] === LF) start += 2
  }
  const found = headText(bytes, start, to, limits)
  const { text, isComplete } = found
  const same = isComplete ? memory?.same(text) : undefined
  if (same !== undefined) return { kind: 'head', head: same, end: found.end }
  const lineEnd = text.indexOf('\r\n')
  const known = isComplete && lineEnd >= 0 ? memory?.find(text, lineEnd) : undefined
  const repeated = known === undefined ? undefined : repeatedHead(text.slice(0, lineEnd), known, limits)
  if (repeated !== undefined) {
    memory?.keepHead(text, repeated)
    return { kind: 'head', head: repeated, end: found.end }
  }
  const control = findControl(text)
  const isLineComplete = lineEnd >= 0 || isComplete
  const line = lineEnd >= 0 ? text.slice(0, lineEnd) : text
  const lineBytesMax = limits.targetBytesMax + LINE_BYTES_BESIDE_TARGET
  if (control >= 0 && control < line.length && control <= lineBytesMax) return refuse(controlReason(text, control))
  if (line.length > lineBytesMax) return refuse('target_too_long')
  if (!isLineComplete) return found.isTooLarge ? refuse('target_too_long') : INCOMPLETE
  const request = readRequestLine(line, limits.targetBytesMax)
  if (typeof request === 'string') return refuse(request)
  if (control >= 0) return refuse(controlReason(text, control))
  if (found.isTooLarge) return refuse('head_too_large')
  if (!isComplete) return INCOMPLETE
  const fields: string[] = []
  if (lineEnd >= 0) {
    const reason = readFieldLines(text, lineEnd + 2, limits.fieldsMax, fields)
    if (reason !== undefined) return refuse(reason)
  }
  const head =
    memory === undefined ? requestHead(request, fields) : rememberedHead(request, fields, text.slice(lineEnd), memory)
  return typeof head === 'string' ? refuse(head) : { kind: 'head', head, end: found.end }
}

/** A head whose fields are known; undefined where anything about its line is not as it should be. */
function repeatedHead(line: string, known: KnownFields, { targetBytesMax }: HeadLimits): RequestHead | undefined {
  if (findControl(line) >= 0) return undefined
  const request = readRequestLine(line, targetBytesMax)
  if (typeof request === 'string' || request.versionMinor !== known.versionMinor) return undefined
  const head = headOf(request, known.fields, known.control, known.notes)
  return typeof head === 'string' ? undefined : head
}

function rememberedHead(
  line: RequestLine,
  fields: Fields,
  text: string,
  memory: RequestMemory,
): RequestHead | RefusalReason {
  const control = readControlFields(fields, line.versionMinor)
  if (typeof control === 'string') return control
  const notes: HeadNotes = {}
  memory.keep({ text, versionMinor: line.versionMinor, fields, control, notes })
  return headOf(line, fields, control, notes)
}

/**
 * Parses the response head in `bytes` between `from` and `to`; `requestMethod` decides whether a body follows. As strict
 * as for requests, but for a status line that ends right behind the status.
 */
export function parseResponseHead(
  bytes: Buffer,
  from: number,
  to: number,
  limits: HeadLimits,
  requestMethod: string,
  memory?: ResponseMemory,
): Parsed<ResponseHead> {
  const { text, isComplete, isTooLarge, end } = headText(bytes, from, to, limits)
  const isForHead = requestMethod === 'HEAD'
  const known = isComplete ? memory?.find(text, isForHead) : undefined
  if (known !== undefined) return { kind: 'head', head: known, end }
  const control = findControl(text)
  if (control >= 0) return refuse(controlReason(text, control))
  if (isTooLarge) return refuse('head_too_large')
  if (!isComplete) return isStatusLineBegin(text) ? INCOMPLETE : refuse('invalid_status_line')
  const lineEnd = text.indexOf('\r\n')
  const line = lineEnd >= 0 ? text.slice(0, lineEnd) : text
  const match = statusLine.exec(line)
  if (match === null) return refuse('invalid_status_line')
  const fields: string[] = []
  if (lineEnd >= 0) {
    const reason = readFieldLines(text, lineEnd + 2, limits.fieldsMax, fields)
    if (reason !== undefined) return refuse(reason)
  }
  const head = responseHead(Number(match[2]), match[3] ?? '', match[1] === '1' ? 1 : 0, fields, isForHead)
  if (typeof head === 'string') return refuse(head)
  memory?.keep(text, isForHead, head)
  return { kind: 'head', head, end }
}

const statusLine = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: ([^\r\n]*))?$/

/** Something else than HTTP is told apart by its first bytes instead of by a deadline. */
function isStatusLineBegin(text: string): boolean {
  return text.length >= 7 ? text.startsWith('HTTP/1.') : 'HTTP/1.'.startsWith(text)
}

interface HeadText {
  /** The head without the empty line at its end, or as much of it as is there and may be. */
  readonly text: string
  readonly isComplete: boolean
  readonly isTooLarge: boolean
  readonly end: number
}

function headText(bytes: Buffer, from: number, to: number, { headBytesMax }: HeadLimits): HeadText {
  const found = bytes.indexOf(END_OF_HEAD, from)
  const end = found + END_OF_HEAD.length
  if (found >= 0 && end <= to && end - from <= headBytesMax) {
    return { text: bytes.toString('latin1', from, found), isComplete: true, isTooLarge: false, end }
  }
  const isTooLarge = to - from > headBytesMax
  let until = isTooLarge ? from + headBytesMax : to
  // Whether a CR stands alone is known one byte later.
  if (until > from && bytes[until - 1] === CR) until -= 1
  return { text: bytes.toString('latin1', from, until), isComplete: false, isTooLarge, end: until }
}

/** The head of a request whose lines have been taken apart already, or why it is refused. */
export function requestHead(line: RequestLine, fields: Fields): RequestHead | RefusalReason {
  const control = readControlFields(fields, line.versionMinor)
  return typeof control === 'string' ? control : headOf(line, fields, control, undefined)
}

function headOf(
  line: RequestLine,
  fields: Fields,
  control: ControlFields,
  notes: HeadNotes | undefined,
): RequestHead | RefusalReason {
  const host = hostOf(line, control.host)
  if (host.reason !== undefined) return host.reason
  const expect = control.expect?.toLowerCase()
  if (expect !== undefined && expect !== '100-continue') return 'unsupported_expectation'
  return {
    method: line.method,
    target: line.target,
    form: line.form,
    path: line.path,
    authority: line.authority,
    versionMinor: line.versionMinor,
    fields,
    host: host.host,
    framing: requestFraming(control.contentLength, control.chunked),
    keepAlive: keepsAlive(line.versionMinor, control.connection),
    // HTTP/1.0 does not know interim responses (RFC 9110 section 10.1.1).
    expectsContinue: expect !== undefined && line.versionMinor === 1,
    upgrade: line.versionMinor === 1 ? control.upgrade : undefined,
    connection: control.connection,
    notes,
  }
}

interface HostFound {
  readonly host: string
  readonly reason?: RefusalReason
}

function hostOf(line: RequestLine, host: string | undefined): HostFound {
  if (host === undefined) {
    return line.versionMinor === 1 ? { host: '', reason: 'missing_host' } : { host: line.authority ?? '' }
  }
  if (!isHost(host)) return { host: '', reason: 'invalid_host' }
  if (line.authority === undefined || line.authority === host) return { host }
  const isSame = line.authority.toLowerCase() === host.toLowerCase()
  return isSame ? { host: line.authority } : { host: '', reason: 'host_mismatch' }
}

function requestFraming(contentLength: number | undefined, chunked: boolean): BodyFraming {
  if (chunked) return CHUNKED
  return contentLength === undefined || contentLength === 0 ? NO_BODY : { kind: 'length', bytes: contentLength }
}

function keepsAlive(versionMinor: number, connection: readonly string[]): boolean {
  if (connection.length === 0) return versionMinor === 1
  if (connection.includes('close')) return false
  return versionMinor === 1 || connection.includes('keep-alive')
}

function responseHead(
  status: number,
  reason: string,
  versionMinor: 0 | 1,
  fields: Fields,
  isForHead: boolean,
): ResponseHead | RefusalReason {
  const control = readControlFields(fields, versionMinor)
  if (typeof control === 'string') return control
  const isLast = !keepsAlive(versionMinor, control.connection)
  // Some clients take it for the last response and others read on.
  if (status < 200 && isLast) return 'closing_interim_response'
  const isBodiless = isForHead || status < 200 || status === 204 || status === 304
  let framing = UNTIL_CLOSE
  if (isBodiless) framing = NO_BODY
  else if (control.chunked) framing = CHUNKED
  else if (control.contentLength !== undefined) {
    framing = control.contentLength === 0 ? NO_BODY : { kind: 'length', bytes: control.contentLength }
  }
  return {
    status,
    reason,
    versionMinor,
    fields,
    framing,
    contentLength: control.contentLength,
    keepAlive: framing.kind !== 'close' && !isLast,
    upgrade: control.upgrade,
    connection: control.connection,
    notes: {},
  }
}

/** Trailer fields of a chunked body (RFC 9112 section 7.1.2) from their text, which ends without the empty line. */
export function parseTrailers(text: string, fieldsMax: number): Fields | RefusalReason {
  const control = findControl(text)
  if (control >= 0) return controlReason(text, control)
  const fields: string[] = []
  const reason = readFieldLines(text, 0, fieldsMax, fields)
  if (reason !== undefined) return reason
  for (let index = 0; index < fields.length; index += 2) {
    if (forbiddenTrailers.has((fields[index] ?? '').toLowerCase())) return 'forbidden_trailer'
  }
  return fields
}

/** What frames, routes or authenticates a message is of no use behind it and dangerous where it is believed. */
const forbiddenTrailers = new Set([
  'transfer-encoding',
  'content-length',
  'host',
  'connection',
  'te',
  'trailer',
  'upgrade',
  'keep-alive',
  'proxy-connection',
  'expect',
  'authorization',
  'set-cookie',
  'cookie',
  'content-encoding',
  'content-type',
  'content-range',
])

function refuse(reason: RefusalReason): Parsed<never> {
  return { kind: 'refused', reason }
}
