import { once } from 'node:events'
import { createServer } from 'node:net'
import type { Server } from 'node:net'

/**
 * A port that is closed and opened again can be lost in between to whoever asks the system for any port. The system takes
 * those from a range of its own (32768 and up on Linux, ip_local_port_range), so what has to come back to its port gets one
 * below it. Every process has a slice of them.
 */
const FIRST_PORT = 10_000
const SLICES = 88
const SLICE_PORTS = 256
const HOST = '127.0.0.1'

let next = Math.floor(Math.random() * SLICE_PORTS)

/** Lets a server listen on such a port on loopback, another one each time, and returns the port. */
export async function listenSteadily(server: Server): Promise<number> {
  for (let tries = 0; tries < SLICE_PORTS; tries += 1) {
    next = (next + 1) % SLICE_PORTS
    const port = FIRST_PORT + (process.pid % SLICES) * SLICE_PORTS + next
    server.listen(port, HOST)
    try {
      await once(server, 'listening')
      return port
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    }
  }
  throw new Error(`none of ${SLICE_PORTS} ports is free`)
}

/** A port of TCP on loopback for a process that cannot be told to choose one itself: free, and nobody else is given it. */
export async function steadyPort(): Promise<number> {
  const server = createServer()
  const port = await listenSteadily(server)
  const closed = once(server, 'close')
  server.close()
  await closed
  return port
}
