import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { createAccess } from '../http/access.ts'
import { createServer } from '../http/server.ts'
import { systemClock } from '../lib/clock.ts'
import { silentLog } from '../lib/log.ts'
import { seededRandom } from '../lib/random.ts'
import { createMemoryStore } from '../store/memory.ts'
import { eventRoutes } from './api.ts'
import { createJournal } from './journal.ts'
import { createLiveEvents } from './live.ts'
import { startReceiver, until } from './webhook-receiver.fixture.ts'
import { openWebhooks } from './webhooks.ts'

type Body = Record<string, unknown>

async function startBench() {
  const store = createMemoryStore()
  const clock = systemClock
  const log = silentLog
  const journal = createJournal({ store, clock, log, keepEvents: 1_000 })
  const webhooks = await openWebhooks({ store, journal, clock, random: seededRandom(1), log })
  const live = createLiveEvents({ journal, clock, log })
  const server = await createServer({
    rootPath: '/m3u-proxy',
    documents: { docsUrl: '/docs', redocUrl: '/redoc', openapiUrl: '/openapi.json' },
    version: '1.2.3',
    access: createAccess({ mode: { kind: 'token', token: 'the-token' }, requireViewerToken: false, secret: 's' }),
    trustProxy: false,
    clock,
    log,
    groups: [eventRoutes({ journal, webhooks, live })],
  })
  const call = async (method: 'GET' | 'POST' | 'DELETE', url: string, payload?: unknown) => {
    const answer = await server.app.inject({
      method,
      url,
      headers: { 'x-api-token': 'the-token', 'content-type': 'application/json' },
      ...(payload === undefined ? {} : { payload: typeof payload === 'string' ? payload : JSON.stringify(payload) }),
    })
    return { status: answer.statusCode, body: answer.json<Body>() }
  }
  return {
    journal,
    webhooks,
    live,
    server,
    call,
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]()
      await webhooks[Symbol.asyncDispose]()
      await journal[Symbol.asyncDispose]()
    },
  }
}

test('a webhook is registered as m3u-proxy does it, listed without headers and secrets, and removed', async () => {
  await using bench = await startBench()
  const url = 'http://receiver.example/webhook'
  const registered = await bench.call('POST', '/webhooks', {
    url,
    events: ['FAILOVER_TRIGGERED', 'STREAM_FAILED'],
    headers: { authorization: 'Bearer hidden' },
  })
  assert.equal(registered.status, 200)
  const { secret, ...answer } = registered.body
  assert.match(String(secret), /^[\w-]{43}$/)
  assert.deepEqual(answer, {
    message: 'Webhook registered',
    webhook_url: url,
    events: ['FAILOVER_TRIGGERED', 'STREAM_FAILED'],
  })
  const again = await bench.call('POST', '/webhooks', { url, secret: 'a secret of my own choice' })
  assert.deepEqual(Object.keys(again.body), ['message', 'webhook_url', 'events'])
  const listed = await bench.call('GET', '/m3u-proxy/webhooks')
  const settings = { timeout: 10, retry_attempts: 3, pending: 0, dropped: 0 }
  assert.deepEqual(listed.body, { webhooks: [{ url, events: again.body['events'], ...settings }] })
  assert.deepEqual(again.body['events'], [
    'stream_started',
    'stream_stopped',
    'stream_failed',
    'client_connected',
    'client_disconnected',
    'failover_triggered',
  ])
  const at = `/webhooks?webhook_url=${encodeURIComponent(url)}`
  assert.deepEqual(await bench.call('DELETE', at), { status: 200, body: { message: `Webhook ${url} removed` } })
  assert.deepEqual(await bench.call('DELETE', at), { status: 404, body: { detail: 'Webhook not found' } })
})

for (const [what, payload] of [
  ['an unknown event', { url: 'http://a/', events: ['stream_exploded'] }],
  ['a name in mixed case', { url: 'http://a/', events: ['Stream_Failed'] }],
  ['a URL that is not http', { url: 'ftp://a/' }],
  ['a URL with a line break', { url: 'http://a/\nx' }],
  ['a URL of 10 kB', { url: `http://a/${'x'.repeat(10_000)}` }],
  ['no URL', { events: [] }],
  ['a timeout of 0', { url: 'http://a/', timeout: 0 }],
  ['a negative number of retries', { url: 'http://a/', retry_attempts: -1 }],
  ['a header with a line break', { url: 'http://a/', headers: { 'x-a': 'b\r\nx-c: d' } }],
  ['a header that frames the message', { url: 'http://a/', headers: { 'Content-Length': '0' } }],
  ['a signature of its own', { url: 'http://a/', headers: { 'X-Holdfast-Signature': 'forged' } }],
  ['a short secret', { url: 'http://a/', secret: 'short' }],
  ['JSON that is none', '{"url":'],
  ['a list', []],
] as const) {
  test(`${what} is refused with 422, and nothing is registered`, async () => {
    await using bench = await startBench()
    const { status, body } = await bench.call('POST', '/webhooks', payload)
    assert.equal(status, 422, JSON.stringify(body))
    assert.ok(Array.isArray(body['detail']))
    assert.deepEqual(bench.webhooks.list(), [])
  })
}

test('a webhook test answers 200 when it was taken and 502 with the reason when it was not', async () => {
  let answerStatus = 200
  await using receiver = await startReceiver((response) => response.writeHead(answerStatus).end())
  await using bench = await startBench()
  await bench.call('POST', '/webhooks', { url: receiver.url, events: ['STREAM_FAILED'] })
  const at = `webhook_url=${encodeURIComponent(receiver.url)}`
  const good = await bench.call('POST', `/webhooks/test?${at}`)
  assert.equal(good.status, 200)
  assert.deepEqual([good.body['success'], good.body['status_code']], [true, 200])
  assert.equal(good.body['event_id'], receiver.received[0]?.message['event_id'])
  assert.equal(receiver.received[0]?.message['event_type'], 'STREAM_STARTED')
  answerStatus = 500
  const refused = await bench.call('POST', `/webhooks/test?${at}`)
  assert.equal(refused.status, 502)
  assert.deepEqual([refused.body['success'], refused.body['status_code']], [false, 500])
  await receiver[Symbol.asyncDispose]()
  const failed = await bench.call('POST', `/webhooks/test?${at}`)
  assert.equal(failed.status, 502)
  assert.match(String(failed.body['error']), /ECONNREFUSED/)
  const log = await bench.call('GET', `/webhooks/deliveries?${at}&limit=2`)
  const deliveries = log.body['deliveries'] as Body[]
  assert.equal(deliveries.length, 2)
  assert.deepEqual(deliveries[1]?.['status_code'], 500)
  assert.match(String(deliveries[0]?.['timestamp']), /Z$/)
  assert.equal((await bench.call('POST', '/webhooks/test?webhook_url=http://nobody/')).status, 404)
  assert.equal((await bench.call('POST', '/webhooks/test')).status, 422)
})

test('the history is answered newest first, filtered, and from a number on', async () => {
  await using bench = await startBench()
  bench.journal.emit('stream_started', 's1', { url: 'http://a/' })
  bench.journal.emit('failover_triggered', 's1', { reason: 'manual', old_url: null })
  bench.journal.emit('stream_started', 's2', {})
  await bench.journal.flush()
  const sequences = async (query: string) => {
    const { status, body } = await bench.call('GET', `/events?${query}`)
    assert.equal(status, 200, JSON.stringify(body))
    return (body['events'] as Body[]).map(({ sequence }) => sequence)
  }
  assert.deepEqual(await sequences(''), [3, 2, 1])
  assert.deepEqual(await sequences('limit=1'), [3])
  assert.deepEqual(await sequences('after=1'), [2, 3])
  assert.deepEqual(await sequences('before=3&stream_id=s1'), [2, 1])
  assert.deepEqual(await sequences('type=FAILOVER_TRIGGERED'), [2])
  const [event] = (await bench.call('GET', '/events?type=failover_triggered')).body['events'] as Body[]
  assert.deepEqual(Object.keys(event ?? {}), ['sequence', 'event_id', 'event_type', 'stream_id', 'timestamp', 'data'])
  assert.deepEqual(event?.['data'], { reason: 'manual', old_url: null })
  for (const query of ['limit=0', 'limit=1001', 'limit=x', 'after=-1', 'type=nonsense']) {
    assert.equal((await bench.call('GET', `/events?${query}`)).status, 422, query)
  }
})

test('live events come over HTTP from Last-Event-ID on, and end when the server closes', async () => {
  await using bench = await startBench()
  bench.journal.emit('stream_started', 's1', {})
  bench.journal.emit('stream_failed', 's1', {})
  await bench.journal.flush()
  const base = await bench.server.listen({ host: '127.0.0.1', port: 0 })
  const response = await fetch(`${base}/events/live?api_token=the-token`, { headers: { 'last-event-id': '1' } })
  assert.equal(response.status, 200)
  assert.match(response.headers.get('content-type') ?? '', /^text\/event-stream/)
  assert.equal(response.headers.get('access-control-allow-origin'), '*')
  let text = ''
  const body: AsyncIterable<Uint8Array> = response.body ?? assert.fail('no body')
  const reading = (async () => {
    for await (const chunk of body) text += new TextDecoder().decode(chunk)
  })()
  await until('the replay has arrived', () => text.includes('event: stream_failed'))
  assert.doesNotMatch(text, /stream_started/)
  bench.journal.emit('stream_stopped', 's1', {})
  await until('the next event has arrived', () => text.includes('id: 3\nevent: stream_stopped'))
  await bench.server[Symbol.asyncDispose]()
  await reading
  assert.equal(bench.live.listeners, 0)
})

test('every route wants the operator', async () => {
  await using bench = await startBench()
  for (const { method, pattern, access } of bench.server.routes) {
    if (/^\/(webhooks|events)/.test(pattern)) assert.equal(access, 'operator', `${method} ${pattern}`)
  }
  const answer = await bench.server.app.inject({ method: 'GET', url: '/events/live' })
  assert.equal(answer.statusCode, 401)
})

test('docs/EVENTS.md names every route', async () => {
  await using bench = await startBench()
  const page = await readFile(new URL('../../docs/EVENTS.md', import.meta.url), 'utf8')
  const routes = bench.server.routes.filter(({ pattern }) => /^\/(webhooks|events)/.test(pattern))
  assert.equal(routes.length, 7)
  for (const { method, pattern } of routes) {
    assert.match(page, new RegExp(`\\b${method} ${pattern}(?=[?\`])`), `${method} ${pattern}`)
  }
})
