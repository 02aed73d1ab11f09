import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AUDIO_HEADER_BYTES, readAudioFrame } from '../audio-frame.ts'
import { crc16Bytes } from './crc16.ts'
import { silentSoundLike } from './silent-sound.ts'

/** What ffmpeg makes of silent frames is tested with it; here is what they keep and where there are none. */

const ADTS = [0xff, 0xf1, 0x4c, 0x80, 0x14, 0x1f, 0xfc, 0x21]
/** 48 kHz, 192 kbit/s, 3/2 with LFE, dialnorm −27 dB. */
const AC3 = [0x0b, 0x77, 0x12, 0x34, 0x14, 0x40, 0xe1, 0xd8]
const EAC3 = [0x0b, 0x77, 0x01, 0x7f, 0x3f, 0x86, 0xc0, 0x00]

test('a silent ADTS frame has the fixed header of the frame before, and its own length', () => {
  const frame = silentSoundLike('aac', Buffer.from(ADTS))?.next()
  assert.ok(frame !== undefined)
  assert.deepEqual([...frame.subarray(0, 3)], ADTS.slice(0, 3))
  assert.equal((frame[3] ?? 0) >>> 4, 0x8)
  assert.equal(readAudioFrame('aac', Buffer.concat([frame, frame]), 0)?.bytes, frame.length)
})

test('where it is not known how to make silence there is none', () => {
  const changed = (bytes: readonly number[], at: number, value: number) =>
    Buffer.from(bytes.map((byte, index) => (index === at ? value : byte)))
  assert.equal(silentSoundLike('aac', changed(ADTS, 1, 0xf0)), undefined, 'ADTS with check words')
  assert.equal(silentSoundLike('aac', changed(ADTS, 3, 0x00)), undefined, 'channels that the header does not tell')
  assert.equal(silentSoundLike('ac3', changed(AC3, 5, 0x48)), undefined, 'AC-3 of half rates')
  assert.equal(silentSoundLike('eac3', changed(EAC3, 2, 0x41)), undefined, 'a dependent substream')
  assert.equal(silentSoundLike('eac3', changed(EAC3, 4, 0x0f)), undefined, 'frames of one block')
  for (const codec of ['aac-latm', 'ac4', 'dts', 'opus', 'unknown'] as const) {
    assert.equal(silentSoundLike(codec, Buffer.from(ADTS)), undefined, codec)
  }
  for (const codec of ['aac', 'mp2', 'ac3', 'eac3'] as const) {
    assert.equal(silentSoundLike(codec, Buffer.alloc(AUDIO_HEADER_BYTES)), undefined, `no header of ${codec}`)
  }
})

test('frames of two lengths alternate so that the bit rate stays', () => {
  // 128 kbit/s at 44.1 kHz: 417.96 bytes a frame.
  const silent = silentSoundLike('mp2', Buffer.from([0xff, 0xfd, 0x80, 0x00, 0, 0, 0, 0]))
  assert.ok(silent !== undefined)
  const lengths = Array.from({ length: 1_000 }, () => silent.next().length)
  assert.deepEqual(new Set(lengths), new Set([417, 418]))
  const bits = 8 * lengths.reduce((sum, length) => sum + length, 0)
  assert.ok(Math.abs(bits / ((1_000 * silent.frameTicks) / 90_000) - 128_000) < 10)
})

test('both check words of AC-3 and that of E-AC-3 leave nothing over', () => {
  const ac3 = silentSoundLike('ac3', Buffer.from(AC3))?.next()
  assert.equal(ac3?.length, 768)
  assert.equal(crc16Bytes(0, ac3, 2, 480), 0)
  assert.equal(crc16Bytes(0, ac3, 2, 768), 0)
  assert.deepEqual(
    [...ac3.subarray(4, 8)].map((byte, index) => (index < 3 ? byte : byte & 0xf8)),
    [...AC3.slice(4, 7), AC3[7] ?? 0],
  )
  const eac3 = silentSoundLike('eac3', Buffer.from(EAC3))?.next()
  assert.equal(eac3?.length, 768)
  assert.equal(crc16Bytes(0, eac3, 2, 768), 0)
})
