import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { readAudioFrame } from './audio-frames.ts'
import { cut } from '../../mpegts/testing.ts'
import { frameAll } from './testing.ts'

/** MPEG-1 layer III, 128 kbit/s, 44.1 kHz: 417 bytes, 26.1 ms. */
function mp3Frame(fill: number): Buffer {
  return Buffer.concat([Buffer.from('fffb9064', 'hex'), Buffer.alloc(413, fill)])
}

/** AAC LC, 48 kHz, 200 bytes, 21.3 ms. */
function adtsFrame(fill: number): Buffer {
  return Buffer.concat([Buffer.from('fff14c801900fc', 'hex').fill(0x19, 4, 5), Buffer.alloc(193, fill)])
}

const ID3 = Buffer.concat([Buffer.from('49443304000000000201', 'hex'), Buffer.alloc(257, 0xff)])
const frames = (make: (fill: number) => Buffer, count: number) =>
  Buffer.concat(Array.from({ length: count }, (_, index) => make(index % 200)))

test('reads lengths and durations of MP3 and ADTS frames', () => {
  assert.deepEqual(readAudioFrame(mp3Frame(0), 0), { container: 'mp3', bytes: 417, durationMs: 1_152_000 / 44_100 })
  assert.deepEqual(readAudioFrame(adtsFrame(0), 0), { container: 'adts', bytes: 200, durationMs: 1_024_000 / 48_000 })
  // MPEG-2 layer III 64 kbit/s 22.05 kHz with padding, MPEG-1 layer II 192 kbit/s 48 kHz, MPEG-1 layer I 32 kbit/s 32 kHz.
  assert.equal(readAudioFrame(Buffer.from('fff3820000000000', 'hex'), 0)?.bytes, 209)
  assert.equal(readAudioFrame(Buffer.from('fffda40000000000', 'hex'), 0)?.bytes, 576)
  assert.equal(readAudioFrame(Buffer.from('ffff180000000000', 'hex'), 0)?.bytes, 48)
})

test('reserved versions, layers, rates and free format are no frames', () => {
  for (const header of ['ffeb9064', 'fff99064', 'fffb9c64', 'fffb0064', 'fffbf064', 'fff17c80', 'fe000000']) {
    assert.equal(readAudioFrame(Buffer.from(`${header}00000000`, 'hex'), 0), undefined, header)
  }
})

for (const [container, make, durationMs] of [
  ['mp3', mp3Frame, 1_152_000 / 44_100],
  ['adts', adtsFrame, 1_024_000 / 48_000],
] as const) {
  test(`${container}: whole frames come out and a viewer begins at a frame, however chunks are cut`, () => {
    const stream = frames(make, 60)
    const frameBytes = make(0).length
    for (const size of [1, 7, 199, 200, 417, 1_000, stream.length]) {
      const { output, joins, framer } = frameAll(container, cut(stream, [size]))
      assert.ok(output.equals(stream), `chunks of ${size}`)
      assert.ok(joins.length >= 2)
      for (const { at, preamble } of joins) assert.ok(at % frameBytes === 0 && preamble.length === 0)
      assert.ok(Math.abs((framer.mediaMs ?? 0) - 60 * durationMs) < 0.001)
      assert.equal(framer.counters.units, 60)
    }
  })

  test(`${container}: joined in the middle of a frame, the rest of that frame is dropped`, () => {
    const { output, framer } = frameAll(container, cut(frames(make, 10).subarray(50), [64]))
    assert.ok(output.equals(frames(make, 10).subarray(make(0).length)))
    assert.equal(framer.counters.skippedBytes, make(0).length - 50)
  })
}

test('an ID3 tag passes and is never joined at, even when it is full of sync bytes', () => {
  const stream = Buffer.concat([ID3, frames(mp3Frame, 4), ID3, frames(mp3Frame, 4)])
  for (const size of [1, 5, 100, stream.length]) {
    const { output, joins } = frameAll('mp3', cut(stream, [size]))
    assert.ok(output.equals(stream))
    for (const { at } of joins) assert.notEqual(readAudioFrame(output, at), undefined)
  }
})

test('bytes that are no audio give nothing, are not kept and are not media', () => {
  const { output, framer, heldBytesMax } = frameAll('mp3', cut(Buffer.alloc(50_000, 0x20), [1_000]))
  assert.equal(output.length, 0)
  assert.equal(framer.mediaSeen, false)
  assert.equal(framer.counters.skippedBytes, 50_000)
  assert.equal(heldBytesMax, 0)
})

test('random bytes among frames: join points are frames, memory is bounded, no exception', () => {
  const part = fc.oneof(
    fc.constantFrom(mp3Frame(1), adtsFrame(2), ID3, Buffer.from('ID3'), Buffer.from([0xff])),
    fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
  )
  const sizes = fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 4 })
  fc.assert(
    fc.property(fc.constantFrom('mp3', 'adts'), fc.array(part, { maxLength: 40 }), sizes, (container, parts, cuts) => {
      const { output, joins, heldBytesMax } = frameAll(container, cut(Buffer.concat(parts), cuts))
      assert.ok(heldBytesMax <= 8_300)
      for (const { at } of joins) assert.equal(readAudioFrame(output, at)?.container, container)
    }),
    { numRuns: 400 },
  )
})
