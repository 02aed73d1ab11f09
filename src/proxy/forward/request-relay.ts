import type { Fields } from '../wire/fields.ts'
import { NO_FIELDS } from '../wire/fields.ts'
import type { RequestBodySink } from '../wire/front-exchange.ts'
import type { UpstreamExchange } from '../wire/upstream-exchange.ts'
import type { Attempt } from './attempt.ts'
import type { ClientExchange } from './client-exchange.ts'

export interface RequestRelayOwner {
  /** The whole body has arrived. */
  bodyComplete(): void
  /** The client waits to be told to send its body, and it is for the upstream to say so. */
  bodyAwaited(): void
}

/**
 * The body of one request on its way from the client to whichever upstream serves it at present. Its beginning is kept to
 * be sent again, up to a limit; what goes beyond is passed on and gone.
 */
export class RequestRelay implements RequestBodySink {
  readonly #client: ClientExchange
  readonly #bytesMax: number
  readonly #owner: RequestRelayOwner
  #pieces: Buffer[] = []
  #trailers: Fields = NO_FIELDS
  #bytes = 0
  #hasBegun = false
  #isComplete = false
  #isReplayable = true
  #isPaused = false
  #target: UpstreamExchange | undefined

  constructor(client: ClientExchange, bytesMax: number, owner: RequestRelayOwner) {
    this.#client = client
    this.#bytesMax = bytesMax
    this.#owner = owner
  }

  get bytes(): number {
    return this.#bytes
  }

  get hasBegun(): boolean {
    return this.#hasBegun
  }

  get isComplete(): boolean {
    return this.#isComplete
  }

  /** Whether another upstream can be given the body from its beginning. */
  get isReplayable(): boolean {
    return this.#isReplayable
  }

  /** Begins to read from the client, who is told to go on where it waits for that. */
  begin(): void {
    if (this.#hasBegun) return
    this.#hasBegun = true
    this.#client.readBody(this)
  }

  /**
   * From now on the body goes to this attempt: what was kept at once, the rest as it comes. A hedge is begun only when the
   * whole body is there.
   */
  giveTo({ exchange, role, isConnected }: Attempt): void {
    if (exchange === undefined || exchange.isOver) return
    this.#copyTo(exchange)
    if (role === 'hedge') return
    this.#target = exchange
    if (exchange.pendingBytes === 0) this.resume()
    const { framing, expectsContinue } = this.#client.head
    const isSmall = framing.kind === 'length' && framing.bytes <= this.#bytesMax
    if (isSmall && !expectsContinue) this.begin()
    else if (isConnected) this.connected()
  }

  /** A body that cannot be kept to be sent again is not read before somebody is there to take it. */
  connected(): void {
    if (this.#hasBegun || this.#target === undefined) return
    if (this.#client.head.expectsContinue) this.#owner.bodyAwaited()
    else this.begin()
  }

  detach(exchange: UpstreamExchange | undefined): void {
    if (this.#target === exchange) this.#target = undefined
  }

  #copyTo(exchange: UpstreamExchange): void {
    for (const piece of this.#pieces) exchange.write(piece)
    if (this.#isComplete) exchange.end(this.#trailers)
  }

  /** The upstream takes more. */
  resume(): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    this.#client.resumeBody()
  }

  onPiece(piece: Buffer): boolean {
    this.#bytes += piece.length
    if (this.#isReplayable && this.#bytes <= this.#bytesMax) this.#pieces.push(piece)
    else if (this.#target !== undefined) this.#forget()
    else {
      // Between two attempts nobody takes it, and nothing may be lost: the client waits with what is beyond the limit.
      this.#pieces.push(piece)
      this.#isPaused = true
      return false
    }
    if (this.#target === undefined || this.#target.write(piece)) return true
    this.#isPaused = true
    return false
  }

  onEnd(trailers: Fields): void {
    this.#isComplete = true
    this.#trailers = trailers
    this.#target?.end(trailers)
    this.#owner.bodyComplete()
  }

  #forget(): void {
    this.#isReplayable = false
    this.#pieces = []
  }
}
