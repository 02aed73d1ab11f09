import type { Socket } from 'node:net'
import { createBodyReader, defaultBodyLimits } from './body.ts'
import type { BodyReader, BodySink } from './body.ts'
import type { BatchedConnection, WriteBatch } from './write-batch.ts'
import type { ResponseMemory } from './head-memory.ts'
import { defaultHeadLimits, parseResponseHead } from './head.ts'
import type { ResponseHead } from './head.ts'
import { refusals } from './refusal.ts'
import { Deadline } from './timer-wheel.ts'
import type { TimerWheel } from './timer-wheel.ts'
import type { ExchangeCarrier, UpstreamExchange } from './upstream-exchange.ts'
import { connectFailureKind, errorCode, isTlsCode } from './upstream-failure.ts'
import type { UpstreamFailureKind } from './upstream-failure.ts'
import { connectUpstream } from './upstream-socket.ts'
import type { Origin } from './upstream-socket.ts'

/** What the connections of a pool share. */
export interface UpstreamShared {
  readonly origin: Origin
  readonly wheel: TimerWheel
  readonly batch: WriteBatch
  readonly memory: ResponseMemory
  readonly idleMs: number
  /** A connection may serve another request. False when the pool has no room for it. */
  onIdle(connection: UpstreamConnection): boolean
  onClosed(connection: UpstreamConnection): void
  /** A mistake in our own code that surfaced here; the connection has been closed. */
  onFault(error: unknown): void
  session: Buffer | undefined
}

const READ_BUFFER_BYTES = 65_536
/** Interim responses ahead of one response. */
const INFORMATIONAL_MAX = 32
const NO_BYTES: Buffer = Buffer.alloc(0)

type Phase = 'connecting' | 'idle' | 'head' | 'body' | 'closed'

/** One connection to an upstream: carries one exchange at a time, and others after it as long as nothing is in doubt. */
export class UpstreamConnection implements ExchangeCarrier, BodySink, BatchedConnection {
  readonly #shared: UpstreamShared
  readonly socket: Socket
  isBatched = false
  #phase: Phase = 'connecting'
  #isTcpConnected = false
  #exchange: UpstreamExchange | undefined
  #buffer: Buffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES)
  #isBufferKept = false
  /** The part of a head that came before. */
  #partialHead: Buffer = NO_BYTES
  #response: ResponseHead | undefined
  #body: BodyReader | undefined
  #informationals = 0
  #wasAnswered = false
  #isPaused = false
  #error: unknown
  readonly #deadline = new Deadline(() => this.#onDue())

  /** Begins to connect for its first exchange. For an upgrade the socket is an ordinary one that can be handed on. */
  constructor(shared: UpstreamShared, isForUpgrade: boolean) {
    this.#shared = shared
    const readInto = isForUpgrade ? undefined : { buffer: () => this.#nextBuffer(), callback: this.#onRead }
    this.socket = connectUpstream(shared.origin, readInto, shared.session)
    this.socket.on(shared.origin.tls === undefined ? 'connect' : 'secureConnect', this.#onReady)
    this.socket.on('connect', () => {
      this.#isTcpConnected = true
    })
    if (isForUpgrade) this.socket.on('data', this.#onData)
    this.socket.on('session', (session: Buffer) => {
      shared.session = session
    })
    this.socket.on('end', this.#onEnd)
    this.socket.on('error', (error) => {
      this.#error ??= error
    })
    this.socket.on('close', this.#onClose)
    this.socket.on('drain', this.#onDrain)
  }

  get isUsable(): boolean {
    return this.#phase === 'idle' && !this.socket.destroyed && this.socket.writable
  }

  /** Sends the head of the exchange's request, at once or as soon as the connection stands. */
  begin(exchange: UpstreamExchange): void {
    this.#exchange = exchange
    this.#body = undefined
    this.#response = undefined
    this.#informationals = 0
    this.#wasAnswered = false
    const { deadlines, head } = exchange.request
    if (this.#phase === 'connecting') this.#arm(deadlines.connectMs)
    else {
      this.#phase = 'head'
      this.#armForHead(exchange)
    }
    this.#shared.batch.write(this, head, undefined, '')
    if (this.#phase === 'head') exchange.request.listener.onSent?.()
  }

  #armForHead(exchange: UpstreamExchange): void {
    if (exchange.isRequestEnded) this.#arm(exchange.request.deadlines.firstByteMs)
    else if (this.socket.writableNeedDrain) this.#arm(exchange.request.deadlines.idleMs)
    else this.#shared.wheel.disarm(this.#deadline)
  }

  readonly #onReady = (): void => {
    const exchange = this.#exchange
    if (this.#phase !== 'connecting' || exchange === undefined) return
    this.#phase = 'head'
    this.#armForHead(exchange)
    this.#guard(() => exchange.request.listener.onSent?.())
  }

  /** Given to the socket: the next read goes into this memory. */
  #nextBuffer(): Buffer {
    if (this.#isBufferKept) {
      this.#isBufferKept = false
      this.#buffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES)
    }
    return this.#buffer
  }

  readonly #onRead = (length: number): boolean => {
    try {
      this.#take(this.#buffer, length)
    } catch (error) {
      this.#fault(error)
    }
    return !this.#isPaused
  }

  readonly #onData = (bytes: Buffer): void => {
    this.#guard(() => this.#take(bytes, bytes.length))
  }

  #take(buffer: Buffer, length: number): void {
    const exchange = this.#exchange
    if (exchange === undefined) {
      // Nobody asked: whatever it is, it must not become the answer to the next request.
      this.socket.destroy()
      return
    }
    this.#wasAnswered = true
    let bytes = buffer
    let to = length
    if (this.#partialHead.length > 0) {
      bytes = Buffer.concat([this.#partialHead, buffer.subarray(0, length)])
      to = bytes.length
      this.#partialHead = NO_BYTES
    }
    let at = 0
    while (this.#phase === 'head' && at < to) {
      const end = this.#takeHead(exchange, bytes, at, to)
      if (end < 0) return
      at = end
    }
    if (this.#phase === 'body') this.#takeBody(exchange, bytes, at, to)
  }

  /** The offset behind a head, or -1 when there is nothing more to be done with these bytes. */
  #takeHead(exchange: UpstreamExchange, bytes: Buffer, from: number, to: number): number {
    const { method, listener } = exchange.request
    const parsed = parseResponseHead(bytes, from, to, defaultHeadLimits, method, this.#shared.memory)
    if (parsed.kind === 'incomplete') {
      // A copy, because the read buffer is written to again.
      this.#partialHead = Buffer.from(bytes.subarray(from, to))
      return -1
    }
    if (parsed.kind === 'refused') {
      this.#fail('malformed_response', refusals[parsed.reason].detail)
      return -1
    }
    const { head, end } = parsed
    if (head.status === 101) {
      this.#upgraded(exchange, head, bytes.subarray(end, to))
      return -1
    }
    if (head.status < 200) {
      this.#informationals += 1
      if (this.#informationals > INFORMATIONAL_MAX) {
        this.#fail('malformed_response', `more than ${INFORMATIONAL_MAX} interim responses`)
        return -1
      }
      this.#armForHead(exchange)
      listener.onInformational(head)
      return this.#exchange === exchange ? end : -1
    }
    this.#phase = 'body'
    this.#response = head
    this.#body = createBodyReader(head.framing, defaultBodyLimits)
    listener.onHead(head)
    return this.#exchange === exchange ? end : -1
  }

  #takeBody(exchange: UpstreamExchange, bytes: Buffer, from: number, to: number): void {
    const body = this.#body
    if (body === undefined) return
    let end = from
    if (from < to && !body.isDone) {
      end = body.read(bytes, from, to, this)
      if (this.#exchange !== exchange) return
      if (body.failure !== undefined) {
        this.#fail('malformed_response', refusals[body.failure].detail)
        return
      }
    }
    if (body.isDone) this.#complete(exchange, body, end === to)
    else if (!this.#isPaused) this.#arm(exchange.request.deadlines.idleMs)
  }

  onBodyPiece(piece: Buffer): void {
    const exchange = this.#exchange
    if (exchange === undefined) return
    if (!exchange.request.listener.onPiece(piece) && this.#exchange === exchange) this.setPaused(true)
  }

  /** The response is whole. The connection lives on only when nothing about it is in doubt. */
  #complete(exchange: UpstreamExchange, body: BodyReader, isClean: boolean): void {
    const livesOn = isClean && exchange.isRequestEnded && this.#response?.keepAlive === true && this.#isAllSent
    this.#exchange = undefined
    this.#body = undefined
    exchange.release()
    this.setPaused(false)
    if (livesOn && this.socket.writable) {
      this.#phase = 'idle'
      if (this.#shared.onIdle(this)) this.#arm(this.#shared.idleMs)
      else this.socket.destroy()
    } else this.socket.destroy()
    exchange.request.listener.onEnd(body.trailers)
  }

  #upgraded(exchange: UpstreamExchange, head: ResponseHead, leftover: Buffer): void {
    const { listener } = exchange.request
    const isAsked = this.socket.listenerCount('data') > 0 && listener.onUpgrade !== undefined
    if (!isAsked) {
      this.#fail('malformed_response', 'the upstream switched protocols although it was not asked to')
      return
    }
    this.#exchange = undefined
    exchange.release()
    const socket = this.socket
    socket.off('data', this.#onData).off('end', this.#onEnd).off('close', this.#onClose).off('drain', this.#onDrain)
    socket.pause()
    this.#forget()
    listener.onUpgrade?.(head, { socket, leftover })
  }

  get pendingBytes(): number {
    return this.socket.writableLength
  }

  get #isAllSent(): boolean {
    return this.socket.writableLength === 0 && !this.isBatched
  }

  send(before: string, piece: Buffer | undefined, after: string): boolean {
    const exchange = this.#exchange
    if (exchange === undefined) return true
    const isTaken = this.#shared.batch.write(this, before, piece, after)
    if (this.#phase === 'head' && !isTaken) this.#armForHead(exchange)
    else if (this.#phase === 'body' && !this.#isPaused) this.#arm(exchange.request.deadlines.idleMs)
    return isTaken
  }

  requestEnded(): void {
    if (this.#phase === 'head' && this.#exchange !== undefined) this.#armForHead(this.#exchange)
  }

  setPaused(isPaused: boolean): void {
    if (isPaused === this.#isPaused) return
    this.#isPaused = isPaused
    const exchange = this.#exchange
    if (isPaused) {
      this.socket.pause()
      // Who does not read cannot tell whether the upstream is silent.
      if (this.#phase === 'body') this.#shared.wheel.disarm(this.#deadline)
      return
    }
    this.socket.resume()
    if (this.#phase === 'body' && exchange !== undefined) this.#arm(exchange.request.deadlines.idleMs)
  }

  keepBuffer(): void {
    this.#isBufferKept = true
  }

  abort(): void {
    this.#exchange = undefined
    this.socket.destroy()
  }

  /** Closes an idle connection. */
  close(): void {
    this.socket.destroy()
  }

  readonly #onDrain = (): void => {
    const exchange = this.#exchange
    if (exchange === undefined) return
    if (this.#phase === 'head') this.#armForHead(exchange)
    this.#guard(() => exchange.request.listener.onDrain())
  }

  readonly #onEnd = (): void => {
    this.#guard(() => {
      const exchange = this.#exchange
      if (exchange !== undefined && this.#phase === 'body' && this.#response?.framing.kind === 'close') {
        const body = this.#body
        if (body !== undefined) this.#complete(exchange, body, false)
      } else if (exchange === undefined) this.socket.destroy()
      else this.#failClosed('the upstream closed the connection')
    })
  }

  readonly #onClose = (): void => {
    this.#guard(() => {
      if (this.#exchange !== undefined) this.#failClosed(errorCode(this.#error) || 'the connection was closed')
      this.#forget()
    })
  }

  /** The connection is gone in the middle of an exchange; what that means depends on how far it was. */
  #failClosed(detail: string): void {
    if (this.#phase === 'connecting') {
      this.#fail(connectFailureKind(this.#error, this.#isTcpConnected && this.#shared.origin.tls !== undefined), detail)
    } else if (this.#phase === 'body') this.#fail('truncated', detail)
    else this.#fail(isTlsCode(errorCode(this.#error)) ? 'tls' : 'reset_before_response', detail)
  }

  #forget(): void {
    this.#phase = 'closed'
    this.#shared.wheel.remove(this.#deadline)
    this.#shared.onClosed(this)
  }

  #onDue(): void {
    this.#guard(() => {
      const exchange = this.#exchange
      switch (this.#phase) {
        case 'connecting':
          this.#fail('connect_timeout', 'the connection was not made in time')
          break
        case 'idle':
          this.socket.destroy()
          break
        case 'head':
          if (exchange?.isRequestEnded === true) this.#fail('first_byte_timeout', 'no response in time')
          else this.#fail('idle_timeout', 'the upstream takes nothing of the request')
          break
        case 'body':
          this.#fail('idle_timeout', 'the response went silent')
          break
        case 'closed':
          break
        default:
          this.#phase satisfies never
      }
    })
  }

  #fail(kind: UpstreamFailureKind, detail: string): void {
    const exchange = this.#exchange
    if (exchange === undefined) return
    const wasSent = this.#phase !== 'connecting'
    this.#exchange = undefined
    exchange.release()
    this.socket.destroy()
    exchange.request.listener.onFailure({
      kind,
      detail,
      wasSent,
      wasBodySent: wasSent && exchange.wasBodyWritten,
      wasReused: exchange.wasReused,
      wasAnswered: this.#wasAnswered,
    })
  }

  #arm(ms: number): void {
    if (ms === Number.POSITIVE_INFINITY) this.#shared.wheel.disarm(this.#deadline)
    else this.#shared.wheel.arm(this.#deadline, ms)
  }

  #guard(action: () => void): void {
    try {
      action()
    } catch (error) {
      this.#fault(error)
    }
  }

  /** A mistake of ours costs the connection it happened on and no other. */
  #fault(error: unknown): void {
    this.#shared.onFault(error)
    this.socket.destroy()
    this.#guard(() => this.#fail('fault', 'a mistake of the gateway'))
  }
}
