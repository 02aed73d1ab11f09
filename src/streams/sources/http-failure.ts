import { errors } from 'undici'
import { errorMessage } from '../../lib/errors.ts'
import { redactUrlsIn } from '../../lib/redact.ts'

/**
 * Why a request to a source came to nothing. `reset` is a connection that broke (RST, or closed before any answer),
 * `incomplete_body` one that was closed in order but before its framing said that the body was complete. `playlist_*` and
 * `segment_*` are of HLS sources, `media_condition` is what their segments hold, `process_*` of sources that a process of ours reads.
 */
export type SourceFailureKind =
  | 'refused'
  | 'dns'
  | 'tls'
  | 'connect_timeout'
  | 'answer_timeout'
  | 'http_status'
  | 'reset'
  | 'incomplete_body'
  | 'too_many_redirects'
  | 'address_forbidden'
  | 'bad_redirect'
  | 'protocol'
  | 'playlist_invalid'
  | 'playlist_frozen'
  | 'playlist_reset'
  | 'playlist_ended'
  | 'segment_missing'
  | 'segment_invalid'
  | 'media_condition'
  | 'process_unavailable'
  | 'process_failed'
  | 'internal'
  | 'aborted'

export interface SourceFailure {
  readonly kind: SourceFailureKind
  /** For people; credentials are redacted. */
  readonly message: string
  /** Of a `media_condition`: which. */
  readonly condition?: string
  /** The status of the response that failed, where there was one. */
  readonly status?: number
  /** Where a redirect that was not followed pointed, redacted. */
  readonly httpLocation?: string
  /** What was measured. */
  readonly evidence?: { readonly [key: string]: string | number | boolean | null }
}

/** The stable reason of a failure, as events and receipts name it: `http_404`, a condition of docs/DETECTION.md, or its kind. */
export function failureReason({
  kind,
  status,
  condition,
}: Pick<SourceFailure, 'kind' | 'status' | 'condition'>): string {
  if (kind === 'media_condition' && condition !== undefined) return condition
  return kind === 'http_status' ? `http_${status ?? 0}` : kind
}

/** How far a request had come when its connection failed. */
export type SourcePhase = 'connecting' | 'handshake' | 'waiting' | 'body'

/** The error of a connection to an address that upstream content may not reach. */
export const ADDRESS_FORBIDDEN_CODE = 'HOLDFAST_ADDRESS_FORBIDDEN'

const DNS_CODES = /^(ENOTFOUND|ENODATA|ESERVFAIL|EAI_[A-Z]+)$/

function codeOf(thrown: unknown): string {
  if (typeof thrown !== 'object' || thrown === null || !('code' in thrown)) return ''
  return typeof thrown.code === 'string' ? thrown.code : ''
}

/** Whether an error is undici's own word on the answer (it destroys the socket with it), not the operating system's. */
export function isParserError(error: unknown): boolean {
  return error instanceof errors.UndiciError || error instanceof errors.HTTPParserError
}

/** What is known of a request whose connection failed. */
export interface FailureEvidence {
  /** How far the request had come. */
  readonly phase: SourcePhase
  /** The peer closed its side in order (FIN). */
  readonly isPeerEnded: boolean
  /** What the operating system said of the connection. */
  readonly socketError: Error | undefined
}

/**
 * Names what went wrong. The operating system's word goes before the parser's, because a parser that is cut off only
 * says that something is missing.
 */
export function failureOf(evidence: FailureEvidence, parserError: unknown): SourceFailure {
  const { phase, isPeerEnded, socketError } = evidence
  const error = socketError ?? parserError
  const code = codeOf(error)
  const detail = redactUrlsIn(code === '' ? errorMessage(error) : code)
  if (code === ADDRESS_FORBIDDEN_CODE) return { kind: 'address_forbidden', message: errorMessage(error) }
  if (DNS_CODES.test(code)) return { kind: 'dns', message: `the host name did not resolve (${detail})` }
  if (error instanceof errors.InvalidArgumentError) {
    return { kind: 'protocol', message: `the request cannot be made (${redactUrlsIn(error.message)})` }
  }
  if (phase === 'connecting') return connectFailure(code, detail)
  if (phase === 'handshake') return { kind: 'tls', message: `the TLS handshake failed (${detail})` }
  if (socketError !== undefined) return { kind: 'reset', message: `the connection broke (${detail})` }
  if (!isPeerEnded) return { kind: 'protocol', message: `the answer is not valid HTTP/1.1 (${detail})` }
  if (phase === 'body') return { kind: 'incomplete_body', message: 'the body ended before it was complete' }
  return { kind: 'reset', message: 'the connection was closed without an answer' }
}

/** Whether a source has nothing to do with it: the gateway gave up, or is at fault. */
export function isOurOwn({ kind }: Pick<SourceFailure, 'kind'>): boolean {
  return kind === 'aborted' || kind === 'internal'
}

/** What came was taken in by code of ours that failed on it. The place is for whoever mends it. */
export function internalFailure(error: unknown): SourceFailure {
  const place = error instanceof Error ? (error.stack?.split('\n')[1]?.trim() ?? '') : ''
  return { kind: 'internal', message: redactUrlsIn(`the gateway failed on what came: ${errorMessage(error)} ${place}`) }
}

function connectFailure(code: string, detail: string): SourceFailure {
  if (code === 'ETIMEDOUT') return { kind: 'connect_timeout', message: `no connection in time (${detail})` }
  if (code === 'ECONNRESET') return { kind: 'reset', message: `the connection broke (${detail})` }
  return { kind: 'refused', message: `the connection was refused (${detail})` }
}
