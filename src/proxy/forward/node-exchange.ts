import { ServerResponse } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { Http2ServerResponse } from 'node:http2'
import type { Http2ServerRequest } from 'node:http2'
import type { Duplex } from 'node:stream'
import { Socket } from 'node:net'
import type { Fields } from '../wire/fields.ts'
import type { ExchangeListener, RawSocket, RequestBodySink, ResponseFraming } from '../wire/front-exchange.ts'
import type { RequestHead } from '../wire/head.ts'
import { peerOf } from '../wire/peer.ts'
import type { Peer } from '../wire/peer.ts'
import type { ClientExchange } from './client-exchange.ts'
import { nodeRequestHead } from './node-request-head.ts'

type NodeRequest = IncomingMessage | Http2ServerRequest
type NodeResponse = ServerResponse | Http2ServerResponse

/** HTTP/2's INTERNAL_ERROR (RFC 9113 section 7): the stream is broken, not at its end. */
const H2_INTERNAL_ERROR = 2
const NO_BYTES: Buffer = Buffer.alloc(0)

/**
 * The client's side of a request that came in through Node's own servers: node:http, HTTP/2, or Fastify with
 * `reply.hijack()`. It costs several times what `FrontExchange` does.
 */
export class NodeExchange implements ClientExchange {
  readonly head: RequestHead
  readonly peer: Peer
  readonly #request: NodeRequest
  readonly #response: NodeResponse
  readonly #upgrade: RawSocket | undefined
  #listener: ExchangeListener | undefined
  #state: 'waiting' | 'responding' | 'over' = 'waiting'
  #isBodyRead = false

  constructor(request: NodeRequest, response: NodeResponse, upgrade?: RawSocket) {
    this.#request = request
    this.#response = response
    this.#upgrade = upgrade
    this.head = nodeRequestHead(request, upgrade !== undefined)
    this.peer = peerOf(request.socket)
    // An error is followed by the close, which is what counts.
    response.on('error', () => undefined)
    request.on('error', () => undefined)
    response.on('close', this.#onClose)
    response.on('drain', () => {
      if (this.#state === 'responding') this.#listener?.onDrain()
    })
  }

  /** For the `upgrade` event of a node:http server: `head` is what came behind the request. */
  static forUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): NodeExchange | undefined {
    if (!(socket instanceof Socket)) {
      socket.destroy()
      return undefined
    }
    const response = new ServerResponse(request)
    response.shouldKeepAlive = false
    response.assignSocket(socket)
    response.on('finish', () => socket.end())
    return new NodeExchange(request, response, { socket, leftover: head })
  }

  get isOver(): boolean {
    return this.#state === 'over'
  }

  get hasResponded(): boolean {
    return this.#state !== 'waiting'
  }

  /** Pieces are copied, so that none is in use after `write`. */
  get pendingBytes(): number {
    return 0
  }

  listen(listener: ExchangeListener): void {
    this.#listener = listener
  }

  readBody(sink: RequestBodySink): void {
    if (this.isOver || this.#isBodyRead) return
    this.#isBodyRead = true
    const request = this.#request
    request.on('data', (piece: Buffer) => {
      if (!sink.onPiece(piece)) request.pause()
    })
    request.on('end', () => sink.onEnd(request.rawTrailers))
  }

  resumeBody(): void {
    if (!this.isOver) this.#request.resume()
  }

  inform(head: string): void {
    if (this.#state !== 'waiting' || !head.startsWith('HTTP/1.1 103 ')) return
    const link = parseLines(head).flatMap(([name, value]) => (name.toLowerCase() === 'link' ? [value] : []))
    if (link.length > 0) this.#response.writeEarlyHints({ link })
  }

  respond(head: string, framing: ResponseFraming): void {
    if (this.#state !== 'waiting') return
    this.#state = 'responding'
    const response = this.#response
    response.statusCode = Number(head.slice(9, 12))
    for (const [name, value] of parseLines(head)) response.appendHeader(name, value)
    const { statusCode } = response
    const hasNoFraming = statusCode === 204 || statusCode === 304
    if (framing.kind === 'length' && !hasNoFraming) response.setHeader('Content-Length', framing.bytes)
    if (response instanceof ServerResponse) {
      response.statusMessage = head.slice(13, head.indexOf('\r\n'))
      response.flushHeaders()
    } else response.writeHead(statusCode)
  }

  write(piece: Buffer): boolean {
    if (this.#state !== 'responding' || this.head.method === 'HEAD') return true
    const copy = Buffer.from(piece)
    return this.#response instanceof ServerResponse ? this.#response.write(copy) : this.#response.write(copy)
  }

  end(trailers: Fields = []): void {
    if (this.#state !== 'responding') return
    this.#state = 'over'
    const response = this.#response
    if (trailers.length > 0) {
      const named: Record<string, string> = {}
      for (let index = 0; index < trailers.length; index += 2) named[trailers[index] ?? ''] = trailers[index + 1] ?? ''
      response.addTrailers(named)
    }
    response.end()
    // What is left of a body that nobody wants is read away, as Node.js expects.
    if (!this.#isBodyRead) this.#request.resume()
  }

  cut(): void {
    if (this.isOver) return
    this.#state = 'over'
    if (this.#response instanceof Http2ServerResponse) this.#response.stream.close(H2_INTERNAL_ERROR)
    else this.#request.socket.destroy()
  }

  upgrade(head: string): RawSocket | undefined {
    const raw = this.#upgrade
    if (raw === undefined || this.#state !== 'waiting' || !(this.#response instanceof ServerResponse)) return undefined
    this.#state = 'over'
    this.#response.off('close', this.#onClose)
    this.#response.detachSocket(raw.socket)
    raw.socket.write(`${head}\r\n`, 'latin1')
    return { socket: raw.socket, leftover: raw.leftover.length === 0 ? NO_BYTES : raw.leftover }
  }

  readonly #onClose = (): void => {
    if (this.isOver) return
    this.#state = 'over'
    this.#listener?.onAbort('client_closed')
  }
}

/** Names and values of a head without its first line. */
function parseLines(head: string): readonly (readonly [string, string])[] {
  return head
    .split('\r\n')
    .slice(1)
    .flatMap((line) => {
      const colon = line.indexOf(':')
      return colon < 0 ? [] : [[line.slice(0, colon), line.slice(colon + 2)] as const]
    })
}
