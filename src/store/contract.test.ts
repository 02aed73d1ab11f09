import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { HoldfastError } from '../lib/errors.ts'
import { createSimulatedClock } from '../lib/simulated-clock.ts'
import { READ_LIMIT_MAX, VALUE_BYTES_MAX } from './limits.ts'
import { createMemoryStore } from './memory.ts'
import { openSqliteStore } from './sqlite.ts'
import { StoreConflict } from './store.ts'
import type { NewLogRecord, Store } from './store.ts'

type OpenStore = () => Promise<Store>

const parent = await mkdtemp(join(tmpdir(), 'holdfast-contract-'))
after(() => rm(parent, { recursive: true, force: true }))
let directories = 0

/** Every Store there is, opened empty: each is held to all that follows. */
const stores: Readonly<Record<string, OpenStore>> = {
  memory: async () => createMemoryStore(),
  sqlite: () => {
    directories += 1
    return openSqliteStore({ directory: join(parent, String(directories)), clock: createSimulatedClock() })
  },
}

for (const [name, open] of Object.entries(stores)) {
  holdValuesToContract(name, open)
  holdRevisionsToContract(name, open)
  holdLogsToContract(name, open)
  holdRefusalsToContract(name, open)
}

function holdValuesToContract(name: string, open: OpenStore): void {
  test(`${name}: gives back the JSON value that was put, and forgets it when it is deleted`, async () => {
    await using store = await open()
    const value = { text: 'ü 😀 "quoted"\n', list: [1, 2.5, null, true], nested: { empty: {} } }
    await store.put('streams', 'a', value)
    assert.deepEqual((await store.get('streams', 'a'))?.value, value)
    assert.equal(await store.delete('streams', 'a'), true)
    assert.equal(await store.delete('streams', 'a'), false)
    assert.equal(await store.get('streams', 'a'), undefined)
  })

  test(`${name}: what is read is a copy that later changes of the caller's object do not reach`, async () => {
    await using store = await open()
    const value = { list: [1] }
    await store.put('streams', 'a', value)
    value.list.push(2)
    assert.deepEqual((await store.get('streams', 'a'))?.value, { list: [1] })
  })

  test(`${name}: the same key in two buckets is two values`, async () => {
    await using store = await open()
    await store.put('streams', 'a', 1)
    await store.put('secrets', 'a', 2)
    await store.delete('streams', 'a')
    assert.equal((await store.get('secrets', 'a'))?.value, 2)
    assert.deepEqual(await store.list('streams'), [])
  })

  test(`${name}: API keys, tunnels and their state are three buckets`, async () => {
    await using store = await open()
    const buckets = ['api_keys', 'tunnels', 'tunnel_state'] as const
    await Promise.all(buckets.map(async (bucket) => store.put(bucket, 'a', bucket)))
    await store.delete('tunnels', 'a')
    assert.equal((await store.get('api_keys', 'a'))?.value, 'api_keys')
    assert.equal((await store.get('tunnel_state', 'a'))?.value, 'tunnel_state')
    assert.deepEqual(await store.list('tunnels'), [])
  })

  test(`${name}: lists a bucket in the order of its keys' characters`, async () => {
    await using store = await open()
    const keys = ['b', 'a/2', 'a/10', 'B', '_', 'a', '0', 'a.b', 'a=']
    await Promise.all(keys.map((key) => store.put('webhooks', key, key)))
    const listed = (await store.list('webhooks')).map(({ key }) => key)
    assert.deepEqual(listed, ['0', 'B', '_', 'a', 'a.b', 'a/10', 'a/2', 'a=', 'b'])
  })

  test(`${name}: keeps the order of writes that nobody waited for`, async () => {
    await using store = await open()
    const writes = Array.from({ length: 500 }, (_, index) => store.put('streams', 'a', index))
    const revisions = await Promise.all(writes)
    assert.equal((await store.get('streams', 'a'))?.value, 499)
    assert.deepEqual(
      revisions,
      revisions.toSorted((left, right) => left - right),
    )
  })
}

function holdRevisionsToContract(name: string, open: OpenStore): void {
  test(`${name}: a write with a revision succeeds only on that revision`, async () => {
    await using store = await open()
    const first = await store.put('streams', 'a', 'first', { ifRevision: 0 })
    await assert.rejects(store.put('streams', 'a', 'again', { ifRevision: 0 }), StoreConflict)
    const second = await store.put('streams', 'a', 'second', { ifRevision: first })
    await assert.rejects(store.put('streams', 'a', 'late', { ifRevision: first }), StoreConflict)
    assert.deepEqual(await store.get('streams', 'a'), { key: 'a', value: 'second', revision: second })
  })

  test(`${name}: of many writers with the same revision exactly one wins`, async () => {
    await using store = await open()
    const revision = await store.put('streams', 'a', 'start')
    const outcomes = await Promise.allSettled(
      Array.from({ length: 20 }, (_, index) => store.put('streams', 'a', index, { ifRevision: revision })),
    )
    assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1)
  })

  test(`${name}: a revision is not used again after a delete`, async () => {
    await using store = await open()
    const earlier = await store.put('streams', 'a', 'old')
    await store.delete('streams', 'a')
    const later = await store.put('streams', 'a', 'new', { ifRevision: 0 })
    assert.ok(later > earlier, `${later} > ${earlier}`)
  })
}

function holdLogsToContract(name: string, open: OpenStore): void {
  test(`${name}: numbers the records of each log from 1 and reads them in both orders`, async () => {
    await using store = await open()
    assert.equal(await store.append('events', record(1)), 1)
    assert.equal(await store.append('events', record(2)), 2)
    assert.equal(await store.append('webhook_deliveries', record(3)), 1)
    assert.equal(await store.append('switches', record(4)), 1)
    assert.equal(await store.append('tunnel_activity', record(5)), 1)
    const oldest = await store.read('events', { limit: 10, order: 'oldest' })
    assert.deepEqual(oldest, [
      { ...record(1), sequence: 1 },
      { ...record(2), sequence: 2 },
    ])
    const newest = await store.read('events', { limit: 1, order: 'newest' })
    assert.deepEqual(newest, [{ ...record(2), sequence: 2 }])
  })

  test(`${name}: reads by subject, by type and by sequence, alone and together`, async () => {
    await using store = await open()
    for (let index = 1; index <= 12; index += 1) {
      await store.append('events', {
        ...record(index),
        subject: index % 2 === 0 ? 'even' : 'odd',
        type: index % 3 === 0 ? 'third' : 'other',
      })
    }
    const sequences = async (query: Partial<Parameters<Store['read']>[1]>) =>
      (await store.read('events', { limit: 100, order: 'oldest', ...query })).map(({ sequence }) => sequence)
    assert.deepEqual(await sequences({ subject: 'even' }), [2, 4, 6, 8, 10, 12])
    assert.deepEqual(await sequences({ type: 'third' }), [3, 6, 9, 12])
    assert.deepEqual(await sequences({ subject: 'even', type: 'third' }), [6, 12])
    assert.deepEqual(await sequences({ after: 9 }), [10, 11, 12])
    assert.deepEqual(await sequences({ before: 3 }), [1, 2])
    assert.deepEqual(await sequences({ subject: 'odd', after: 3, before: 9, limit: 2 }), [5, 7])
    assert.deepEqual(await sequences({ subject: 'even', order: 'newest', limit: 2 }), [12, 10])
    assert.deepEqual(await sequences({ subject: 'nobody' }), [])
  })

  test(`${name}: a trim keeps the newest records and never gives a sequence number twice`, async () => {
    await using store = await open()
    for (let index = 1; index <= 10; index += 1) await store.append('events', record(index))
    await store.append('webhook_deliveries', record(1))
    assert.equal(await store.trim('events', 3), 7)
    assert.equal(await store.trim('events', 3), 0)
    const left = await store.read('events', { limit: 100, order: 'oldest' })
    assert.deepEqual(
      left.map(({ sequence }) => sequence),
      [8, 9, 10],
    )
    assert.equal(await store.trim('events', 0), 3)
    assert.equal(await store.append('events', record(11)), 11)
    assert.equal((await store.read('webhook_deliveries', { limit: 1, order: 'oldest' })).length, 1)
  })
}

function holdRefusalsToContract(name: string, open: OpenStore): void {
  test(`${name}: refuses keys that another store could not keep`, async () => {
    await using store = await open()
    for (const key of ['', 'with space', 'ü', 'a\0b', 'a*', 'x'.repeat(257)]) {
      await assert.rejects(store.put('streams', key, 1), hasCode('internal_error'), JSON.stringify(key))
      await assert.rejects(store.get('streams', key), hasCode('internal_error'), JSON.stringify(key))
    }
    await store.put('streams', `${'x'.repeat(250)}-/_=.9`, 1)
  })

  test(`${name}: refuses a value above the limit and keeps the one that was there`, async () => {
    await using store = await open()
    await store.put('streams', 'a', 'x'.repeat(VALUE_BYTES_MAX - 2))
    await assert.rejects(store.put('streams', 'a', 'x'.repeat(VALUE_BYTES_MAX - 1)), hasCode('internal_error'))
    assert.equal((await store.get('streams', 'a'))?.value, 'x'.repeat(VALUE_BYTES_MAX - 2))
  })

  test(`${name}: refuses to read without a sane limit`, async () => {
    await using store = await open()
    for (const limit of [0, -1, 1.5, Number.NaN, READ_LIMIT_MAX + 1]) {
      await assert.rejects(store.read('events', { limit, order: 'oldest' }), hasCode('internal_error'), String(limit))
    }
  })

  test(`${name}: finishes what was asked before it closes, and refuses what comes after`, async () => {
    const store = await open()
    const asked = Promise.all([store.put('streams', 'a', 1), store.append('events', record(1))])
    await store[Symbol.asyncDispose]()
    assert.deepEqual(await asked, [1, 1])
    const closed = hasCode('store_unavailable')
    await assert.rejects(store.get('streams', 'a'), closed)
    await assert.rejects(store.put('streams', 'a', 2), closed)
    await assert.rejects(store.delete('streams', 'a'), closed)
    await assert.rejects(store.list('streams'), closed)
    await assert.rejects(store.append('events', record(2)), closed)
    await assert.rejects(store.read('events', { limit: 1, order: 'oldest' }), closed)
    await assert.rejects(store.trim('events', 0), closed)
    await store[Symbol.asyncDispose]()
  })
}

function record(index: number): NewLogRecord {
  return { subject: `subject-${index}`, type: 'tested', atWallMs: 1_000 + index, value: { index } }
}

function hasCode(code: HoldfastError['code']): (error: unknown) => boolean {
  return (error) => error instanceof HoldfastError && error.code === code
}
