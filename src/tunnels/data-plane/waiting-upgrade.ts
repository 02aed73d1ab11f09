import { ServerResponse } from 'node:http'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { RawSocket } from '../../proxy/wire/front-exchange.ts'

/** What a client may send before it knows whether the protocol is switched. */
const EARLY_BYTES_MAX = 65_536

/**
 * A connection that Node.js has let go of because its request asks for another protocol. It is watched, so that a client
 * that leaves is noticed, and what it sends early is kept. It is either handed over, or ends with an ordinary response.
 */
export class WaitingUpgrade {
  readonly response: ServerResponse
  readonly #socket: Socket
  readonly #early: Buffer[]
  #earlyBytes: number

  constructor(request: IncomingMessage, socket: Socket, early: Buffer) {
    this.#socket = socket
    this.#early = [early]
    this.#earlyBytes = early.length
    this.response = new ServerResponse(request)
    this.response.shouldKeepAlive = false
    this.response.assignSocket(socket)
    this.response.once('finish', () => socket.destroySoon())
    socket.on('data', this.#onData).on('end', this.#onEnd).on('error', this.#onEnd).on('drain', this.#onDrain)
  }

  /** The socket without listeners and paused; undefined when the client is gone. */
  handOver(): RawSocket | undefined {
    const socket = this.#socket
    if (socket.destroyed) return undefined
    socket.off('data', this.#onData).off('end', this.#onEnd).off('error', this.#onEnd).off('drain', this.#onDrain)
    socket.pause()
    this.response.detachSocket(socket)
    return { socket, leftover: Buffer.concat(this.#early) }
  }

  readonly #onData = (piece: Buffer): void => {
    this.#early.push(piece)
    this.#earlyBytes += piece.length
    if (this.#earlyBytes > EARLY_BYTES_MAX) this.#socket.pause()
  }

  readonly #onEnd = (): void => {
    this.#socket.destroy()
  }

  readonly #onDrain = (): void => {
    if (!this.response.writableEnded) this.response.emit('drain')
  }
}
