import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { UNDECIDED_BYTES_MAX } from '../../mpegts/indexer.ts'
import { PACKET_BYTES } from '../../mpegts/packet.ts'
import { AUDIO_PID, createMux, cut, h264, VIDEO_PID } from '../../mpegts/testing.ts'
import { frameAll } from './testing.ts'

const { aud, sps, idr, predicted } = h264
const KEYFRAME = Buffer.concat([aud, sps, Buffer.alloc(300), idr, Buffer.alloc(900, 0x5a)])
const FRAME = Buffer.concat([aud, predicted, Buffer.alloc(500, 0x5a)])

/** Four groups of pictures, each with tables before it and audio between; where the keyframes and their tables are. */
function generate() {
  const mux = createMux()
  const parts: Buffer[] = []
  const keyframes: { at: number; preamble: Buffer }[] = []
  let length = 0
  const add = (part: Buffer) => {
    parts.push(part)
    length += part.length
  }
  for (let group = 0; group < 4; group += 1) {
    const preamble = mux.tables(group)
    add(preamble)
    keyframes.push({ at: length, preamble })
    add(mux.pes(VIDEO_PID, KEYFRAME, { pcr: group * 80 * 27_000 }))
    add(mux.pes(AUDIO_PID, Buffer.alloc(400, 0x33), { streamId: 0xc0 }))
    add(mux.pes(VIDEO_PID, FRAME, { pcr: (group * 80 + 40) * 27_000 }))
  }
  // The last keyframe's decision must not depend on what follows.
  add(mux.pes(AUDIO_PID, Buffer.alloc(400, 0x33), { streamId: 0xc0 }))
  return { stream: Buffer.concat(parts), keyframes }
}

test('a viewer begins exactly at the packet of the keyframe, with the tables before it, however chunks are cut', () => {
  const { stream, keyframes } = generate()
  const sizes = [...Array.from({ length: 400 }, (_, index) => index + 1), 1_000, 4_096, stream.length]
  for (const size of sizes) {
    const { output, joins, framer } = frameAll('mpegts', cut(stream, [size]))
    assert.ok(output.equals(stream), `chunks of ${size}`)
    assert.deepEqual(joins, keyframes, `chunks of ${size}`)
    assert.equal(framer.mediaMs, 280)
    assert.deepEqual(framer.counters, {
      skippedBytes: 0,
      units: stream.length / PACKET_BYTES,
      continuityErrors: 0,
      transportErrors: 0,
      scrambledPackets: 0,
    })
  }
})

test('a viewer that joins late reads tables whose continuity counters go on', () => {
  const { stream, keyframes } = generate()
  const { output, joins } = frameAll('mpegts', cut(stream, [1_000]))
  for (const { at, preamble } of joins.slice(0, keyframes.length - 1)) {
    const joined = frameAll('mpegts', [Buffer.concat([preamble, output.subarray(at)])])
    assert.equal(joined.joins[0]?.at, preamble.length)
    // The audio's PES packet that was going on and the tables' counters fit; nothing else can be missing.
    assert.equal(joined.framer.counters.continuityErrors, 0)
  }
})

test('the preamble is the same object until tables arrive', () => {
  const { stream } = generate()
  const { framer } = frameAll('mpegts', [stream])
  assert.equal(framer.preamble(), framer.preamble())
})

test('garbage inside costs the packets that it hits and no others', () => {
  const { stream, keyframes } = generate()
  const third = keyframes[2]?.at ?? 0
  const withGarbage = Buffer.concat([stream.subarray(0, third), Buffer.alloc(1_000, 0x99), stream.subarray(third)])
  const { output, framer } = frameAll('mpegts', cut(withGarbage, [777]))
  assert.ok(output.equals(stream))
  assert.equal(framer.counters.skippedBytes, 1_000)
})

test('tables without media are not media', () => {
  const mux = createMux()
  const tables = Array.from({ length: 20 }, () => mux.tables())
  assert.equal(frameAll('mpegts', tables).framer.mediaSeen, false)
})

test('whatever is damaged: whole packets, join points at packets inside, bounded memory, same output for any cut', () => {
  const { stream } = generate()
  const change = fc.tuple(fc.integer({ min: 0, max: stream.length - 1 }), fc.integer({ min: 0, max: 255 }))
  const gap = fc.tuple(fc.integer({ min: 0, max: stream.length }), fc.integer({ min: 0, max: 600 }))
  const sizes = fc.array(fc.integer({ min: 1, max: 900 }), { minLength: 1, maxLength: 8 })
  fc.assert(
    fc.property(fc.array(change, { maxLength: 40 }), fc.array(gap, { maxLength: 3 }), sizes, (changes, gaps, cuts) => {
      let damaged = Buffer.from(stream)
      for (const [at, value] of changes) damaged[at] = value
      for (const [at, length] of gaps) damaged = Buffer.concat([damaged.subarray(0, at), damaged.subarray(at + length)])
      const whole = frameAll('mpegts', [Buffer.from(damaged)])
      const inPieces = frameAll('mpegts', cut(damaged, cuts))
      assert.equal(inPieces.output.length % PACKET_BYTES, 0)
      assert.ok(inPieces.output.equals(whole.output))
      assert.deepEqual(inPieces.joins, whole.joins)
      assert.ok(inPieces.heldBytesMax <= UNDECIDED_BYTES_MAX + 1_024)
      for (const { at } of inPieces.joins) assert.ok(at % PACKET_BYTES === 0 && at < inPieces.output.length)
    }),
    { numRuns: 300 },
  )
})
