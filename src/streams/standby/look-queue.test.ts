import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LookQueue } from './look-queue.ts'

test('of a thousand new streams sixteen are looked at at a time, and all in the end', async () => {
  const queue = new LookQueue()
  const begun: number[] = []
  const ends: (() => void)[] = []
  for (let stream = 0; stream < 1_000; stream += 1) {
    queue.add(async () => {
      begun.push(stream)
      await new Promise<void>((resolve) => ends.push(resolve))
    })
  }
  assert.equal(begun.length, 16)
  let ended = 0
  for (let end = ends.shift(); end !== undefined; end = ends.shift()) {
    end()
    ended += 1
    await new Promise(setImmediate)
    assert.ok(begun.length - ended <= 16)
  }
  assert.deepEqual(
    begun,
    Array.from({ length: 1_000 }, (_, stream) => stream),
  )
})
