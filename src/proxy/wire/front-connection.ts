import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { resetSocket } from '../../lib/reset-socket.ts'
import { createBodyReader } from './body.ts'
import type { BodySink } from './body.ts'
import { ClientWriter } from './client-writer.ts'
import { FrontExchange } from './front-exchange.ts'
import type { ExchangeConnection } from './front-exchange.ts'
import type { AbortReason } from './front-options.ts'
import type { FrontShared } from './front-shared.ts'
import { RequestMemory } from './head-memory.ts'
import { parseRequestHead } from './head.ts'
import type { RequestHead } from './head.ts'
import { peerOf } from './peer.ts'
import type { Peer } from './peer.ts'
import { refusals } from './refusal.ts'
import type { Refusal } from './refusal.ts'
import { refusalResponse, requestTimeout } from './refusal-response.ts'
import { Deadline } from './timer-wheel.ts'

/** `waiting` for a request or within its head; `lingering` after our end, until the client ends its side too. */
type ConnectionState = 'waiting' | 'exchange' | 'draining' | 'lingering' | 'closed'

/** After its first part a head is looked at again when it has a line break more or so many bytes. */
const HEAD_STEP_BYTES = 4_096
const LINGER_BYTES_MAX = 1_048_576
const LF = 0x0a
const NO_BYTES: Buffer = Buffer.alloc(0)

/** One client's connection: finds the requests in its bytes and serves one after the other. */
export class FrontConnection implements ExchangeConnection, BodySink {
  readonly socket: Socket
  readonly peer: Peer
  readonly #shared: FrontShared
  #state: ConnectionState = 'waiting'
  #exchange: FrontExchange | undefined
  readonly #memory = new RequestMemory()
  /** Bytes that were read and belong to nobody yet: a part of a head, a body that nobody reads, the next requests. */
  #held = NO_BYTES
  /** How many of them have been looked at without finding a whole head. */
  #lookedAtBytes = 0
  #isPaused = false
  #isBodyPaused = false
  /** Within `#serve`, which goes on with the next request by itself. */
  #isServing = false
  #requests = 0
  #lingerBytes = 0
  readonly #readDeadline = new Deadline(() => this.#guard(() => this.#onReadDue()))
  readonly #writer: ClientWriter
  readonly #onClosed: (connection: FrontConnection) => void

  constructor(socket: Socket, shared: FrontShared, onClosed: (connection: FrontConnection) => void) {
    this.socket = socket
    this.#onClosed = onClosed
    this.#shared = shared
    this.peer = peerOf(socket)
    this.#writer = new ClientWriter(socket, shared.batch, shared.wheel, shared.options.timeouts.writeMs, () => {
      this.#guard(() => this.#abandon('write_timeout', undefined))
    })
    socket.on('data', this.#onData)
    socket.on('end', this.#onEnd)
    socket.on('error', ignore)
    socket.on('close', this.#onClose)
    socket.on('drain', this.#onDrain)
    this.#armRead(shared.options.timeouts.headMs)
  }

  readonly #onData = (bytes: Buffer): void => {
    try {
      this.#take(bytes)
    } catch (error) {
      this.#fault(error)
    }
  }

  #take(bytes: Buffer): void {
    if (this.#state === 'lingering') {
      this.#lingerBytes += bytes.length
      if (this.#lingerBytes > LINGER_BYTES_MAX) this.socket.destroy()
      return
    }
    const hadBytes = this.#held.length > 0
    this.#held = hadBytes ? Buffer.concat([this.#held, bytes]) : bytes
    if (this.#state === 'waiting') {
      const hasStepped = this.#held.length - this.#lookedAtBytes >= HEAD_STEP_BYTES
      if (hadBytes && !hasStepped && !bytes.includes(LF)) return
      this.#serve()
    } else this.#continueExchange()
  }

  /** Serves the requests that are there, one after the other: the next is not looked at before its predecessor ended. */
  #serve(): void {
    if (this.#isServing) return
    this.#isServing = true
    try {
      while (this.#state === 'waiting' && this.#held.length > 0 && !this.socket.writableNeedDrain) {
        if (!this.#serveNext()) break
      }
    } finally {
      this.#isServing = false
    }
    // A client that sends requests and reads no responses waits until it has read them.
    if (this.#state === 'waiting' && this.socket.writableNeedDrain) this.#setPaused(true)
  }

  /** False when no whole head is there. */
  #serveNext(): boolean {
    const { limits, timeouts } = this.#shared.options
    const parsed = parseRequestHead(this.#held, 0, this.#held.length, limits.head, this.#memory)
    if (parsed.kind === 'incomplete') {
      if (this.#lookedAtBytes === 0) this.#armRead(timeouts.headMs)
      this.#lookedAtBytes = this.#held.length
      this.#setPaused(false)
      return false
    }
    this.#lookedAtBytes = 0
    if (parsed.kind === 'refused') {
      this.#refuse(refusals[parsed.reason])
      return false
    }
    this.#held = parsed.end === this.#held.length ? NO_BYTES : this.#held.subarray(parsed.end)
    this.#begin(parsed.head)
    return true
  }

  #begin(head: RequestHead): void {
    const { options, wheel } = this.#shared
    this.#requests += 1
    this.#state = 'exchange'
    this.#isBodyPaused = false
    wheel.disarm(this.#readDeadline)
    const exchange = new FrontExchange(this, head, createBodyReader(head.framing, options.limits.body))
    this.#exchange = exchange
    options.onRequest(exchange)
    if (this.#held.length > 0) this.#continueExchange()
    else if (!this.#isBodyPaused) this.#setPaused(false)
  }

  /** Bytes arrived in the middle of an exchange: they are body, or wait for their turn while nothing more is read. */
  #continueExchange(): void {
    const exchange = this.#exchange
    if (exchange === undefined) return
    const isDraining = this.#state === 'draining'
    const isReading = !exchange.body.isDone && (isDraining || (exchange.sink !== undefined && !this.#isBodyPaused))
    if (!isReading) {
      if (this.#held.length > 0) this.#setPaused(true)
      return
    }
    const bytes = this.#held
    this.#held = NO_BYTES
    const end = exchange.body.read(bytes, 0, bytes.length, this)
    if (this.#exchange !== exchange) return
    if (exchange.body.failure !== undefined) {
      this.#abandon('body_malformed', refusals[exchange.body.failure])
      return
    }
    if (end < bytes.length) this.#held = bytes.subarray(end)
    if (exchange.body.isDone) this.#bodyEnded(exchange, isDraining)
    else if (!this.#isBodyPaused && !isDraining) this.#armRead(this.#shared.options.timeouts.bodyMs)
  }

  onBodyPiece(piece: Buffer): void {
    const exchange = this.#exchange
    if (this.#state !== 'exchange' || exchange === undefined) return
    if (exchange.sink?.onPiece(piece) === false && this.#exchange === exchange) this.bodyPaused(true)
  }

  #bodyEnded(exchange: FrontExchange, wasDraining: boolean): void {
    this.#shared.wheel.disarm(this.#readDeadline)
    if (wasDraining) {
      this.#next()
      return
    }
    this.#isBodyPaused = false
    this.#setPaused(this.#held.length > 0)
    exchange.sink?.onEnd(exchange.body.trailers)
  }

  mayLiveOn(): boolean {
    if (this.#shared.isClosing() || (this.socket.readableEnded && this.#held.length === 0)) return false
    return this.#requests < this.#shared.options.limits.requestsPerConnectionMax
  }

  send(before: string, piece: Buffer | undefined, after: string): boolean {
    return this.#writer.write(before, piece, after)
  }

  bodyWanted(): void {
    const exchange = this.#exchange
    if (exchange === undefined) return
    if (exchange.body.isDone) {
      exchange.sink?.onEnd(exchange.body.trailers)
      return
    }
    this.bodyPaused(false)
  }

  bodyPaused(isPaused: boolean): void {
    const exchange = this.#exchange
    if (exchange === undefined || this.#state !== 'exchange' || exchange.body.isDone) return
    this.#isBodyPaused = isPaused
    this.#setPaused(isPaused)
    if (isPaused) {
      this.#shared.wheel.disarm(this.#readDeadline)
      return
    }
    this.#armRead(this.#shared.options.timeouts.bodyMs)
    if (this.#held.length > 0) this.#continueExchange()
  }

  responseEnded(livesOn: boolean): void {
    const exchange = this.#exchange
    if (exchange === undefined || this.#state !== 'exchange') return
    if (!livesOn || !this.mayLiveOn()) {
      this.#close()
      return
    }
    if (exchange.body.isDone) {
      this.#next()
      return
    }
    const restBytes = exchange.body.remainingBytes ?? Number.POSITIVE_INFINITY
    if (restBytes > this.#shared.options.limits.drainBytesMax) {
      this.#close()
      return
    }
    this.#state = 'draining'
    this.#setPaused(false)
    this.#armRead(this.#shared.options.timeouts.lingerMs)
    if (this.#held.length > 0) this.#continueExchange()
  }

  #next(): void {
    this.#exchange = undefined
    this.#state = 'waiting'
    if (!this.mayLiveOn()) {
      this.#close()
      return
    }
    this.#armRead(this.#shared.options.timeouts.idleMs)
    if (this.#held.length > 0) this.#serve()
    else this.#setPaused(false)
  }

  /** Answers what cannot be served and closes. */
  #refuse(refusal: Refusal): void {
    this.send(refusalResponse(refusal), undefined, '')
    this.#close()
  }

  /** Ends an exchange for which there is no hope: with an answer where none has begun, by a reset otherwise. */
  #abandon(reason: AbortReason, refusal: Refusal | undefined): void {
    const exchange = this.#exchange
    this.#exchange = undefined
    const canAnswer = refusal !== undefined && exchange?.hasResponded === false
    if (canAnswer) this.#refuse(refusal)
    else this.#destroy()
    exchange?.abort(reason)
  }

  /** Ends our side and gives the client time to read what it was sent: closing outright would reset it away. */
  #close(): void {
    this.#exchange = undefined
    if (this.#state === 'closed' || this.#state === 'lingering') return
    this.#state = 'lingering'
    this.#held = NO_BYTES
    this.#writer.flush()
    this.socket.end()
    this.#armRead(this.#shared.options.timeouts.lingerMs)
    this.#setPaused(false)
  }

  cut(): void {
    this.#exchange = undefined
    this.#destroy()
  }

  #destroy(): void {
    this.#writer.flush()
    // A TLS connection that ends without close_notify is seen as cut as well.
    if (this.socket instanceof TLSSocket) this.socket.destroy()
    else resetSocket(this.socket)
  }

  detach(): Buffer {
    const leftover = this.#held
    this.#writer.flush()
    this.#exchange = undefined
    this.socket.off('data', this.#onData).off('end', this.#onEnd).off('drain', this.#onDrain)
    this.socket.off('close', this.#onClose)
    this.socket.pause()
    this.#shared.onSwitched(this.socket)
    this.#forget()
    return leftover
  }

  /** The server closes: ends an idle connection now and a busy one after its response. */
  retire(): void {
    if (this.#state === 'waiting' && this.#held.length === 0) this.#close()
  }

  /** The server has waited long enough. */
  destroy(): void {
    this.#abandon('server_closed', undefined)
  }

  readonly #onEnd = (): void => {
    this.#guard(() => {
      const exchange = this.#exchange
      const isServed = this.#shared.options.halfClose === 'serve' && exchange?.body.isDone === true
      if (this.#state === 'exchange' && !isServed) this.#abandon('client_closed', undefined)
      else if (this.#state !== 'exchange') this.#close()
    })
  }

  readonly #onClose = (): void => {
    this.#guard(() => {
      const exchange = this.#exchange
      this.#exchange = undefined
      this.#forget()
      exchange?.abort('client_closed')
    })
  }

  #forget(): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#held = NO_BYTES
    this.#shared.wheel.remove(this.#readDeadline)
    this.#writer.end()
    this.#onClosed(this)
  }

  readonly #onDrain = (): void => {
    this.#guard(() => {
      if (this.#state === 'exchange') this.#exchange?.drained()
      else if (this.#state === 'waiting') {
        this.#setPaused(false)
        this.#serve()
      }
    })
  }

  #onReadDue(): void {
    switch (this.#state) {
      case 'waiting':
        if (this.#held.length > 0 && !this.socket.writableNeedDrain) this.#refuse(requestTimeout)
        else this.#close()
        break
      case 'exchange':
        this.#abandon('body_timeout', requestTimeout)
        break
      case 'draining':
        this.#close()
        break
      case 'lingering':
        // What is still on its way out is given the time that a write may take.
        if (this.socket.writableLength > 0 && !this.socket.destroyed)
          this.#armRead(this.#shared.options.timeouts.lingerMs)
        else this.socket.destroy()
        break
      case 'closed':
        break
      default:
        this.#state satisfies never
    }
  }

  #armRead(ms: number): void {
    if (this.#state !== 'closed') this.#shared.wheel.arm(this.#readDeadline, ms)
  }

  #setPaused(isPaused: boolean): void {
    if (isPaused === this.#isPaused) return
    this.#isPaused = isPaused
    if (isPaused) this.socket.pause()
    else this.socket.resume()
  }

  /** A mistake of ours costs the connection it happened on and no other. */
  #guard(action: () => void): void {
    try {
      action()
    } catch (error) {
      this.#fault(error)
    }
  }

  #fault(error: unknown): void {
    const exchange = this.#exchange
    this.#exchange = undefined
    this.socket.destroy()
    this.#shared.options.onFault(error)
    exchange?.abort('fault')
  }
}

function ignore(): void {
  // Every error of a socket is followed by its close, which is what counts.
}
