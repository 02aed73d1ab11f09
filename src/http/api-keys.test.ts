import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HoldfastError } from '../lib/errors.ts'
import type { ErrorCode } from '../lib/errors.ts'
import { silentLog } from '../lib/log.ts'
import { createSimulatedClock } from '../lib/simulated-clock.ts'
import { FIRST_ADMIN } from './access.ts'
import type { Caller } from './access.ts'
import { ApiKeys } from './api-keys.ts'
import type { ApiKey, KeyShelf } from './api-keys.ts'

const ALICE: Caller = { owner: 'alice', role: 'user' }
const BOB: Caller = { owner: 'bob', role: 'user' }

class MemoryShelf implements KeyShelf {
  readonly kept = new Map<string, ApiKey>()
  isFailing = false
  writes = 0

  async list() {
    return [...this.kept].map(([key, value]) => ({ key, value: JSON.parse(JSON.stringify(value)) as unknown }))
  }

  async put(key: string, value: ApiKey): Promise<void> {
    this.#check()
    this.writes += 1
    this.kept.set(key, value)
  }

  async delete(key: string): Promise<void> {
    this.#check()
    this.kept.delete(key)
  }

  #check(): void {
    if (this.isFailing) throw new HoldfastError('store_unavailable', 'disk full')
  }
}

async function scene() {
  const clock = createSimulatedClock()
  const shelf = new MemoryShelf()
  const open = async () => ApiKeys.open({ shelf, clock, log: silentLog })
  return { clock, shelf, open, keys: await open() }
}

function hasCode(code: ErrorCode): (error: unknown) => boolean {
  return (error) => error instanceof HoldfastError && error.code === code
}

test('a key tells who its owner is, also after a restart, and is itself kept nowhere', async () => {
  const { keys, shelf, open } = await scene()
  const { text } = await keys.create(FIRST_ADMIN, { name: 'laptop', owner: 'alice', role: 'user' })
  assert.deepEqual(keys.callerOf(text), ALICE)
  assert.deepEqual((await open()).callerOf(text), ALICE)
  const secret = text.slice(-43)
  assert.equal(JSON.stringify([...shelf.kept]).includes(secret), false)
})

test('keys differ, and a key that differs in one character is none', async () => {
  const { keys } = await scene()
  const { text } = await keys.create(FIRST_ADMIN, { name: 'a', role: 'admin' })
  const { text: other } = await keys.create(FIRST_ADMIN, { name: 'b', role: 'admin' })
  assert.notEqual(text.slice(-43), other.slice(-43))
  const swapped = text.slice(0, -43) + other.slice(-43)
  const flipped = text.slice(0, -1) + (text.endsWith('A') ? 'B' : 'A')
  for (const wrong of ['', 'hfk_', text.slice(0, -1), `${text}A`, text.toUpperCase(), swapped, flipped]) {
    assert.equal(keys.callerOf(wrong), undefined, wrong)
  }
})

test('a key that is revoked is not accepted any more, also after a restart', async () => {
  const { keys, open } = await scene()
  const { key, text } = await keys.create(ALICE, { name: 'a', role: 'user' })
  await keys.revoke(ALICE, key.id)
  assert.equal(keys.callerOf(text), undefined)
  assert.equal((await open()).callerOf(text), undefined)
  await assert.rejects(keys.revoke(ALICE, key.id), hasCode('api_key_not_found'))
})

test('a key that could not be revoked stays good, so that nobody believes it is gone', async () => {
  const { keys, shelf } = await scene()
  const { key, text } = await keys.create(ALICE, { name: 'a', role: 'user' })
  shelf.isFailing = true
  await assert.rejects(keys.revoke(ALICE, key.id), hasCode('store_unavailable'))
  assert.deepEqual(keys.callerOf(text), ALICE)
})

test('a key ends at the time that was set', async () => {
  const { keys, clock } = await scene()
  const expiresWallMs = clock.wallMs() + 1_000
  const { key, text } = await keys.create(FIRST_ADMIN, { name: 'a', role: 'admin', expiresWallMs })
  await clock.advance(999)
  assert.deepEqual(keys.callerOf(text), FIRST_ADMIN)
  await clock.advance(1)
  assert.equal(keys.callerOf(text), undefined)
  assert.equal(keys.isExpired(keys.get(FIRST_ADMIN, key.id)), true)
})

test('only admins make keys of others and admins’ keys', async () => {
  const { keys } = await scene()
  const forbidden = hasCode('forbidden')
  await assert.rejects(keys.create(ALICE, { name: 'a', owner: 'bob', role: 'user' }), forbidden)
  await assert.rejects(keys.create(ALICE, { name: 'a', role: 'admin' }), forbidden)
  await keys.create(ALICE, { name: 'a', owner: 'alice', role: 'viewer' })
  await keys.create(FIRST_ADMIN, { name: 'a', owner: 'bob', role: 'admin' })
})

test('admins see all keys, users their own, and nobody can touch another’s', async () => {
  const { keys } = await scene()
  const { key } = await keys.create(FIRST_ADMIN, { name: 'a', owner: 'alice', role: 'user' })
  await keys.create(FIRST_ADMIN, { name: 'b', owner: 'bob', role: 'user' })
  const namesOf = (caller: Caller) => keys.list(caller).map(({ name }) => name)
  assert.deepEqual(namesOf(FIRST_ADMIN).toSorted(), ['a', 'b'])
  assert.deepEqual([namesOf(ALICE), namesOf(BOB)], [['a'], ['b']])
  assert.throws(() => keys.get(BOB, key.id), hasCode('api_key_not_found'))
  await assert.rejects(keys.revoke(BOB, key.id), hasCode('api_key_not_found'))
  await keys.revoke(ALICE, key.id)
})

test('users have at most 100 keys each', async () => {
  const { keys } = await scene()
  for (let index = 0; index < 100; index += 1) await keys.create(ALICE, { name: `k${index}`, role: 'user' })
  await assert.rejects(keys.create(ALICE, { name: 'one more', role: 'user' }), hasCode('quota_exceeded'))
  await keys.create(BOB, { name: 'another owner’s', role: 'user' })
})

test('the last use is remembered, and written at most once a minute', async () => {
  const { keys, clock, shelf, open } = await scene()
  const { key, text } = await keys.create(ALICE, { name: 'a', role: 'user' })
  await clock.advance(5_000)
  const firstUse = clock.wallMs()
  for (let second = 0; second < 50; second += 1) {
    keys.callerOf(text)
    await clock.advance(1_000)
  }
  assert.equal(keys.get(ALICE, key.id).lastUsedWallMs, firstUse + 49_000)
  assert.equal(shelf.writes, 2)
  assert.equal((await open()).get(ALICE, key.id).lastUsedWallMs, firstUse)
})

test('a stored key that cannot be read is not accepted, and the others are', async () => {
  const { keys, shelf, open } = await scene()
  const { text } = await keys.create(ALICE, { name: 'a', role: 'user' })
  shelf.kept.set('broken', { id: 'broken' } as ApiKey)
  const again = await open()
  assert.deepEqual(again.callerOf(text), ALICE)
  assert.equal(again.list(FIRST_ADMIN).length, 1)
})
