import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  continuityCounterOf,
  hasAdaptationField,
  hasDiscontinuityIndicator,
  hasPayload,
  hasPcr,
  hasRandomAccessIndicator,
  hasTransportError,
  isPayloadUnitStart,
  isScrambled,
  PACKET_BYTES,
  payloadOffset,
  PCR_MODULUS,
  pcrOf,
  pidOf,
} from './packet.ts'
import { packet } from './testing.ts'

test('reads every header field of a packet that is not at the beginning of the buffer', () => {
  const payload = Buffer.from('payload')
  const fields = { isStart: true, isRandomAccess: true, isDiscontinuity: true, isScrambled: true, hasError: true }
  const bytes = Buffer.concat([
    Buffer.alloc(3),
    packet({ pid: 0x1abc, counter: 11, payload, pcr: 12_345_678_901, ...fields }),
  ])
  assert.equal(pidOf(bytes, 3), 0x1abc)
  assert.equal(continuityCounterOf(bytes, 3), 11)
  assert.equal(pcrOf(bytes, 3), 12_345_678_901)
  assert.equal(bytes.toString('latin1', payloadOffset(bytes, 3)), 'payload')
  for (const flag of [
    isPayloadUnitStart,
    hasRandomAccessIndicator,
    hasDiscontinuityIndicator,
    isScrambled,
    hasTransportError,
    hasPcr,
  ]) {
    assert.equal(flag(bytes, 3), true, flag.name)
  }
})

test('a packet without an adaptation field has none of its flags', () => {
  const bytes = packet({ pid: 5, payload: Buffer.alloc(184, 0xff) })
  assert.equal(hasAdaptationField(bytes, 0), false)
  assert.equal(hasPayload(bytes, 0), true)
  assert.equal(payloadOffset(bytes, 0), 4)
  for (const flag of [
    isPayloadUnitStart,
    hasRandomAccessIndicator,
    hasDiscontinuityIndicator,
    isScrambled,
    hasTransportError,
    hasPcr,
  ]) {
    assert.equal(flag(bytes, 0), false, flag.name)
  }
})

test('an adaptation field longer than its packet leaves no payload', () => {
  const bytes = packet({ pid: 5, payload: Buffer.alloc(10) })
  bytes[4] = 255
  assert.equal(payloadOffset(bytes, 0), PACKET_BYTES)
})

test('a PCR flag in an adaptation field too short for one is not believed', () => {
  const bytes = packet({ pid: 5, pcr: 1, payload: Buffer.alloc(170) })
  bytes[4] = 6
  assert.equal(hasPcr(bytes, 0), false)
})

test('a PCR is read as it was written, up to the last before the wrap', () => {
  fc.assert(
    fc.property(fc.oneof(fc.constant(PCR_MODULUS - 1), fc.integer({ min: 0, max: PCR_MODULUS - 1 })), (pcr) => {
      assert.equal(pcrOf(packet({ pid: 5, pcr, payload: Buffer.alloc(1) }), 0), pcr)
    }),
  )
})
