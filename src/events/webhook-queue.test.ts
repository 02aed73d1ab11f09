import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HoldfastError } from '../lib/errors.ts'
import { silentLog } from '../lib/log.ts'
import { seededRandom } from '../lib/random.ts'
import { createSimulatedClock } from '../lib/simulated-clock.ts'
import { createMemoryStore } from '../store/memory.ts'
import type { EventMessage } from './event-message.ts'
import type { Webhook } from './webhook.ts'
import type { Attempt } from './webhook-delivery.ts'
import { OUTBOX_MAX, WebhookQueue } from './webhook-queue.ts'

interface Try {
  readonly eventId: string
  readonly attempt: number
  readonly atMs: number
}

/** A queue whose receiver answers as `answer` says. */
function createBench(
  answer: (tried: Try, signal: AbortSignal) => Attempt | Promise<Attempt>,
  { retryAttempts = 3, random = () => 0 }: { retryAttempts?: number; random?: () => number } = {},
) {
  const clock = createSimulatedClock({ startWallMs: 0 })
  const store = createMemoryStore()
  const tries: Try[] = []
  const warnings: string[] = []
  const settings = { url: 'http://receiver/', events: [], headers: {}, timeoutSeconds: 10, retryAttempts }
  const webhook: Webhook = { ...settings, id: 'w', secret: 'secret', registeredWallMs: 0 }
  const queue = new WebhookQueue({
    webhook: () => webhook,
    attempt: async (message, attempt, signal) => {
      const tried = { eventId: message.event_id, attempt, atMs: clock.nowMs() }
      tries.push(tried)
      return answer(tried, signal)
    },
    store,
    clock,
    random: { next: random },
    log: { ...silentLog, warn: (event) => void warnings.push(event) },
  })
  const outbox = async () => (await store.list('webhook_outbox')).map(({ key }) => key)
  return { queue, clock, store, tries, warnings, outbox }
}

const success: Attempt = { kind: 'succeeded', status: 200, ms: 1 }
const refusal: Attempt = { kind: 'refused', status: 500, ms: 1 }

function message(index: number): EventMessage {
  const timestamp = '2026-01-01T00:00:00.000Z'
  return { event_id: `e${index}`, event_type: 'stream_failed', stream_id: 's', timestamp, data: {} }
}

test('a message is in the store before its first attempt and gone after its success', async () => {
  const seen: string[][] = []
  const bench = createBench(async () => {
    seen.push(await bench.outbox())
    return success
  })
  bench.queue.push(message(1))
  await bench.clock.settle()
  assert.deepEqual(seen, [['w/000000000001']])
  assert.deepEqual(await bench.outbox(), [])
  assert.equal(bench.queue.pending, 0)
})

test('messages are delivered one at a time in their order', async () => {
  let underWay = 0
  let mostUnderWay = 0
  const bench = createBench(async () => {
    underWay += 1
    mostUnderWay = Math.max(mostUnderWay, underWay)
    await bench.clock.sleep(10)
    underWay -= 1
    return success
  })
  for (let index = 1; index <= 20; index += 1) bench.queue.push(message(index))
  await bench.clock.advance(1_000)
  assert.deepEqual(
    bench.tries.map(({ eventId }) => eventId),
    Array.from({ length: 20 }, (_, index) => `e${index + 1}`),
  )
  assert.equal(mostUnderWay, 1)
})

test('retries after 1, 2 and 4 s, then gives the message up and goes on with the next', async () => {
  const bench = createBench(({ eventId }) => (eventId === 'e1' ? refusal : success))
  bench.queue.push(message(1))
  bench.queue.push(message(2))
  await bench.clock.advance(10_000)
  assert.deepEqual(
    bench.tries.map(({ eventId, attempt, atMs }) => [eventId, attempt, atMs]),
    [
      ['e1', 1, 0],
      ['e1', 2, 1_000],
      ['e1', 3, 3_000],
      ['e1', 4, 7_000],
      ['e2', 1, 7_000],
    ],
  )
  assert.deepEqual(bench.warnings, ['webhook_delivery_failed'])
  assert.deepEqual(await bench.outbox(), [])
})

test('a wait grows to a minute and no further, with up to a fifth of chance on top', async () => {
  for (const [random, seed] of [[() => 0, 'none'] as const, [() => seededRandom(7).next(), '7'] as const]) {
    const bench = createBench(() => refusal, { retryAttempts: 9, random })
    bench.queue.push(message(1))
    await bench.clock.advance(600_000)
    const waits = bench.tries.slice(1).map(({ atMs }, index) => atMs - (bench.tries[index]?.atMs ?? 0))
    const expected = [1, 2, 4, 8, 16, 32, 60, 60, 60].map((seconds) => seconds * 1_000)
    assert.equal(waits.length, expected.length)
    for (const [index, wait] of waits.entries()) {
      const least = expected[index] ?? 0
      assert.ok(wait >= least && wait <= least * 1.2, `wait ${index} was ${wait} ms, seed ${seed}`)
    }
  }
})

test('without retries there is one attempt', async () => {
  const bench = createBench(() => ({ kind: 'failed', error: 'refused', ms: 1 }), { retryAttempts: 0 })
  bench.queue.push(message(1))
  await bench.clock.advance(60_000)
  assert.equal(bench.tries.length, 1)
})

test('a full queue drops the oldest that wait, not the one under way, in the store too', async () => {
  let release = () => {}
  const answered = new Promise<void>((resolve) => (release = resolve))
  const bench = createBench(async () => {
    await answered
    return success
  })
  for (let index = 1; index <= OUTBOX_MAX + 5; index += 1) bench.queue.push(message(index))
  await bench.clock.settle()
  assert.equal(bench.queue.pending, OUTBOX_MAX)
  assert.equal(bench.queue.dropped, 5)
  assert.deepEqual(bench.warnings, ['webhook_events_dropped'])
  const kept = await bench.outbox()
  assert.equal(kept.length, OUTBOX_MAX)
  assert.deepEqual(kept.slice(0, 2), ['w/000000000001', 'w/000000000007'])
  release()
  while (bench.queue.pending > 0) await bench.clock.settle()
  assert.deepEqual(
    bench.tries.slice(0, 2).map(({ eventId }) => eventId),
    ['e1', 'e7'],
  )
})

test('stopping breaks off the attempt and keeps what waits; another queue takes it up in order', async () => {
  const first = createBench(
    (_tried, signal) =>
      new Promise((resolve) => {
        signal.addEventListener('abort', () => resolve({ kind: 'failed', error: 'stopped', ms: 0 }))
      }),
  )
  for (let index = 1; index <= 3; index += 1) first.queue.push(message(index))
  await first.clock.settle()
  await first.queue[Symbol.asyncDispose]()
  first.queue.push(message(4))
  const left = await first.store.list('webhook_outbox')
  assert.equal(left.length, 3)

  const second = createBench(() => success)
  second.queue.restore(left.map(({ key, value }) => ({ key, message: value as EventMessage })))
  second.queue.push(message(9))
  await second.clock.settle()
  await second.clock.settle()
  assert.deepEqual(
    second.tries.map(({ eventId }) => eventId),
    ['e1', 'e2', 'e3', 'e9'],
  )
})

test('stopping during the wait for a retry leaves no timer behind and keeps the message', async () => {
  const bench = createBench(() => refusal)
  bench.queue.push(message(1))
  await bench.clock.settle()
  assert.equal(bench.clock.pending, 1)
  await bench.queue[Symbol.asyncDispose]()
  assert.equal(bench.clock.pending, 0)
  assert.deepEqual(await bench.outbox(), ['w/000000000001'])
})

test('clearing forgets what waits, in the store too', async () => {
  const bench = createBench(() => refusal)
  for (let index = 1; index <= 3; index += 1) bench.queue.push(message(index))
  await bench.clock.settle()
  await bench.queue.clear()
  assert.deepEqual(await bench.outbox(), [])
  assert.equal(bench.queue.pending, 0)
})

test('an event is delivered although the store cannot take it', async () => {
  const bench = createBench(() => success)
  await bench.store[Symbol.asyncDispose]()
  await assert.rejects(bench.store.list('webhooks'), HoldfastError)
  bench.queue.push(message(1))
  await bench.clock.settle()
  assert.equal(bench.tries.length, 1)
  assert.equal(bench.queue.pending, 0)
  assert.deepEqual(bench.warnings, ['webhook_outbox_failing', 'webhook_outbox_failing'])
})
