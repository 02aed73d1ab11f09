import assert from 'node:assert/strict'
import { once } from 'node:events'
import { get } from 'node:https'
import type { RequestOptions } from 'node:https'
import type { IncomingMessage } from 'node:http'
import { connect as connectPlain } from 'node:net'
import { after, test } from 'node:test'
import { connect, createServer } from 'node:tls'
import { systemClock } from '../../src/lib/clock.ts'
import { systemRandom } from '../../src/lib/random.ts'
import { createCertificates } from '../lab/certificates.ts'
import { createPassThrough } from '../lab/pass-through.ts'
import { until } from '../lab/poll.ts'

/** The wire with TLS on both sides. */

const faults: unknown[] = []
const closers: (() => unknown)[] = []

after(async () => {
  for (const close of closers) await close()
  assert.deepEqual(faults, [], 'a callback of the wire threw')
})

const { ca, server: identity, client } = await createCertificates()
const BODY_BYTES = 6_000_000

/** An upstream that wants a client certificate; `/broken` breaks off, everything else is whole. */
async function lab(): Promise<number> {
  const upstream = createServer({ ...identity, ca, requestCert: true }, (socket) => {
    socket.on('error', () => undefined)
    socket.on('data', (bytes: Buffer) => {
      const isBroken = bytes.toString().startsWith('GET /broken')
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${BODY_BYTES}\r\n\r\n`)
      if (isBroken) socket.write('a part', () => setTimeout(() => socket.destroy(new Error('broken')), 30))
      else socket.write(Buffer.alloc(BODY_BYTES, 7))
    })
  }).listen(0, '127.0.0.1')
  await once(upstream, 'listening')
  const address = upstream.address()
  const port = typeof address === 'object' && address !== null ? address.port : assert.fail()
  const { front, pool } = createPassThrough({
    clock: systemClock,
    random: systemRandom,
    origin: { host: '127.0.0.1', port, tls: { ca, ...client, servername: 'origin.test' } },
    onFault: (error) => faults.push(error),
  })
  const listening = await front.listen({ port: 0, host: '127.0.0.1', tls: { ...identity } })
  closers.push(async () => {
    await front.close(0)
    pool.close()
    upstream.close()
  })
  return listening.port
}

async function fetched(options: RequestOptions): Promise<Buffer> {
  const [response] = (await once(get({ host: '127.0.0.1', ca, agent: false, ...options }), 'response')) as [
    IncomingMessage,
  ]
  assert.equal(response.statusCode, 200)
  return Buffer.concat(await response.toArray())
}

test('bodies pass through TLS on both sides', async () => {
  const port = await lab()
  const body = await fetched({ port, path: '/whole' })
  assert.ok(body.equals(Buffer.alloc(BODY_BYTES, 7)))
})

test('a body that breaks off is broken for the client too', async () => {
  await assert.rejects(fetched({ port: await lab(), path: '/broken' }), /aborted/)
})

test('http/1.1 is what ALPN gives', async () => {
  const socket = connect({ port: await lab(), host: '127.0.0.1', ca, ALPNProtocols: ['h2', 'http/1.1'] })
  await once(socket, 'secureConnect')
  assert.equal(socket.alpnProtocol, 'http/1.1')
  socket.destroy()
})

test('a client that does not speak TLS, or ends within the handshake, harms nobody else', async () => {
  const port = await lab()
  const socket = connectPlain({ port, host: '127.0.0.1' })
  socket.on('error', () => undefined)
  socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await until(() => socket.closed || socket.readableEnded || socket.resume().closed, { what: 'the end' })
  assert.equal((await fetched({ port, path: '/whole' })).length, BODY_BYTES)
})
