import assert from 'node:assert/strict'
import { test } from 'node:test'
import { renditionsBody, toRenditions } from './rendition-body.ts'

test('renditions are read with bit rates as people write them', () => {
  const body = renditionsBody.parse([
    { height: 720, video_bitrate: '2.5M', audio_bitrate: '96k', profile: 'high' },
    { width: 640, video_bitrate: 800_000 },
  ])
  assert.deepEqual(toRenditions(body), [
    { height: 720, videoBitsPerSecond: 2_500_000, audioBitsPerSecond: 96_000, codecProfile: 'high' },
    { width: 640, videoBitsPerSecond: 800_000, audioBitsPerSecond: 128_000 },
  ])
})

for (const [what, rendition, path, message] of [
  ['without a size', { video_bitrate: '1M' }, 'height', /needs a height or a width/],
  ['with an odd height', { height: 361, video_bitrate: '1M' }, 'height', /must be even/],
  ['that is too large', { height: 8_000, video_bitrate: '1M' }, 'height', /at most 4320/],
  ['without a bit rate', { height: 360 }, 'video_bitrate', /must be a number of bits/],
  ['whose bit rate is no number', { height: 360, video_bitrate: '1M -i x' }, 'video_bitrate', /must be from 50000/],
  ['whose bit rate is beyond reason', { height: 360, video_bitrate: '900M' }, 'video_bitrate', /to 200000000/],
  [
    'of an unknown profile',
    { height: 360, video_bitrate: '1M', profile: 'main10' },
    'profile',
    /baseline, main or high/,
  ],
] as const) {
  test(`a rendition ${what} is refused, and it is told why`, () => {
    const { error } = renditionsBody.safeParse([rendition])
    const issue = error?.issues[0]
    assert.deepEqual(issue?.path, [0, path])
    assert.match(issue?.message ?? '', message)
  })
}

test('there is at least one rendition and at most eight', () => {
  const one = { height: 360, video_bitrate: '1M' }
  assert.equal(renditionsBody.safeParse([]).success, false)
  assert.equal(renditionsBody.safeParse(Array.from({ length: 8 }, () => one)).success, true)
  assert.equal(renditionsBody.safeParse(Array.from({ length: 9 }, () => one)).success, false)
})
