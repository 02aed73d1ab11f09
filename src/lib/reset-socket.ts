import type { Socket } from 'node:net'

/**
 * Ends a connection with a reset, so that the peer knows that what it got is not complete. A socket whose end has begun
 * cannot be reset any more: libuv refuses to, and the socket would stay open for ever, so it is destroyed.
 */
export function resetSocket(socket: Socket | null | undefined): void {
  if (socket === null || socket === undefined) return
  if (socket.writableEnded) socket.destroy()
  else socket.resetAndDestroy()
}
