import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AudioFormat, StreamSignature } from '../../mpegts/analyser/signature.ts'
import type { Codec } from '../../mpegts/elementary-stream.ts'
import { audioEncodingOf } from './audio-encoding.ts'
import type { AudioEncoding } from './audio-encoding.ts'

const ALL = new Set(['aac', 'mp2', 'libmp3lame', 'libshine', 'ac3', 'eac3', 'dca', 'libopus'])

function encoding(
  codec: Codec,
  format: Partial<AudioFormat> = {},
  more: Partial<StreamSignature> = {},
  available: ReadonlySet<string> = ALL,
): AudioEncoding | undefined {
  const whole: AudioFormat = { kind: 'audio', profile: 'LC', sampleRateHz: 48_000, channels: 2, ...format }
  const stream = { kind: 'audio', codec, streamType: 0x0f, language: undefined, format: whole } as const
  return audioEncodingOf({ ...stream, ...more }, available)
}

test('sound gets the sample rate and the channels of the channel', () => {
  assert.equal(encoding('aac')?.filter, 'aresample=48000,aformat=channel_layouts=stereo')
  const surround = encoding('ac3', { sampleRateHz: 44_100, channels: 6 })
  assert.equal(surround?.filter, 'aresample=44100,aformat=channel_layouts=5.1')
  assert.match(encoding('mp2', { profile: 'Layer II', channels: 1 })?.filter ?? '', /=mono$/)
  assert.match(encoding('eac3', {}, { format: undefined })?.filter ?? '', /^aresample=48000,.*stereo$/)
})

test('layers of MPEG audio are told apart; Layer III frames stand alone', () => {
  assert.match(encoding('mp2', { profile: 'Layer II' })?.args.join(' ') ?? '', /-c:a:# mp2 /)
  assert.match(encoding('mp2', { profile: 'Layer III' })?.args.join(' ') ?? '', /libmp3lame .*-reservoir:a:# 0/)
  const only = encoding('mp2', { profile: 'Layer III' }, {}, new Set(['libshine']))
  assert.doesNotMatch(only?.args.join(' ') ?? 'reservoir', /reservoir/)
})

test('the language and the way of being multiplexed stay as they were', () => {
  assert.match(encoding('aac', {}, { language: 'deu' })?.args.join(' ') ?? '', /-metadata:s:a:# language=deu/)
  assert.deepEqual(encoding('aac-latm')?.muxFlags, ['latm'])
  assert.deepEqual(encoding('ac3', {}, { streamType: 0x06 })?.muxFlags, ['system_b'])
  assert.deepEqual(encoding('ac3', {}, { streamType: 0x81 })?.muxFlags, [])
})

test('what ffmpeg has no encoder for is left out', () => {
  assert.equal(encoding('ac4'), undefined)
  assert.equal(encoding('aac', {}, {}, new Set(['mp2'])), undefined)
})
