import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Clock } from '../lib/clock.ts'
import { resetSocket } from '../lib/reset-socket.ts'
import type { StreamRing } from './ring.ts'
import type { ClientSnapshot } from './service.ts'

/**
 * One client reading one stream: a cursor into the ring and a socket. A viewer that reads slower than the stream keeps
 * its place until the ring has moved past it, then jumps forward to the latest join point; it never holds more than the
 * one slice that its socket has not taken yet, and that slice is shared memory.
 */
export interface ViewerOptions {
  readonly clientId: string
  readonly userAgent: string
  readonly ipAddress: string
  readonly username: string | undefined
  readonly response: ServerResponse
  readonly createdWallMs: number
  readonly nowMs: () => number
  readonly onClosed: () => void
}

/** Media bytes that reached this viewer's socket are reported to whoever counts them. */
export type BytesListener = (bytes: number) => void

const NOTHING = Buffer.alloc(0)

export class Viewer {
  readonly clientId: string
  readonly userAgent: string
  readonly ipAddress: string
  readonly username: string | undefined
  readonly createdWallMs: number
  readonly #response: ServerResponse
  readonly #nowMs: () => number
  readonly #onClosed: () => void
  #socket: Socket | undefined
  #ring: StreamRing | undefined
  #cursor = 0
  #waitingForDrain = false
  #closed = false
  #countBytes: BytesListener = () => {}
  bytesServed = 0
  skips = 0
  /** Monotonic time at which the socket last took everything it was given. */
  lastProgressMs: number

  constructor(options: ViewerOptions) {
    this.clientId = options.clientId
    this.userAgent = options.userAgent
    this.ipAddress = options.ipAddress
    this.username = options.username
    this.createdWallMs = options.createdWallMs
    this.#response = options.response
    this.#nowMs = options.nowMs
    this.#onClosed = options.onClosed
    this.lastProgressMs = options.nowMs()
    options.response.once('close', () => this.#close())
    // A reset by the client arrives as an error before the close; without a listener it would end the process.
    options.response.on('error', () => {})
    this.#closed = options.response.destroyed || options.response.socket?.destroyed !== false
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Whether the response's head has gone out, so that no status can be sent any more. */
  get attached(): boolean {
    return this.#ring !== undefined
  }

  /** Published bytes that this viewer has not been given yet. */
  get lagBytes(): number {
    return this.#ring?.bytesFrom(this.#cursor) ?? 0
  }

  get blocked(): boolean {
    return this.#waitingForDrain
  }

  /**
   * Sends the head and begins at the latest join point, or with whatever comes next when there is none. The body has no
   * length and no chunks (RFC 9112 §6.3: it ends when the connection ends), so slices go to the socket untouched.
   */
  attach(ring: StreamRing, head: Readonly<Record<string, string>>, countBytes: BytesListener): void {
    if (this.#closed) return
    const response = this.#response
    response.useChunkedEncodingByDefault = false
    response.shouldKeepAlive = false
    response.writeHead(200, head)
    response.flushHeaders()
    this.#ring = ring
    this.#countBytes = countBytes
    this.#socket = response.socket ?? undefined
    this.#socket?.setNoDelay(true)
    this.#socket?.on('drain', this.#drained)
    this.#begin(ring)
    this.pump()
  }

  /** Gives the socket what has been published, until it is full. */
  pump(): void {
    const ring = this.#ring
    if (ring === undefined || this.#closed) return
    while (!this.#waitingForDrain && this.#cursor < ring.nextSequence) {
      if (this.#cursor < ring.oldestSequence) {
        this.skips += 1
        this.#begin(ring)
        continue
      }
      const slice = ring.at(this.#cursor)
      if (slice === undefined) return
      this.#cursor = slice.sequence + 1
      this.#write(slice.data)
    }
  }

  snapshot(streamId: string, clock: Clock): ClientSnapshot {
    return {
      clientId: this.clientId,
      streamId,
      userAgent: this.userAgent,
      ipAddress: this.ipAddress,
      username: this.username,
      bytesServed: this.bytesServed,
      createdWallMs: this.createdWallMs,
      lastAccessWallMs: Math.round(clock.wallMs() - (clock.nowMs() - this.lastProgressMs)),
      isConnected: !this.#closed,
      skips: this.skips,
    }
  }

  /** Ends the connection cleanly once the socket has taken what it was given. */
  end(): void {
    this.#response.end()
  }

  /** Cuts the connection with a reset, so that the client knows that the body is not complete. */
  cut(): void {
    resetSocket(this.#response.socket)
    this.#response.destroy()
  }

  /** Moves to where a viewer may begin and sends what a decoder needs before it. */
  #begin(ring: StreamRing): void {
    this.#cursor = ring.startSequence
    const preamble = ring.at(this.#cursor)?.preamble
    if (preamble !== undefined && preamble.length > 0) this.#write(preamble)
  }

  #write(data: Buffer): void {
    const socket = this.#socket
    if (socket === undefined || socket.destroyed) return
    const willDrain = !socket.write(data)
    this.bytesServed += data.length
    this.#countBytes(data.length)
    if (socket.writableLength === 0) {
      this.lastProgressMs = this.#nowMs()
      return
    }
    this.#waitingForDrain = true
    // Of less than its high-water mark the socket tells nobody that it has gone out.
    if (!willDrain) socket.write(NOTHING, this.#drained)
  }

  readonly #drained = (): void => {
    this.lastProgressMs = this.#nowMs()
    if (!this.#waitingForDrain) return
    this.#waitingForDrain = false
    this.pump()
  }

  #close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#onClosed()
  }
}
