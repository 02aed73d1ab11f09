import type { Socket } from 'node:net'
import type { BodyReader } from './body.ts'
import type { Fields } from './fields.ts'
import { NO_FIELDS } from './fields.ts'
import type { AbortReason } from './front-options.ts'
import type { RequestHead } from './head.ts'
import type { Peer } from './peer.ts'

/** How the end of a response's body will be known. `close` ends the connection with it. */
export type ResponseFraming =
  { readonly kind: 'length'; readonly bytes: number } | { readonly kind: 'chunked' } | { readonly kind: 'close' }

export interface RequestBodySink {
  /** A piece of the body, which the sink may keep. False asks for a pause: at most what was read already follows. */
  onPiece(piece: Buffer): boolean
  onEnd(trailers: Fields): void
}

export interface ExchangeListener {
  /** The exchange is over before the response was: nothing that is written reaches anybody. Called at most once. */
  onAbort(reason: AbortReason): void
  /** What was written is out; goes with a `write` that gave false. */
  onDrain(): void
}

/** What an exchange asks of its connection. */
export interface ExchangeConnection {
  readonly socket: Socket
  readonly peer: Peer
  /** Whether the connection may serve another request after this one. */
  mayLiveOn(): boolean
  /** Writes text, an optional piece and text as one; false when the client is behind. */
  send(before: string, piece: Buffer | undefined, after: string): boolean
  bodyWanted(): void
  bodyPaused(isPaused: boolean): void
  responseEnded(livesOn: boolean): void
  cut(): void
  detach(): Buffer
}

/** A first chunk of so many bytes waits with the head. */
const FIRST_CHUNK_BYTES_MAX = 4_096

type ResponseState = 'none' | 'open' | 'ended' | 'cut'

/** A connection after 101: its socket, without listeners and paused, and what the peer sent beyond its head. */
export interface RawSocket {
  readonly socket: Socket
  readonly leftover: Buffer
}

/** One request and its response on a client's connection. All methods do nothing after the exchange is over. */
export class FrontExchange {
  readonly head: RequestHead
  readonly peer: Peer
  readonly body: BodyReader
  #listener: ExchangeListener | undefined
  #sink: RequestBodySink | undefined
  readonly #connection: ExchangeConnection
  #state: ResponseState = 'none'
  #framing: ResponseFraming | undefined
  #isBodiless = false
  /** Bytes of a `length` response still to be written. */
  #owedBytes = 0
  #livesOn = false
  /** The head waits for the first piece, at most until the present event is over, to go out with it in one write. */
  #pendingHead = ''
  #isFlushPlanned = false
  #mustContinue: boolean

  constructor(connection: ExchangeConnection, head: RequestHead, body: BodyReader) {
    this.#connection = connection
    this.head = head
    this.peer = connection.peer
    this.body = body
    this.#mustContinue = head.expectsContinue && !body.isDone
  }

  listen(listener: ExchangeListener): void {
    this.#listener = listener
  }

  get isOver(): boolean {
    return this.#state === 'ended' || this.#state === 'cut'
  }

  get hasResponded(): boolean {
    return this.#state !== 'none'
  }

  /** Bytes that wait to be taken by the client. */
  get pendingBytes(): number {
    return this.#connection.socket.writableLength
  }

  /**
   * Begins to read the request's body, once; what is there already comes before this returns. Where the client waits for
   * `100 Continue` and none was sent by `inform`, it is sent.
   */
  readBody(sink: RequestBodySink): void {
    if (this.isOver || this.#sink !== undefined) return
    this.#sink = sink
    if (this.#mustContinue && this.#state === 'none') this.inform('HTTP/1.1 100 Continue\r\n')
    this.#connection.bodyWanted()
  }

  get sink(): RequestBodySink | undefined {
    return this.#sink
  }

  /** Goes on with a body after `onPiece` gave false. */
  resumeBody(): void {
    if (!this.isOver) this.#connection.bodyPaused(false)
  }

  /**
   * Sends an interim response, `head` being its status line and fields, each with its CR LF, without the empty line.
   * Clients of HTTP/1.0 get none (RFC 9110 section 15.2).
   */
  inform(head: string): void {
    if (this.#state !== 'none' || this.head.versionMinor === 0) return
    if (head.startsWith('HTTP/1.1 100 ')) this.#mustContinue = false
    this.#connection.send(`${head}\r\n`, undefined, '')
  }

  /**
   * Begins the response. `head` is the status line and the fields, each with its CR LF, without the empty line and without
   * Content-Length, Transfer-Encoding and Connection: those are written here, as the framing and the connection need them.
   * A response to HEAD takes the framing of the GET and writes no body; with 204 and 304 the framing is left out. Without
   * `isFollowed` the head goes out by itself at the end of the present event.
   */
  respond(head: string, framing: ResponseFraming, isFollowed = false): void {
    if (this.#state !== 'none') return
    this.#state = 'open'
    const status = head.slice(9, 12)
    const hasNoFraming = status === '204' || status === '304'
    this.#isBodiless = hasNoFraming || this.head.method === 'HEAD'
    const isOld = this.head.versionMinor === 0
    const actual: ResponseFraming = framing.kind === 'chunked' && isOld ? { kind: 'close' } : framing
    this.#framing = actual
    this.#owedBytes = actual.kind === 'length' && !this.#isBodiless ? actual.bytes : 0
    this.#livesOn =
      this.head.keepAlive &&
      (actual.kind !== 'close' || this.#isBodiless) &&
      // A client that waits for 100 Continue may send its body or the next request: nobody can tell them apart.
      !this.#mustContinue &&
      this.#connection.mayLiveOn()
    let end = '\r\n'
    if (!this.#livesOn) end = 'Connection: close\r\n\r\n'
    else if (isOld) end = 'Connection: keep-alive\r\n\r\n'
    this.#pendingHead = hasNoFraming ? head + end : head + framingField(actual) + end
    if (!isFollowed) this.#planFlush()
  }

  /**
   * Writes a piece of the body. False when the client is behind: wait for `onDrain`. While `pendingBytes` is above 0 the
   * piece may still be in use. More than the framing promised cuts the connection.
   */
  write(piece: Buffer): boolean {
    if (this.#state !== 'open' || this.#framing === undefined) return true
    if (this.#isBodiless || piece.length === 0) return true
    if (this.#framing.kind === 'chunked' && this.#pendingHead !== '' && piece.length <= FIRST_CHUNK_BYTES_MAX) {
      // The end often comes in the same event: then all of a small response is one write.
      this.#pendingHead += `${piece.length.toString(16)}\r\n${piece.toString('latin1')}\r\n`
      if (this.#pendingHead.length > FIRST_CHUNK_BYTES_MAX) this.flush()
      else this.#planFlush()
      return true
    }
    const before = this.#takeHead()
    if (this.#framing.kind === 'chunked') {
      return this.#connection.send(`${before}${piece.length.toString(16)}\r\n`, piece, '\r\n')
    }
    if (this.#framing.kind === 'length') {
      this.#owedBytes -= piece.length
      if (this.#owedBytes < 0) {
        this.cut()
        return true
      }
    }
    return this.#connection.send(before, piece, '')
  }

  /**
   * Ends the response. Trailers go out where the framing has room for them. A body that is shorter than its head promised
   * cuts the connection, so that the client does not take it for whole.
   */
  end(trailers: Fields = NO_FIELDS): void {
    if (this.#state !== 'open') return
    if (this.#owedBytes > 0) {
      this.cut()
      return
    }
    const before = this.#takeHead()
    const hasChunks = this.#framing?.kind === 'chunked' && !this.#isBodiless
    const text = hasChunks ? `${before}0\r\n${fieldLines(trailers)}\r\n` : before
    if (text !== '') this.#connection.send(text, undefined, '')
    if (this.isOver) return
    this.#state = 'ended'
    this.#connection.responseEnded(this.#livesOn)
  }

  /** Ends the connection with a reset: the client sees that its response is broken. */
  cut(): void {
    if (this.isOver) return
    this.#state = 'cut'
    this.#connection.cut()
  }

  /**
   * Switches protocols: writes `head`, which is the whole 101 response without its empty line, and hands the socket over.
   * Undefined when the exchange is over or has responded.
   */
  upgrade(head: string): RawSocket | undefined {
    if (this.#state !== 'none') return undefined
    this.#connection.send(`${head}\r\n`, undefined, '')
    if (this.isOver) return undefined
    this.#state = 'ended'
    const { socket } = this.#connection
    return { socket, leftover: this.#connection.detach() }
  }

  /** For the connection: the exchange is over without its response. */
  abort(reason: AbortReason): void {
    if (this.isOver) return
    this.#state = 'cut'
    this.#listener?.onAbort(reason)
  }

  /** For the connection: what was written is out. */
  drained(): void {
    if (!this.isOver) this.#listener?.onDrain()
  }

  /** Sends a head that no piece of the body came to take along. */
  flush(): void {
    if (this.#state !== 'open' || this.#pendingHead === '') return
    this.#connection.send(this.#takeHead(), undefined, '')
  }

  #planFlush(): void {
    if (this.#isFlushPlanned) return
    this.#isFlushPlanned = true
    process.nextTick(flushHead, this)
  }

  #takeHead(): string {
    const head = this.#pendingHead
    this.#pendingHead = ''
    return head
  }
}

function flushHead(exchange: FrontExchange): void {
  exchange.flush()
}

function framingField(framing: ResponseFraming): string {
  if (framing.kind === 'length') return `Content-Length: ${framing.bytes}\r\n`
  return framing.kind === 'chunked' ? 'Transfer-Encoding: chunked\r\n' : ''
}

/** Fields as lines, each with its CR LF. */
export function fieldLines(fields: Fields): string {
  let text = ''
  for (let index = 0; index < fields.length; index += 2) text += `${fields[index]}: ${fields[index + 1]}\r\n`
  return text
}
