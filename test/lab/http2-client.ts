import { once } from 'node:events'
import { connect } from 'node:http2'
import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http2'
import { until } from './poll.ts'

/** What a client got over HTTP/2; `status` is 0 where no head came. */
export interface Http2Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly trailers: IncomingHttpHeaders
  readonly body: Buffer
  /** Why the stream was reset (RFC 9113 section 7); 0 when it ended well. */
  readonly resetCode: number
}

/** A client with one connection over HTTP/2 and TLS, as a browser has it. */
export class Http2Client implements Disposable {
  readonly session: ClientHttp2Session
  /** Why the server ended the connection, by its own word; undefined while it has not. */
  goawayCode: number | undefined

  private constructor(session: ClientHttp2Session) {
    this.session = session
    session.on('error', () => undefined)
    session.on('goaway', (code: number) => {
      this.goawayCode = code
    })
  }

  static async open(port: number, ca: Buffer): Promise<Http2Client> {
    const client = new Http2Client(connect(`https://127.0.0.1:${port}`, { ca, servername: 'origin.test' }))
    await once(client.session, 'remoteSettings')
    return client
  }

  open(headers: OutgoingHttpHeaders, hasBody = false): ClientHttp2Stream {
    const stream = this.session.request(headers, { endStream: !hasBody })
    stream.on('error', () => undefined)
    return stream
  }

  /** One request to its end, whatever that is. */
  async ask(headers: OutgoingHttpHeaders, body?: Buffer | string): Promise<Http2Answer> {
    const stream = this.open(headers, body !== undefined)
    if (body !== undefined) stream.end(body)
    return answerOf(stream)
  }

  [Symbol.dispose](): void {
    this.session.destroy()
  }
}

/** Reads a stream to its end. */
export async function answerOf(stream: ClientHttp2Stream): Promise<Http2Answer> {
  let headers: IncomingHttpHeaders = {}
  let trailers: IncomingHttpHeaders = {}
  const pieces: Buffer[] = []
  stream.on('response', (got: IncomingHttpHeaders) => {
    headers = got
  })
  stream.on('trailers', (got: IncomingHttpHeaders) => {
    trailers = got
  })
  stream.on('data', (piece: Buffer) => pieces.push(piece))
  stream.resume()
  await until(() => stream.closed && (stream.readableEnded || stream.destroyed), { what: 'the end of the stream' })
  const status = Number(headers[':status'] ?? 0)
  return { status, headers, trailers, body: Buffer.concat(pieces), resetCode: stream.rstCode ?? 0 }
}
