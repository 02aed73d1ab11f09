import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encoderArguments } from '../encoder-arguments.ts'
import { DEFAULT_VARIABLES, Profiles } from '../profiles.ts'
import { ladderArguments } from './ladder-arguments.ts'
import { bestFirst, defaultRungs, streamsOf } from './rungs.ts'

const heights = (lines: number | undefined) => defaultRungs(lines).map(({ height }) => height)

test('the ladder is never larger than the source', () => {
  assert.deepEqual(heights(2_160), [1_080, 720, 480, 360])
  assert.deepEqual(heights(1_080), [1_080, 720, 480, 360])
  assert.deepEqual(heights(1_079), [720, 480, 360])
  assert.deepEqual(heights(576), [480, 360])
  assert.deepEqual(heights(360), [360])
})

test('a source smaller than every rung has one of its own, even size; one that hides its size is taken for 720 lines', () => {
  assert.deepEqual(heights(241), [240])
  assert.deepEqual(heights(1), [32])
  assert.deepEqual(heights(undefined), [720, 480, 360])
  assert.ok((defaultRungs(240)[0]?.videoBitsPerSecond ?? 0) > 100_000)
})

const RUNGS = bestFirst([
  { height: 90, videoBitsPerSecond: 100_000, audioBitsPerSecond: 64_000 },
  { height: 360, videoBitsPerSecond: 800_000, audioBitsPerSecond: 96_000, codecProfile: 'main' },
  { width: 320, height: 180, videoBitsPerSecond: 400_000, audioBitsPerSecond: 96_000 },
])

test('renditions are in the order of their bit rates, and a sound that several want is made once', () => {
  assert.deepEqual(
    RUNGS.map(({ height }) => height),
    [360, 180, 90],
  )
  assert.deepEqual(streamsOf(RUNGS), [
    { video: 0, audio: 0 },
    { video: 1, audio: 0 },
    { video: 2, audio: 1 },
  ])
})

test('one ffmpeg makes them, with keyframes at the same places and what each may cost', () => {
  const { arguments: common, ladder } = new Profiles([]).resolve(
    { profile: 'ladder', variables: { keyframe_seconds: '1' }, format: undefined, mayBeRaw: false },
    undefined,
  )
  assert.deepEqual(ladder, { lastFilter: undefined })
  const { input, output } = ladderArguments(common, RUNGS, undefined)
  assert.deepEqual(input, [])
  const text = output.join(' ')
  assert.ok(text.startsWith('-map 0:v:0? -map 0:v:0? -map 0:v:0? -map 0:a:0? -map 0:a:0? -c:v libx264'), text)
  assert.match(text, /-sc_threshold 0 -force_key_frames expr:gte\(t,n_forced\*1\) -bf 0/)
  assert.match(
    text,
    /-filter:v:0 scale=-2:360 -b:v:0 800000 -maxrate:v:0 880000 -bufsize:v:0 1200000 -profile:v:0 main/,
  )
  assert.match(text, /-filter:v:1 scale=320:180 -b:v:1 400000/)
  assert.match(text, /-b:a:0 96000 -b:a:1 64000$/)
})

test('what goes to an encoder in silicon passes the list of what a profile may say', () => {
  for (const type of ['vaapi', 'nvenc', 'qsv', 'v4l2m2m'] as const) {
    const {
      arguments: common,
      ladder,
      hardware,
    } = new Profiles([]).resolve(
      { profile: 'ladder', variables: {}, format: undefined, mayBeRaw: false },
      { type, device: type === 'vaapi' ? '/dev/dri/renderD128' : undefined },
    )
    assert.equal(hardware, type)
    const { input, output } = ladderArguments(common, RUNGS, ladder?.lastFilter)
    assert.match(output.join(' '), new RegExp(`-c:v h264_${type}.*-filter:v:2 scale=-2:90,format=`))
    // All but the filters, which only the gateway itself may name for each picture.
    const line = [...input, ...output].join(' ').replaceAll(/-filter:v:\d+ \S+/g, '')
    assert.doesNotThrow(() => encoderArguments(line, {}, DEFAULT_VARIABLES))
  }
})
