import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HoldfastError } from '../lib/errors.ts'
import { silentLog } from '../lib/log.ts'
import { createSimulatedClock } from '../lib/simulated-clock.ts'
import { createMemoryStore } from '../store/memory.ts'
import type { Store } from '../store/store.ts'
import { createJournal } from './journal.ts'
import type { Journal, RecordedEvent } from './journal.ts'

interface Bench {
  readonly journal: Journal
  readonly clock: ReturnType<typeof createSimulatedClock>
  readonly store: Store
  readonly logged: string[]
  readonly breakStore: (isBroken: boolean) => void
}

/** A journal over a memory store that can be told to fail its appends. */
function createBench({ keepEvents = 100_000 } = {}): Bench {
  const clock = createSimulatedClock()
  const memory = createMemoryStore()
  const logged: string[] = []
  let isBroken = false
  let uuids = 0
  const store: Store = {
    get: (bucket, key) => memory.get(bucket, key),
    put: (bucket, key, value, options) => memory.put(bucket, key, value, options),
    delete: (bucket, key) => memory.delete(bucket, key),
    list: (bucket) => memory.list(bucket),
    append: async (log, record) => {
      if (isBroken) throw new HoldfastError('store_unavailable', 'the disk is full')
      return memory.append(log, record)
    },
    read: (log, query) => memory.read(log, query),
    trim: (log, keep) => memory.trim(log, keep),
    [Symbol.asyncDispose]: () => memory[Symbol.asyncDispose](),
  }
  const note = (event: string) => void logged.push(event)
  const journal = createJournal({
    store,
    clock,
    log: { ...silentLog, info: note, warn: note, error: note },
    keepEvents,
    randomUuid: () => `uuid-${(uuids += 1)}`,
  })
  return { journal, clock, store, logged, breakStore: (broken) => (isBroken = broken) }
}

test('an event comes back from the history as it was emitted, with id, time and number', async () => {
  const { journal, clock } = createBench()
  journal.emit('stream_started', 's1', { url: 'http://a/', failover_index: 0 })
  await journal.flush()
  assert.deepEqual(await journal.history({ limit: 10 }), [
    {
      sequence: 1,
      eventId: 'uuid-1',
      type: 'stream_started',
      streamId: 's1',
      atWallMs: clock.wallMs(),
      data: { url: 'http://a/', failover_index: 0 },
    },
  ])
})

test('the history is filtered by stream and type; newest first, or on from a number', async () => {
  const { journal } = createBench()
  for (let index = 1; index <= 6; index += 1) {
    journal.emit(index % 3 === 0 ? 'stream_failed' : 'client_connected', index % 2 === 0 ? 'even' : 'odd', { index })
  }
  await journal.flush()
  const sequences = async (query: Omit<Parameters<Journal['history']>[0], 'limit'> & { limit?: number }) =>
    (await journal.history({ limit: 100, ...query })).map(({ sequence }) => sequence)
  assert.deepEqual(await sequences({}), [6, 5, 4, 3, 2, 1])
  assert.deepEqual(await sequences({ after: 4 }), [5, 6])
  assert.deepEqual(await sequences({ before: 3 }), [2, 1])
  assert.deepEqual(await sequences({ streamId: 'odd' }), [5, 3, 1])
  assert.deepEqual(await sequences({ type: 'stream_failed', limit: 1 }), [6])
  assert.deepEqual(await sequences({ type: 'stream_failed', streamId: 'odd', after: 0 }), [3])
})

test('listeners are told within emit, and one that throws harms neither the emitter nor the others', async () => {
  const { journal, logged } = createBench()
  const seen: string[] = []
  journal.subscribe(() => {
    throw new Error('bad listener')
  })
  const subscription = journal.subscribe(({ type }) => void seen.push(type))
  journal.emit('stream_created', 's1', {})
  assert.deepEqual(seen, ['stream_created'])
  assert.deepEqual(logged, ['event_listener_failed'])
  subscription[Symbol.dispose]()
  journal.emit('stream_deleted', 's1', {})
  assert.deepEqual(seen, ['stream_created'])
})

test('recorded listeners get every event once, in order, with the number that the store gave', async () => {
  const { journal, clock } = createBench()
  const seen: RecordedEvent[] = []
  journal.subscribeRecorded((event) => void seen.push(event))
  for (let index = 0; index < 1_200; index += 1) journal.emit('client_connected', 's1', { index })
  await clock.settle()
  await journal.flush()
  assert.deepEqual(
    seen.map(({ sequence }) => sequence),
    Array.from({ length: 1_200 }, (_, index) => index + 1),
  )
  assert.equal(journal.lastSequence, 1_200)
})

test('while the store fails, events wait in order and are told without a number; they are stored when it works', async () => {
  const { journal, clock, logged, breakStore } = createBench()
  const seen: (number | undefined)[] = []
  journal.subscribeRecorded(({ sequence }) => void seen.push(sequence))
  breakStore(true)
  journal.emit('stream_started', 's1', { index: 1 })
  await clock.advance(1_500)
  journal.emit('stream_failed', 's1', { index: 2 })
  await clock.advance(3_000)
  assert.deepEqual(seen, [undefined, undefined])
  assert.deepEqual(await journal.history({ limit: 10 }), [])
  breakStore(false)
  await clock.advance(1_500)
  const history = await journal.history({ after: 0, limit: 10 })
  assert.deepEqual(
    history.map(({ data }) => data['index']),
    [1, 2],
  )
  assert.deepEqual(seen, [undefined, undefined], 'nobody is told twice')
  assert.deepEqual(logged, ['journal_failing', 'journal_recovered'])
  assert.equal(journal.lost, 0)
})

test('a queue that is full drops the oldest, counts them and warns sparingly', async () => {
  const { journal, clock, logged, breakStore } = createBench()
  breakStore(true)
  journal.emit('stream_started', 's1', { index: -1 })
  await clock.settle()
  for (let index = 0; index < 12_500; index += 1) journal.emit('client_connected', 's1', { index })
  breakStore(false)
  await clock.advance(1_000)
  await journal.flush()
  const [oldest] = await journal.history({ after: 0, limit: 1 })
  const [newest] = await journal.history({ limit: 1 })
  assert.equal(journal.lost, 2_501)
  assert.equal(oldest?.data['index'], 2_500)
  assert.equal(newest?.data['index'], 12_499)
  assert.equal(logged.filter((event) => event === 'journal_lost_events').length, 3)
})

test('keeps the newest events only', async () => {
  const { journal } = createBench({ keepEvents: 100 })
  for (let index = 0; index < 3_000; index += 1) journal.emit('client_connected', 's1', { index })
  await journal.flush()
  const [oldest] = await journal.history({ after: 0, limit: 1 })
  const [newest] = await journal.history({ limit: 1 })
  assert.equal(newest?.data['index'], 2_999)
  const kept = (newest?.sequence ?? 0) - (oldest?.sequence ?? 0) + 1
  // It is trimmed now and then, so there may be some more than that.
  assert.ok(kept >= 100 && kept < 100 + 1_000 + 500, `${kept} kept`)
})

test('closing stores what waits; what cannot be stored is counted, and later events are refused quietly', async () => {
  const working = createBench()
  working.journal.emit('stream_stopped', 's1', {})
  await working.journal[Symbol.asyncDispose]()
  assert.equal((await working.journal.history({ limit: 10 })).length, 1)
  working.journal.emit('stream_stopped', 's1', {})
  assert.equal(working.journal.lost, 1)

  const failing = createBench()
  failing.breakStore(true)
  failing.journal.emit('stream_stopped', 's1', {})
  await failing.clock.settle()
  await failing.journal[Symbol.asyncDispose]()
  assert.equal(failing.journal.lost, 1)
  assert.equal(failing.clock.pending, 0)
})
