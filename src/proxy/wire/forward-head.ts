import type { Random } from '../../lib/random.ts'
import type { Fields } from './fields.ts'
import { fieldList, fieldValue } from './fields.ts'
import type { ResponseFraming } from './front-exchange.ts'
import type { ClientNote, UpstreamNote } from './head-memory.ts'
import type { RequestHead, ResponseHead } from './head.ts'
import { NameSet } from './name-set.ts'
import type { Peer } from './peer.ts'
import type { RequestFraming } from './upstream-exchange.ts'

export interface RequestForwarding {
  /** The target for the upstream in origin form; that of the request when it is left out. */
  readonly path?: string
  /** `keep` passes the client's Host on; a string is sent instead of it. */
  readonly host: 'keep' | { readonly name: string }
  readonly client: Peer
  /**
   * Whether the client is a proxy whose Forwarded and X-Forwarded-* fields are believed and added to. Otherwise whatever
   * came of them, and of X-Real-IP, is dropped: anybody can write them.
   */
  readonly isForwardedTrusted: boolean
  /** What we are called in Via (RFC 9110 section 7.6.3): a token. */
  readonly pseudonym: string
  /** How the body will be sent; usually `request.framing`. */
  readonly framing: RequestFraming
  /** Passes Upgrade on. */
  readonly isUpgrade: boolean
  /** Passes `Expect: 100-continue` on, for who waits with the body until the upstream asks for it. */
  readonly isExpectPassed: boolean
  /** Fields that the caller takes off besides: its own keys, for example. */
  readonly without?: NameSet | undefined
  /** For a trace that begins here. */
  readonly random: Random
}

/** Never passed on (RFC 9110 section 7.6.1), or written anew for the next hop. */
const endingHere = [
  ...['connection', 'keep-alive', 'proxy-connection', 'proxy-authenticate', 'proxy-authorization', 'te', 'upgrade'],
  ...['transfer-encoding', 'content-length', 'http2-settings'],
]
/** Written anew for requests besides those. */
const forwardedNames = ['forwarded', 'x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host']
const takenOffRequests = new NameSet([...endingHere, ...forwardedNames, 'host', 'expect', 'via', 'traceparent'])
const takenOffResponses = new NameSet([...endingHere, 'via'])
const SHORTEST_UNTRUSTED = 'x-real-ip'.length
/** What an untrusted client may not say of itself besides those. */
const untrusted = /^(?:x-forwarded-|x-real-ip$)/i
/** A client that names these in Connection wants to hide what others rely on: they stay. */
const neverNominated =
  /^(?:via|authorization|cookie|cache-control|traceparent|tracestate|x-real-ip|forwarded|x-forwarded-.*)$/

/** The head for the upstream, complete with its empty line. */
export function upstreamRequestHead(request: RequestHead, forwarding: RequestForwarding): string {
  const { framing } = forwarding
  const host = forwarding.host === 'keep' ? request.host : forwarding.host.name
  const { text: lines, trace, acceptsTrailers } = upstreamLines(request, forwarding)
  let text = `${request.method} ${forwarding.path ?? request.path} HTTP/1.1\r\nHost: ${host}\r\n${lines}`
  text += trace ?? newTrace(forwarding.random)
  if (framing.kind === 'chunked') text += 'Transfer-Encoding: chunked\r\n'
  else if (framing.kind === 'length') text += `Content-Length: ${framing.bytes}\r\n`
  else if (hasContentMethod(request.method)) text += 'Content-Length: 0\r\n'
  if (forwarding.isExpectPassed && request.expectsContinue) text += 'Expect: 100-continue\r\n'
  let options = ''
  if (acceptsTrailers) {
    text += 'TE: trailers\r\n'
    options = 'TE'
  }
  if (forwarding.isUpgrade && request.upgrade !== undefined) {
    text += `Upgrade: ${request.upgrade}\r\n`
    options = options === '' ? 'Upgrade' : `${options}, Upgrade`
  }
  return options === '' ? `${text}\r\n` : `${text}Connection: ${options}\r\n\r\n`
}

/** The lines that do not change from request to request of a client with the same fields. */
function upstreamLines(request: RequestHead, forwarding: RequestForwarding): UpstreamNote {
  const { fields, host, notes } = request
  const { isForwardedTrusted, without, pseudonym, framing } = forwarding
  const hasChunks = framing.kind === 'chunked'
  const known = notes?.upstream
  const isKnown =
    known !== undefined &&
    known.fields === fields &&
    known.host === host &&
    known.hasChunks === hasChunks &&
    known.without === without &&
    known.isForwardedTrusted === isForwardedTrusted &&
    known.pseudonym === pseudonym
  if (isKnown) return usedAgain(known)
  const note: UpstreamNote = {
    fields,
    isForwardedTrusted,
    without,
    pseudonym,
    host,
    hasChunks,
    text: passedFields(request, forwarding) + forwardedFields(request, forwarding) + via(request, pseudonym),
    isInOnePiece: false,
    trace: presentTrace(fields),
    acceptsTrailers: acceptsTrailers(fields),
  }
  if (notes !== undefined) notes.upstream = note
  return note
}

function passedFields({ fields, connection }: RequestHead, forwarding: RequestForwarding): string {
  const { isForwardedTrusted, without, framing } = forwarding
  let text = ''
  for (let index = 0; index < fields.length; index += 2) {
    const name = fields[index] ?? ''
    if (takenOffRequests.has(name) || without?.has(name) === true) continue
    if (connection.length > 0 && isNominated(connection, name)) continue
    if (!isForwardedTrusted && name.length >= SHORTEST_UNTRUSTED && untrusted.test(name)) continue
    // What announces trailers is of use only where they can follow.
    if (framing.kind !== 'chunked' && name.length === 7 && name.toLowerCase() === 'trailer') continue
    text += `${name}: ${fields[index + 1]}\r\n`
  }
  return text
}

/** Text that was put together is a tree of its parts inside, which would be walked again each time that it is written. */
function usedAgain<Note extends UpstreamNote | ClientNote>(note: Note): Note {
  if (note.isInOnePiece) return note
  note.text = Buffer.from(note.text, 'latin1').toString('latin1')
  note.isInOnePiece = true
  return note
}

/** Where a missing length could be taken for a body that is yet to come (RFC 9110 section 8.6). */
function hasContentMethod(method: string): boolean {
  return method === 'POST' || method === 'PUT' || method === 'PATCH'
}

function isNominated(connection: readonly string[], name: string): boolean {
  const lower = name.toLowerCase()
  return connection.includes(lower) && !neverNominated.test(lower)
}

function acceptsTrailers(fields: Fields): boolean {
  const accepted = fieldValue(fields, 'te')
  return accepted !== undefined && accepted.split(',').some((coding) => coding.trim().toLowerCase() === 'trailers')
}

/** Forwarded (RFC 7239) and the older fields that mean the same. */
function forwardedFields(request: RequestHead, { client, isForwardedTrusted }: RequestForwarding): string {
  const { fields, host } = request
  const before = (name: string) => (isForwardedTrusted ? fieldList(fields, name) : undefined)
  const proto = client.isEncrypted ? 'https' : 'http'
  const node = client.address.includes(':') ? `"[${client.address}]"` : client.address || 'unknown'
  const hostPart = host === '' ? '' : `;host="${host}"`
  const forwarded = withElement(before('forwarded'), `for=${node};proto=${proto}${hostPart}`)
  const addresses = withElement(before('x-forwarded-for'), client.address || 'unknown')
  const shownHost = before('x-forwarded-host') ?? host
  const hostField = shownHost === '' ? '' : `X-Forwarded-Host: ${shownHost}\r\n`
  const protoField = `X-Forwarded-Proto: ${before('x-forwarded-proto') ?? proto}\r\n`
  return `X-Forwarded-For: ${addresses}\r\n${protoField}${hostField}Forwarded: ${forwarded}\r\n`
}

function withElement(before: string | undefined, element: string): string {
  return before === undefined || before === '' ? element : `${before}, ${element}`
}

function via({ fields, versionMinor, receivedProtocol }: RequestHead, pseudonym: string): string {
  const hop = `${receivedProtocol ?? `1.${versionMinor}`} ${pseudonym}`
  return `Via: ${withElement(fieldList(fields, 'via'), hop)}\r\n`
}

const traceparent = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:$|-)/

/** The client's trace, which goes on; undefined without a valid one. */
function presentTrace(fields: Fields): string | undefined {
  const present = fieldList(fields, 'traceparent')
  return present !== undefined && traceparent.test(present) ? `traceparent: ${present}\r\n` : undefined
}

/** A trace that begins here, not sampled (W3C Trace Context section 3.2). */
function newTrace(random: Random): string {
  return `traceparent: 00-${hexDigits(random, 4)}-${hexDigits(random, 2)}-00\r\n`
}

const hexPairs = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

/** `words` times 8 hexadecimal digits. The first word is never 0, because an id of nothing but zeros is invalid. */
function hexDigits(random: Random, words: number): string {
  let digits = ''
  for (let index = 0; index < words; index += 1) {
    const drawn = (random.next() * 0x1_0000_0000) | 0
    const word = index === 0 ? drawn | 1 : drawn
    digits += `${hexPairs[word >>> 24]}${hexPairs[(word >>> 16) & 255]}${hexPairs[(word >>> 8) & 255]}${hexPairs[word & 255]}`
  }
  return digits
}

export interface ResponseForwarding {
  readonly pseudonym: string
  /** Fields that the caller takes off or writes itself. */
  readonly without?: NameSet
  /** Fields of the caller's, each with its CR LF. */
  readonly added?: string
}

/**
 * The status line and fields for the client, without the empty line: what `respond` and `inform` of an exchange take. The
 * fields of framing and connection are left to those.
 */
export function clientResponseHead(response: ResponseHead, { pseudonym, without, added }: ResponseForwarding): string {
  const { fields, connection, notes } = response
  const known = notes?.client
  const isKnown =
    known !== undefined &&
    known.fields === fields &&
    known.pseudonym === pseudonym &&
    known.without === without &&
    known.added === added
  if (isKnown) return usedAgain(known).text
  let text = `HTTP/1.1 ${response.status} ${response.reason}\r\n`
  for (let index = 0; index < fields.length; index += 2) {
    const name = fields[index] ?? ''
    if (takenOffResponses.has(name) || without?.has(name) === true) continue
    if (connection.length > 0 && isNominated(connection, name)) continue
    text += `${name}: ${fields[index + 1]}\r\n`
  }
  const hop = `1.${response.versionMinor} ${pseudonym}`
  text += `Via: ${withElement(fieldList(fields, 'via'), hop)}\r\n${added ?? ''}`
  if (notes !== undefined) notes.client = { fields, pseudonym, without, added, text, isInOnePiece: false }
  return text
}

/** The 101 response for the client: what `upgrade` of an exchange takes. */
export function clientUpgradeHead(response: ResponseHead, forwarding: ResponseForwarding): string {
  return `${clientResponseHead(response, forwarding)}Connection: Upgrade\r\nUpgrade: ${response.upgrade ?? ''}\r\n`
}

/** How the response of an upstream is framed for the client: as it came, and for HEAD as it would have. */
export function clientFraming(response: ResponseHead): ResponseFraming {
  const { framing, contentLength } = response
  if (framing.kind === 'length') return framing
  if (framing.kind === 'none' && contentLength !== undefined) return { kind: 'length', bytes: contentLength }
  // A body that ends with the upstream's connection has chunks for the client: then its end can be told from a cut. So
  // has what HEAD asks about where no length is known.
  return { kind: 'chunked' }
}
