import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { test } from 'node:test'
import { resetSocket } from './reset-socket.ts'

/** Two ends of one connection, of which the client reads nothing. */
async function pair(): Promise<{ readonly server: Socket; readonly client: Socket; readonly end: () => void }> {
  const listener = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const accepted = once(listener, 'connection')
  const client = connect((listener.address() as AddressInfo).port, '127.0.0.1')
  client.on('error', () => {})
  const [server] = (await accepted) as [Socket]
  server.on('error', () => {})
  const end = () => {
    client.destroy()
    listener.close()
  }
  return { server, client, end }
}

for (const hasEnded of [false, true]) {
  test(`closes a connection ${hasEnded ? 'whose end waits behind bytes that nobody takes' : 'that is open'}`, async () => {
    const { server, client, end } = await pair()
    client.pause()
    server.write(Buffer.alloc(32 * 1024 * 1024))
    if (hasEnded) server.end()
    const closed = once(server, 'close')
    resetSocket(server)
    await closed
    assert.equal(server.destroyed, true)
    end()
  })
}

test('no socket is nothing to close', () => {
  assert.doesNotThrow(() => {
    resetSocket(null)
    resetSocket(undefined)
  })
})
