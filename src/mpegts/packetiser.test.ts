import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { PACKET_BYTES, SYNC_BYTE } from './packet.ts'
import { Packetiser } from './packetiser.ts'
import { cut, packet } from './testing.ts'

function packets(count: number): Buffer {
  return Buffer.concat(
    Array.from({ length: count }, (_, index) =>
      packet({ pid: 0x100, counter: index, payload: Buffer.alloc(150, index) }),
    ),
  )
}

function collect(packetiser: Packetiser, chunks: readonly Buffer[]): Buffer {
  const runs: Buffer[] = []
  for (const chunk of chunks) packetiser.push(chunk, (run) => runs.push(Buffer.from(run)))
  for (const run of runs) assert.equal(run.length % PACKET_BYTES, 0)
  return Buffer.concat(runs)
}

function withStride(bytes: Buffer, prefix: number, suffix: number): Buffer {
  const parts: Buffer[] = []
  for (let at = 0; at < bytes.length; at += PACKET_BYTES) {
    parts.push(Buffer.alloc(prefix, 0x11), bytes.subarray(at, at + PACKET_BYTES), Buffer.alloc(suffix, 0x22))
  }
  return Buffer.concat(parts)
}

test('aligned packets are handed on without being copied', () => {
  const bytes = packets(20)
  const runs: Buffer[] = []
  new Packetiser().push(bytes, (run) => runs.push(run))
  assert.equal(runs.length, 1)
  assert.equal(runs[0]?.buffer, bytes.buffer)
  assert.equal(runs[0]?.byteOffset, bytes.byteOffset)
  assert.equal(runs[0]?.length, bytes.length)
})

test('however the bytes are cut, the same packets come out', () => {
  const bytes = packets(40)
  for (let size = 1; size <= 400; size += 1) {
    assert.ok(collect(new Packetiser(), cut(bytes, [size])).equals(bytes), `chunks of ${size}`)
  }
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 20 }), (sizes) => {
      assert.ok(collect(new Packetiser(), cut(bytes, sizes)).equals(bytes))
    }),
  )
})

for (const [name, prefix, suffix] of [
  ['192-byte packets with a timestamp before each', 4, 0],
  ['204-byte packets with error correction behind each', 0, 16],
] as const) {
  test(`${name} come out as 188-byte packets, however they are cut`, () => {
    const bytes = packets(600)
    const wide = withStride(bytes, prefix, suffix)
    // The last unit of 192 bytes is complete only with the next one's timestamp.
    const expected = prefix > 0 ? bytes.subarray(0, -PACKET_BYTES) : bytes
    for (const size of [1, 3, 188, 1_000, wide.length]) {
      const packetiser = new Packetiser()
      assert.ok(collect(packetiser, cut(wide, [size])).equals(expected), `chunks of ${size}`)
      assert.equal(packetiser.strideBytes, PACKET_BYTES + prefix + suffix)
      assert.equal(packetiser.skippedBytes, 0)
    }
  })
}

test('garbage before the first packet and between packets is skipped and counted', () => {
  const bytes = packets(20)
  const garbage = Buffer.alloc(333, 0x47)
  garbage.fill(0x99, 0, 300)
  const packetiser = new Packetiser()
  const out = collect(packetiser, cut(Buffer.concat([garbage, bytes, garbage, bytes]), [97]))
  assert.ok(out.equals(Buffer.concat([bytes, bytes])))
  assert.equal(packetiser.skippedBytes, 666)
  assert.equal(packetiser.syncLosses, 1)
})

test('a packet that lost bytes is dropped and the next one is whole', () => {
  const bytes = packets(20)
  const damaged = Buffer.concat([bytes.subarray(0, 188 * 7 + 50), bytes.subarray(188 * 7 + 60)])
  const out = collect(new Packetiser(), cut(damaged, [1_000]))
  // The shortened packet comes out with the first bytes of the next one in it; from the ninth on all are whole.
  assert.ok(out.subarray(0, 188 * 7).equals(bytes.subarray(0, 188 * 7)))
  assert.ok(out.subarray(-188 * 11).equals(bytes.subarray(-188 * 11)))
})

test('bytes that are nothing give nothing and are not kept', () => {
  const packetiser = new Packetiser()
  for (const fill of [0x00, 0xff, 0x46]) {
    assert.equal(collect(packetiser, cut(Buffer.alloc(100_000, fill), [1_500])).length, 0)
  }
  assert.equal(packetiser.skippedBytes, 300_000)
})

test('a bare few packets are not an alignment yet', () => {
  assert.equal(collect(new Packetiser(), [packets(4)]).length, 0)
})

test('random bytes with sync bytes among them: whole packets only, nothing counted twice, no exception', () => {
  const byte = fc.oneof(
    { weight: 3, arbitrary: fc.constant(SYNC_BYTE) },
    { weight: 1, arbitrary: fc.integer({ min: 0, max: 255 }) },
  )
  const bytes = fc.array(byte, { maxLength: 4_000, size: 'max' }).map((array) => Buffer.from(array))
  fc.assert(
    fc.property(bytes, fc.array(fc.integer({ min: 1, max: 900 }), { minLength: 1, maxLength: 5 }), (data, sizes) => {
      const packetiser = new Packetiser()
      const out = collect(packetiser, cut(data, sizes))
      for (let at = 0; at < out.length; at += PACKET_BYTES) assert.equal(out[at], SYNC_BYTE)
      assert.ok(out.length + packetiser.skippedBytes <= data.length)
      assert.ok(data.length - out.length - packetiser.skippedBytes <= 1_100 + (out.length / PACKET_BYTES) * 16)
    }),
    { numRuns: 60 },
  )
})
