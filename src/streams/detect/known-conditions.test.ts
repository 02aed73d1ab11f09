import assert from 'node:assert/strict'
import { test } from 'node:test'
import { candidateId } from '../../failover/group.ts'
import { KnownConditions } from './known-conditions.ts'

const [a, b] = [candidateId('a'), candidateId('b')]
const MINUTE_MS = 60_000

test('a source that was left for a condition is no better than one that has the same, or a lesser one', () => {
  const known = new KnownConditions()
  known.failed(a, 'black', 0)
  assert.deepEqual([...known.noBetterThan('black', 1_000)], [a])
  assert.deepEqual([...known.noBetterThan('looping', 1_000)], [a])
  assert.deepEqual([...known.noBetterThan('no_video', 1_000)], [], 'black is better than nothing')
})

test('a failure of the connection says nothing of the media, and the name of m3u-proxy is known', () => {
  const known = new KnownConditions()
  known.failed(a, 'refused', 0)
  known.failed(b, 'silence_detected', 0)
  assert.deepEqual([...known.noBetterThan('looping', 1_000)], [b])
})

test('a source gets another chance after a minute, and each that it does not use takes twice as long', () => {
  const known = new KnownConditions()
  let nowMs = 0
  for (const minutes of [1, 2, 4, 8, 15, 15]) {
    known.failed(a, 'looping', nowMs)
    assert.deepEqual([...known.noBetterThan('looping', nowMs + minutes * MINUTE_MS - 1)], [a], `${minutes} minutes`)
    assert.deepEqual([...known.noBetterThan('looping', nowMs + minutes * MINUTE_MS)], [], `${minutes} minutes`)
    nowMs += minutes * MINUTE_MS
  }
  known.failed(b, 'looping', nowMs + 30 * MINUTE_MS)
  known.failed(a, 'looping', nowMs + 30 * MINUTE_MS)
  assert.deepEqual([...known.noBetterThan('looping', nowMs + 31 * MINUTE_MS)], [], 'after half an hour it is as new')
})

test('failing again and again while it stands by is one failure that goes on', () => {
  const known = new KnownConditions()
  for (let nowMs = 0; nowMs <= 50_000; nowMs += 10_000) known.failed(a, 'looping', nowMs)
  assert.deepEqual([...known.noBetterThan('looping', 109_999)], [a])
  assert.deepEqual([...known.noBetterThan('looping', 110_000)], [])
})
