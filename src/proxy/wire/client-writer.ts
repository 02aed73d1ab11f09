import type { Socket } from 'node:net'
import { Deadline } from './timer-wheel.ts'
import type { TimerWheel } from './timer-wheel.ts'
import type { BatchedConnection, WriteBatch } from './write-batch.ts'

/** The way out to a client. Notices one that takes nothing of what waits for it. */
export class ClientWriter implements BatchedConnection {
  readonly socket: Socket
  isBatched = false
  readonly #batch: WriteBatch
  readonly #wheel: TimerWheel
  readonly #writeMs: number
  readonly #onStalled: () => void
  readonly #deadline = new Deadline(() => this.#onDue())
  /** Bytes that had left when the deadline was armed. */
  #sentBytes = 0

  /** `onStalled` is called when nothing at all has left for `writeMs` although something waits. */
  constructor(socket: Socket, batch: WriteBatch, wheel: TimerWheel, writeMs: number, onStalled: () => void) {
    this.socket = socket
    this.#batch = batch
    this.#wheel = wheel
    this.#writeMs = writeMs
    this.#onStalled = onStalled
  }

  /** Writes text, an optional piece and text as one; false when the client is behind. */
  write(before: string, piece: Buffer | undefined, after: string): boolean {
    return this.socket.destroyed || this.#batch.write(this, before, piece, after)
  }

  /** What was written is with the socket afterwards: before that is ended, or handed on. */
  flush(): void {
    if (this.isBatched) this.#batch.flush()
  }

  onWritten(): void {
    if (this.socket.writableLength === 0 || this.#deadline.dueMs !== Number.POSITIVE_INFINITY) return
    this.#sentBytes = this.socket.bytesWritten - this.socket.writableLength
    this.#wheel.arm(this.#deadline, this.#writeMs)
  }

  /** The connection is over. */
  end(): void {
    this.#wheel.remove(this.#deadline)
  }

  #onDue(): void {
    const { bytesWritten, writableLength } = this.socket
    if (writableLength === 0) return
    if (bytesWritten - writableLength > this.#sentBytes) this.onWritten()
    else this.#onStalled()
  }
}
