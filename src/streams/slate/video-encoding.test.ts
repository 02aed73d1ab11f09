import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { StreamSignature, VideoFormat } from '../../mpegts/analyser/signature.ts'
import type { Codec } from '../../mpegts/elementary-stream.ts'
import { SlateError } from './slate-error.ts'
import { videoEncodingOf } from './video-encoding.ts'

const ALL = new Set(['libx264', 'libopenh264', 'libx265', 'mpeg2video', 'mpeg4'])

function stream(codec: Codec, format: Partial<VideoFormat> = {}): StreamSignature {
  const whole: VideoFormat = {
    ...{ kind: 'video', profile: 'High', level: '4', width: 1_920, height: 1_080, chroma: '4:2:0', bitDepth: 8 },
    ...{ framesPerSecond: 25, isInterlaced: false },
    ...format,
  }
  return { kind: 'video', codec, streamType: 0x1b, language: undefined, format: whole }
}

const argsOf = (codec: Codec, format: Partial<VideoFormat> = {}, available: ReadonlySet<string> = ALL) =>
  videoEncodingOf(stream(codec, format), available).args.join(' ')

test('frame rates are those of television, and a group of pictures lasts about a second', () => {
  const rates: readonly (readonly [given: number | undefined, rate: string, groupFrames: number])[] = [
    [25, '25', 25],
    [50.001, '50', 50],
    [23.976, '24000/1001', 24],
    [29.97, '30000/1001', 30],
    [59.94, '60000/1001', 60],
    [12.5, '12500/1000', 13],
    [undefined, '25', 25],
    [0.1, '1', 1],
    [90_000, '240', 240],
  ]
  for (const [framesPerSecond, rate, groupFrames] of rates) {
    const encoding = videoEncodingOf(stream('h264', { framesPerSecond }), ALL)
    assert.deepEqual([encoding.rate, encoding.groupFrames], [rate, groupFrames])
  }
})

test('the picture has the channel’s samples', () => {
  const formatOf = (chroma: string, bitDepth: number) =>
    videoEncodingOf(stream('hevc', { chroma, bitDepth }), ALL).pixelFormat
  assert.equal(formatOf('4:2:0', 8), 'yuv420p')
  assert.equal(formatOf('4:2:0', 10), 'yuv420p10le')
  assert.equal(formatOf('4:2:2', 10), 'yuv422p10le')
  assert.equal(formatOf('4:0:0', 8), 'gray')
})

test('profiles, levels and fields of H.264 are asked for with the tools that make them', () => {
  assert.match(argsOf('h264'), /-profile:v high .*cabac=1:8x8dct=1.*level=4/)
  assert.match(argsOf('h264', { profile: 'Main' }), /-profile:v main .*cabac=1:8x8dct=0/)
  assert.match(argsOf('h264', { profile: 'Constrained Baseline' }), /-profile:v baseline .*cabac=0:8x8dct=0/)
  assert.match(argsOf('h264', { profile: 'High 10', bitDepth: 10 }), /-profile:v high10 /)
  assert.match(argsOf('h264', { isInterlaced: true }), /ildct\+ilme.*tff=1/)
  assert.doesNotMatch(argsOf('h264'), /ildct|tff/)
})

test('HEVC is given its level and tier, MPEG-2 its fields', () => {
  assert.match(argsOf('hevc', { level: '5.1 high tier' }), /level-idc=5\.1:high-tier=1/)
  assert.match(argsOf('hevc', { level: '4' }), /level-idc=4:high-tier=0/)
  assert.match(argsOf('mpeg2video', { isInterlaced: true }), /-top 1/)
})

test('pictures never refer to later ones, or to those of another group', () => {
  for (const codec of ['h264', 'hevc', 'mpeg2video', 'mpeg4video'] as const) {
    assert.match(argsOf(codec), /-bf 0 -g 25 -flags:v \+cgop/)
  }
})

test('the next best encoder is taken, and without any it is told', () => {
  assert.match(argsOf('h264', {}, new Set(['libopenh264'])), /libopenh264/)
  const problem = (codec: Codec, format: Partial<VideoFormat> = {}) => {
    try {
      argsOf(codec, format, new Set(['libx264']))
    } catch (error) {
      return error instanceof SlateError ? error.problem : error
    }
    return 'none'
  }
  assert.equal(problem('hevc'), 'no_encoder')
  assert.equal(problem('vvc'), 'no_encoder')
  assert.equal(problem('h264', { width: undefined }), 'format_unknown')
  assert.equal(problem('h264', { width: 641 }), 'no_encoder')
  assert.equal(problem('h264', { height: 16_384 }), 'no_encoder')
  assert.equal(problem('h264'), 'none')
})
