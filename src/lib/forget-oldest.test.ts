import assert from 'node:assert/strict'
import { test } from 'node:test'
import { forgetOldest } from './forget-oldest.ts'

test('the first that came goes, and only where there are too many', () => {
  const map = new Map<number, string>()
  for (const number of [0, 1, 2, 3]) {
    map.set(number, 'here')
    forgetOldest(map, 3)
  }
  assert.deepEqual([...map.keys()], [1, 2, 3])
  map.delete(1)
  forgetOldest(map, 3)
  assert.deepEqual([...map.keys()], [2, 3])
})
