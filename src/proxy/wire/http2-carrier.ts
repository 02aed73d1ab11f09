import { constants } from 'node:http2'
import type { IncomingHttpHeaders, OutgoingHttpHeaders, ServerHttp2Stream } from 'node:http2'
import type { Fields } from './fields.ts'
import type { RawSocket } from './front-exchange.ts'
import { readResponseHead } from './node-exchange.ts'
import type { NodeCarrier, ResponseStart } from './node-exchange.ts'
import type { Peer } from './peer.ts'

const { NGHTTP2_NO_ERROR } = constants

/** One request over HTTP/2: a stream, both ways (RFC 9113). */
export class Http2Carrier implements NodeCarrier {
  readonly peer: Peer
  readonly input: ServerHttp2Stream
  readonly output: ServerHttp2Stream
  readonly #stream: ServerHttp2Stream
  #trailers: readonly string[] = []
  #ownTrailers: OutgoingHttpHeaders = {}

  constructor(stream: ServerHttp2Stream, peer: Peer) {
    this.peer = peer
    this.input = stream
    this.output = stream
    this.#stream = stream
    stream.on('trailers', (_fields: IncomingHttpHeaders, _flags: number, raw: readonly string[]) => {
      this.#trailers = raw
    })
    stream.on('wantTrailers', () => stream.sendTrailers(this.#ownTrailers))
  }

  get trailers(): readonly string[] {
    return this.#trailers
  }

  inform(head: string): void {
    if (!this.#isOpen) return
    const { status, fields } = readResponseHead(head)
    this.#stream.additionalHeaders({ ...headersOf(fields), ':status': status })
  }

  respond({ status, fields, framing, isBodiless }: ResponseStart): void {
    if (!this.#isOpen) return
    const headers = headersOf(fields)
    if (framing?.kind === 'length') headers['content-length'] = framing.bytes
    headers[':status'] = status
    // Trailers are known at the end only, and where there is a length there are none.
    this.#stream.respond(headers, { endStream: isBodiless, waitForTrailers: !isBodiless && framing?.kind !== 'length' })
  }

  flushHead(): void {
    // A head goes out at the end of the event by itself.
  }

  setTrailers(fields: Fields): void {
    this.#ownTrailers = headersOf(fields)
  }

  /** The client is told to stop sending what nobody reads (RFC 9113 section 8.1). */
  discardInput(): void {
    const stream = this.#stream
    stream.resume()
    if (stream.readableEnded || stream.endAfterHeaders) return
    const stop = (): void => {
      if (!stream.readableEnded) stream.close(NGHTTP2_NO_ERROR)
    }
    if (stream.writableFinished) stop()
    else stream.once('finish', stop)
  }

  /** `close` with an error would first send what looks like a proper end; only `destroy` does not. */
  cut(): void {
    this.#stream.destroy(new Error('the response is broken'))
  }

  drop(): void {
    this.cut()
  }

  /** A connection that carries other streams cannot change its protocol. */
  upgrade(_head: string): RawSocket | undefined {
    return undefined
  }

  get #isOpen(): boolean {
    return !this.#stream.destroyed && !this.#stream.closed
  }
}

function headersOf(fields: Fields): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = {}
  for (let index = 0; index < fields.length; index += 2) {
    const name = (fields[index] ?? '').toLowerCase()
    const value = fields[index + 1] ?? ''
    const before = headers[name]
    if (before === undefined) headers[name] = value
    else headers[name] = Array.isArray(before) ? [...before, value] : [String(before), value]
  }
  return headers
}
