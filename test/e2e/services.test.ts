import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FaultUpstream } from '../lab/fault-upstream.ts'
import { GatewayProcess } from '../lab/gateway-process.ts'
import { until } from '../lab/poll.ts'
import { ask, ServiceLoad } from '../lab/service-load.ts'

interface ServiceAnswer {
  readonly id: string
  readonly addresses: readonly string[]
}

interface StatusAnswer {
  readonly activeEndpointId: string | null
  readonly endpoints: readonly { readonly id: string; readonly health: string; readonly inFlight: number }[]
  readonly receipts: readonly { readonly cause: string; readonly to: { readonly endpoint_id: string } }[]
}

/** Upstreams; each says who it is in X-Upstream. */
async function upstreams(...names: readonly string[]): Promise<readonly FaultUpstream[]> {
  return Promise.all(names.map(async (name) => FaultUpstream.start(name)))
}

/** Makes a service on a port of its own and gives its URL. */
async function makeService(gateway: GatewayProcess, definition: Readonly<Record<string, unknown>>): Promise<string> {
  const answer = await gateway.api.call<ServiceAnswer>('POST', '/api/services', {
    listeners: [{ port: 0 }],
    ...definition,
  })
  assert.equal(answer.status, 201, answer.text)
  return `http://${answer.body.addresses[0]}/`
}

async function statusOf(gateway: GatewayProcess, id: string): Promise<StatusAnswer> {
  return gateway.api.get<StatusAnswer>(`/api/services/${id}/status`)
}

test('active-passive: everything goes to the best that works, and back again, and no client sees a failure', async () => {
  await using gateway = await GatewayProcess.start()
  const [a, b] = await upstreams('a', 'b')
  assert.ok(a !== undefined && b !== undefined)
  await using _a = a
  await using _b = b
  const url = await makeService(gateway, {
    id: 'pair',
    strategy: { kind: 'active_passive' },
    endpoints: [
      { id: 'a', url: a.url, priority: 2 },
      { id: 'b', url: b.url, priority: 1 },
    ],
    healthCheck: { kind: 'http', path: '/health', intervalMs: 100, timeoutMs: 10_000 },
    failback: { mode: 'auto', probationMs: 500, holdDownMs: 500 },
  })
  await using load = new ServiceLoad(url, 4)
  const answeredBy = () => load.answers.at(-1)?.headers['x-upstream']
  await until(() => load.answers.length > 50, { what: 'answers' })
  assert.ok(load.answers.every(({ headers }) => headers['x-upstream'] === 'a'))
  await a.become({ kind: 'refuse' })
  await until(() => answeredBy() === 'b', { what: 'the failover' })
  await until(async () => (await statusOf(gateway, 'pair')).activeEndpointId === 'b', { what: 'b on air' })
  await a.become({ kind: 'ok' })
  await until(async () => (await statusOf(gateway, 'pair')).activeEndpointId === 'a', {
    what: 'the failback',
    deadlineMs: 20_000,
  })
  await until(() => answeredBy() === 'a', { what: 'answers of a' })
  await load.stop()
  assert.deepEqual(load.failed, [])
  const { receipts } = await statusOf(gateway, 'pair')
  assert.deepEqual(
    receipts.map(({ cause, to }) => [cause, to.endpoint_id]),
    [
      ['failback', 'a'],
      ['failover', 'b'],
    ],
  )
  const types = async () => {
    const { events } = await gateway.api.get<{ events: readonly { event_type: string }[] }>('/events?limit=50')
    return new Set(events.map(({ event_type: type }) => type))
  }
  for (const type of ['service_created', 'service_switched', 'endpoint_health_changed']) {
    await until(async () => (await types()).has(type), { what: `the event ${type}` })
  }
})

test('active-active: a key stays where it is; losing one of four moves its own keys only', async () => {
  await using gateway = await GatewayProcess.start()
  const all = await upstreams('a', 'b', 'c', 'd')
  const url = await makeService(gateway, {
    id: 'spread',
    strategy: { kind: 'active_active', hash: { kind: 'header', name: 'X-User' }, loadFactor: 100 },
    endpoints: all.map(({ name, url }) => ({ id: name, url })),
  })
  const homes = async () => {
    const found = new Map<string, string>()
    for (let user = 0; user < 200; user += 1) {
      const answer = await ask(url, { 'x-user': `user-${user}` })
      assert.equal(answer.status, 200)
      found.set(`user-${user}`, String(answer.headers['x-upstream']))
    }
    return found
  }
  const before = await homes()
  assert.deepEqual(await homes(), before, 'the same keys, the same endpoints')
  assert.equal(new Set(before.values()).size, 4)
  const answer = await gateway.api.call('DELETE', '/api/services/spread/endpoints/c')
  assert.equal(answer.status, 204)
  const after = await homes()
  for (const [user, home] of before) {
    if (home === 'c') assert.notEqual(after.get(user), 'c')
    else assert.equal(after.get(user), home, `${user} moved though its endpoint is there`)
  }
  for (const upstream of all) await upstream[Symbol.asyncDispose]()
})

test('active-active without a key goes round by weight', async () => {
  await using gateway = await GatewayProcess.start()
  const all = await upstreams('a', 'b', 'c')
  const url = await makeService(gateway, {
    id: 'round',
    endpoints: all.map(({ name, url }) => ({ id: name, url, weight: name === 'b' ? 2 : 1 })),
    slowStartMs: 0,
  })
  for (let count = 0; count < 30; count += 1) await ask(url)
  const from = all.map(({ requests }) => requests.length)
  for (let count = 0; count < 200; count += 1) await ask(url)
  const shares = all.map(({ requests }, index) => requests.length - (from[index] ?? 0))
  for (const [index, wanted] of [50, 100, 50].entries()) {
    assert.ok(Math.abs((shares[index] ?? 0) - wanted) <= 2, `1:2:1 gave ${shares.join(':')}`)
  }
  for (const upstream of all) await upstream[Symbol.asyncDispose]()
})

test('edits, new ports and endpoints that go away under load cost nobody a request', async () => {
  await using gateway = await GatewayProcess.start()
  const [a, b, c] = await upstreams('a', 'b', 'c')
  assert.ok(a !== undefined && b !== undefined && c !== undefined)
  const url = await makeService(gateway, { id: 'busy', endpoints: [{ id: 'a', url: a.url }] })
  await using load = new ServiceLoad(`${url}bytes/100000`, 8)
  await until(() => load.answers.length > 20, { what: 'answers' })
  const edits: readonly (readonly [method: string, path: string, body?: unknown])[] = [
    ['POST', '/endpoints', { id: 'b', url: b.url }],
    ['PATCH', '', { strategy: { kind: 'active_passive' } }],
    ['DELETE', '/endpoints/a'],
    ['PATCH', '', { strategy: { kind: 'geographic' }, timeouts: { idleMs: 5_000 }, healthCheck: { kind: 'tcp' } }],
    ['PATCH', '/endpoints/b', { url: c.url, weight: 3 }],
    ['POST', '/endpoints', { id: 'a', url: a.url, drain: true }],
    ['PATCH', '', { listeners: [{ port: 0 }, { port: 0 }], name: 'busy' }],
    ['PATCH', '', { listeners: [{ port: 0 }], strategy: null, healthCheck: null }],
  ]
  for (const round of [1, 2, 3]) {
    for (const [method, path, body] of edits) {
      const answer = await gateway.api.call(method, `/api/services/busy${path}`, body)
      assert.ok(answer.status < 300, `${method} ${path} in round ${round}: ${answer.text}`)
      const soFar = load.answers.length
      await until(() => load.answers.length > soFar + 16, { what: 'more answers' })
    }
    await gateway.api.call('DELETE', '/api/services/busy/endpoints/b')
  }
  await load.stop()
  assert.deepEqual(load.failed, [])
  assert.ok(
    load.answers.every(({ body }) => body.length === 100_000),
    'an answer was cut short',
  )
  await until(async () => (await statusOf(gateway, 'busy')).endpoints.every(({ inFlight }) => inFlight === 0), {
    what: 'no request being under way',
  })
  for (const upstream of [a, b, c]) await upstream[Symbol.asyncDispose]()
})

test('geographic: the request’s own region first, then the others in their order', async () => {
  await using gateway = await GatewayProcess.start({ env: { REGION: 'eu' } })
  const [eu, us, asia] = await upstreams('eu', 'us', 'asia')
  assert.ok(eu !== undefined && us !== undefined && asia !== undefined)
  const url = await makeService(gateway, {
    id: 'world',
    strategy: { kind: 'geographic', region: { kind: 'header', name: 'x-region' }, regions: ['us', 'asia', 'eu'] },
    endpoints: [eu, us, asia].map(({ name, url }) => ({ id: name, url, region: name })),
  })
  const whereTo = async (headers: Record<string, string> = {}) => (await ask(url, headers)).headers['x-upstream']
  assert.equal(await whereTo(), 'eu', 'without a header the region of the gateway')
  assert.equal(await whereTo({ 'x-region': 'asia' }), 'asia')
  assert.equal(await whereTo({ 'x-region': 'mars' }), 'us')
  await asia.become({ kind: 'refuse' })
  assert.equal(await whereTo({ 'x-region': 'asia' }), 'us')
  await us.become({ kind: 'refuse' })
  assert.equal(await whereTo({ 'x-region': 'asia' }), 'eu')
  for (const upstream of [eu, us, asia]) await upstream[Symbol.asyncDispose]()
})

test('a pin holds whatever the health and ends by itself; a drained endpoint gets nothing new', async () => {
  await using gateway = await GatewayProcess.start()
  const [a, b] = await upstreams('a', 'b')
  assert.ok(a !== undefined && b !== undefined)
  const url = await makeService(gateway, {
    id: 'pinned',
    strategy: { kind: 'active_passive' },
    healthCheck: { kind: 'tcp', intervalMs: 100 },
    failback: { mode: 'auto', probationMs: 200, holdDownMs: 200 },
    endpoints: [
      { id: 'a', url: a.url, priority: 2 },
      { id: 'b', url: b.url, priority: 1 },
    ],
  })
  const whereTo = async () => (await ask(url)).headers['x-upstream']
  assert.equal(await whereTo(), 'a')
  const wrong = await gateway.api.call('POST', '/api/services/pinned/pin', { endpointId: 'z' })
  assert.equal(wrong.status, 404)
  assert.match(wrong.text, /there are a, b/)
  await gateway.api.call('POST', '/api/services/pinned/pin', { endpointId: 'b', ttlSeconds: 3 })
  assert.equal(await whereTo(), 'b')
  await until(async () => (await whereTo()) === 'a', { what: 'the end of the pin' })
  await gateway.api.call('POST', '/api/services/pinned/endpoints/a/drain')
  const drained = a.requests.length
  for (let count = 0; count < 20; count += 1) assert.equal(await whereTo(), 'b')
  assert.equal(a.requests.length, drained)
  await gateway.api.call('DELETE', '/api/services/pinned/endpoints/a/drain')
  await until(async () => (await whereTo()) === 'a', { what: 'requests for a again' })
  for (const upstream of [a, b]) await upstream[Symbol.asyncDispose]()
})

test('an endpoint that says that it is not ready gets no more requests, though it answers them', async () => {
  await using gateway = await GatewayProcess.start()
  await using a = await FaultUpstream.start('a')
  await using b = await FaultUpstream.start('b')
  await a.become({
    kind: 'custom',
    answer: (socket, { target }) => {
      const status = target === '/ready' ? '503 Not Ready' : '200 OK'
      socket.write(`HTTP/1.1 ${status}\r\nX-Upstream: a\r\nContent-Length: 0\r\n\r\n`)
    },
  })
  const url = await makeService(gateway, {
    id: 'unready',
    endpoints: [a, b].map(({ name, url }) => ({ id: name, url })),
    healthCheck: { kind: 'http', path: '/ready', intervalMs: 100, timeoutMs: 10_000 },
  })
  await using load = new ServiceLoad(url, 4)
  await until(async () => (await statusOf(gateway, 'unready')).endpoints[0]?.health === 'unhealthy', {
    what: 'the end of an endpoint that is not ready',
  })
  const from = load.answers.length + 4
  await until(() => load.answers.length > from + 100, { what: 'more answers' })
  await load.stop()
  assert.deepEqual(load.failed, [])
  assert.ok(load.answers.slice(from).every(({ headers }) => headers['x-upstream'] === 'b'))
})

test('an endpoint whose live playlist stands still is left although it answers 200', async () => {
  await using gateway = await GatewayProcess.start()
  const frozen = '#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:1\n#EXTINF:1,\n1.ts\n'
  let sequence = 1
  const answer = (next: () => string) =>
    ({
      kind: 'custom',
      answer: (socket) => {
        const text = next()
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${text.length}\r\n\r\n${text}`)
      },
    }) as const satisfies Parameters<FaultUpstream['become']>[0]
  await using a = await FaultUpstream.start('a')
  await using b = await FaultUpstream.start('b')
  await a.become(answer(() => frozen))
  await b.become(answer(() => frozen.replaceAll('1.ts', `${(sequence += 1)}.ts`)))
  await makeService(gateway, {
    id: 'live',
    strategy: { kind: 'active_passive' },
    endpoints: [
      { id: 'a', url: a.url, priority: 2 },
      { id: 'b', url: b.url, priority: 1 },
    ],
    frozenPlaylist: { path: '/live.m3u8', targetDurations: 2 },
  })
  await until(async () => (await statusOf(gateway, 'live')).activeEndpointId === 'b', {
    what: 'leaving the frozen one',
  })
  for (const [index, health] of ['unhealthy', 'healthy'].entries()) {
    await until(async () => (await statusOf(gateway, 'live')).endpoints[index]?.health === health, {
      what: `the endpoint ${index} being ${health}`,
    })
  }
})
