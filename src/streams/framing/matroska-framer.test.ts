import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { cut } from '../../mpegts/testing.ts'
import { frameAll } from './testing.ts'

const VIDEO_TRACK = 1
const AUDIO_TRACK = 2

/** An element with a size of one, two or four bytes. */
function element(id: string, body: Buffer): Buffer {
  const size = Buffer.alloc(4)
  size.writeUInt32BE(0x10000000 | body.length)
  return Buffer.concat([Buffer.from(id, 'hex'), size, body])
}

const unsigned = (id: string, value: number) => element(id, Buffer.from([value >>> 8, value & 0xff]))
const UNKNOWN_SIZE = '01ffffffffffffff'
const EBML = element('1a45dfa3', element('4282', Buffer.from('matroska')))
const OPEN_SEGMENT = Buffer.from(`18538067${UNKNOWN_SIZE}`, 'hex')
const SIZED_SEGMENT = Buffer.from('185380670100000000100000', 'hex')
const SEEK_HEAD = element('114d9b74', Buffer.alloc(40, 1))
const INFO = element('1549a966', element('2ad7b1', Buffer.from('0f4240', 'hex')))
const track = (number: number, type: number) =>
  element('ae', Buffer.concat([unsigned('d7', number), unsigned('83', type)]))
const TRACKS = element('1654ae6b', Buffer.concat([track(VIDEO_TRACK, 1), track(AUDIO_TRACK, 2)]))
const AUDIO_TRACKS = element('1654ae6b', track(AUDIO_TRACK, 2))

function blockBody(trackNumber: number, relative: number, flags: number, length: number): Buffer {
  const head = Buffer.alloc(4)
  head[0] = 0x80 | trackNumber
  head.writeInt16BE(relative, 1)
  head[3] = flags
  return Buffer.concat([head, Buffer.alloc(length, 0x77)])
}

const simple = (trackNumber: number, relative: number, isKeyframe: boolean, length = 300) =>
  element('a3', blockBody(trackNumber, relative, isKeyframe ? 0x80 : 0, length))
const group = (trackNumber: number, relative: number, isReference: boolean) =>
  element(
    'a0',
    Buffer.concat([
      element('a1', blockBody(trackNumber, relative, 0, 200)),
      ...(isReference ? [] : [element('fb', Buffer.from([0xff]))]),
    ]),
  )

function cluster(timestamp: number, blocks: readonly Buffer[], isSized: boolean): Buffer {
  const body = Buffer.concat([unsigned('e7', timestamp), ...blocks])
  return isSized ? element('1f43b675', body) : Buffer.concat([Buffer.from(`1f43b675${UNKNOWN_SIZE}`, 'hex'), body])
}

const HEADER = Buffer.concat([EBML, OPEN_SEGMENT, INFO, TRACKS])

for (const isSized of [true, false]) {
  test(`clusters of ${isSized ? 'known' : 'unknown'} size: a viewer begins where the video begins with a keyframe`, () => {
    const parts = [
      HEADER,
      cluster(0, [simple(AUDIO_TRACK, 0, true), simple(VIDEO_TRACK, 0, true), simple(VIDEO_TRACK, 40, false)], isSized),
      cluster(80, [simple(VIDEO_TRACK, 0, false), simple(VIDEO_TRACK, 40, true)], isSized),
      cluster(160, [group(VIDEO_TRACK, 0, true), simple(VIDEO_TRACK, 40, false)], isSized),
      cluster(240, [group(VIDEO_TRACK, 0, false), simple(AUDIO_TRACK, 40, true)], isSized),
    ]
    const starts = parts.map((_, index) => Buffer.concat(parts.slice(0, index)).length)
    const stream = Buffer.concat(parts)
    for (const size of [...Array.from({ length: 330 }, (_, index) => index + 1), stream.length]) {
      const { output, joins, framer } = frameAll('matroska', cut(stream, [size]))
      assert.ok(output.equals(stream), `chunks of ${size}`)
      assert.deepEqual(
        joins.map(({ at }) => at),
        [starts[1], starts[3]],
        `chunks of ${size}`,
      )
      for (const { preamble } of joins) assert.ok(preamble.equals(HEADER))
      assert.equal(framer.mediaMs, 280)
      assert.equal(framer.counters.units, 21)
    }
  })
}

test('a file header does not promise a joiner indexes and bytes that are gone', () => {
  const stream = Buffer.concat([
    EBML,
    SIZED_SEGMENT,
    SEEK_HEAD,
    INFO,
    TRACKS,
    cluster(0, [simple(VIDEO_TRACK, 0, true)], true),
  ])
  assert.ok(frameAll('matroska', [stream]).joins[0]?.preamble.equals(HEADER))
})

test('without video a viewer begins at any cluster', () => {
  const sound = [simple(AUDIO_TRACK, 0, true)]
  const stream = Buffer.concat([
    EBML,
    OPEN_SEGMENT,
    INFO,
    AUDIO_TRACKS,
    cluster(0, sound, false),
    cluster(20, sound, false),
  ])
  assert.equal(frameAll('matroska', [stream]).joins.length, 2)
})

test('a second file in the same body has its own preamble', () => {
  const sound = cluster(0, [simple(AUDIO_TRACK, 0, true)], false)
  const second = Buffer.concat([EBML, OPEN_SEGMENT, INFO, AUDIO_TRACKS])
  const { joins } = frameAll(
    'matroska',
    cut(Buffer.concat([HEADER, cluster(0, [simple(VIDEO_TRACK, 0, true)], false), second, sound]), [400]),
  )
  assert.equal(joins.length, 2)
  assert.ok(joins[1]?.preamble.equals(second))
})

test('a header alone is not media', () => {
  assert.equal(frameAll('matroska', [HEADER]).framer.mediaSeen, false)
})

test('an element beyond the limit, or none, passes as it comes without join points', () => {
  const huge = Buffer.from('a310ffffff', 'hex').fill(0x1f, 1, 2)
  for (const rest of [huge, Buffer.alloc(900, 0x00)]) {
    const stream = Buffer.concat([HEADER, cluster(0, [simple(VIDEO_TRACK, 0, true)], false), rest, Buffer.alloc(5_000)])
    const { output, joins, heldBytesMax } = frameAll('matroska', cut(stream, [100]))
    assert.ok(output.equals(stream))
    assert.equal(joins.length, 1)
    assert.ok(heldBytesMax < 1_000)
  }
})

test('a cluster whose video does not come is not held back for ever', () => {
  const sounds = Array.from({ length: 400 }, (_, index) => simple(AUDIO_TRACK, index, true, 1_000))
  const stream = Buffer.concat([HEADER, cluster(0, sounds, false)])
  const { output, joins, heldBytesMax } = frameAll('matroska', cut(stream, [3_000]))
  assert.ok(output.equals(stream))
  assert.equal(joins.length, 0)
  assert.ok(heldBytesMax < 270_000)
})

test('random elements and bytes, cut anywhere: the same bytes and join points come out', () => {
  const part = fc.oneof(
    fc.constantFrom(
      HEADER,
      cluster(5, [simple(VIDEO_TRACK, 0, true)], false),
      simple(VIDEO_TRACK, 3, true),
      group(AUDIO_TRACK, 0, false),
    ),
    fc.constantFrom(cluster(9, [simple(AUDIO_TRACK, 0, true)], true), INFO, TRACKS, AUDIO_TRACKS, SEEK_HEAD),
    fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes)),
  )
  const sizes = fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 4 })
  fc.assert(
    fc.property(fc.array(part, { maxLength: 20 }), sizes, (parts, cuts) => {
      const stream = Buffer.concat([EBML, ...parts])
      const { output } = frameAll('matroska', cut(stream, cuts))
      assert.ok(output.equals(stream.subarray(0, output.length)))
    }),
    { numRuns: 300 },
  )
})
