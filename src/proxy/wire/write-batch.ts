import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'

/** A connection whose small writes may wait together with those of others. */
export interface BatchedConnection {
  readonly socket: Socket
  /** Kept by the batch: some of its bytes wait there. */
  isBatched: boolean
  /** What it wrote is with its socket now. */
  onWritten?(): void
}

/** Longer writes go out at once, and a piece longer than this is not copied, bytes. */
const COPY_BYTES_MAX = 16_384
const ARENA_BYTES = 131_072
const NO_BYTES: Buffer = Buffer.alloc(0)

/**
 * Writes text and bytes that belong together with one system call, and the small ones of one turn of the event loop one
 * right after the other at its end. A peer that sleeps has to be woken by the kernel for each write that finds it asleep,
 * which costs more than the write itself; of writes in a row only the first does. They are copied into one arena, which
 * costs no allocation as long as the kernel takes everything at once, as it nearly always does.
 */
export class WriteBatch {
  #arena = NO_BYTES
  #usedBytes = 0
  /** Who waits, and where in the arena its bytes end; those of the next begin there. */
  readonly #waiting: BatchedConnection[] = []
  readonly #ends: number[] = []

  /**
   * Writes `before` (latin1), `piece` and `after` (latin1). False when the socket asks to wait for `drain`. A `piece`
   * longer than 16 KiB is not copied: when `socket.writableLength` is above 0 afterwards it may still be in use.
   */
  write(connection: BatchedConnection, before: string, piece: Buffer | undefined, after: string): boolean {
    const { socket } = connection
    const bytes = before.length + after.length + (piece === undefined ? 0 : piece.length)
    const mayWait =
      bytes <= COPY_BYTES_MAX && socket.writableLength === 0 && !socket.connecting && !(socket instanceof TLSSocket)
    if (!mayWait) {
      if (connection.isBatched) this.flush()
      const isTaken = writeNow(socket, before, piece, after)
      connection.onWritten?.()
      return isTaken
    }
    if (this.#usedBytes + bytes > this.#arena.length) this.#makeRoom()
    let at = this.#usedBytes
    if (before !== '') at += this.#arena.write(before, at, 'latin1')
    if (piece !== undefined) at += piece.copy(this.#arena, at)
    if (after !== '') at += this.#arena.write(after, at, 'latin1')
    this.#usedBytes = at
    const last = this.#waiting.length - 1
    if (last >= 0 && this.#waiting[last] === connection) this.#ends[last] = at
    else {
      if (last < 0) setImmediate(this.#onTurnOver)
      this.#waiting.push(connection)
      this.#ends.push(at)
      connection.isBatched = true
    }
    return true
  }

  /** Gives everything that waits to its sockets: before one of them is ended, or handed on. */
  flush(): void {
    const arena = this.#arena
    let from = 0
    let isArenaKept = false
    for (let index = 0; index < this.#waiting.length; index += 1) {
      const connection = this.#waiting[index]
      const to = this.#ends[index] ?? from
      if (connection === undefined) continue
      connection.isBatched = false
      const { socket } = connection
      if (socket.writable) {
        socket.write(arena.subarray(from, to))
        if (socket.writableLength > 0) isArenaKept = true
        connection.onWritten?.()
      }
      from = to
    }
    this.#waiting.length = 0
    this.#ends.length = 0
    this.#usedBytes = 0
    // What a socket has not taken yet lies in the arena: it is the socket's now.
    if (isArenaKept) this.#arena = NO_BYTES
  }

  readonly #onTurnOver = (): void => this.flush()

  #makeRoom(): void {
    this.flush()
    if (this.#arena.length === 0) this.#arena = Buffer.allocUnsafeSlow(ARENA_BYTES)
  }
}

function writeNow(socket: Socket, before: string, piece: Buffer | undefined, after: string): boolean {
  if (piece === undefined) return socket.write(before + after, 'latin1')
  if (piece.length <= COPY_BYTES_MAX && before.length <= COPY_BYTES_MAX) {
    const whole = Buffer.allocUnsafe(before.length + piece.length + after.length)
    whole.write(before, 0, 'latin1')
    piece.copy(whole, before.length)
    whole.write(after, before.length + piece.length, 'latin1')
    return socket.write(whole)
  }
  if (before === '' && after === '') return socket.write(piece)
  socket.cork()
  if (before !== '') socket.write(before, 'latin1')
  let isTaken = socket.write(piece)
  if (after !== '') isTaken = socket.write(after, 'latin1')
  socket.uncork()
  return isTaken
}
