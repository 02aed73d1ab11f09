import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { readMpeg4VideoFormat } from './mpeg4-video.ts'
import { formatText } from './signature.ts'
import { unitsIn } from './start-code.ts'

/** As ffmpeg's encoder writes it for 720x576 interlaced, up to its name. */
const HEADERS = Buffer.from('000001b001000001b58913000001000000012000c48d8800cd1684481c43000001b24c617663', 'hex')

const read = (bytes: Buffer) => readMpeg4VideoFormat(bytes, [...unitsIn(bytes, 0, bytes.length)])

test('size and scan of MPEG-4 video are those of its object layer', () => {
  const format = read(HEADERS)
  assert.equal(formatText(format), '720x576i 4:2:0')
})

test('without an object layer, or with a part of one, nothing is told', () => {
  const whole = read(HEADERS)
  for (let end = 0; end < HEADERS.length; end += 1) {
    const found = read(HEADERS.subarray(0, end))
    assert.ok(found === undefined || found.height === whole?.height, `${end} bytes`)
  }
  assert.equal(read(Buffer.from('000001b610602b608d20', 'hex')), undefined)
})

test('damage never throws and stays within bounds', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (array) => {
      const format = read(Buffer.concat([Buffer.from([0, 0, 1, 0x20]), array]))
      if (format !== undefined) assert.ok((format.width ?? 0) < 8_192 && (format.height ?? 0) < 8_192)
    }),
  )
})
