import type { LookupFunction } from 'node:net'
import type { Dispatcher } from 'undici'
import type { Clock, Timer } from '../../lib/clock.ts'
import { HttpWire } from './http-connections.ts'
import type { HttpConnections } from './http-connections.ts'
import { failureOf, internalFailure } from './http-failure.ts'
import type { FailureEvidence, SourceFailure, SourcePhase } from './http-failure.ts'
import { firstHop, followRedirect } from './http-redirect.ts'
import type { Hop } from './http-redirect.ts'
import { requestHeaders } from './http-request-headers.ts'

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
  /** Cookies of the source, for each hop; none are kept without it. */
  readonly cookies?: RequestCookies
  readonly signal: AbortSignal
}

/** Keeps cookies (RFC 6265) from one request to the next. */
export interface RequestCookies {
  /** Value of the Cookie header for a request to `url`. */
  header(url: URL): string | undefined
  /** The Set-Cookie headers of an answer from `url`. */
  store(url: URL, setCookies: readonly string[]): void
}

export interface SourceHead {
  readonly status: number
  /** Names in lower case; repeated headers joined with a comma. */
  readonly headers: Readonly<Record<string, string>>
  /** After redirects, without credentials in the userinfo; its query may still hold some, so redact it for people. */
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

/** One way to reach a source: over HTTP as it is, segment by segment, or through a process of ours. */
export type SourceTransport = (
  request: SourceRequest,
  handler: SourceResponseHandler,
  network: SourceNetwork,
) => SourceReader

/** How sources are reached. Each request has a connection of its own, unless there are some to share. */
export interface SourceNetwork {
  readonly clock: Clock
  /** Name resolution; the system's by default. */
  readonly lookup?: LookupFunction
  /** Certificate authorities (PEM) instead of the well-known ones. */
  readonly caCertificates?: readonly string[]
  /** Connections left behind by requests of the same source; without it each request has its own and closes it. */
  readonly connections?: HttpConnections
}

/** Asks a source over HTTP/1.1; no callback comes before this has returned. */
export function openHttpSource(
  request: SourceRequest,
  handler: SourceResponseHandler,
  network: SourceNetwork,
): SourceReader {
  return new HttpSource(request, handler, network)
}

/** One hop's exchange. */
interface Connection {
  readonly hop: Hop
  readonly wire: HttpWire
  phase: SourcePhase
  controller: Dispatcher.DispatchController | undefined
  connectTimer: Timer | undefined
}

class HttpSource implements SourceReader {
  readonly #request: SourceRequest
  readonly #handler: SourceResponseHandler
  readonly #network: SourceNetwork
  readonly #openedAtMs: number
  readonly #onAbort = () => this.#fail({ kind: 'aborted', message: 'the request was aborted' })
  #connection: Connection | undefined
  #answerTimer: Timer | undefined
  #isDone = false
  #isPaused = false

  constructor(request: SourceRequest, handler: SourceResponseHandler, network: SourceNetwork) {
    this.#request = request
    this.#handler = handler
    this.#network = network
    this.#openedAtMs = network.clock.nowMs()
    queueMicrotask(() => this.#begin())
  }

  close(): void {
    this.#isDone = true
    this.#answerTimer?.cancel()
    this.#request.signal.removeEventListener('abort', this.#onAbort)
    this.#disconnect()
  }

  pause(): void {
    this.#isPaused = true
    this.#connection?.controller?.pause()
  }

  resume(): void {
    this.#isPaused = false
    this.#connection?.controller?.resume()
  }

  #begin(): void {
    if (this.#isDone) return
    const { url, headers, signal, answerTimeoutMs } = this.#request
    if (signal.aborted) {
      this.#onAbort()
      return
    }
    const hop = firstHop(url, headers)
    if (hop === undefined) {
      this.#fail({ kind: 'protocol', message: 'the address is not an http or https URL' })
      return
    }
    signal.addEventListener('abort', this.#onAbort, { once: true })
    this.#answerTimer = this.#network.clock.schedule(answerTimeoutMs, () => this.#answerIsLate(answerTimeoutMs))
    this.#connect(hop)
  }

  #connect(hop: Hop, mayReuse = true): void {
    const { clock, connections } = this.#network
    const { method, userAgent, range, connectTimeoutMs, cookies } = this.#request
    const wire = this.#wire(hop, mayReuse)
    const connection: Connection = { hop, wire, phase: 'connecting', controller: undefined, connectTimer: undefined }
    wire.onTcp = () => {
      connection.phase = 'handshake'
    }
    this.#connection = connection
    connection.connectTimer = clock.schedule(connectTimeoutMs, () => this.#connectIsLate(connectTimeoutMs))
    wire.client.dispatch(
      {
        origin: hop.url.origin,
        path: `${hop.url.pathname}${hop.url.search}`,
        method,
        headers: requestHeaders(hop, userAgent, range, cookies?.header(hop.url)),
        reset: connections === undefined,
        // Our own timers decide; undici's would run in steps of half a second.
        headersTimeout: 0,
        bodyTimeout: 0,
      },
      this.#dispatchHandler(connection),
    )
  }

  #wire(hop: Hop, mayReuse: boolean): HttpWire {
    const { lookup, caCertificates, connections } = this.#network
    const { origin, hostname } = hop.url
    const mayBePrivate = this.#request.operatorHosts.has(hostname)
    const idle = mayReuse ? connections?.take(origin, mayBePrivate) : undefined
    return idle ?? new HttpWire({ origin, mayBePrivate, lookup, caCertificates })
  }

  #dispatchHandler(connection: Connection): Dispatcher.DispatchHandler {
    const isCurrent = (): boolean => this.#connection === connection && !this.#isDone
    return {
      onRequestStart: (controller) => {
        connection.connectTimer?.cancel()
        connection.phase = 'waiting'
        connection.controller = controller
      },
      onResponseStart: (_controller, status, headers) => {
        if (isCurrent() && status >= 200) this.#answered(connection, status, headers)
      },
      onResponseData: (controller, chunk) => {
        if (!isCurrent()) return
        try {
          if (!this.#handler.onData(chunk)) this.#isPaused = true
        } catch (error) {
          // Thrown on, it would look like a mistake of the source.
          this.#fail(internalFailure(error))
          return
        }
        if (this.#isPaused) controller.pause()
      },
      onResponseEnd: () => {
        if (!isCurrent()) return
        // A body that ends with its connection looks complete to the parser even when it was a reset that ended it.
        if (connection.wire.socketError !== undefined) this.#fail(failureOf(evidenceOf(connection), undefined))
        else this.#end(connection)
      },
      onResponseError: (_controller, error) => {
        if (isCurrent()) this.#broke(connection, failureOf(evidenceOf(connection), error))
      },
    }
  }

  #answered(connection: Connection, status: number, rawHeaders: RawHeaders): void {
    const headers = singleStrings(rawHeaders)
    const setCookies = rawHeaders['set-cookie']
    if (setCookies !== undefined) this.#request.cookies?.store(connection.hop.url, [setCookies].flat())
    const decision = followRedirect(connection.hop, status, headers['location'])
    switch (decision.kind) {
      case 'follow':
        this.#disconnect()
        this.#connect(decision.hop)
        return
      case 'fail':
        this.#fail(decision.failure)
        return
      case 'answer':
        break
      default:
        decision satisfies never
    }
    this.#answerTimer?.cancel()
    connection.phase = 'body'
    const elapsedMs = this.#network.clock.nowMs() - this.#openedAtMs
    const verdict = this.#handler.onHead({ status, headers, finalUrl: connection.hop.url.href, elapsedMs })
    if (verdict === 'reject') this.#fail({ kind: 'http_status', message: `the source answered ${status}`, status })
    else if (this.#isPaused) connection.controller?.pause()
  }

  /** The answer is complete: its connection may serve the next request. */
  #end(connection: Connection): void {
    const { connections } = this.#network
    if (connections !== undefined) {
      this.#connection = undefined
      connection.connectTimer?.cancel()
      connections.give(connection.wire)
    }
    this.#finish(() => this.#handler.onEnd())
  }

  /** A connection that was left open may have been closed by the origin at the moment of the request (RFC 9110 §9.2.2). */
  #broke(connection: Connection, failure: SourceFailure): void {
    if (!connection.wire.isUsed || connection.phase !== 'waiting' || failure.kind !== 'reset') {
      this.#fail(failure)
      return
    }
    this.#disconnect()
    this.#connect(connection.hop, false)
  }

  #connectIsLate(afterMs: number): void {
    this.#fail({ kind: 'connect_timeout', message: `no connection within ${afterMs} ms` })
  }

  #answerIsLate(afterMs: number): void {
    const phase = this.#connection?.phase
    if (phase === 'connecting' || phase === 'handshake') this.#connectIsLate(afterMs)
    else this.#fail({ kind: 'answer_timeout', message: `no answer within ${afterMs} ms` })
  }

  #fail(failure: SourceFailure): void {
    this.#finish(() => this.#handler.onFailure(failure))
  }

  #finish(tell: () => void): void {
    if (this.#isDone) return
    this.close()
    tell()
  }

  #disconnect(): void {
    const connection = this.#connection
    this.#connection = undefined
    if (connection === undefined) return
    connection.connectTimer?.cancel()
    connection.wire.destroy()
  }
}

type RawHeaders = Readonly<Record<string, string | string[] | undefined>>

function evidenceOf({ phase, wire }: Connection): FailureEvidence {
  return { phase, isPeerEnded: wire.isPeerEnded, socketError: wire.socketError }
}

function singleStrings(headers: RawHeaders): Record<string, string> {
  const single: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) single[name.toLowerCase()] = typeof value === 'string' ? value : value.join(', ')
  }
  return single
}
