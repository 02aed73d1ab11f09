import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StreamCounters } from './stream-counters.ts'
import type { StreamMemory } from './stream-counters.ts'

test('everything that is counted of a stream is there after a restart, its last access too', () => {
  const before = new StreamCounters(undefined, 1_000)
  assert.equal(
    before.lastAccessWallMs,
    1_000,
    'a stream that nobody has asked for yet was last touched when it was made',
  )
  before.countFailover(2_000)
  before.bytesServed = 7
  before.segmentsServed = 3
  before.errorCount = 2
  before.lastAccessWallMs = 5_000
  const memory = JSON.parse(JSON.stringify(before.memory({} as StreamMemory['group']))) as StreamMemory
  const after = new StreamCounters(memory, 1_000)
  assert.deepEqual(after.snapshot, before.snapshot)
})
