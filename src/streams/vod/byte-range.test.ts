import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseContentLength, parseContentRange, rangeFrom } from './byte-range.ts'

test('reads a part, with and without the total', () => {
  assert.deepEqual(parseContentRange('bytes 0-0/1'), { kind: 'part', startByte: 0, endByte: 1, totalBytes: 1 })
  assert.deepEqual(parseContentRange('BYTES 5-9/10'), { kind: 'part', startByte: 5, endByte: 10, totalBytes: 10 })
  assert.deepEqual(parseContentRange('bytes 5-9/*'), { kind: 'part', startByte: 5, endByte: 10, totalBytes: undefined })
  assert.deepEqual(parseContentRange('bytes */10'), { kind: 'unsatisfied', totalBytes: 10 })
})

test('refuses what contradicts itself or is something else', () => {
  const nonsense = [
    undefined,
    '',
    'bytes',
    'bytes 9-5/10',
    'bytes 0-10/10',
    'bytes 0-/10',
    'bytes -5/10',
    'items 0-1/2',
    'bytes 0-1',
    'bytes 0-1/x',
    'bytes 0-99999999999999999999/*',
    'bytes 0-1/2, bytes 3-4/5',
  ]
  for (const text of nonsense) assert.equal(parseContentRange(text), undefined, text)
  for (const text of [undefined, '', '-1', '1.5', '1, 1', '0x10', ' 1']) {
    assert.equal(parseContentLength(text), undefined, text)
  }
  assert.equal(parseContentLength('0'), 0)
})

test('what is asked for is what a source that answers exactly says it sends', () => {
  assert.equal(rangeFrom(5, undefined), 'bytes=5-')
  assert.equal(rangeFrom(5, 10), 'bytes=5-9')
  assert.deepEqual(parseContentRange(`${rangeFrom(5, 10).replace('=', ' ')}/10`), {
    kind: 'part',
    startByte: 5,
    endByte: 10,
    totalBytes: 10,
  })
})
