import assert from 'node:assert/strict'
import { test } from 'node:test'
import { segmentDeadlineMs } from './segment-deadline.ts'

const haste = { targetDurationS: 6, underWay: 0, hasAlternative: true, hasDelivered: true }

test('a segment has to be there before players that are three target durations behind run dry', () => {
  assert.equal(segmentDeadlineMs(haste), 12_000)
  assert.equal(segmentDeadlineMs({ ...haste, targetDurationS: 2 }), 4_000)
})

test('segments that are fetched together have time for each other', () => {
  assert.equal(segmentDeadlineMs({ ...haste, underWay: 2 }), 24_000)
})

test('a slow source is better than none, and nobody is hurried at the start', () => {
  assert.equal(segmentDeadlineMs({ ...haste, hasAlternative: false }), undefined)
  assert.equal(segmentDeadlineMs({ ...haste, hasDelivered: false }), undefined)
  assert.equal(segmentDeadlineMs({ ...haste, targetDurationS: 0 }), undefined)
})
