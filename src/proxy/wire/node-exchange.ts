import type { Readable, Writable } from 'node:stream'
import { NO_FIELDS, readFieldLines } from './fields.ts'
import type { Fields } from './fields.ts'
import { fieldLines } from './front-exchange.ts'
import type { ExchangeListener, RawSocket, RequestBodySink, ResponseFraming } from './front-exchange.ts'
import type { AbortReason, FrontTimeouts } from './front-options.ts'
import { defaultHeadLimits, parseTrailers } from './head.ts'
import type { RequestHead } from './head.ts'
import type { Peer } from './peer.ts'
import { Deadline } from './timer-wheel.ts'
import type { TimerWheel } from './timer-wheel.ts'

/** A response's head, taken apart as the classes of Node.js want it. */
export interface ResponseStart {
  readonly status: number
  readonly reason: string
  /** Name, value, name, value; the framing's own are not among them. */
  readonly fields: readonly string[]
  /** Undefined where the status allows none (204, 304). */
  readonly framing: ResponseFraming | undefined
  /** No body follows, whatever the framing says. */
  readonly isBodiless: boolean
  /** The client waits to be asked for its body and is not: its connection cannot serve another request. */
  readonly isLast: boolean
}

/** Where an exchange differs with the version of HTTP: one request on a server of Node's own. */
export interface NodeCarrier {
  readonly peer: Peer
  /** The request's body. */
  readonly input: Readable
  /** The response's body; its `close` says that there is no client any more, or that all is done. */
  readonly output: Writable
  /** Fields behind the request's body, known when it has ended: name, value, name, value. */
  readonly trailers: readonly string[]
  /** Sends an interim response; `head` as `ClientExchange.inform` has it. */
  inform(head: string): void
  respond(start: ResponseStart): void
  /** Sends a head that no piece of the body took along. */
  flushHead(): void
  /** Goes before the end of `output`. */
  setTrailers(fields: Fields): void
  /** The response has been ended: what is left of the request's body is of no use. */
  discardInput(): void
  /** Ends it so that the client does not take what it has for whole. */
  cut(): void
  /** Ends it for a client of which nothing more is expected. */
  drop(): void
  /** Switches protocols; undefined where that is not possible. */
  upgrade(head: string): RawSocket | undefined
}

interface NodeExchangeOptions {
  readonly carrier: NodeCarrier
  readonly head: RequestHead
  readonly wheel: TimerWheel
  /** Silence of a client that is being read from, and of one that takes none of what waits for it. */
  readonly timeouts: Pick<FrontTimeouts, 'bodyMs' | 'writeMs'>
  /** A mistake in our own code; the request that it surfaced in has been ended. */
  readonly onFault: (error: unknown) => void
}

/**
 * A stream of Node.js holds each piece at least until the end of the event. Up to this size a copy of it is cheaper than
 * the new read buffer that a piece in use costs.
 */
const COPIED_BYTES_MAX = 16_384

/**
 * One request on a server of Node's own, over HTTP/1.1 or HTTP/2. Bodies go through as they come in both directions, no
 * faster than the other side takes them. All methods do nothing after the exchange is over.
 */
export class NodeExchange {
  readonly head: RequestHead
  readonly #options: NodeExchangeOptions
  readonly #carrier: NodeCarrier
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

  constructor(options: NodeExchangeOptions) {
    const { carrier, head, wheel } = options
    this.#options = options
    this.#carrier = carrier
    this.head = head
    this.#mustContinue = head.expectsContinue && head.framing.kind !== 'none'
    const { input, output } = carrier
    // An error of either is followed by the close, which is what counts.
    input.on('error', ignore)
    output.on('error', ignore)
    output.on('close', () => this.#closed())
    output.on('drain', () => this.#drained())
    output.on('finish', () => wheel.remove(this.#writeDeadline))
  }

  get peer(): Peer {
    return this.#carrier.peer
  }

  get isOver(): boolean {
    return this.#state === 'ended' || this.#state === 'cut'
  }

  get hasResponded(): boolean {
    return this.#state !== 'none'
  }

  get pendingBytes(): number {
    return this.#isCopied ? 0 : this.#carrier.output.writableLength
  }

  listen(listener: ExchangeListener): void {
    this.#listener = listener
  }

  readBody(sink: RequestBodySink): void {
    if (this.isOver || this.#sink !== undefined) return
    this.#sink = sink
    if (this.#mustContinue && this.#state === 'none') this.inform('HTTP/1.1 100 Continue\r\n')
    const { input } = this.#carrier
    this.#armBody()
    input.on('data', this.#onData)
    input.on('end', () => this.#guard(() => this.#bodyEnded(sink)))
  }

  resumeBody(): void {
    if (this.isOver) return
    this.#armBody()
    this.#carrier.input.resume()
  }

  inform(head: string): void {
    if (this.#state !== 'none' || this.head.versionMinor === 0) return
    if (head.startsWith('HTTP/1.1 100 ')) this.#mustContinue = false
    this.#carrier.inform(head)
  }

  respond(head: string, framing: ResponseFraming, isFollowed = false): void {
    if (this.#state !== 'none') return
    const { status, reason, fields } = readResponseHead(head)
    const hasNoFraming = status === 204 || status === 304
    this.#isBodiless = hasNoFraming || this.head.method === 'HEAD'
    this.#hasChunks = framing.kind === 'chunked' && this.head.versionMinor === 1 && !this.#isBodiless
    this.#owedBytes = framing.kind === 'length' && !this.#isBodiless ? framing.bytes : undefined
    this.#state = 'open'
    this.#carrier.respond({
      ...{ status, reason, fields, isBodiless: this.#isBodiless },
      framing: hasNoFraming ? undefined : framing,
      // A client that waits for 100 Continue may send its body or the next request: nobody can tell them apart.
      isLast: this.#mustContinue,
    })
    if (isFollowed) return
    process.nextTick(() => {
      if (this.#state === 'open' && !this.#isHeadOut) this.#carrier.flushHead()
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
    if (this.#carrier.output.write(this.#isCopied ? Buffer.from(piece) : piece)) return true
    this.#armWrite()
    return false
  }

  end(trailers: Fields = NO_FIELDS): void {
    if (this.#state !== 'open') return
    if (this.#owedBytes !== undefined && this.#owedBytes > 0) {
      this.cut()
      return
    }
    const { output } = this.#carrier
    this.#state = 'ended'
    if (this.#hasChunks && trailers.length > 0) this.#carrier.setTrailers(trailers)
    this.#options.wheel.remove(this.#bodyDeadline)
    output.end()
    if (output.writableLength > 0) this.#armWrite()
    this.#carrier.input.off('data', this.#onData)
    this.#carrier.discardInput()
  }

  cut(): void {
    if (this.isOver) return
    this.#state = 'cut'
    this.#disarm()
    this.#carrier.cut()
  }

  upgrade(head: string): RawSocket | undefined {
    if (this.#state !== 'none') return undefined
    const raw = this.#carrier.upgrade(head)
    if (raw === undefined) return undefined
    this.#state = 'ended'
    this.#disarm()
    return raw
  }

  readonly #onData = (piece: Buffer): void => {
    if (this.isOver) return
    this.#guard(() => {
      this.#armBody()
      if (this.#sink?.onPiece(piece) !== false) return
      this.#options.wheel.disarm(this.#bodyDeadline)
      this.#carrier.input.pause()
    })
  }

  #bodyEnded(sink: RequestBodySink): void {
    this.#options.wheel.remove(this.#bodyDeadline)
    if (this.isOver) return
    const trailers = parseTrailers(fieldLines(this.#carrier.trailers), defaultHeadLimits.fieldsMax)
    if (typeof trailers === 'string') this.#abort('body_malformed')
    else sink.onEnd(trailers)
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
    this.#guard(() => this.#abort(reason))
    this.#carrier.drop()
  }

  #abort(reason: AbortReason): void {
    if (this.isOver) return
    this.#state = 'cut'
    this.#disarm()
    this.#listener?.onAbort(reason)
    this.#carrier.drop()
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
export function readResponseHead(head: string): HeadParts {
  const lineEnd = head.indexOf('\r\n')
  const fields: string[] = []
  const refused = readFieldLines(head, lineEnd + 2, Number.POSITIVE_INFINITY, fields)
  if (refused !== undefined) throw new Error(`a response head that cannot be read: ${refused}`)
  return { status: Number(head.slice(9, 12)), reason: head.slice(13, lineEnd), fields }
}

/** Name, value, name, value as pairs. */
export function fieldPairs(fields: Fields): [string, string][] {
  const list: [string, string][] = []
  for (let index = 0; index < fields.length; index += 2) list.push([fields[index] ?? '', fields[index + 1] ?? ''])
  return list
}
