/**
 * What went wrong with one attempt at an upstream.
 * - `unreachable`: no route, no local port, no file descriptor: everything else that keeps a connection from being made
 * - `reset_before_response`: the connection ended before a whole response head
 * - `truncated`: it ended within the response body
 * - `fault`: a mistake in our own code
 */
export type UpstreamFailureKind =
  | 'refused'
  | 'dns'
  | 'tls'
  | 'unreachable'
  | 'connect_timeout'
  | 'reset_before_response'
  | 'first_byte_timeout'
  | 'idle_timeout'
  | 'truncated'
  | 'malformed_response'
  | 'fault'

/** A failed attempt with the facts that decide about another one. */
export interface UpstreamFailure {
  readonly kind: UpstreamFailureKind
  /** In words, without secrets: a rule of the grammar, or the code of the system. */
  readonly detail: string
  /** Whether the kernel was given any byte of the request, so that the upstream may have acted on it. */
  readonly wasSent: boolean
  /** Whether more than the head was given, or would have been: a body cannot always be sent again. */
  readonly wasBodySent: boolean
  /** Whether the connection had served other requests before. */
  readonly wasReused: boolean
  /** Whether any byte of a response had come. */
  readonly wasAnswered: boolean
}

const dnsCodes = new Set(['ENOTFOUND', 'EAI_AGAIN', 'EAI_FAIL', 'EAI_NODATA', 'EAI_NONAME', 'ENODATA', 'ESERVFAIL'])

/** The kind of an error before the connection was ready to carry a request. `isConnected`: TCP stands, TLS does not. */
export function connectFailureKind(error: unknown, isConnected: boolean): UpstreamFailureKind {
  const code = errorCode(error)
  if (dnsCodes.has(code)) return 'dns'
  if (isConnected || isTlsCode(code)) return 'tls'
  if (code === 'ECONNREFUSED') return 'refused'
  return code === 'ETIMEDOUT' ? 'connect_timeout' : 'unreachable'
}

/** Whether the error is of TLS itself, for example an alert about our certificate, which comes after the handshake. */
export function isTlsCode(code: string): boolean {
  return code.startsWith('ERR_TLS_') || code.startsWith('ERR_SSL_') || code.includes('CERT')
}

export function errorCode(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('code' in error)) return ''
  return typeof error.code === 'string' ? error.code : ''
}
