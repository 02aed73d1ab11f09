import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'

/** Above this a piece is handed to the kernel beside its frame instead of being copied next to it, bytes. */
const COPY_BYTES_MAX = 16_384
const SCRATCH_BYTES = COPY_BYTES_MAX + 65_536

/**
 * Writes text and bytes that belong together with one system call. Small pieces are copied into one scratch buffer, which
 * costs no allocation as long as the kernel takes everything at once, as it nearly always does.
 */
export class GatherBuffer {
  #scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES)

  /**
   * Writes `before` (latin1), `piece` and `after` (latin1). False when the socket asks to wait for `drain`. A `piece`
   * longer than 16 KiB is not copied: when `socket.writableLength` is above 0 afterwards it may still be in use.
   */
  write(socket: Socket, before: string, piece: Buffer | undefined, after: string): boolean {
    if (piece === undefined) return socket.write(before + after, 'latin1')
    if (piece.length > COPY_BYTES_MAX || before.length > COPY_BYTES_MAX) return writeApart(socket, before, piece, after)
    const total = before.length + piece.length + after.length
    const isImmediate = socket.writableLength === 0 && !socket.connecting && !(socket instanceof TLSSocket)
    const target = isImmediate ? this.#scratch : Buffer.allocUnsafe(total)
    target.write(before, 0, 'latin1')
    piece.copy(target, before.length)
    if (after !== '') target.write(after, before.length + piece.length, 'latin1')
    const isTaken = socket.write(isImmediate ? target.subarray(0, total) : target)
    if (isImmediate && socket.writableLength > 0) this.#scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES)
    return isTaken
  }
}

function writeApart(socket: Socket, before: string, piece: Buffer, after: string): boolean {
  if (before === '' && after === '') return socket.write(piece)
  socket.cork()
  if (before !== '') socket.write(before, 'latin1')
  let isTaken = socket.write(piece)
  if (after !== '') isTaken = socket.write(after, 'latin1')
  socket.uncork()
  return isTaken
}
