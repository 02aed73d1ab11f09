import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { cut } from '../../mpegts/testing.ts'
import { frameAll } from './testing.ts'

const AUDIO = 8
const VIDEO = 9
const SCRIPT = 18

function header(hasVideo: boolean): Buffer {
  return Buffer.from(`464c5601${hasVideo ? '05' : '04'}0000000900000000`, 'hex')
}

function tag(type: number, timestampMs: number, body: Buffer): Buffer {
  const bytes = Buffer.alloc(11 + body.length + 4)
  bytes[0] = type
  bytes.writeUIntBE(body.length, 1, 3)
  bytes.writeUIntBE(timestampMs % 2 ** 24, 4, 3)
  bytes[7] = Math.floor(timestampMs / 2 ** 24)
  body.copy(bytes, 11)
  bytes.writeUInt32BE(11 + body.length, 11 + body.length)
  return bytes
}

const body = (start: string, length = 60) => Buffer.concat([Buffer.from(start, 'hex'), Buffer.alloc(length, 0x77)])
const META = tag(SCRIPT, 0, body('02000a6f6e4d65746144617461'))
const AVC_CONFIGURATION = tag(VIDEO, 0, body('1700000000'))
const AAC_CONFIGURATION = tag(AUDIO, 0, body('af00', 2))
const keyframe = (ms: number) => tag(VIDEO, ms, body('1701000000', 900))
const picture = (ms: number) => tag(VIDEO, ms, body('2701000000', 300))
const sound = (ms: number) => tag(AUDIO, ms, body('af01', 100))
const PREAMBLE = Buffer.concat([header(true), META, AVC_CONFIGURATION, AAC_CONFIGURATION])

test('a viewer gets the headers and begins at a keyframe, however chunks are cut', () => {
  const first = [PREAMBLE, keyframe(0), sound(10), picture(40), sound(50), picture(80)]
  const keyframeAt = Buffer.concat(first).length
  const stream = Buffer.concat([...first, keyframe(120), sound(130)])
  for (let size = 1; size < 400; size += 1) {
    const { output, joins, framer } = frameAll('flv', cut(stream, [size]))
    assert.ok(output.equals(stream), `chunks of ${size}`)
    assert.deepEqual(
      joins.map(({ at }) => at),
      [PREAMBLE.length, keyframeAt],
    )
    for (const { preamble } of joins) assert.ok(preamble.equals(PREAMBLE))
    assert.equal(framer.mediaMs, 130)
  }
})

test('a new configuration changes the preamble of what comes behind it only', () => {
  const changed = tag(VIDEO, 100, body('170000000001'))
  const { joins } = frameAll('flv', [Buffer.concat([PREAMBLE, keyframe(0), changed, keyframe(120)])])
  assert.ok(joins[0]?.preamble.equals(PREAMBLE))
  assert.ok(joins[1]?.preamble.equals(Buffer.concat([header(true), META, changed, AAC_CONFIGURATION])))
})

test('the end of a sequence is no keyframe', () => {
  const end = tag(VIDEO, 200, Buffer.from('1702000000', 'hex'))
  assert.equal(frameAll('flv', [Buffer.concat([PREAMBLE, keyframe(0), end])]).joins.length, 1)
})

test('Enhanced RTMP tags are told apart too', () => {
  const configuration = tag(VIDEO, 0, body('9068766331'))
  const { joins } = frameAll('flv', [
    Buffer.concat([header(true), configuration, tag(VIDEO, 0, body('9168766331')), tag(VIDEO, 40, body('a168766331'))]),
  ])
  assert.deepEqual(
    joins.map(({ preamble }) => preamble),
    [Buffer.concat([header(true), configuration])],
  )
})

test('without video a viewer begins at any sound', () => {
  const start = Buffer.concat([header(false), META, AAC_CONFIGURATION])
  const { joins } = frameAll('flv', [Buffer.concat([start, sound(0), sound(23), sound(46)])])
  assert.equal(joins.length, 3)
  assert.ok(joins[0]?.preamble.equals(start))
})

test('a header that promises video that never comes does not keep listeners out', () => {
  const sounds = Array.from({ length: 300 }, (_, index) => sound(index * 23))
  assert.ok(frameAll('flv', [Buffer.concat([header(true), AAC_CONFIGURATION, ...sounds])]).joins.length > 0)
})

test('headers alone are not media', () => {
  assert.equal(frameAll('flv', [PREAMBLE]).framer.mediaSeen, false)
})

test('timestamps that wrap or jump do not become media time', () => {
  const stream = Buffer.concat([PREAMBLE, keyframe(2 ** 32 - 40), picture(2 ** 32 - 1), picture(39), picture(79)])
  assert.equal(frameAll('flv', [stream]).framer.mediaMs, 79)
})

test('what is no tag, or a tag beyond the limit, passes as it comes without join points', () => {
  const huge = Buffer.from('09ffffff0000000000000017', 'hex')
  for (const rest of [huge, Buffer.alloc(5_000, 0x99)]) {
    const stream = Buffer.concat([PREAMBLE, keyframe(0), rest, keyframe(40)])
    const { output, joins, heldBytesMax } = frameAll('flv', cut(stream, [100]))
    assert.ok(output.equals(stream))
    assert.equal(joins.length, 1)
    assert.ok(heldBytesMax < 2_000)
  }
})

test('random tags and bytes, cut anywhere: every byte comes out in order or is held for its tag', () => {
  const part = fc.oneof(
    fc.constantFrom(META, AVC_CONFIGURATION, AAC_CONFIGURATION, keyframe(5), picture(6), sound(7)),
    fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
  )
  const sizes = fc.array(fc.integer({ min: 1, max: 500 }), { minLength: 1, maxLength: 4 })
  fc.assert(
    fc.property(fc.array(part, { maxLength: 30 }), sizes, (parts, cuts) => {
      const stream = Buffer.concat([header(true), ...parts])
      const whole = frameAll('flv', [Buffer.from(stream)])
      const { output, joins } = frameAll('flv', cut(stream, cuts))
      assert.ok(output.equals(stream.subarray(0, output.length)))
      assert.deepEqual(joins, whole.joins)
    }),
    { numRuns: 300 },
  )
})
