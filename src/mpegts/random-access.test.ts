import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { judgeAccessUnit } from './random-access.ts'
import type { RandomAccess } from './random-access.ts'
import { h264, pes } from './testing.ts'

type ParsedCodec = Parameters<typeof judgeAccessUnit>[0]

const { aud, sps, recoveryPoint, userData, idr, intra, predicted } = h264
const FILL = Buffer.alloc(20, 0x5a)
const hex = (text: string) => Buffer.concat([Buffer.from(text.replaceAll(' ', ''), 'hex'), FILL])
const hevc = (type: number) => hex(`000001 ${(type << 1).toString(16).padStart(2, '0')}01`)
const MPEG2_SEQUENCE = '000001b3 1400f013 ffffe018'
const MPEG2_I = '00000100 000ffff8'
const MPEG2_P = '00000100 0057fff8'

const CASES: readonly (readonly [string, ParsedCodec, Buffer, boolean, RandomAccess])[] = [
  ['H.264 IDR without a flag', 'h264', Buffer.concat([aud, sps, idr]), false, 'yes'],
  ['H.264 IDR without parameter sets', 'h264', Buffer.concat([aud, idr]), false, 'yes'],
  ['H.264 P picture', 'h264', Buffer.concat([aud, predicted]), false, 'no'],
  ['H.264 P picture that a muxer flagged', 'h264', Buffer.concat([aud, predicted]), true, 'no'],
  ['H.264 I picture in the middle of a GOP', 'h264', Buffer.concat([aud, intra]), false, 'no'],
  ['H.264 I picture with a sequence parameter set', 'h264', Buffer.concat([aud, sps, intra]), false, 'yes'],
  ['H.264 I picture that is flagged', 'h264', Buffer.concat([aud, intra]), true, 'yes'],
  ['H.264 P picture at a recovery point', 'h264', Buffer.concat([aud, sps, recoveryPoint, predicted]), false, 'yes'],
  ['H.264 P picture behind other SEI', 'h264', Buffer.concat([aud, userData, predicted]), false, 'no'],
  [
    'H.264 I picture with a recovery point behind other SEI',
    'h264',
    Buffer.concat([userData, recoveryPoint, intra]),
    false,
    'yes',
  ],
  ['HEVC IDR', 'hevc', Buffer.concat([hevc(35), hevc(32), hevc(33), hevc(34), hevc(19)]), false, 'yes'],
  ['HEVC CRA', 'hevc', hevc(21), false, 'yes'],
  ['HEVC BLA', 'hevc', hevc(16), false, 'yes'],
  ['HEVC trailing picture', 'hevc', Buffer.concat([hevc(35), hevc(1)]), true, 'no'],
  ['HEVC leading picture', 'hevc', hevc(9), false, 'no'],
  ['VVC IDR', 'vvc', hex('000001 0039'), false, 'yes'],
  ['VVC trailing picture', 'vvc', hex('000001 0001'), false, 'no'],
  ['MPEG-2 sequence header and I picture', 'mpeg2video', hex(`${MPEG2_SEQUENCE} ${MPEG2_I}`), false, 'yes'],
  ['MPEG-2 I picture without a sequence header', 'mpeg2video', hex(MPEG2_I), false, 'no'],
  ['MPEG-2 I picture without a sequence header, flagged', 'mpeg2video', hex(MPEG2_I), true, 'yes'],
  ['MPEG-2 P picture with a sequence header', 'mpeg2video', hex(`${MPEG2_SEQUENCE} ${MPEG2_P}`), true, 'no'],
  ['MPEG-4 I picture', 'mpeg4video', hex('000001b6 10'), false, 'yes'],
  ['MPEG-4 P picture', 'mpeg4video', hex('000001b6 50'), false, 'no'],
]

for (const [name, codec, elementary, isFlagged, expected] of CASES) {
  test(`${name}: ${expected === 'yes' ? 'a decoder can begin here' : 'a decoder cannot begin here'}`, () => {
    const bytes = pes(elementary)
    assert.equal(judgeAccessUnit(codec, bytes, bytes.length, isFlagged), expected)
  })

  test(`${name}: with fewer bytes it asks for more or gives the same answer`, () => {
    const bytes = pes(elementary)
    for (let length = 0; length < bytes.length; length += 1) {
      const partial = Buffer.alloc(bytes.length, 0xff)
      bytes.copy(partial, 0, 0, length)
      const verdict = judgeAccessUnit(codec, partial, length, isFlagged)
      assert.ok(verdict === 'more' || verdict === expected, `${length} bytes: ${verdict}`)
    }
  })
}

test('an SEI payload with the bytes of a recovery point inside is not one', () => {
  const disguised = Buffer.from('00000001060506060106c4010180', 'hex')
  const bytes = pes(Buffer.concat([aud, disguised, predicted]))
  assert.equal(judgeAccessUnit('h264', bytes, bytes.length, false), 'no')
})

test('emulation prevention bytes do not count into the size of an SEI payload', () => {
  const padded = Buffer.from('0000000106050400000300050601c480', 'hex')
  const bytes = pes(Buffer.concat([aud, padded, predicted]))
  assert.equal(judgeAccessUnit('h264', bytes, bytes.length, false), 'yes')
})

test('a payload that is no PES packet is no random access point', () => {
  assert.equal(judgeAccessUnit('h264', Buffer.alloc(100, 1), 100, true), 'no')
})

test('random bytes behind a PES header make no exception', () => {
  const codecs = ['h264', 'hevc', 'vvc', 'mpeg1video', 'mpeg2video', 'mpeg4video'] as const
  const byte = fc.oneof(fc.constantFrom(0, 0, 1, 3, 6, 0x65, 0x80, 0xff), fc.integer({ min: 0, max: 255 }))
  fc.assert(
    fc.property(
      fc.constantFrom(...codecs),
      fc.array(byte, { maxLength: 400 }),
      fc.boolean(),
      (codec, bytes, isFlagged) => {
        const whole = pes(Buffer.from(bytes))
        assert.ok(['yes', 'no', 'more'].includes(judgeAccessUnit(codec, whole, whole.length, isFlagged)))
      },
    ),
    { numRuns: 2_000 },
  )
})
