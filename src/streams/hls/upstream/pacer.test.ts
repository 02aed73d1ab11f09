import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Pacer } from './pacer.ts'

const TARGET_S = 6
const SEGMENT_S = 6
const BYTES = 6_000

/** A pacer that has handed out the first segment, at 0 ms. */
function begun({ aheadS = 12, isLive = true } = {}) {
  const pacer = new Pacer()
  pacer.begin(0, aheadS, TARGET_S, isLive)
  assert.equal(pacer.allowedBytes(0, SEGMENT_S, BYTES), Number.POSITIVE_INFINITY)
  pacer.end(SEGMENT_S, BYTES)
  pacer.begin(10, aheadS, TARGET_S, isLive)
  return pacer
}

test('the first segment is due at once, the next as it plays from then on', () => {
  const pacer = begun()
  assert.equal(pacer.allowedBytes(10, SEGMENT_S, BYTES), 10)
  assert.equal(pacer.allowedBytes(3_000, SEGMENT_S, BYTES), 3_000)
  assert.equal(pacer.allowedBytes(6_000, SEGMENT_S, BYTES), Number.POSITIVE_INFINITY)
  pacer.end(SEGMENT_S, BYTES)
  pacer.begin(6_000, 12, TARGET_S, true)
  assert.equal(pacer.allowedBytes(7_500, SEGMENT_S, BYTES), 1_500)
})

test('of a length that is not told yet, the rate of the segment before is taken', () => {
  assert.equal(begun().allowedBytes(2_000, SEGMENT_S, undefined), 2_000)
})

test('far behind the live end it is a little faster, a finished programme never is', () => {
  assert.equal(begun({ aheadS: 30 }).allowedBytes(3_000, SEGMENT_S, BYTES), 3_300)
  assert.equal(begun({ aheadS: 30, isLive: false }).allowedBytes(3_000, SEGMENT_S, BYTES), 3_000)
})

test('a short interruption is made up for, a long one is not hurried after', () => {
  const short = begun()
  short.end(SEGMENT_S, BYTES)
  short.begin(12_000, 6, TARGET_S, true)
  assert.equal(short.allowedBytes(12_000, SEGMENT_S, BYTES), Number.POSITIVE_INFINITY)
  const long = begun()
  long.end(SEGMENT_S, BYTES)
  long.begin(60_000, 6, TARGET_S, true)
  assert.equal(long.allowedBytes(60_000, SEGMENT_S, BYTES), 0)
  assert.equal(long.allowedBytes(61_000, SEGMENT_S, BYTES), 1_000)
})

test('time in a pause does not count', () => {
  const pacer = begun()
  pacer.pause(1_000)
  pacer.pause(2_000)
  pacer.resume(9_000)
  assert.equal(pacer.allowedBytes(9_000, SEGMENT_S, BYTES), 1_000)
})
