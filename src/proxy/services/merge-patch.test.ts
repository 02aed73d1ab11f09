import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mergePatch } from './merge-patch.ts'

test('objects are merged, null takes away, everything else replaces (the cases of RFC 7396)', () => {
  for (const [target, patch, expected] of [
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
    [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
    [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
    [
      ['a', 'b'],
      ['c', 'd'],
      ['c', 'd'],
    ],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [[1, 2], { a: 'b', c: null }, { a: 'b' }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ]) {
    assert.deepEqual(mergePatch(target, patch), expected)
  }
})

test('an object of another kind replaces, because its fields mean something else', () => {
  const target = { strategy: { kind: 'active_active', loadFactor: 2 } }
  assert.deepEqual(mergePatch(target, { strategy: { kind: 'geographic' } }), { strategy: { kind: 'geographic' } })
  assert.deepEqual(mergePatch(target, { strategy: { loadFactor: 3 } }), {
    strategy: { kind: 'active_active', loadFactor: 3 },
  })
})
