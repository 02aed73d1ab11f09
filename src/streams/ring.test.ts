import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { SLICE_BYTES_MAX, StreamRing } from './ring.ts'

const noPreamble = () => Buffer.alloc(0)

function contents(ring: StreamRing, from = ring.oldestSequence): Buffer {
  const parts: Buffer[] = []
  for (let sequence = from; sequence < ring.nextSequence; sequence += 1) {
    const slice = ring.at(sequence)
    assert.ok(slice !== undefined)
    parts.push(slice.data)
  }
  return Buffer.concat(parts)
}

test('what was appended can be read only once it is published', () => {
  const ring = new StreamRing({ bytesMax: 1_000_000, ageMsMax: 60_000 }, () => 0)
  ring.append(Buffer.from('abc'), [], noPreamble)
  assert.equal(ring.at(0), undefined)
  assert.equal(ring.publish(), true)
  assert.equal(ring.at(0)?.data.toString(), 'abc')
  assert.equal(ring.publish(), false)
})

test('a slice begins exactly at a join point and carries its preamble', () => {
  const ring = new StreamRing({ bytesMax: 1_000_000, ageMsMax: 60_000 }, () => 0)
  ring.append(Buffer.from('tailKEY'), [4], () => Buffer.from('PMT'))
  ring.publish()
  assert.equal(ring.latestJoin?.data.toString(), 'KEY')
  assert.equal(ring.latestJoin?.preamble?.toString(), 'PMT')
  assert.equal(contents(ring).toString(), 'tailKEY')
})

test('joins in every small frame do not cut slices smaller than the limit', () => {
  const ring = new StreamRing({ bytesMax: 10_000_000, ageMsMax: 60_000 }, () => 0)
  for (let frame = 0; frame < 1_000; frame += 1) ring.append(Buffer.alloc(400), [0], noPreamble)
  ring.publish()
  assert.ok(ring.nextSequence <= 100, `${ring.nextSequence} slices`)
  assert.equal(ring.publishedBytes, 400_000)
})

test('the oldest slices go when the ring is full, and a join that went is not offered', () => {
  const ring = new StreamRing({ bytesMax: SLICE_BYTES_MAX * 2, ageMsMax: 60_000 }, () => 0)
  ring.append(Buffer.alloc(10), [0], noPreamble)
  ring.publish()
  assert.equal(ring.latestJoin?.sequence, 0)
  ring.append(Buffer.alloc(SLICE_BYTES_MAX * 5), [], noPreamble)
  ring.publish()
  assert.ok(ring.publishedBytes <= SLICE_BYTES_MAX * 2)
  assert.equal(ring.latestJoin, undefined)
  assert.equal(ring.at(0), undefined)
})

test('old slices go although there is room, but never the latest join point and what follows it', () => {
  let nowMs = 0
  const ring = new StreamRing({ bytesMax: 1_000_000, ageMsMax: 10_000 }, () => nowMs)
  for (nowMs = 0; nowMs <= 20_000; nowMs += 1_000) {
    ring.append(Buffer.from('x'), nowMs === 8_000 ? [0] : [], noPreamble)
    ring.publish()
  }
  assert.equal(ring.at(ring.oldestSequence)?.publishedAtMs, 8_000)
  ring.append(Buffer.from('y'), [0], noPreamble)
  ring.publish()
  assert.equal(ring.at(ring.oldestSequence)?.publishedAtMs, 11_000)
})

test('sequences go on after clear, so an old cursor reads nothing', () => {
  const ring = new StreamRing({ bytesMax: 1_000_000, ageMsMax: 60_000 }, () => 0)
  ring.append(Buffer.from('a'), [], noPreamble)
  ring.publish()
  ring.clear()
  assert.equal(ring.oldestSequence, 1)
  assert.equal(ring.at(0), undefined)
  ring.append(Buffer.from('b'), [], noPreamble)
  ring.publish()
  assert.equal(ring.at(1)?.data.toString(), 'b')
})

test('however the bytes are cut, they come out in order, and every slice is bounded', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.uint8Array({ maxLength: 2_000 }), fc.nat(), fc.boolean())), (chunks) => {
      const ring = new StreamRing({ bytesMax: 100_000_000, ageMsMax: 60_000 }, () => 0)
      for (const [bytes, at, publish] of chunks) {
        const joins = bytes.length > 0 ? [at % bytes.length] : []
        ring.append(Buffer.from(bytes), joins, noPreamble)
        if (publish) ring.publish()
      }
      ring.publish()
      assert.deepEqual(contents(ring), Buffer.concat(chunks.map(([bytes]) => bytes)))
    }),
  )
})
