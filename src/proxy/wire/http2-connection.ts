import { constants, performServerHandshake } from 'node:http2'
import type { IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream, ServerOptions } from 'node:http2'
import type { TLSSocket } from 'node:tls'
import type { FrontShared } from './front-shared.ts'
import { http2RequestHead } from './http2-head.ts'
import { Http2Carrier } from './http2-carrier.ts'
import { NodeExchange } from './node-exchange.ts'
import { peerOf } from './peer.ts'
import type { Peer } from './peer.ts'
import { refusals } from './refusal.ts'
import type { RefusalReason } from './refusal.ts'
import { refusalBody } from './refusal-response.ts'
import { Deadline } from './timer-wheel.ts'

/** Requests under way at once on one connection. */
const STREAMS_MAX = 256
/** What a client may send of all bodies together, and of one, ahead of who reads them, bytes. */
const CONNECTION_WINDOW_BYTES = 1_048_576
const STREAM_WINDOW_BYTES = 262_144
/** Streams that a client may cancel at once, and each second after that (the "rapid reset" of CVE-2023-44487). */
const RESETS_AT_ONCE_MAX = 500
const RESETS_PER_SECOND_MAX = 50
/** Streams beyond their limit, and frames that break the rules, before the connection is closed. */
const REJECTED_STREAMS_MAX = 100
const INVALID_FRAMES_MAX = 100
/** Memory of all that waits in a connection, megabytes: Node.js refuses new streams above it. */
const SESSION_MEGABYTES_MAX = 16

/**
 * One client's connection over HTTP/2 (RFC 9113), on Node's own implementation: each stream becomes an exchange like any
 * other. What breaks the framing is answered there, with a reset of the stream or the end of the connection.
 */
export class Http2Connection {
  readonly #shared: FrontShared
  readonly #socket: TLSSocket
  readonly #session: ServerHttp2Session
  readonly #peer: Peer
  readonly #onRequest: (exchange: NodeExchange) => void
  readonly #idleDeadline: Deadline
  #streams = 0
  #requests = 0

  constructor(
    socket: TLSSocket,
    shared: FrontShared,
    onRequest: (exchange: NodeExchange) => void,
    onClosed: (connection: Http2Connection) => void,
  ) {
    this.#socket = socket
    this.#shared = shared
    this.#onRequest = onRequest
    this.#peer = peerOf(socket)
    this.#idleDeadline = new Deadline(() => this.retire())
    const { wheel, options } = shared
    const session = performServerHandshake(socket, settingsOf(shared))
    this.#session = session
    wheel.arm(this.#idleDeadline, options.timeouts.headMs)
    // Errors of either are followed by the close.
    socket.on('error', ignore)
    session.on('error', ignore)
    // A client that ends its side has gone: our sockets stay half open by themselves.
    socket.on('end', () => session.destroy())
    session.on('connect', () => session.setLocalWindowSize(CONNECTION_WINDOW_BYTES))
    session.on('stream', (stream: ServerHttp2Stream, _fields: IncomingHttpHeaders, flags: number, raw: string[]) => {
      try {
        this.#take(stream, flags, raw)
      } catch (error) {
        options.onFault(error)
        stream.close(constants.NGHTTP2_INTERNAL_ERROR)
      }
    })
    session.on('close', () => socket.destroy())
    socket.once('close', () => {
      wheel.remove(this.#idleDeadline)
      session.destroy()
      onClosed(this)
    })
  }

  /** Takes no more streams; the connection ends with the last of those that are open. */
  retire(): void {
    this.#session.close()
  }

  destroy(): void {
    this.#session.destroy()
    this.#socket.destroy()
  }

  #take(stream: ServerHttp2Stream, flags: number, raw: readonly string[]): void {
    const { wheel, options } = this.#shared
    const { limits, timeouts, onFault } = options
    this.#streams += 1
    this.#requests += 1
    wheel.disarm(this.#idleDeadline)
    stream.on('close', () => this.#ended())
    const hasBody = (flags & constants.NGHTTP2_FLAG_END_STREAM) === 0
    const head = http2RequestHead(raw, hasBody, limits.head)
    if (typeof head === 'string') refuse(stream, head)
    else {
      const carrier = new Http2Carrier(stream, this.#peer)
      this.#onRequest(new NodeExchange({ carrier, head, wheel, timeouts, onFault }))
    }
    if (this.#requests >= limits.requestsPerConnectionMax) this.retire()
  }

  #ended(): void {
    this.#streams -= 1
    if (this.#streams === 0 && !this.#session.destroyed) {
      this.#shared.wheel.arm(this.#idleDeadline, this.#shared.options.timeouts.idleMs)
    }
  }
}

function settingsOf({ options: { limits } }: FrontShared): ServerOptions {
  return {
    settings: {
      enablePush: false,
      maxConcurrentStreams: STREAMS_MAX,
      initialWindowSize: STREAM_WINDOW_BYTES,
      maxHeaderListSize: limits.head.headBytesMax,
    },
    // What an endpoint sends twice goes on as it came.
    strictSingleValueFields: false,
    maxHeaderListPairs: limits.head.fieldsMax,
    maxSessionMemory: SESSION_MEGABYTES_MAX,
    maxSessionRejectedStreams: REJECTED_STREAMS_MAX,
    maxSessionInvalidFrames: INVALID_FRAMES_MAX,
    streamResetBurst: RESETS_AT_ONCE_MAX,
    streamResetRate: RESETS_PER_SECOND_MAX,
  }
}

/** Answers what cannot be served; the connection goes on, since its frames cannot be taken for others. */
function refuse(stream: ServerHttp2Stream, reason: RefusalReason): void {
  stream.on('error', ignore)
  stream.resume()
  const refusal = refusals[reason]
  const body = refusalBody(refusal)
  stream.respond({
    ':status': refusal.status,
    'content-type': 'application/problem+json',
    'content-length': body.length,
  })
  stream.end(body)
}

function ignore(): void {
  // Followed by a close.
}
