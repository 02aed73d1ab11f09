import { once } from 'node:events'
import { connect } from 'node:net'
import type { Socket } from 'node:net'

/**
 * Opens connections to a port, as many of those asked for as the system allows, has each served once, and holds them. Tells
 * its parent how many there are. Arguments: port, count.
 */

const [port = 0, count = 0] = process.argv.slice(2).map(Number)
const BATCH = 200
const REQUEST = 'GET / HTTP/1.1\r\nHost: idle\r\n\r\n'
const open: Socket[] = []

async function openOne(): Promise<void> {
  const socket = connect({ port, host: '127.0.0.1' })
  try {
    await once(socket, 'connect')
    socket.write(REQUEST)
    await once(socket, 'data')
    socket.resume()
    socket.on('error', () => undefined)
    open.push(socket)
  } catch {
    socket.destroy()
  }
}

for (let index = 0; index < count; index += BATCH) {
  const before = open.length
  await Promise.all(Array.from({ length: Math.min(BATCH, count - index) }, openOne))
  if (open.length === before) break
}
process.send?.(open.length)
