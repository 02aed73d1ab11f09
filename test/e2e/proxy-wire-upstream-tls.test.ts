import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { after, describe, test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import type { OriginTls } from '../../src/proxy/wire/upstream-socket.ts'
import { createCertificates } from '../lab/certificates.ts'
import {
  atTheEnd,
  begin,
  closeUpstreamLab,
  finished,
  outcome,
  poolFor,
  shortDeadlines,
  upstream,
} from '../lab/upstream-attempt.ts'

/** Upstreams that speak TLS, with an own authority and client certificates, and those that should and do not. */

after(async () => {
  await closeUpstreamLab()
})

const OK = 'HTTP/1.1 200 OK\r\n'

describe('over TLS', async () => {
  const { ca, server, client } = await createCertificates()
  const port = await upstream(
    (socket) => {
      const { authorized, alpnProtocol, servername } = socket as TLSSocket
      const body = JSON.stringify({ authorized, alpnProtocol, servername })
      socket.write(`${OK}Content-Length: ${body.length}\r\n\r\n${body}`)
    },
    { ...server, ca, requestCert: true, rejectUnauthorized: true, ALPNProtocols: ['http/1.1'] },
  )
  const over = (tls: OriginTls) => poolFor(port, { tls })

  test('an own authority, a client certificate and a name of its own are used, and the connection kept', async () => {
    const pool = over({ ca, ...client, servername: 'origin.test' })
    const first = await outcome(pool)
    assert.deepEqual(JSON.parse(first.content), {
      authorized: true,
      alpnProtocol: 'http/1.1',
      servername: 'origin.test',
    })
    const second = begin(pool)
    assert.equal(second.exchange.wasReused, true)
    assert.equal((await finished(second)).status, 200)
  })

  test('an authority that nobody knows fails as tls, with nothing sent', async () => {
    const { failure } = await outcome(over({ ...client, servername: 'origin.test' }))
    assert.deepEqual([failure?.kind, failure?.wasSent], ['tls', false])
  })

  test('another name in the certificate fails as tls', async () => {
    const { failure } = await outcome(over({ ca, ...client, servername: 'other.test' }))
    assert.deepEqual([failure?.kind, failure?.wasSent], ['tls', false])
  })

  test('a missing client certificate fails as tls', async () => {
    const { failure } = await outcome(over({ ca, servername: 'origin.test' }))
    assert.equal(failure?.kind, 'tls')
  })

  test('an upstream that does not speak TLS fails as tls', async () => {
    const plain = await upstream(() => undefined)
    const babbling = createServer((socket) => void socket.on('error', () => undefined).write('220 mail\r\n'))
    babbling.listen(0, '127.0.0.1')
    await once(babbling, 'listening')
    atTheEnd(() => babbling.close())
    const { failure } = await outcome(poolFor((babbling.address() as AddressInfo).port, { tls: { ca } }))
    assert.equal(failure?.kind, 'tls')
    // One that listens and says nothing is one that cannot be connected to in time.
    const silent = await outcome(poolFor(plain, { tls: { ca } }), { deadlines: shortDeadlines })
    assert.deepEqual([silent.failure?.kind, silent.failure?.wasSent], ['connect_timeout', false])
  })
})
