import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ProgressReader } from './progress.ts'
import type { EncoderProgress } from './progress.ts'

const BLOCK = `frame=85
fps=42.02
stream_0_0_q=24.0
bitrate=2164.9kbits/s
total_size=902400
out_time_us=3394989
out_time=00:00:03.394989
dup_frames=1
drop_frames=2
speed=1.68x
progress=continue
`

function readIn(pieces: readonly string[]): readonly EncoderProgress[] {
  const found: EncoderProgress[] = []
  const reader = new ProgressReader((progress) => found.push(progress))
  for (const piece of pieces) reader.push(piece)
  return found
}

const EXPECTED: EncoderProgress = {
  frames: 85,
  fps: 42.02,
  speed: 1.68,
  bitsPerSecond: 2_164_900,
  droppedFrames: 2,
  duplicatedFrames: 1,
  mediaMs: 3394.989,
}

test('a block is read however its bytes are cut', () => {
  assert.deepEqual(readIn([BLOCK]), [EXPECTED])
  assert.deepEqual(readIn(BLOCK.split('')), [EXPECTED])
  assert.deepEqual(readIn([BLOCK + BLOCK.slice(0, 20), BLOCK.slice(20)]), [EXPECTED, EXPECTED])
})

test('what ffmpeg does not know yet is undefined', () => {
  const [progress] = readIn(['frame=0\nbitrate=N/A\nspeed=N/A\nout_time_us=N/A\nprogress=continue\n'])
  assert.deepEqual(progress, {
    ...{ frames: 0, fps: undefined, speed: undefined, bitsPerSecond: undefined },
    ...{ droppedFrames: undefined, duplicatedFrames: undefined, mediaMs: undefined },
  })
})

test('values of one block are not those of the next', () => {
  assert.equal(readIn([BLOCK, 'progress=end\n'])[1]?.frames, undefined)
})

test('a pipe that never ends a line or a block costs no memory', () => {
  const found: EncoderProgress[] = []
  const reader = new ProgressReader((progress) => found.push(progress))
  for (let at = 0; at < 1_000; at += 1) reader.push('x'.repeat(10_000))
  for (let at = 0; at < 1_000; at += 1) reader.push(`\nkey${at}=1`)
  reader.push('\nframe=3\nprogress=end\n')
  assert.equal(found.length, 1)
})
