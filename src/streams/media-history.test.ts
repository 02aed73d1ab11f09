import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { MediaHistory } from './media-history.ts'

function historyOf(bounds = { bytesMax: 1_000, ageMsMax: 10_000 }): MediaHistory {
  const history = new MediaHistory(bounds)
  history.append(Buffer.from('audio'), [], 1_000)
  history.append(Buffer.from('..Key..'), [2], 1_500)
  history.append(Buffer.from('more'), [], 2_000)
  history.append(Buffer.from('K2.K3'), [0, 3], 2_500)
  return history
}

const textFrom = (history: MediaHistory, aimMs: number, leadInMs: number) => {
  const join = history.joinNear(aimMs)
  return join === undefined ? undefined : history.from(join, leadInMs).map(({ data }) => data.toString())
}

test('joins at the latest join point that had arrived, or the first after it', () => {
  const history = historyOf()
  assert.deepEqual(textFrom(history, 2_400, 0), ['Key..', 'more', 'K2.K3'])
  assert.deepEqual(textFrom(history, 9_000, 0), ['K3'])
  assert.deepEqual(textFrom(history, 0, 0), ['Key..', 'more', 'K2.K3'])
  assert.equal(new MediaHistory({ bytesMax: 10, ageMsMax: 10 }).joinNear(0), undefined)
})

test('the lead-in comes before the join point, whose offset says where it ends', () => {
  const history = historyOf()
  const join = history.joinNear(1_500)
  assert.ok(join !== undefined)
  const [first] = history.from(join, 1_000)
  assert.equal(first?.data.toString(), 'audio..Key..')
  assert.deepEqual(first?.joinOffsets, [7])
  const late = history.joinNear(9_000)
  assert.ok(late !== undefined)
  const [only] = history.from(late, 600)
  assert.equal(only?.data.toString(), 'moreK2.K3', 'no more than asked for')
  assert.deepEqual(only?.joinOffsets, [7], 'join points before the chosen one are lead-in too')
})

test('old media goes, never the latest join point', () => {
  const history = historyOf({ bytesMax: 1_000, ageMsMax: 600 })
  assert.deepEqual(
    history.chunks.map(({ data }) => data.toString()),
    ['more', 'K2.K3'],
  )
  history.append(Buffer.from('tail'), [], 60_000)
  assert.deepEqual(textFrom(history, 60_000, 0), ['K3', 'tail'])
})

test('never holds more than its bytes, and counts them right', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(300), fc.boolean(), fc.nat(2_000)), { maxLength: 50 }), (pieces) => {
      const history = new MediaHistory({ bytesMax: 500, ageMsMax: 3_000 })
      let nowMs = 0
      for (const [length, isJoin, waitMs] of pieces) {
        nowMs += waitMs
        history.append(Buffer.alloc(length), isJoin && length > 0 ? [0] : [], nowMs)
        assert.ok(history.bytes <= 500)
        assert.equal(
          history.bytes,
          history.chunks.reduce((sum, { data }) => sum + data.length, 0),
        )
      }
    }),
  )
})
