import type { Socket } from 'node:net'
import { Deadline } from './timer-wheel.ts'
import type { TimerWheel } from './timer-wheel.ts'

/** Notices a peer that takes nothing of what waits for it. */
export class WriteWatch {
  readonly #socket: Socket
  readonly #wheel: TimerWheel
  readonly #writeMs: number
  readonly #onStalled: () => void
  readonly #deadline = new Deadline(() => this.#onDue())
  /** Bytes that had left when the deadline was armed. */
  #sentBytes = 0

  /** `onStalled` is called when nothing at all has left for `writeMs` although something waits. */
  constructor(socket: Socket, wheel: TimerWheel, writeMs: number, onStalled: () => void) {
    this.#socket = socket
    this.#wheel = wheel
    this.#writeMs = writeMs
    this.#onStalled = onStalled
  }

  /** To be called after a write. */
  wrote(): void {
    if (this.#socket.writableLength === 0 || this.#deadline.dueMs !== Number.POSITIVE_INFINITY) return
    this.#sentBytes = this.#socket.bytesWritten - this.#socket.writableLength
    this.#wheel.arm(this.#deadline, this.#writeMs)
  }

  end(): void {
    this.#wheel.remove(this.#deadline)
  }

  #onDue(): void {
    const { bytesWritten, writableLength } = this.#socket
    if (writableLength === 0) return
    if (bytesWritten - writableLength > this.#sentBytes) this.wrote()
    else this.#onStalled()
  }
}
