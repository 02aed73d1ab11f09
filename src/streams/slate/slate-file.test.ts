import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseFileFacts } from './slate-file.ts'

const FILM = `Input #0, mov,mp4,m4a,3gp,3g2,mj2, from 'film.mp4':
  Metadata:
    title           : Stream #0:7: Audio: not one
  Duration: 01:02:03.50, start: 0.000000, bitrate: 97 kb/s
  Stream #0:0[0x1](und): Video: h264 (High) (avc1 / 0x31637661), yuv420p, 320x240, 30 fps
  Stream #0:1[0x2](und): Audio: aac (LC) (mp4a / 0x6134706D), 44100 Hz, mono
At least one output file must be specified
`

test('picture, sound and length of a file are read from what ffmpeg says', () => {
  assert.deepEqual(parseFileFacts('film.mp4', FILM), {
    path: 'film.mp4',
    hasVideo: true,
    hasAudio: true,
    seconds: 3_723.5,
  })
})

test('a still picture has no length, and words in a title are no stream', () => {
  const still = FILM.replace(/Duration: \S+,/, 'Duration: N/A,').replace(/^ {2}Stream #0:1.*\n/m, '')
  assert.deepEqual(parseFileFacts('a', still), { path: 'a', hasVideo: true, hasAudio: false, seconds: undefined })
})

test('what ffmpeg cannot read is neither', () => {
  assert.equal(parseFileFacts('a', 'a: Invalid data found when processing input\n'), undefined)
})
