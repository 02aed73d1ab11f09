import type { Socket } from 'node:net'
import type { RawSocket } from './front-exchange.ts'
import { Deadline } from './timer-wheel.ts'
import type { TimerWheel } from './timer-wheel.ts'

export interface JoinOptions {
  readonly wheel: TimerWheel
  /** Silence in both directions after which both are closed. */
  readonly idleMs: number
  /** Both sockets are closed. Called once. */
  readonly onClosed?: () => void
}

/**
 * Passes the bytes of two switched connections on to each other until one of them ends: what each sent beyond its head
 * first, no faster than the other reads, an end as an end and a reset as a reset. The returned function closes both.
 */
export function joinSockets(left: RawSocket, right: RawSocket, { wheel, idleMs, onClosed }: JoinOptions): () => void {
  const sockets = [left.socket, right.socket]
  const closeBoth = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  const deadline = new Deadline(closeBoth)
  const touch = (): void => wheel.arm(deadline, idleMs)
  let open = sockets.length
  const onClose = (): void => {
    open -= 1
    closeBoth()
    if (open > 0) return
    wheel.remove(deadline)
    onClosed?.()
  }
  for (const socket of sockets) {
    // An error is followed by the close, which is what counts.
    socket.on('error', closeBoth)
    if (socket.destroyed) process.nextTick(onClose)
    else socket.once('close', onClose)
  }
  touch()
  pass(left, right.socket, touch)
  pass(right, left.socket, touch)
  return closeBoth
}

function pass(from: RawSocket, to: Socket, touch: () => void): void {
  const { socket, leftover } = from
  if (leftover.length > 0) to.write(leftover)
  socket.on('data', (piece: Buffer) => {
    touch()
    if (!to.write(piece)) socket.pause()
  })
  to.on('drain', () => {
    touch()
    socket.resume()
  })
  socket.on('end', () => to.end())
  socket.resume()
}
