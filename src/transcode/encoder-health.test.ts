import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EncoderHealth, ENCODER_PROVEN_MS } from './encoder-health.ts'

const verdicts = (sources: number, delivered: readonly number[]) => {
  const health = new EncoderHealth()
  return delivered.map((ms) => health.failed(ms, sources))
}

test('an encoder that dies after a long run is started again on the same source, every time', () => {
  assert.deepEqual(verdicts(3, [60_000, 60_000, 60_000]), ['same_source', 'same_source', 'same_source'])
})

test('one that dies again at once is the source’s doing', () => {
  assert.deepEqual(verdicts(3, [60_000, 500]), ['same_source', 'next_source'])
})

test('when it dies on every source, nothing is hurried any more', () => {
  assert.deepEqual(verdicts(2, [0, 0, 0, 0, 0, 0]), [
    ...['same_source', 'next_source', 'same_source', 'give_up', 'give_up', 'give_up'],
  ])
  assert.deepEqual(verdicts(1, [0, 0, 0]), ['same_source', 'give_up', 'give_up'])
})

test('a good run wipes the slate clean', () => {
  assert.deepEqual(verdicts(1, [0, 0, ENCODER_PROVEN_MS, 0]), ['same_source', 'give_up', 'same_source', 'give_up'])
})
