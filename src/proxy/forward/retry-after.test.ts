import assert from 'node:assert/strict'
import { test } from 'node:test'
import { retryAfterMs } from './retry-after.ts'

const NOW_MS = Date.UTC(2026, 10, 21, 12, 0, 0)

test('seconds are seconds', () => {
  assert.equal(retryAfterMs('1', NOW_MS), 1_000)
  assert.equal(retryAfterMs('0', NOW_MS), 0)
  assert.equal(retryAfterMs('120', NOW_MS), 120_000)
})

test('a date is the time until then, and a past one is now', () => {
  assert.equal(retryAfterMs('Sat, 21 Nov 2026 12:00:05 GMT', NOW_MS), 5_000)
  assert.equal(retryAfterMs('Sat, 21 Nov 2026 11:00:00 GMT', NOW_MS), 0)
})

test('anything else says nothing', () => {
  for (const value of [undefined, '', '-1', '1.5', 'soon', '1e3', '99999999999']) {
    assert.equal(retryAfterMs(value, NOW_MS), undefined, value)
  }
})
