import type { LookupFunction } from 'node:net'
import type { Clock } from '../../lib/clock.ts'
import type { SourceFailure } from './http-failure.ts'

export type { SourceFailure } from './http-failure.ts'

export interface SourceRequest {
  /** http or https; credentials in it become Basic authorization. */
  readonly url: string
  readonly method: 'GET' | 'HEAD'
  /** The operator's own. Those that would change the framing (and Accept-Encoding, Range, Icy-MetaData) are not sent. */
  readonly headers: Readonly<Record<string, string>>
  readonly userAgent: string
  /** The value of a Range header (RFC 9110 §14.2). */
  readonly range?: string
  /** For each connection: name resolution, TCP and TLS. */
  readonly connectTimeoutMs: number
  /** From the opening to the head of the final response, redirects included. */
  readonly answerTimeoutMs: number
  /** Host names (as in `URL.hostname`) that the operator named; only these may be private addresses. */
  readonly operatorHosts: ReadonlySet<string>
  readonly signal: AbortSignal
}

export interface SourceHead {
  readonly status: number
  /** Names in lower case; repeated headers joined with a comma. */
  readonly headers: Readonly<Record<string, string>>
  /** After redirects; with its credentials, so redact it before showing it. */
  readonly finalUrl: string
  /** From the opening to this head. */
  readonly elapsedMs: number
}

/** Exactly one of `onEnd` and `onFailure` is called, as the last call, unless `close` came first: then neither. */
export interface SourceResponseHandler {
  /** `reject` closes the connection and ends with the failure `http_status`. */
  onHead(head: SourceHead): 'accept' | 'reject'
  /** False pauses the source until `resume`; what had already been read (at most about 64 KiB) may still come. */
  onData(chunk: Buffer): boolean
  /** The body is complete; one without a length or chunks was closed in order (FIN). */
  onEnd(): void
  onFailure(failure: SourceFailure): void
}

export interface SourceReader {
  /** Closes the connection at once; the handler is not called again. */
  close(): void
  pause(): void
  resume(): void
}

/** How sources are reached. Each request has a connection of its own, so nothing is shared between them. */
export interface SourceNetwork {
  readonly clock: Clock
  /** Name resolution; the system's by default. */
  readonly lookup?: LookupFunction
  /** Certificate authorities (PEM) instead of the well-known ones. */
  readonly caCertificates?: readonly string[]
}

/** Asks a source; no callback comes before this returns. */
export declare function openHttpSource(
  request: SourceRequest,
  handler: SourceResponseHandler,
  network: SourceNetwork,
): SourceReader
