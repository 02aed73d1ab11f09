import type { Fields } from './fields.ts'
import { NO_FIELDS } from './fields.ts'
import type { RawSocket, ResponseFraming } from './front-exchange.ts'
import { fieldLines } from './front-exchange.ts'
import type { ResponseHead } from './head.ts'
import type { UpstreamFailure } from './upstream-failure.ts'

/** How long an attempt may take, milliseconds. Infinity waits for ever. */
export interface UpstreamDeadlines {
  /** Name, TCP and TLS together. */
  readonly connectMs: number
  /** From the end of the request to the response's head; interim responses begin it anew. */
  readonly firstByteMs: number
  /** Silence within the response, and an upstream that takes none of the request's body. */
  readonly idleMs: number
}

/** The body of a request to be sent: none, so many bytes, or chunks. */
export type RequestFraming = Exclude<ResponseFraming, { readonly kind: 'close' }> | { readonly kind: 'none' }

/**
 * What becomes of an attempt. After `onEnd`, `onUpgrade` or `onFailure` nothing more comes, and nothing after `abort`. All
 * may be called before `exchange` has returned, but for a failure, which comes later.
 */
export interface UpstreamListener {
  /** The connection stands and the head is on its way. */
  onSent?(): void
  /** An interim response (1xx but 101). */
  onInformational(head: ResponseHead): void
  onHead(head: ResponseHead): void
  /**
   * A piece of the body. It lies in the read buffer of the connection: valid during the call only, unless `keep` is
   * called in it. False asks for a pause: at most what was read already follows (64 KiB).
   */
  onPiece(piece: Buffer): boolean
  onEnd(trailers: Fields): void
  /** What was written of the request's body is out; goes with a `write` that gave false. */
  onDrain(): void
  /** The upstream switched protocols (101): its socket is the caller's now. Without this a 101 is malformed. */
  onUpgrade?(head: ResponseHead, raw: RawSocket): void
  onFailure(failure: UpstreamFailure): void
}

export interface UpstreamRequest {
  /** The whole head with its empty line. */
  readonly head: string
  /** Decides with the response whether it has a body. */
  readonly method: string
  readonly framing: RequestFraming
  readonly deadlines: UpstreamDeadlines
  /** Takes no connection that has served others: after a stale one, and for what must not be sent twice. */
  readonly isFreshConnection?: boolean
  readonly listener: UpstreamListener
}

/** What an exchange asks of its connection. */
export interface ExchangeCarrier {
  /** Bytes that wait to be taken by the upstream. */
  readonly pendingBytes: number
  send(before: string, piece: Buffer | undefined, after: string): boolean
  requestEnded(): void
  setPaused(isPaused: boolean): void
  keepBuffer(): void
  abort(): void
}

/** One request on its way to one upstream. All methods do nothing after its end. */
export class UpstreamExchange {
  readonly request: UpstreamRequest
  readonly wasReused: boolean
  #carrier: ExchangeCarrier | undefined
  #owedBytes: number
  #isRequestEnded: boolean
  #wasBodyWritten = false

  constructor(request: UpstreamRequest, carrier: ExchangeCarrier, wasReused: boolean) {
    this.request = request
    this.wasReused = wasReused
    this.#carrier = carrier
    const { framing } = request
    this.#owedBytes = framing.kind === 'length' ? framing.bytes : 0
    this.#isRequestEnded = framing.kind === 'none' || (framing.kind === 'length' && framing.bytes === 0)
  }

  get isRequestEnded(): boolean {
    return this.#isRequestEnded
  }

  get wasBodyWritten(): boolean {
    return this.#wasBodyWritten
  }

  get isOver(): boolean {
    return this.#carrier === undefined
  }

  /** Bytes of the request that wait to be taken. */
  get pendingBytes(): number {
    return this.#carrier?.pendingBytes ?? 0
  }

  /**
   * Sends a piece of the request's body, which stays in use while `pendingBytes` is above 0. False when the upstream is
   * behind: wait for `onDrain`. Throws a RangeError for more bytes than the framing says, since that is our own mistake.
   */
  write(piece: Buffer): boolean {
    const carrier = this.#carrier
    if (carrier === undefined || piece.length === 0) return true
    const { kind } = this.request.framing
    this.#wasBodyWritten = true
    if (kind === 'chunked') return carrier.send(`${piece.length.toString(16)}\r\n`, piece, '\r\n')
    this.#owedBytes -= piece.length
    if (this.#owedBytes < 0) throw new RangeError('a request body of more bytes than its head says')
    const isTaken = carrier.send('', piece, '')
    if (this.#owedBytes === 0) this.#requestEnded()
    return isTaken
  }

  /** Ends the request's body. One that is shorter than its head says ends the attempt: nobody may take it for whole. */
  end(trailers: Fields = NO_FIELDS): void {
    const carrier = this.#carrier
    if (carrier === undefined || this.#isRequestEnded) return
    if (this.request.framing.kind === 'length') {
      this.abort()
      return
    }
    carrier.send(`0\r\n${fieldLines(trailers)}\r\n`, undefined, '')
    this.#requestEnded()
  }

  #requestEnded(): void {
    this.#isRequestEnded = true
    this.#carrier?.requestEnded()
  }

  /** Stops reading the response, besides asking for it by the value of `onPiece`. */
  pause(): void {
    this.#carrier?.setPaused(true)
  }

  resume(): void {
    this.#carrier?.setPaused(false)
  }

  /** Within `onPiece`: the piece is the caller's for good, and the connection reads into other memory from now on. */
  keep(): void {
    this.#carrier?.keepBuffer()
  }

  /** Cancels: the connection is closed at once, and the listener hears nothing more. */
  abort(): void {
    const carrier = this.#carrier
    this.#carrier = undefined
    carrier?.abort()
  }

  /** For the connection: it serves this exchange no more. */
  release(): void {
    this.#carrier = undefined
  }
}
