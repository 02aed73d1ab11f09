import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { continuityCounterOf, hasDiscontinuityIndicator, PACKET_BYTES, pidOf } from '../../../mpegts/packet.ts'
import { TsJoiner } from './ts-joiner.ts'

const PID = 0x100

function packet(counter: number, { isStart = false, hasClock = false, pid = PID } = {}): Buffer {
  const bytes = Buffer.alloc(PACKET_BYTES, 0xff)
  bytes.set([0x47, (isStart ? 0x40 : 0) | (pid >> 8), pid & 0xff, (hasClock ? 0x30 : 0x10) | (counter & 0x0f)])
  if (hasClock) bytes.set([7, 0x10, 0, 0, 0, 0, 0x7e, 0], 4)
  return bytes
}

/** A segment of `length` packets whose counters begin at `first`. */
const segment = (first: number, length: number) =>
  Buffer.concat(
    Array.from({ length }, (_, index) => packet(first + index, { isStart: index === 0, hasClock: index === 1 })),
  )

function countersOf(bytes: Buffer): readonly number[] {
  return Array.from({ length: bytes.length / PACKET_BYTES }, (_, index) =>
    continuityCounterOf(bytes, index * PACKET_BYTES),
  )
}

test('counters go on from segment to segment, in whatever pieces they come, and nobody else’s bytes are written to', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ first: fc.nat(15), length: fc.integer({ min: 1, max: 40 }) }), {
        minLength: 1,
        maxLength: 6,
      }),
      fc.integer({ min: 1, max: 700 }),
      (segments, pieceBytes) => {
        const joiner = new TsJoiner()
        const out: Buffer[] = []
        for (const { first, length } of segments) {
          joiner.beginSegment(false)
          const bytes = segment(first, length)
          const before = Buffer.from(bytes)
          for (let at = 0; at < bytes.length; at += pieceBytes) {
            out.push(Buffer.from(joiner.push(bytes.subarray(at, at + pieceBytes))))
          }
          assert.ok(bytes.equals(before))
        }
        const counters = countersOf(Buffer.concat(out))
        assert.equal(
          counters.length,
          segments.reduce((sum, { length }) => sum + length, 0),
        )
        const begin = segments[0]?.first ?? 0
        assert.deepEqual(
          counters,
          counters.map((_, index) => (begin + index) & 0x0f),
        )
      },
    ),
  )
})

test('what follows as it should is handed on without a copy', () => {
  const joiner = new TsJoiner()
  joiner.beginSegment(false)
  joiner.push(segment(0, 4))
  joiner.beginSegment(false)
  const next = segment(4, 4)
  assert.equal(joiner.push(next).buffer, next.buffer)
})

test('a segment that begins in the middle of a unit keeps the step that says that something is missing', () => {
  const joiner = new TsJoiner()
  joiner.beginSegment(false)
  joiner.push(segment(0, 4))
  joiner.beginSegment(false)
  assert.deepEqual(countersOf(joiner.push(packet(9))), [9])
})

test('a break of the timeline is told with the first clock reference, and only there', () => {
  const joiner = new TsJoiner()
  joiner.beginSegment(true)
  const out = joiner.push(segment(0, 6))
  const marks = Array.from({ length: 6 }, (_, index) => hasDiscontinuityIndicator(out, index * PACKET_BYTES))
  assert.deepEqual(marks, [false, true, false, false, false, false])
  joiner.beginSegment(false)
  assert.equal(hasDiscontinuityIndicator(joiner.push(segment(6, 2)), PACKET_BYTES), false)
})

test('half a packet at the end of a segment is left out', () => {
  const joiner = new TsJoiner()
  joiner.beginSegment(false)
  joiner.push(Buffer.concat([segment(0, 2), Buffer.alloc(100, 0x47)]))
  joiner.beginSegment(false)
  const out = joiner.push(segment(2, 1))
  assert.deepEqual([out.length, pidOf(out, 0)], [PACKET_BYTES, PID])
})
