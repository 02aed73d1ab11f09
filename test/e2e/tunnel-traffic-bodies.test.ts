import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { request } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { json, text as textOf } from 'node:stream/consumers'
import { test } from 'node:test'
import { systemClock } from '../../src/lib/clock.ts'
import { GatewayProcess } from '../lab/gateway-process.ts'
import { until } from '../lab/poll.ts'
import { ReplicaProcess } from '../lab/replica-process.ts'
import { TrafficTunnel } from '../lab/traffic-tunnel.ts'

/** Large, endless and two-way bodies through a tunnel of a real gateway. */

const CHECKS = { TUNNEL_CHECK_SECONDS: '0.2' }
const LARGE_BYTES = 256 * 1024 * 1024
/** Whatever the length of a body, about 70 MiB of read buffers wait for the collector; a body that is kept would be all of it. */
const GROWTH_BYTES_MAX = 160 * 1024 * 1024
const PIECE = Buffer.alloc(65_536, 'holdfast ')

/** The most memory that the gateway had while `work` ran, above what it had before. */
async function growthDuring(gateway: GatewayProcess, work: () => Promise<void>): Promise<number> {
  const before = (await gateway.facts()).rssBytes
  let most = before
  let isDone = false
  const watching = until(
    async () => {
      most = Math.max(most, (await gateway.facts()).rssBytes)
      return isDone
    },
    { what: 'the end of the transfer', deadlineMs: 60_000 },
  )
  await work()
  isDone = true
  await watching
  return most - before
}

test('a download of 256 MiB arrives whole, and the gateway holds little of it though the client is slow', async () => {
  await using gateway = await GatewayProcess.start({ env: CHECKS })
  await using replica = await ReplicaProcess.start('r')
  const tunnel = await TrafficTunnel.open(gateway, [replica])
  const hash = createHash('sha256')
  let bytes = 0
  const growth = await growthDuring(gateway, async () => {
    const answer = await tunnel.ask(`/bytes/${LARGE_BYTES}`)
    assert.equal(answer.headers.get('content-length'), String(LARGE_BYTES))
    for await (const piece of answer.body as AsyncIterable<Uint8Array>) {
      const before = bytes
      bytes += piece.length
      hash.update(piece)
      // A pause every 8 MiB, in which the upstream could run ahead.
      if (bytes >> 23 !== before >> 23) await systemClock.sleep(20)
    }
  })
  assert.equal(bytes, LARGE_BYTES)
  const expected = createHash('sha256')
  for (let left = LARGE_BYTES; left > 0; left -= PIECE.length) expected.update(PIECE)
  assert.equal(hash.digest('hex'), expected.digest('hex'))
  assert.ok(growth < GROWTH_BYTES_MAX, `grew by ${Math.round(growth / 2 ** 20)} MiB`)
})

test('an upload of 256 MiB arrives whole, and the gateway holds little of it', async () => {
  await using gateway = await GatewayProcess.start({ env: CHECKS })
  await using replica = await ReplicaProcess.start('r')
  const tunnel = await TrafficTunnel.open(gateway, [replica])
  const hash = createHash('sha256')
  let answer: { bytes: number; sha256: string } | undefined
  const growth = await growthDuring(gateway, async () => {
    const sent = request(tunnel.url('/upload'), { method: 'POST' })
    const answered = once(sent, 'response')
    for (let left = LARGE_BYTES; left > 0; left -= PIECE.length) {
      hash.update(PIECE)
      if (!sent.write(PIECE)) await once(sent, 'drain')
    }
    sent.end()
    const [response] = (await answered) as [IncomingMessage]
    answer = (await json(response)) as typeof answer
  })
  assert.deepEqual(answer, { bytes: LARGE_BYTES, sha256: hash.digest('hex') })
  assert.ok(growth < GROWTH_BYTES_MAX, `grew by ${Math.round(growth / 2 ** 20)} MiB`)
})

test('a client that leaves has its request at the endpoint cancelled, before the answer and within it', async () => {
  await using gateway = await GatewayProcess.start({ env: CHECKS })
  await using replica = await ReplicaProcess.start('r')
  const tunnel = await TrafficTunnel.open(gateway, [replica])
  const leaving = new AbortController()
  const answer = await tunnel.ask('/events', { signal: leaving.signal })
  await answer.body?.getReader().read()
  leaving.abort()
  await until(async () => (await replica.cancelled()) === 1, { what: 'the end of the events at the replica' })
  const early = new AbortController()
  const asked = tunnel.ask('/silent', { signal: early.signal })
  await until(async () => (await replica.seen()).some(({ url }) => url === '/silent'), { what: 'the request' })
  early.abort()
  await assert.rejects(asked)
  await until(async () => (await replica.cancelled()) === 2, { what: 'the end of the silent request at the replica' })
  assert.equal(await tunnel.health(0), 'healthy')
})

test('events arrive as they are sent, and an answer that breaks off does not end as if it were whole', async () => {
  await using gateway = await GatewayProcess.start({ env: CHECKS })
  await using replica = await ReplicaProcess.start('r')
  const tunnel = await TrafficTunnel.open(gateway, [replica])
  const answer = await tunnel.ask('/events')
  assert.equal(answer.headers.get('content-type'), 'text/event-stream')
  const reader = answer.body?.getReader()
  const first = (await reader?.read())?.value as Uint8Array | undefined
  assert.match(new TextDecoder().decode(first), /^id: 0\ndata: r\n\n/)
  await replica.kill()
  await assert.rejects(async () => {
    for (;;) if ((await reader?.read())?.done !== false) return
  })
})

test('a WebSocket is passed through both ways, and ends when its endpoint dies', async () => {
  await using gateway = await GatewayProcess.start({
    env: { ...CHECKS, API_TOKEN: 'lab-token-0123456789' },
    token: 'lab-token-0123456789',
  })
  await using replica = await ReplicaProcess.start('r')
  const tunnel = await TrafficTunnel.open(gateway, [replica])
  const url = `${tunnel.url('/socket').replace('http', 'ws')}?room=1`
  const refused = new WebSocket(url)
  await once(refused, 'error')
  const socket = new WebSocket(`${url}&api_token=lab-token-0123456789`)
  await once(socket, 'open')
  for (const text of ['one', 'two']) {
    socket.send(text)
    const [message] = (await once(socket, 'message')) as [MessageEvent]
    assert.equal(message.data, text)
  }
  const seen = (await replica.seen()).at(-1)
  assert.equal(seen?.url, '/socket?room=1')
  const inFlight = async () => (await gateway.api.call('GET', '/metrics')).text
  assert.match(await inFlight(), /holdfast_tunnel_requests_in_flight 1/)
  const closed = once(socket, 'close')
  await replica.kill()
  await closed
  await until(async () => /holdfast_tunnel_requests_in_flight 0/.test(await inFlight()), { what: 'its place again' })
})

test('a gateway that is asked to end does not wait for a WebSocket', async () => {
  await using gateway = await GatewayProcess.start({ env: CHECKS })
  await using replica = await ReplicaProcess.start('r')
  const tunnel = await TrafficTunnel.open(gateway, [replica])
  const socket = new WebSocket(tunnel.url('/socket').replace('http', 'ws'))
  await once(socket, 'open')
  const closed = once(socket, 'close')
  assert.equal(await gateway.kill('SIGTERM'), 0)
  await closed
})

test('an upgrade that the endpoint does not want is answered as any other request', async () => {
  await using gateway = await GatewayProcess.start({ env: CHECKS })
  await using replica = await ReplicaProcess.start('r')
  const tunnel = await TrafficTunnel.open(gateway, [replica])
  await replica.kill()
  const fields = 'Connection: Upgrade\r\nUpgrade: websocket\r\n'
  const text = await exchange(gateway, `GET /t/${tunnel.id}/socket HTTP/1.1\r\nHost: localhost\r\n${fields}\r\n`)
  assert.match(text, /^HTTP\/1\.1 502 .*application\/problem\+json/s)
  // With a body it is no upgrade at all.
  await replica.up()
  const body = `POST /t/${tunnel.id}/upload HTTP/1.1\r\nHost: localhost\r\n${fields}Content-Length: 2\r\n\r\nhi`
  assert.match(await exchange(gateway, body, /"bytes":2/), /^HTTP\/1\.1 200 /)
})

test('a body that waits for 100 Continue is asked for when an endpoint wants it', async () => {
  await using gateway = await GatewayProcess.start({ env: CHECKS })
  await using replica = await ReplicaProcess.start('r')
  const tunnel = await TrafficTunnel.open(gateway, [replica])
  const sent = request(tunnel.url('/upload'), {
    method: 'PUT',
    headers: { expect: '100-continue', 'content-length': 4 },
  })
  sent.flushHeaders()
  await once(sent, 'continue')
  const answered = once(sent, 'response')
  sent.end('body')
  const [response] = (await answered) as [IncomingMessage]
  assert.match(await textOf(response), /"bytes":4/)
})

test('requests on one connection are answered in their order, trailers and chunks included', async () => {
  await using gateway = await GatewayProcess.start({ env: CHECKS })
  await using replica = await ReplicaProcess.start('r')
  const tunnel = await TrafficTunnel.open(gateway, [replica])
  const chunked = `PUT /t/${tunnel.id}/upload HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n`
  const get = (path: string) => `GET /t/${tunnel.id}${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`
  const text = await exchange(gateway, chunked + get('/bytes/5') + get('/who'), /\r\nr$|\r\n1\r\nr\r\n0\r\n\r\n$/)
  const at = ['"bytes":3', '\r\n\r\nholdf', 'X-Replica: r'].map((part) =>
    text.toLowerCase().indexOf(part.toLowerCase()),
  )
  assert.ok(
    at.every((place, index) => place > (at[index - 1] ?? 0)),
    text,
  )
})

test('a request with two lengths goes nowhere', async () => {
  await using gateway = await GatewayProcess.start({ env: CHECKS })
  await using replica = await ReplicaProcess.start('r')
  const tunnel = await TrafficTunnel.open(gateway, [replica])
  const head = `POST /t/${tunnel.id}/upload HTTP/1.1\r\nHost: localhost\r\n`
  for (const fields of [
    'Content-Length: 4\r\nTransfer-Encoding: chunked\r\n',
    'Content-Length: 4\r\nContent-Length: 5\r\n',
    'Transfer-Encoding: chunked, identity\r\n',
  ]) {
    assert.match(await exchange(gateway, `${head}${fields}\r\n0\r\n\r\n`), /^HTTP\/1\.1 400 /, fields)
  }
  assert.deepEqual(await replica.seen(), [])
})

/** Writes text to the gateway and gives what comes back until `done` fits or the connection ends. */
async function exchange(gateway: GatewayProcess, text: string, done?: RegExp): Promise<string> {
  const socket: Socket = connect(gateway.port, '127.0.0.1')
  let got = ''
  socket.on('data', (piece: Buffer) => {
    got += piece.toString('latin1')
    if (done?.test(got) === true) socket.destroy()
  })
  socket.on('error', ignore)
  socket.write(text)
  await until(() => socket.destroyed, { what: 'the answer', evidence: () => got })
  return got
}

function ignore(): void {
  // What matters is that it came to an end.
}
