import type { ServerResponse } from 'node:http'
import type { Clock } from '../../lib/clock.ts'

/** Ends a connection whose client has been given something and has taken no byte of it for `stallMs`. */
export function dropWhenStalled(
  response: ServerResponse,
  { clock, stallMs }: { readonly clock: Clock; readonly stallMs: number },
): void {
  const { socket } = response
  if (socket === null) return
  const taken = () => socket.bytesWritten - socket.writableLength
  let seenBytes = taken()
  const look = () => {
    if (taken() === seenBytes && socket.writableLength > 0) {
      response.destroy()
      return
    }
    seenBytes = taken()
    timer = clock.schedule(stallMs, look)
  }
  let timer = clock.schedule(stallMs, look)
  response.once('close', () => timer.cancel())
}
