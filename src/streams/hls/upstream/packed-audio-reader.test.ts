import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { PackedAudioReader } from './packed-audio-reader.ts'

/** An ADTS frame of 1,024 samples at 48 kHz: 1,920 ticks. */
function frame(fill: number, bytes = 40): Buffer {
  const out = Buffer.alloc(bytes, fill)
  out.set([0xff, 0xf1, 0x4c, 0x80 | (bytes >> 11), (bytes >> 3) & 0xff, ((bytes & 7) << 5) | 0x1f, 0xfc])
  return out
}

function tag(ticks: number): Buffer {
  const value = Buffer.alloc(8)
  value.writeBigUInt64BE(BigInt(ticks))
  const content = Buffer.concat([Buffer.from('com.apple.streaming.transportStreamTimestamp\0'), value])
  const header = Buffer.concat([Buffer.from('PRIV\0\0\0'), Buffer.from([content.length, 0, 0])])
  return Buffer.concat([
    Buffer.from('ID3\x04\0\0\0\0\0'),
    Buffer.from([header.length + content.length]),
    header,
    content,
  ])
}

function readIn(pieceBytes: number, segments: readonly Buffer[]) {
  const codecs: string[] = []
  const times: number[] = []
  const reader = new PackedAudioReader(
    (codec) => void codecs.push(codec),
    (_frame, pts) => void times.push(pts),
  )
  for (const segment of segments) {
    reader.beginSegment()
    for (let at = 0; at < segment.length; at += pieceBytes) reader.push(segment.subarray(at, at + pieceBytes))
  }
  return { codecs, times }
}

const frames = (count: number) => Buffer.concat(Array.from({ length: count }, (_, index) => frame(index)))

test('frames have the time that their tag gives, in whatever pieces they come', () => {
  const segments = [Buffer.concat([tag(2 ** 33 - 100), frames(3)]), Buffer.concat([tag(90_000), frames(2)])]
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 300 }), (pieceBytes) => {
      const { codecs, times } = readIn(pieceBytes, segments)
      assert.deepEqual(codecs, ['aac'])
      const first = 2 ** 33 - 100
      assert.deepEqual(times, [first, first + 1_920, first + 3_840, 90_000, 91_920])
    }),
  )
})

test('a segment without a tag goes on where the one before ended', () => {
  const { times } = readIn(1_000, [Buffer.concat([tag(90_000), frames(2)]), frames(1)])
  assert.deepEqual(times, [90_000, 91_920, 93_840])
})

test('nothing that comes makes it throw', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 400 }), { maxLength: 4 }),
      fc.integer({ min: 1, max: 64 }),
      (segments, size) => {
        readIn(
          size,
          segments.map((bytes) => Buffer.concat([Buffer.from('ID3'), bytes])),
        )
      },
    ),
  )
})
