import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { FaultUpstream } from '../lab/fault-upstream.ts'
import { GatewayProcess } from '../lab/gateway-process.ts'
import { until } from '../lab/poll.ts'
import { ReplicaProcess } from '../lab/replica-process.ts'
import { ask } from '../lab/service-load.ts'
import { TrafficTunnel } from '../lab/traffic-tunnel.ts'

/** WebSockets and events through services and tunnels of a real gateway. */

interface StatusAnswer {
  readonly endpoints: readonly { readonly id: string; readonly inFlight: number }[]
}

interface EndpointInput {
  readonly id: string
  readonly url: string
  readonly [field: string]: unknown
}

/** Makes a service and gives its URL. */
async function openService(
  gateway: GatewayProcess,
  endpoints: readonly EndpointInput[],
  more: object = {},
): Promise<string> {
  const answer = await gateway.api.call<{ readonly addresses: readonly string[] }>('POST', '/api/services', {
    ...{ id: 's', listeners: [{ port: 0 }], strategy: { kind: 'active_passive' }, endpoints },
    ...more,
  })
  assert.equal(answer.status, 201, answer.text)
  return `http://${answer.body.addresses[0]}`
}

async function openSocket(url: string): Promise<WebSocket> {
  const socket = new WebSocket(url.replace('http', 'ws'))
  await once(socket, 'open')
  return socket
}

async function echo(socket: WebSocket, text: string): Promise<unknown> {
  const answered = once(socket, 'message') as Promise<[MessageEvent]>
  socket.send(text)
  return (await answered)[0].data
}

const inFlight = async (gateway: GatewayProcess) =>
  (await gateway.api.get<StatusAnswer>('/api/services/s/status')).endpoints.map((endpoint) => endpoint.inFlight)

test('a WebSocket that the first endpoint fails is opened with the second, and the client sees one handshake', async () => {
  for (const kind of ['refuse', 'reset_before_response', 'status'] as const) {
    await using gateway = await GatewayProcess.start()
    await using bad = await FaultUpstream.start('bad')
    await using good = await ReplicaProcess.start('good')
    await bad.become(kind === 'status' ? { kind, status: 503 } : { kind })
    const url = await openService(gateway, [
      { id: 'bad', url: bad.url, priority: 2 },
      { id: 'good', url: good.url, priority: 1 },
    ])
    const socket = await openSocket(`${url}/socket`)
    assert.equal(await echo(socket, 'hello'), 'hello', kind)
    if (kind !== 'refuse') assert.equal(bad.requests.length, 1, 'the first was asked')
    socket.close()
  }
})

test('through a tunnel too', async () => {
  await using gateway = await GatewayProcess.start({ env: { TUNNEL_CHECK_SECONDS: '60' } })
  await using first = await ReplicaProcess.start('first')
  await using second = await ReplicaProcess.start('second')
  const tunnel = await TrafficTunnel.open(gateway, [first, second], { priorities: [2, 1] })
  await first.kill()
  const socket = await openSocket(tunnel.url('/socket'))
  assert.equal(await echo(socket, 'hello'), 'hello')
  assert.equal((await second.seen()).at(-1)?.url, '/socket')
  const closed = once(socket, 'close')
  await second.kill()
  await closed
})

test('events go on from the second endpoint when the first dies before they begin, and are cut when it dies within', async () => {
  await using gateway = await GatewayProcess.start()
  await using first = await ReplicaProcess.start('first')
  await using second = await ReplicaProcess.start('second')
  const url = await openService(gateway, [
    { id: 'first', url: first.url, priority: 2 },
    { id: 'second', url: second.url, priority: 1 },
  ])
  await first.kill()
  const answer = await fetch(`${url}/events`)
  assert.equal(answer.headers.get('content-type'), 'text/event-stream')
  const reader = answer.body?.getReader()
  const piece = (await reader?.read())?.value as Uint8Array | undefined
  assert.match(new TextDecoder().decode(piece), /^id: 0\ndata: second\n/)
  await second.kill()
  await assert.rejects(async () => {
    for (;;) if ((await reader?.read())?.done !== false) return
  })
})

test('open WebSockets count for the limits of their endpoint and of the service, and free their places', async () => {
  await using gateway = await GatewayProcess.start()
  await using a = await ReplicaProcess.start('a')
  await using b = await ReplicaProcess.start('b')
  const url = await openService(
    gateway,
    [
      { id: 'a', url: a.url, priority: 2, maxConcurrency: 2 },
      { id: 'b', url: b.url, priority: 1, maxConcurrency: 1 },
    ],
    { maxConcurrency: 3 },
  )
  const sockets = [await openSocket(`${url}/1`), await openSocket(`${url}/2`)]
  assert.deepEqual(await inFlight(gateway), [2, 0])
  assert.equal((await ask(`${url}/who`)).body, 'b', 'the first endpoint is full')
  await until(async () => (await inFlight(gateway))[1] === 0, { what: 'the place of that request' })
  sockets.push(await openSocket(`${url}/3`))
  assert.deepEqual(await inFlight(gateway), [2, 1])
  assert.equal((await ask(`${url}/who`)).status, 503, 'the service is full')
  for (const socket of sockets) assert.equal(await echo(socket, 'still there'), 'still there')
  sockets[0]?.close()
  await until(async () => (await inFlight(gateway))[0] === 1, { what: 'a free place' })
  assert.equal((await ask(`${url}/who`)).body, 'a')
  for (const socket of sockets) socket.close()
  await until(async () => (await inFlight(gateway)).every((count) => count === 0), { what: 'all places free' })
})

test('a drained endpoint keeps its WebSockets, shows them, and gets no new ones', async () => {
  await using gateway = await GatewayProcess.start()
  await using a = await ReplicaProcess.start('a')
  await using b = await ReplicaProcess.start('b')
  const url = await openService(gateway, [
    { id: 'a', url: a.url, priority: 2 },
    { id: 'b', url: b.url, priority: 1 },
  ])
  const old = await openSocket(`${url}/old`)
  await gateway.api.call('POST', '/api/services/s/endpoints/a/drain')
  const young = await openSocket(`${url}/young`)
  assert.deepEqual(await inFlight(gateway), [1, 1])
  assert.equal(await echo(old, 'old'), 'old')
  assert.deepEqual(
    (await b.seen()).map((request) => request.url),
    ['/young'],
  )
  old.close()
  young.close()
  await until(async () => (await inFlight(gateway)).every((count) => count === 0), { what: 'all places free' })
})

test('a WebSocket goes through the change of its service, and ends with its listener and with the gateway', async () => {
  await using gateway = await GatewayProcess.start()
  await using a = await ReplicaProcess.start('a')
  const url = await openService(gateway, [{ id: 'a', url: a.url }])
  const socket = await openSocket(`${url}/1`)
  const changed = await gateway.api.call('PATCH', '/api/services/s', { retry: { max: 1 } })
  assert.equal(changed.status, 200, changed.text)
  assert.equal(await echo(socket, 'same'), 'same')
  const closed = once(socket, 'close')
  const removed = await gateway.api.call('DELETE', '/api/services/s')
  assert.equal(removed.status, 204, removed.text)
  await closed
  const again = await openService(gateway, [{ id: 'a', url: a.url }])
  const last = await openSocket(`${again}/2`)
  const ended = once(last, 'close')
  assert.equal(await gateway.kill('SIGTERM'), 0)
  await ended
})
