import assert from 'node:assert/strict'
import { createServer, get } from 'node:http'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { HoldfastError } from '../lib/errors.ts'
import { silentLog } from '../lib/log.ts'
import { createSimulatedClock } from '../lib/simulated-clock.ts'
import { createMemoryStore } from '../store/memory.ts'
import type { Store } from '../store/store.ts'
import { createJournal } from './journal.ts'
import { createLiveEvents, LISTENERS_MAX, UNREAD_BYTES_MAX } from './live.ts'
import type { LiveFilter } from './live.ts'
import { until } from './webhook-receiver.fixture.ts'

interface Listener {
  readonly text: () => string
  readonly blocks: () => readonly string[]
  readonly hasEnded: () => boolean
  readonly message: IncomingMessage
}

/** A live feed over HTTP on a free port, with a journal that the test writes. */
async function startBench(store: Store = createMemoryStore()) {
  const clock = createSimulatedClock()
  const warnings: string[] = []
  const log = { ...silentLog, warn: (event: string) => void warnings.push(event) }
  const journal = createJournal({ store, clock, log, keepEvents: 10_000 })
  const live = createLiveEvents({ journal, clock, log })
  const requests: { readonly filter: LiveFilter; readonly after: number | undefined }[] = []
  const server = createServer((_request, response) => {
    const { filter = {}, after } = requests.shift() ?? {}
    live.serve(response, filter, after)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const listen = async (filter: LiveFilter = {}, after?: number, isReading = true): Promise<Listener> => {
    requests.push({ filter, after })
    const message = await new Promise<IncomingMessage>((resolve, reject) => {
      get({ host: '127.0.0.1', port, agent: false }, resolve).on('error', reject)
    })
    let text = ''
    let hasEnded = false
    message.on('error', () => undefined)
    message.on('close', () => (hasEnded = true))
    if (isReading) message.on('data', (chunk: Buffer) => (text += chunk.toString()))
    else message.pause()
    const blocks = () => text.split('\n\n').filter((block) => block.includes('event: '))
    return { text: () => text, blocks, hasEnded: () => hasEnded, message }
  }
  return {
    clock,
    journal,
    live,
    listen,
    warnings,
    [Symbol.asyncDispose]: async () => {
      await live[Symbol.asyncDispose]()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

test('an event reaches a listener as id, name and data', async () => {
  await using bench = await startBench()
  const listener = await bench.listen()
  assert.equal(listener.message.headers['content-type'], 'text/event-stream; charset=utf-8')
  bench.journal.emit('stream_failed', 's1', { reason: 'line\nbreak' })
  await until('the event has arrived', () => listener.blocks().length === 1)
  const [id, event, data = '', ...more] = (listener.blocks()[0] ?? '').split('\n')
  assert.deepEqual([id, event, more], ['id: 1', 'event: stream_failed', []])
  const message = JSON.parse(data.replace('data: ', '')) as Record<string, unknown>
  assert.equal(message['stream_id'], 's1')
  assert.deepEqual(message['data'], { reason: 'line\nbreak' })
})

test('a filter by stream and by type lets nothing else through', async () => {
  await using bench = await startBench()
  const listener = await bench.listen({ streamId: 's1', type: 'stream_failed' })
  bench.journal.emit('stream_failed', 's2', {})
  bench.journal.emit('stream_started', 's1', {})
  bench.journal.emit('stream_failed', 's1', {})
  await until('the event has arrived', () => listener.blocks().length > 0)
  assert.deepEqual(
    listener.blocks().map((block) => block.split('\n')[0]),
    ['id: 3'],
  )
})

test('a listener that comes back gets what it missed, then what happens, nothing twice and nothing left out', async () => {
  await using bench = await startBench()
  for (let index = 1; index <= 1_000; index += 1) bench.journal.emit('client_connected', 's1', { index })
  await bench.journal.flush()
  const listener = await bench.listen({}, 10)
  // Emitted while the replay is under way.
  for (let index = 1_001; index <= 1_500; index += 1) {
    bench.journal.emit('client_connected', 's1', { index })
    if (index % 50 === 0) await bench.clock.settle()
  }
  await until('everything has arrived', () => listener.blocks().length >= 1_490)
  await bench.clock.settle()
  assert.deepEqual(
    listener.blocks().map((block) => Number(/^id: (\d+)$/m.exec(block)?.[1])),
    Array.from({ length: 1_490 }, (_, index) => index + 11),
  )
})

test('a replay with a filter ends although the newest events do not pass it', async () => {
  await using bench = await startBench()
  bench.journal.emit('stream_failed', 's1', {})
  for (let index = 0; index < 300; index += 1) bench.journal.emit('client_connected', 's2', {})
  await bench.journal.flush()
  const listener = await bench.listen({ streamId: 's1' }, 0)
  await until('the replay has arrived', () => listener.blocks().length === 1)
  bench.journal.emit('stream_stopped', 's1', {})
  await until('the next event has arrived', () => listener.blocks().length === 2)
})

test('a listener with a number of a journal that is gone gets what happens from now on', async () => {
  await using bench = await startBench()
  bench.journal.emit('stream_started', 's1', {})
  await bench.journal.flush()
  const listener = await bench.listen({}, 5_000)
  for (let turns = 0; turns < 20; turns += 1) await bench.clock.settle()
  bench.journal.emit('stream_failed', 's1', {})
  await until('the event has arrived', () => listener.blocks().length === 1)
  assert.match(listener.text(), /id: 2\nevent: stream_failed/)
})

test('events are shown, without an id, while the store takes none', async () => {
  const memory = createMemoryStore()
  const store: Store = Object.assign(Object.create(memory) as Store, {
    append: async () => Promise.reject(new HoldfastError('store_unavailable', 'the disk is full')),
  })
  await using bench = await startBench(store)
  const listener = await bench.listen()
  bench.journal.emit('stream_failed', 's1', {})
  await until('the event has arrived', () => listener.blocks().length === 1)
  assert.match(listener.blocks()[0] ?? '', /(^|\n)event: stream_failed/)
  assert.doesNotMatch(listener.text(), /^id:/m)
  await bench.journal[Symbol.asyncDispose]()
})

test('a heartbeat comes every 15 s, and its timer goes with the listener', async () => {
  await using bench = await startBench()
  const listener = await bench.listen()
  await until('the head has arrived', () => listener.text().includes('retry: 2000'))
  await bench.clock.advance(45_000)
  await until('the heartbeats have arrived', () => listener.text().split(': heartbeat').length === 4)
  listener.message.destroy()
  await until('the listener is forgotten', () => bench.live.listeners === 0)
  assert.equal(bench.clock.pending, 0)
})

test('a listener that does not read is cut off, and one that reads is not', async () => {
  await using bench = await startBench()
  const reader = await bench.listen()
  const sleeper = await bench.listen({}, undefined, false)
  const large = 'x'.repeat(100_000)
  // The system's socket buffers take some megabytes before anything is held here.
  for (let index = 0; index < 300 && bench.live.listeners === 2; index += 1) {
    bench.journal.emit('client_connected', 's1', { large })
    await until('the reader has it', () => reader.text().length >= (index + 1) * large.length)
  }
  assert.equal(bench.live.listeners, 1, `nothing was cut off after ${300 * large.length} of ${UNREAD_BYTES_MAX} bytes`)
  assert.deepEqual(bench.warnings, ['live_listener_dropped'])
  sleeper.message.resume()
  await until('its connection is closed', () => sleeper.hasEnded())
  assert.equal(reader.hasEnded(), false)
})

test('a listener that reads gets through a replay that is larger than what may be unread', async () => {
  await using bench = await startBench()
  const large = 'x'.repeat(100_000)
  for (let index = 0; index < 60; index += 1) bench.journal.emit('client_connected', 's1', { large })
  await bench.journal.flush()
  assert.ok(60 * large.length > 5 * UNREAD_BYTES_MAX)
  const listener = await bench.listen({}, 0)
  await until('everything has arrived', () => listener.text().includes('\nid: 60\n'))
  await until('its end has arrived', () => listener.text().endsWith('\n\n'))
  assert.equal(listener.blocks().length, 60)
  assert.deepEqual(bench.warnings, [])
})

test('a listener that stops reading during its replay is cut off after a while', async () => {
  await using bench = await startBench()
  const large = 'x'.repeat(100_000)
  for (let index = 0; index < 400; index += 1) bench.journal.emit('client_connected', 's1', { large })
  await bench.journal.flush()
  await bench.listen({}, 0, false)
  for (let turns = 0; turns < 50 && bench.live.listeners > 0; turns += 1) await bench.clock.advance(1_000)
  assert.equal(bench.live.listeners, 0)
  assert.equal(bench.clock.pending, 0)
})

test('there is a most of listeners, and closing ends them all', async () => {
  await using bench = await startBench()
  const listeners = await Promise.all(Array.from({ length: LISTENERS_MAX }, () => bench.listen()))
  assert.equal(bench.live.listeners, LISTENERS_MAX)
  const response = { once: () => assert.fail('nothing may be written') } as never
  assert.throws(() => bench.live.serve(response, {}, undefined), HoldfastError)
  bench.live.close()
  await until('all have ended', () => listeners.every(({ hasEnded }) => hasEnded()))
  assert.equal(bench.live.listeners, 0)
  assert.equal(bench.clock.pending, 0)
})
