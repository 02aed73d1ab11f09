import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SampleQueue } from './sample-queue.ts'

function queueOf(durations: readonly number[]): SampleQueue {
  const queue = new SampleQueue(90_000)
  let time = 1_000
  for (const duration of durations) {
    queue.push({ data: Buffer.alloc(1), duration, time, compositionOffset: 0, isSync: false })
    time += duration
  }
  return queue
}

test('samples count that end by a time, so that one that lasts longer than others does not', () => {
  const queue = queueOf([3_600, 3_600, 7_200, 3_600])
  assert.equal(queue.countEnding(4, 1_000 + 18_000), 4)
  assert.equal(queue.countEnding(4, 1_000 + 17_999), 3)
  assert.equal(queue.countEnding(3, 1_000 + 14_399), 2)
  assert.equal(queue.countEnding(3, Infinity), 3)
})

test('one sample counts however long it lasts, and none where there is none', () => {
  assert.equal(queueOf([90_000]).countEnding(1, 1_100), 1)
  assert.equal(queueOf([]).countEnding(0, 1_100), 0)
})
