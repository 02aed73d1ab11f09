import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ClientExchange } from '../../proxy/forward/client-exchange.ts'
import { NO_FIELDS, readFieldLines } from '../../proxy/wire/fields.ts'
import type { Fields } from '../../proxy/wire/fields.ts'
import { fieldLines } from '../../proxy/wire/front-exchange.ts'
import type { ExchangeListener, RawSocket, RequestBodySink, ResponseFraming } from '../../proxy/wire/front-exchange.ts'
import type { AbortReason, FrontTimeouts } from '../../proxy/wire/front-options.ts'
import { defaultHeadLimits, parseTrailers } from '../../proxy/wire/head.ts'
import type { RequestHead } from '../../proxy/wire/head.ts'
import { peerOf } from '../../proxy/wire/peer.ts'
import type { Peer } from '../../proxy/wire/peer.ts'
import { Deadline } from '../../proxy/wire/timer-wheel.ts'
import type { TimerWheel } from '../../proxy/wire/timer-wheel.ts'
import type { WaitingUpgrade } from './waiting-upgrade.ts'

interface ServerExchangeOptions {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly head: RequestHead
  /** Of a request that came as the server's `upgrade`; any other is asked for no other protocol. */
  readonly upgrade: WaitingUpgrade | undefined
  readonly wheel: TimerWheel
  /** Silence of a client that is being read from, and of one that takes none of what waits for it. */
  readonly timeouts: Pick<FrontTimeouts, 'bodyMs' | 'writeMs'>
  /** A mistake in our own code; the connection has been cut. */
  readonly onFault: (error: unknown) => void
}

/** What is still read of a request's body after its response, to keep the connection; more ends it. */
const DISCARDED_BYTES_MAX = 1_048_576
/**
 * A response of Node.js holds each piece until the end of the event. Up to this size a copy of it is cheaper than the new
 * read buffer that a piece in use costs.
 */
const COPIED_BYTES_MAX = 16_384

/**
 * One request on the main port, whose server is Node's own. Bodies go through as they come in both directions, no faster
 * than the other side takes them. All methods do nothing after the exchange is over.
 */
export class ServerExchange implements ClientExchange {
  readonly head: RequestHead
  readonly peer: Peer
  readonly #options: ServerExchangeOptions
  readonly #bodyDeadline = new Deadline(() => this.#expire('body_timeout'))
  readonly #writeDeadline = new Deadline(() => this.#expire('write_timeout'))
  #listener: ExchangeListener | undefined
  #sink: RequestBodySink | undefined
  #state: 'none' | 'open' | 'ended' | 'cut' = 'none'
  #isBodiless = false
  #hasChunks = false
  #isHeadOut = false
  /** Bytes still to be written; undefined where the length is not known or nothing is. */
  #owedBytes: number | undefined
  /** The last piece was copied, so that whoever wrote it may use its memory again. */
  #isCopied = true
  #mustContinue: boolean

  constructor(options: ServerExchangeOptions) {
    const { request, response, head, upgrade, wheel } = options
    this.#options = options
    this.head = upgrade === undefined && head.upgrade !== undefined ? { ...head, upgrade: undefined } : head
    this.peer = peerOf(request.socket)
    this.#mustContinue = head.expectsContinue && head.framing.kind !== 'none'
    // An error of either is followed by the close, which is what counts.
    request.on('error', ignore)
    response.on('error', ignore)
    response.on('close', () => this.#closed())
    response.on('drain', () => this.#drained())
    response.on('finish', () => wheel.remove(this.#writeDeadline))
  }

  get isOver(): boolean {
    return this.#state === 'ended' || this.#state === 'cut'
  }

  get hasResponded(): boolean {
    return this.#state !== 'none'
  }

  get pendingBytes(): number {
    return this.#isCopied ? 0 : this.#options.response.writableLength
  }

  listen(listener: ExchangeListener): void {
    this.#listener = listener
  }

  readBody(sink: RequestBodySink): void {
    if (this.isOver || this.#sink !== undefined) return
    this.#sink = sink
    if (this.#mustContinue && this.#state === 'none') this.inform('HTTP/1.1 100 Continue\r\n')
    const { request } = this.#options
    this.#armBody()
    request.on('data', this.#onData)
    request.on('end', () => this.#guard(() => this.#bodyEnded(sink)))
  }

  resumeBody(): void {
    if (this.isOver) return
    this.#armBody()
    this.#options.request.resume()
  }

  inform(head: string): void {
    if (this.#state !== 'none' || this.head.versionMinor === 0) return
    const { response } = this.#options
    if (head.startsWith('HTTP/1.1 100 ')) {
      this.#mustContinue = false
      response.writeContinue()
      return
    }
    // Behind another response on its connection an interim one has to wait its turn, and then it is of no use.
    response.socket?.write(`${head}\r\n`, 'latin1')
  }

  respond(head: string, framing: ResponseFraming): void {
    if (this.#state !== 'none') return
    const { response } = this.#options
    const { status, reason, fields } = readHead(head)
    const hasNoFraming = status === 204 || status === 304
    const mayHaveChunks = framing.kind === 'chunked' && this.head.versionMinor === 1
    this.#isBodiless = hasNoFraming || this.head.method === 'HEAD'
    this.#hasChunks = mayHaveChunks && !this.#isBodiless
    if (framing.kind === 'length' && !hasNoFraming) fields.push('Content-Length', String(framing.bytes))
    if (mayHaveChunks && !hasNoFraming) fields.push('Transfer-Encoding', 'chunked')
    // A client that waits for 100 Continue may send its body or the next request: nobody can tell them apart.
    if (this.#mustContinue) fields.push('Connection', 'close')
    this.#owedBytes = framing.kind === 'length' && !this.#isBodiless ? framing.bytes : undefined
    response.writeHead(status, reason, fields)
    this.#state = 'open'
    process.nextTick(() => {
      if (this.#state === 'open' && !this.#isHeadOut) response.flushHeaders()
    })
  }

  write(piece: Buffer): boolean {
    if (this.#state !== 'open' || this.#isBodiless || piece.length === 0) return true
    if (this.#owedBytes !== undefined) {
      this.#owedBytes -= piece.length
      if (this.#owedBytes < 0) {
        this.cut()
        return true
      }
    }
    this.#isHeadOut = true
    this.#isCopied = piece.length <= COPIED_BYTES_MAX
    if (this.#options.response.write(this.#isCopied ? Buffer.from(piece) : piece)) return true
    this.#armWrite()
    return false
  }

  end(trailers: Fields = NO_FIELDS): void {
    if (this.#state !== 'open') return
    if (this.#owedBytes !== undefined && this.#owedBytes > 0) {
      this.cut()
      return
    }
    const { response, wheel } = this.#options
    this.#state = 'ended'
    if (this.#hasChunks && trailers.length > 0) response.addTrailers(pairs(trailers))
    wheel.remove(this.#bodyDeadline)
    response.end()
    if (response.writableLength > 0) this.#armWrite()
    this.#discardBody()
  }

  cut(): void {
    if (this.isOver) return
    this.#state = 'cut'
    this.#disarm()
    const { response } = this.#options
    if (response.socket === null) response.destroy()
    else response.socket.resetAndDestroy()
  }

  upgrade(head: string): RawSocket | undefined {
    if (this.#state !== 'none') return undefined
    const raw = this.#options.upgrade?.handOver()
    if (raw === undefined) return undefined
    this.#state = 'ended'
    this.#disarm()
    raw.socket.write(`${head}\r\n`, 'latin1')
    return raw
  }

  readonly #onData = (piece: Buffer): void => {
    if (this.isOver) return
    this.#guard(() => {
      this.#armBody()
      if (this.#sink?.onPiece(piece) !== false) return
      this.#options.wheel.disarm(this.#bodyDeadline)
      this.#options.request.pause()
    })
  }

  #bodyEnded(sink: RequestBodySink): void {
    this.#options.wheel.remove(this.#bodyDeadline)
    if (this.isOver) return
    const { rawTrailers } = this.#options.request
    const trailers = parseTrailers(fieldLines(rawTrailers), defaultHeadLimits.fieldsMax)
    if (typeof trailers === 'string') this.#abort('body_malformed')
    else sink.onEnd(trailers)
  }

  /** Reads on after the response, so that the next request on the connection can be reached. */
  #discardBody(): void {
    const { request } = this.#options
    if (request.complete) {
      request.resume()
      return
    }
    let left = DISCARDED_BYTES_MAX
    request.off('data', this.#onData)
    request.on('data', (piece: Buffer) => {
      left -= piece.length
      if (left < 0) request.destroy()
    })
    request.resume()
  }

  #armBody(): void {
    this.#options.wheel.arm(this.#bodyDeadline, this.#options.timeouts.bodyMs)
  }

  #armWrite(): void {
    this.#options.wheel.arm(this.#writeDeadline, this.#options.timeouts.writeMs)
  }

  #disarm(): void {
    const { wheel } = this.#options
    wheel.remove(this.#bodyDeadline)
    wheel.remove(this.#writeDeadline)
  }

  #drained(): void {
    this.#options.wheel.disarm(this.#writeDeadline)
    if (!this.isOver) this.#guard(() => this.#listener?.onDrain())
  }

  #closed(): void {
    this.#guard(() => this.#abort('client_closed'))
    this.#disarm()
  }

  #expire(reason: AbortReason): void {
    const { socket } = this.#options.request
    this.#guard(() => this.#abort(reason))
    socket.destroy()
  }

  #abort(reason: AbortReason): void {
    if (this.isOver) return
    this.#state = 'cut'
    this.#disarm()
    this.#listener?.onAbort(reason)
    this.#options.response.destroy()
  }

  #guard(work: () => void): void {
    try {
      work()
    } catch (error) {
      this.#options.onFault(error)
      this.#abort('fault')
    }
  }
}

function ignore(): void {
  // Followed by a close.
}

interface HeadParts {
  readonly status: number
  readonly reason: string
  readonly fields: string[]
}

/** Takes `HTTP/1.1 200 OK` and fields, each with its CR LF, apart again: that is how the wire has them. */
function readHead(head: string): HeadParts {
  const lineEnd = head.indexOf('\r\n')
  const fields: string[] = []
  const refused = readFieldLines(head, lineEnd + 2, Number.POSITIVE_INFINITY, fields)
  if (refused !== undefined) throw new Error(`a response head that cannot be read: ${refused}`)
  return { status: Number(head.slice(9, 12)), reason: head.slice(13, lineEnd), fields }
}

function pairs(fields: Fields): [string, string][] {
  const list: [string, string][] = []
  for (let index = 0; index < fields.length; index += 2) list.push([fields[index] ?? '', fields[index + 1] ?? ''])
  return list
}
