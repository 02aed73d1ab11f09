import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { AUDIO_HEADER_BYTES_MAX, readAudioFrame } from './audio-frame.ts'
import { BitReader } from './bit-reader.ts'
import { readH264Sequence } from './h264.ts'
import { readHevcFormat } from './hevc.ts'
import { readMpegVideoFormat } from './mpeg-video.ts'
import { formatText } from './signature.ts'
import { unitsIn } from './start-code.ts'
import { adtsFrame, BitWriter } from './stream-builder.fixture.ts'

/** Parameter sets as x264, x265 and ffmpeg's MPEG-2 encoder write them. */
const H264_PROGRESSIVE = '6764000cacd941419f9f011000000300100000030320f142996000'
const H264_INTERLACED = '67640015acd941433f260220000003004000000643e28532c000'
const HEVC = '42010101600000030090000003000003003ca00a080c1f3e595952930bc05a02000003000200000300321000'
const MPEG2 = '000001b31400b433ffffe088000001b5148a00010000'

function bytesOf(hex: string): Buffer {
  return Buffer.from(hex, 'hex')
}

describe('the format that a parameter set tells', () => {
  test('H.264, progressive and cropped', () => {
    const bytes = bytesOf(H264_PROGRESSIVE)
    assert.equal(formatText(readH264Sequence(bytes, 0, bytes.length)?.format), '320x180 25 fps High level 1.2 4:2:0')
  })

  test('H.264, interlaced', () => {
    const bytes = bytesOf(H264_INTERLACED)
    const sequence = readH264Sequence(bytes, 0, bytes.length)
    assert.equal(formatText(sequence?.format), '320x180i 12.5 fps High level 2.1 4:2:0')
    assert.equal(sequence?.hasFieldPictures, true)
  })

  test('HEVC, with the frame rate behind its reference picture sets', () => {
    const bytes = bytesOf(HEVC)
    assert.equal(formatText(readHevcFormat(bytes, 0, bytes.length)), '320x180 25 fps Main level 2 4:2:0')
  })

  test('MPEG-2 video, from its sequence header and extension', () => {
    const bytes = bytesOf(MPEG2)
    const format = readMpegVideoFormat(bytes, [...unitsIn(bytes, 0, bytes.length)])
    assert.equal(formatText(format), '320x180 25 fps Main level Main 4:2:0')
  })

  test('a parameter set that is cut short anywhere tells nothing or what the whole one does', () => {
    for (const hex of [H264_PROGRESSIVE, H264_INTERLACED]) {
      const bytes = bytesOf(hex)
      const whole = readH264Sequence(bytes, 0, bytes.length)
      for (let end = 0; end < bytes.length; end += 1) {
        const { width, height } = readH264Sequence(bytes, 0, end)?.format ?? {}
        assert.ok(width === undefined || (width === whole?.format.width && height === whole.format.height))
      }
    }
  })

  test('damaged parameter sets never throw and stay within bounds', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), (array) => {
        const bytes = Buffer.from(array)
        for (const format of [
          readH264Sequence(bytes, 0, bytes.length)?.format,
          readHevcFormat(bytes, 0, bytes.length),
        ]) {
          assert.ok(format === undefined || ((format.width ?? 0) > 0 && (format.width ?? 0) <= 16_384))
        }
      }),
      { numRuns: 500 },
    )
  })
})

interface AudioCase {
  readonly codec: 'aac' | 'aac-latm' | 'mp2' | 'ac3' | 'eac3'
  readonly hex: string
  readonly text: string
  readonly lengthBytes: number
  readonly samples: number
}

const audioCases: readonly AudioCase[] = [
  { codec: 'aac', hex: 'fff14c8006fffc', text: 'LC 48000 Hz 2 channels', lengthBytes: 55, samples: 1_024 },
  { codec: 'aac-latm', hex: '56e0db200011881fe6a6f0', text: 'LC 48000 Hz 1 channel', lengthBytes: 222, samples: 1_024 },
  { codec: 'mp2', hex: 'fffde4c4', text: 'Layer II 48000 Hz 1 channel', lengthBytes: 1_152, samples: 1_152 },
  { codec: 'mp2', hex: 'fffb50c4', text: 'Layer III 44100 Hz 1 channel', lengthBytes: 208, samples: 1_152 },
  { codec: 'mp2', hex: 'fff350c0', text: 'Layer III 22050 Hz 1 channel', lengthBytes: 130, samples: 576 },
  { codec: 'ac3', hex: '0b77480d0c402f84', text: '48000 Hz 1 channel', lengthBytes: 384, samples: 1_536 },
  { codec: 'ac3', hex: '0b7700001e40e1de', text: '48000 Hz 6 channels', lengthBytes: 1_792, samples: 1_536 },
  { codec: 'eac3', hex: '0b7700bf3287c000', text: '48000 Hz 1 channel', lengthBytes: 384, samples: 1_536 },
]

describe('the header of an audio frame', () => {
  for (const { codec, hex, text, lengthBytes, samples } of audioCases) {
    test(`${codec}: ${text}`, () => {
      const bytes = Buffer.concat([bytesOf(hex), Buffer.alloc(AUDIO_HEADER_BYTES_MAX)])
      const frame = readAudioFrame(codec, bytes, 0)
      assert.equal(formatText(frame?.format), text)
      assert.equal(frame?.lengthBytes, lengthBytes)
      assert.equal(frame.samples, samples)
    })
  }

  test('what the fixture builds is what it says', () => {
    const frame = readAudioFrame('aac', Buffer.concat([adtsFrame(40), Buffer.alloc(AUDIO_HEADER_BYTES_MAX)]), 0)
    assert.equal(frame?.lengthBytes, 47)
  })
})

test('bits and exp-Golomb numbers are read as they were written, through emulation prevention', () => {
  const numbers = fc.array(fc.integer({ min: 0, max: 70_000 }), { maxLength: 40 })
  fc.assert(
    fc.property(numbers, (values) => {
      const writer = new BitWriter()
      for (const value of values) {
        writer.ue(value)
        writer.bits(value % 32, 5)
      }
      writer.bits(1, 1)
      const bytes = writer.bytes()
      assert.ok(!bytes.includes(Buffer.from([0, 0, 1])))
      const reader = new BitReader(bytes)
      for (const value of values) {
        assert.equal(reader.ue(), value)
        assert.equal(reader.bits(5), value % 32)
      }
      assert.equal(reader.isExhausted, false)
    }),
  )
})
