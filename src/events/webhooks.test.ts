import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import { HoldfastError } from '../lib/errors.ts'
import { silentLog } from '../lib/log.ts'
import { seededRandom } from '../lib/random.ts'
import { createSimulatedClock } from '../lib/simulated-clock.ts'
import { createMemoryStore } from '../store/memory.ts'
import type { Store } from '../store/store.ts'
import { createJournal } from './journal.ts'
import type { WebhookSettings } from './webhook.ts'
import { startReceiver, until } from './webhook-receiver.fixture.ts'
import { openWebhooks, WEBHOOKS_MAX } from './webhooks.ts'

async function openBench(store: Store = createMemoryStore()) {
  const clock = createSimulatedClock()
  const journal = createJournal({ store, clock, log: silentLog, keepEvents: 1_000 })
  const webhooks = await openWebhooks({ store, journal, clock, random: seededRandom(1), log: silentLog })
  /** Resolves when so many attempts are over: with the timer of an attempt under way time must not be moved. */
  const attempted = async (url: string, count: number) => {
    while ((await webhooks.deliveries(url, count)).length < count) await clock.settle()
  }
  return { store, clock, journal, webhooks, attempted, [Symbol.asyncDispose]: () => webhooks[Symbol.asyncDispose]() }
}

function settings(url: string, changes: Partial<WebhookSettings> = {}): WebhookSettings {
  return { url, events: ['stream_failed'], headers: {}, timeoutSeconds: 10, retryAttempts: 3, ...changes }
}

test('an event goes to the webhooks that want it, in the spelling and with the data that they expect', async () => {
  await using receiver = await startReceiver()
  await using bench = await openBench()
  const { webhooks, journal } = bench
  await webhooks.register(settings(`${receiver.url}/upper`, { events: ['FAILOVER_TRIGGERED', 'STREAM_FAILED'] }))
  await webhooks.register(settings(`${receiver.url}/lower`, { events: ['failover_triggered'] }))
  await webhooks.register(settings(`${receiver.url}/other`, { events: ['stream_started'] }))
  journal.emit('failover_triggered', 'abc123', { old_url: 'http://a/', new_url: 'http://b/', failover_index: 1 })
  await until('two deliveries have arrived', () => receiver.received.length === 2)
  const byPath = new Map(receiver.received.map(({ path, message }) => [path, message]))
  assert.equal(byPath.get('/lower')?.['event_type'], 'failover_triggered')
  const { event_id: eventId, ...rest } = byPath.get('/upper') ?? {}
  assert.match(String(eventId), /^[0-9a-f]{8}-[0-9a-f]{4}-4/)
  assert.deepEqual(rest, {
    event_type: 'FAILOVER_TRIGGERED',
    stream_id: 'abc123',
    timestamp: '2026-01-01T00:00:00.000Z',
    data: { old_url: 'http://a/', new_url: 'http://b/', failover_index: 1 },
  })
})

test('the secret that the registration shows verifies the signature', async () => {
  await using receiver = await startReceiver()
  await using bench = await openBench()
  const { generatedSecret } = await bench.webhooks.register(settings(receiver.url))
  bench.journal.emit('stream_failed', 's', {})
  await until('the delivery has arrived', () => receiver.received.length === 1)
  const [received] = receiver.received
  const [, time, given] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(received?.headers['x-holdfast-signature'])) ?? []
  const expected = createHmac('sha256', generatedSecret ?? '').update(`${time}.${received?.text}`)
  assert.equal(given, expected.digest('hex'))
})

test('registering the same URL again replaces its settings, keeps its secret, and does not deliver twice', async () => {
  await using receiver = await startReceiver()
  await using bench = await openBench()
  const first = await bench.webhooks.register(settings(receiver.url))
  const [second, third] = await Promise.all([
    bench.webhooks.register(settings(`${receiver.url}/`, { retryAttempts: 7 })),
    bench.webhooks.register(settings(receiver.url, { retryAttempts: 8, events: ['STREAM_FAILED'] })),
  ])
  assert.equal(second.generatedSecret, undefined)
  assert.equal(third.webhook.secret, first.webhook.secret)
  assert.equal(bench.webhooks.list().length, 1)
  assert.equal(bench.webhooks.list()[0]?.webhook.retryAttempts, 8)
  bench.journal.emit('stream_failed', 's', {})
  await until('the queue is empty', () => bench.webhooks.list()[0]?.pending === 0)
  assert.equal(receiver.received.length, 1)
})

test('a webhook that never answers does not hold up another on the same host', async () => {
  await using receiver = await startReceiver((response, { path }) => {
    if (path === '/live') response.end()
  })
  await using bench = await openBench()
  await bench.webhooks.register(settings(`${receiver.url}/dead`))
  await bench.webhooks.register(settings(`${receiver.url}/live`))
  for (let index = 0; index < 5; index += 1) bench.journal.emit('stream_failed', 's', { index })
  const countAt = (path: string) => receiver.received.filter((entry) => entry.path === path).length
  // No time passes meanwhile, so that nothing can have timed out.
  await until('the live one has everything', () => countAt('/live') === 5)
  assert.equal(countAt('/dead'), 1)
})

test('registrations and what was pending survive a restart', async () => {
  const store = createMemoryStore()
  await using dead = await startReceiver((response) => response.writeHead(503).end())
  let secret: string | undefined
  {
    await using bench = await openBench(store)
    secret = (await bench.webhooks.register(settings(dead.url, { headers: { 'x-own': '1' } }))).generatedSecret
    for (let index = 0; index < 3; index += 1) bench.journal.emit('stream_failed', 's', { index })
    await bench.attempted(dead.url, 1)
  }
  assert.equal((await store.list('webhook_outbox')).length, 3)
  await using again = await openBench(store)
  const [{ webhook } = { webhook: undefined }] = again.webhooks.list()
  assert.equal(webhook?.secret, secret)
  assert.deepEqual(webhook?.headers, { 'x-own': '1' })
  await until('it is tried again', () => dead.received.length === 2)
  assert.deepEqual(
    dead.received.map(({ message }) => (message['data'] as { index: number }).index),
    [0, 0],
  )
})

test('removing a webhook forgets what waits for it; an unknown one is refused', async () => {
  await using dead = await startReceiver((response) => response.writeHead(503).end())
  await using bench = await openBench()
  await bench.webhooks.register(settings(dead.url))
  for (let index = 0; index < 3; index += 1) bench.journal.emit('stream_failed', 's', { index })
  await until('the first attempt was made', () => dead.received.length === 1)
  await bench.webhooks.remove(dead.url)
  assert.deepEqual(await bench.store.list('webhook_outbox'), [])
  assert.deepEqual(await bench.store.list('webhooks'), [])
  await bench.clock.advance(60_000)
  assert.equal(dead.received.length, 1)
  const isNotFound = (error: unknown) => error instanceof HoldfastError && error.code === 'webhook_not_found'
  await assert.rejects(bench.webhooks.remove(dead.url), isNotFound)
  await assert.rejects(bench.webhooks.test(dead.url), isNotFound)
  await assert.rejects(bench.webhooks.deliveries(dead.url, 1), isNotFound)
})

test('each attempt is in the delivery log, the newest first', async () => {
  let answers = 0
  await using receiver = await startReceiver((response) => {
    answers += 1
    response.writeHead(answers === 1 ? 500 : 200).end()
  })
  await using bench = await openBench()
  await bench.webhooks.register(settings(receiver.url))
  bench.journal.emit('stream_failed', 's', {})
  await bench.attempted(receiver.url, 1)
  await until('the retry waits', () => bench.clock.pending === 1)
  await bench.clock.advance(1_200)
  await until('the queue is empty', () => bench.webhooks.list()[0]?.pending === 0)
  const log = await bench.webhooks.deliveries(receiver.url, 10)
  assert.deepEqual(
    log.map(({ attempt, outcome, eventType }) => [attempt, outcome.kind, eventType]),
    [
      [2, 'succeeded', 'stream_failed'],
      [1, 'refused', 'stream_failed'],
    ],
  )
  assert.equal(log[0]?.eventId, receiver.received[0]?.message['event_id'])
})

test('a test tells the truth, and is told apart by its data', async () => {
  await using bench = await openBench()
  const receiver = await startReceiver((response) => response.writeHead(418).end())
  await bench.webhooks.register(settings(receiver.url))
  const refused = await bench.webhooks.test(receiver.url)
  assert.deepEqual(refused.attempt, { kind: 'refused', status: 418, ms: 0 })
  assert.equal(receiver.received[0]?.message['event_id'], refused.eventId)
  const data = receiver.received[0]?.message['data'] as { test?: boolean } | undefined
  assert.equal(data?.test, true)
  await receiver[Symbol.asyncDispose]()
  const failed = await bench.webhooks.test(receiver.url)
  assert.equal(failed.attempt.kind, 'failed')
})

test('there is a most of webhooks', async () => {
  await using bench = await openBench()
  for (let index = 0; index < WEBHOOKS_MAX; index += 1) await bench.webhooks.register(settings(`http://host/${index}`))
  await assert.rejects(
    bench.webhooks.register(settings('http://host/one-more')),
    (error) => error instanceof HoldfastError && error.code === 'invalid_request' && /64/.test(error.message),
  )
  await bench.webhooks.register(settings('http://host/3', { retryAttempts: 0 }))
})

test('what the store holds of webhooks that are gone or unreadable is passed over', async () => {
  const store = createMemoryStore()
  await store.put('webhooks', 'broken', { id: 'broken', url: 5 })
  await store.put('webhook_outbox', 'gone/000000000001', { event_id: 'e' })
  await using bench = await openBench(store)
  assert.deepEqual(bench.webhooks.list(), [])
  assert.deepEqual(await store.list('webhook_outbox'), [])
})
