import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { Server, Socket } from 'node:net'
import { systemClock } from '../../src/lib/clock.ts'
import { resetSocket } from '../../src/lib/reset-socket.ts'
import { peerHasRead } from './peer-has-read.ts'
import { listenSteadily } from './steady-port.ts'
import { answerText, rangeOf } from './upstream-answer.ts'
import { RequestReader } from './upstream-request.ts'
import type { UpstreamRequestRecord } from './upstream-request.ts'

/** What an upstream does with requests. Bytes count from the beginning of the head or of the body. */
export type UpstreamMode =
  | { readonly kind: 'ok' }
  /** Nobody listens, and what was connected is reset. */
  | { readonly kind: 'refuse' }
  | { readonly kind: 'reset_before_response' }
  | { readonly kind: 'reset_in_head'; readonly afterBytes: number }
  | { readonly kind: 'reset_in_body'; readonly afterBytes: number }
  | { readonly kind: 'fin_in_body'; readonly afterBytes: number }
  | { readonly kind: 'status'; readonly status: number; readonly fields?: string }
  /** The request is read and nothing ever comes back. */
  | { readonly kind: 'hang' }
  /** A few bytes of the body now and then. */
  | { readonly kind: 'drip'; readonly bytes: number; readonly everyMs: number }
  /** Content-Length promises so many bytes more than come before the end. */
  | { readonly kind: 'wrong_length'; readonly missingBytes: number }
  /** The second chunk has a size that is none. */
  | { readonly kind: 'bad_chunk' }
  | { readonly kind: 'no_http' }
  /** Connections are accepted and nothing is ever read from them. */
  | { readonly kind: 'half_open' }
  /** Anything else: the whole answer is the handler's. */
  | { readonly kind: 'custom'; readonly answer: (socket: Socket, request: UpstreamRequestRecord) => void }

export interface UpstreamContent {
  /** Length framing by default. */
  readonly framing?: 'length' | 'chunked' | 'close'
  /** Fields of every answer, each with CR LF. */
  readonly fields?: string
  /** Strong by default and the same everywhere; undefined for none. */
  readonly etag?: string | undefined
  /** What all bytes are shifted by, so that two upstreams can differ. */
  readonly shift?: number
}

/** Bytes of `/bytes/<length>`: the same on every upstream. */
export function patternBytes(from: number, to: number, shift = 0): Buffer {
  const bytes = Buffer.allocUnsafe(to - from)
  for (let at = from; at < to; at += 1) bytes[at - from] = (at * 31 + (at >>> 8) * 7 + shift) & 255
  return bytes
}

export function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/**
 * A server on loopback that serves `/bytes/<length>` (1 KiB under any other path), with ranges, and that misbehaves as it
 * is told, from one request to the next. It counts what reaches it.
 */
export class FaultUpstream implements AsyncDisposable {
  readonly name: string
  content: UpstreamContent
  /** Every request whose head arrived, in the order of arrival; the body's length grows while it arrives. */
  readonly requests: UpstreamRequestRecord[] = []
  connections = 0
  /** Whether `Expect: 100-continue` is answered by 100. */
  saysContinue = true
  /** Requests under way whose connection the other side closed. */
  cancelled = 0
  /** The next requests are served by these modes, one each; then by `mode`. */
  readonly nextModes: UpstreamMode[] = []
  #mode: UpstreamMode = { kind: 'ok' }
  #server: Server | undefined
  readonly #sockets = new Set<Socket>()
  #port = 0

  private constructor(name: string, content: UpstreamContent) {
    this.name = name
    this.content = content
  }

  static async start(name: string, content: UpstreamContent = {}): Promise<FaultUpstream> {
    const upstream = new FaultUpstream(name, content)
    await upstream.#listen()
    return upstream
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  get openConnections(): number {
    return this.#sockets.size
  }

  /** Resolves when the mode holds: to refuse, the port is closed; to serve again, it is opened. */
  async become(mode: UpstreamMode): Promise<void> {
    this.#mode = mode
    if (mode.kind === 'refuse') await this.#unlisten()
    else if (this.#server === undefined) await this.#listen()
  }

  /** Closes the connections that nobody is served on, as an upstream does after its keep-alive time. */
  resetConnections(): void {
    for (const socket of this.#sockets) resetSocket(socket)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#unlisten()
  }

  async #listen(): Promise<void> {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#serve(socket))
    this.#server = server
    if (this.#port === 0) {
      this.#port = await listenSteadily(server)
      return
    }
    server.listen(this.#port, '127.0.0.1')
    await once(server, 'listening')
  }

  async #unlisten(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    this.resetConnections()
    if (server === undefined) return
    const closed = once(server, 'close')
    server.close()
    await closed
  }

  #serve(socket: Socket): void {
    this.connections += 1
    this.#sockets.add(socket)
    let present: UpstreamRequestRecord | undefined
    socket.on('error', () => undefined)
    socket.on('close', () => {
      this.#sockets.delete(socket)
      if (present !== undefined && !present.isAnswered) this.cancelled += 1
    })
    if (this.#mode.kind === 'half_open') {
      socket.pause()
      return
    }
    const reader = new RequestReader({
      onHead: (request) => {
        this.requests.push(request)
        present = request
        if (request.expectsContinue && this.saysContinue) socket.write('HTTP/1.1 100 Continue\r\n\r\n')
      },
      onWhole: (request) => this.#answer(socket, request, this.nextModes.shift() ?? this.#mode),
    })
    socket.on('data', (bytes: Buffer) => reader.push(bytes))
    socket.on('end', () => socket.end())
  }

  #answer(socket: Socket, request: UpstreamRequestRecord, mode: UpstreamMode): void {
    const { head, body } = this.#content(request)
    request.isAnswered = mode.kind !== 'hang' && mode.kind !== 'drip'
    const writeThen = (bytes: Buffer, then: () => void) => socket.write(bytes, then)
    switch (mode.kind) {
      case 'ok':
        socket.write(Buffer.concat([Buffer.from(head, 'latin1'), this.#framed(body)]))
        if (this.content.framing === 'close') socket.end()
        break
      case 'reset_before_response':
      case 'refuse':
        resetSocket(socket)
        break
      case 'reset_in_head':
        writeThen(Buffer.from(head, 'latin1').subarray(0, mode.afterBytes), () => resetSocket(socket))
        break
      case 'reset_in_body':
      case 'fin_in_body': {
        const part = Buffer.concat([Buffer.from(head, 'latin1'), this.#framedPart(body, mode.afterBytes)])
        writeThen(part, () => (mode.kind === 'fin_in_body' ? socket.destroySoon() : resetLater(socket)))
        break
      }
      case 'status':
        socket.write(answerText(mode.status, this.name, mode.fields ?? '', 'unwell'))
        break
      case 'hang':
      case 'half_open':
        break
      case 'drip':
        socket.write(head, 'latin1')
        this.#drip(socket, request, this.#framed(body), mode)
        break
      case 'wrong_length':
        writeThen(
          Buffer.concat([
            Buffer.from(head.replace(/Content-Length: \d+/, `Content-Length: ${body.length + mode.missingBytes}`)),
            body,
          ]),
          () => socket.destroySoon(),
        )
        break
      case 'bad_chunk':
        socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nxyz\r\nworld\r\n0\r\n\r\n')
        break
      case 'no_http':
        socket.write('220 mail.example ESMTP\r\n\r\n')
        break
      case 'custom':
        mode.answer(socket, request)
        break
      default:
        mode satisfies never
    }
  }

  #content({ method, target, fields }: UpstreamRequestRecord): { readonly head: string; readonly body: Buffer } {
    const length = Number(/^\/bytes\/(\d+)/.exec(target)?.[1] ?? 1_024)
    const { framing = 'length', shift = 0, fields: own = '' } = this.content
    const etag = 'etag' in this.content ? this.content.etag : `"${length}-pattern"`
    const range = rangeOf(fields, length, etag)
    const body = patternBytes(range?.first ?? 0, range === undefined ? length : range.last + 1, shift)
    const frame = {
      length: `Content-Length: ${body.length}\r\n`,
      chunked: 'Transfer-Encoding: chunked\r\n',
      close: 'Connection: close\r\n',
    }[framing]
    const status = range === undefined ? '200 OK' : '206 Partial Content'
    const tag = etag === undefined ? '' : `ETag: ${etag}\r\n`
    const place = range === undefined ? '' : `Content-Range: bytes ${range.first}-${range.last}/${length}\r\n`
    const head = `HTTP/1.1 ${status}\r\nX-Upstream: ${this.name}\r\n${frame}${own}${tag}${place}`
    return { head: `${head}\r\n`, body: method === 'HEAD' ? Buffer.alloc(0) : body }
  }

  #framed(body: Buffer): Buffer {
    if (this.content.framing !== 'chunked') return body
    return Buffer.concat([this.#framedPart(body, body.length), Buffer.from('0\r\n\r\n')])
  }

  #framedPart(body: Buffer, bytes: number): Buffer {
    const part = body.subarray(0, bytes)
    if (this.content.framing !== 'chunked' || part.length === 0) return part
    return Buffer.concat([Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n')])
  }

  #drip(
    socket: Socket,
    request: UpstreamRequestRecord,
    body: Buffer,
    { bytes, everyMs }: { readonly bytes: number; readonly everyMs: number },
  ): void {
    let at = 0
    const next = () => {
      if (socket.destroyed) return
      socket.write(body.subarray(at, at + bytes))
      at += bytes
      if (at < body.length) systemClock.schedule(everyMs, next)
      else request.isAnswered = true
    }
    next()
  }
}

/** Lets the peer read what was sent: a reset throws away what is still on its way. */
function resetLater(socket: Socket): void {
  void peerHasRead(socket).then(() => resetSocket(socket))
}
