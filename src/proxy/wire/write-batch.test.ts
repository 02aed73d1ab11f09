import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import { setImmediate as turnOver } from 'node:timers/promises'
import { WriteBatch } from './write-batch.ts'
import type { BatchedConnection } from './write-batch.ts'

const HIGH_WATER_BYTES = 65_536

/** A socket whose kernel takes nothing while it is stuck. */
class FakeSocket {
  readonly writes: Buffer[] = []
  readonly connecting: boolean
  writable = true
  isStuck = false
  writableLength = 0

  constructor(connecting = false) {
    this.connecting = connecting
  }

  write(data: Buffer | string, encoding?: BufferEncoding): boolean {
    const bytes = typeof data === 'string' ? Buffer.from(data, encoding) : data
    // The kernel copies what it takes; what it does not take stays where it is.
    this.writes.push(this.isStuck ? bytes : Buffer.from(bytes))
    if (this.isStuck) this.writableLength += bytes.length
    return this.writableLength < HIGH_WATER_BYTES
  }

  cork(): void {}
  uncork(): void {}

  get text(): string {
    return Buffer.concat(this.writes).toString('latin1')
  }
}

interface FakeConnection extends BatchedConnection {
  readonly fake: FakeSocket
  told: number
}

function connection(fake = new FakeSocket()): FakeConnection {
  const made: FakeConnection = {
    ...{ fake, socket: fake as unknown as Socket, isBatched: false, told: 0 },
    onWritten: () => {
      made.told += 1
    },
  }
  return made
}

test('what is written in one turn goes out at its end, each connection’s bytes in one write', async () => {
  const batch = new WriteBatch()
  const [first, second] = [connection(), connection()]
  assert.equal(batch.write(first, 'a\xe9', Buffer.from('bc'), 'd'), true)
  batch.write(first, 'e', undefined, '')
  batch.write(second, '', Buffer.from('f'), '')
  assert.deepEqual([first.isBatched, first.fake.writes.length, first.told], [true, 0, 0])
  await turnOver()
  assert.deepEqual([first.fake.text, first.fake.writes.length, first.told], ['a\xe9bcde', 1, 1])
  assert.deepEqual([second.fake.text, second.isBatched], ['f', false])
  batch.write(first, 'g', undefined, '')
  await turnOver()
  assert.equal(first.fake.text, 'a\xe9bcdeg')
})

test('bytes keep their order: a large piece does not overtake a small one that waits', () => {
  const batch = new WriteBatch()
  const one = connection()
  const large = Buffer.alloc(20_000, 'l')
  batch.write(one, 'head', undefined, '')
  batch.write(one, '<', large, '>')
  assert.equal(one.fake.text, `head<${'l'.repeat(20_000)}>`)
  assert.equal(one.isBatched, false)
})

test('a socket that is behind or not connected yet is written to at once and asks to wait', () => {
  const batch = new WriteBatch()
  const stuck = connection()
  stuck.fake.isStuck = true
  batch.write(stuck, 'x', undefined, '')
  batch.flush()
  assert.equal(batch.write(stuck, '', Buffer.alloc(HIGH_WATER_BYTES), ''), false)
  assert.equal(batch.write(stuck, 'y', Buffer.from('z'), ''), false)
  assert.equal(stuck.fake.writes.length, 3)
  const fresh = connection(new FakeSocket(true))
  batch.write(fresh, 'GET', undefined, '')
  assert.equal(fresh.fake.text, 'GET')
})

test('what a stuck socket has not taken is never written over', () => {
  const batch = new WriteBatch()
  const [stuck, other] = [connection(), connection()]
  stuck.fake.isStuck = true
  batch.write(stuck, 'mine', undefined, '')
  batch.flush()
  batch.write(other, 'other', undefined, '')
  batch.flush()
  assert.deepEqual([stuck.fake.text, other.fake.text], ['mine', 'other'])
})

test('more than the batch has room for goes out before the turn is over, in order', () => {
  const batch = new WriteBatch()
  const all = Array.from({ length: 100 }, () => connection())
  for (const [index, one] of all.entries()) {
    batch.write(one, `${index} `, Buffer.alloc(4_000, 'p'), '')
    batch.write(one, '', Buffer.alloc(4_000, 'q'), '')
  }
  const early = all.filter(({ fake }) => fake.writes.length > 0).length
  assert.ok(early > 50 && early < 100, `${early} went out early`)
  batch.flush()
  for (const [index, { fake }] of all.entries()) {
    assert.ok(fake.text === `${index} ${'p'.repeat(4_000)}${'q'.repeat(4_000)}`, `the bytes of connection ${index}`)
  }
})

test('a connection that is gone at the end of the turn is left out, and the others get their own', () => {
  const batch = new WriteBatch()
  const [gone, left] = [connection(), connection()]
  batch.write(gone, 'lost', undefined, '')
  batch.write(left, 'kept', undefined, '')
  gone.fake.writable = false
  batch.flush()
  assert.deepEqual([gone.fake.text, left.fake.text, gone.isBatched], ['', 'kept', false])
})
