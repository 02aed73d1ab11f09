import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseMediaPlaylist } from '../../../hls/parse-playlist.ts'
import { SegmentPlan } from './segment-plan.ts'
import { UnreadableSegment } from './unreadable-segment.ts'

const BASE = 'https://a.test/live/v0/index.m3u8'

function followed(first: number, lines: readonly string[], head: readonly string[] = []) {
  const text = ['#EXTM3U', '#EXT-X-TARGETDURATION:6', `#EXT-X-MEDIA-SEQUENCE:${first}`, ...head, ...lines].join('\n')
  return { playlist: parseMediaPlaylist(text), finalUrl: BASE, atMs: 0 }
}

const segments = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, index) => `#EXTINF:6,\ns${from + index}.ts`)

const waitingOf = (plan: SegmentPlan) =>
  plan.waiting.map(({ sequence, isDiscontinuity }) => (isDiscontinuity ? `!${sequence}` : `${sequence}`))

test('a live programme begins three target durations from its end, a finished one at its beginning', () => {
  const live = new SegmentPlan()
  live.add(followed(100, segments(100, 110)))
  assert.deepEqual(waitingOf(live), ['107', '108', '109'])
  assert.equal(live.isComplete, false)
  const finished = new SegmentPlan()
  finished.add(followed(0, [...segments(0, 4), '#EXT-X-ENDLIST']))
  assert.deepEqual(waitingOf(finished), ['0', '1', '2', '3'])
  assert.equal(finished.isComplete, true)
})

const starts: readonly [string, number, string][] = [
  ['-20', 100, '106'],
  ['-1', 100, '109'],
  ['0', 100, '106'],
  ['-9999', 100, '106'],
  ['9999', 100, '109'],
]
for (const [offset, first, expected] of starts) {
  test(`EXT-X-START at ${offset} s begins with ${expected}`, () => {
    const plan = new SegmentPlan()
    plan.add(followed(first, segments(first, first + 10), [`#EXT-X-START:TIME-OFFSET=${offset}`]))
    assert.equal(waitingOf(plan)[0], expected)
  })
}

test('begins where it is told, if that is there', () => {
  const plan = new SegmentPlan()
  plan.add(followed(100, segments(100, 110)), 104)
  assert.equal(waitingOf(plan)[0], '104')
  const other = new SegmentPlan()
  other.add(followed(100, segments(100, 110)), 99)
  assert.equal(other.waiting[0]?.sequence, 107)
})

test('each segment is read once, in order; what has left the playlist unread breaks the timeline', () => {
  const plan = new SegmentPlan()
  plan.add(followed(0, segments(0, 3)))
  while (plan.take() !== undefined);
  plan.add(followed(1, segments(1, 5)))
  assert.deepEqual(waitingOf(plan), ['3', '4'])
  while (plan.take() !== undefined);
  plan.add(followed(8, segments(8, 10)))
  assert.deepEqual(waitingOf(plan), ['!8', '9'])
})

test('gaps are left out and discontinuities are told', () => {
  const plan = new SegmentPlan()
  plan.add(followed(0, ['#EXTINF:6,', 's0.ts', '#EXT-X-GAP', '#EXTINF:6,', 's1.ts', '#EXTINF:6,', 's2.ts']))
  assert.deepEqual(waitingOf(plan), ['0', '!2'])
  plan.add(followed(3, ['#EXT-X-DISCONTINUITY', '#EXTINF:6,', 's3.ts']))
  assert.deepEqual(waitingOf(plan), ['0', '!2', '!3'])
})

test('a numbering that begins anew is read behind what waits', () => {
  const plan = new SegmentPlan()
  plan.add(followed(50, segments(50, 53)))
  plan.restart()
  plan.add(followed(0, segments(0, 2)))
  assert.deepEqual(waitingOf(plan), ['50', '51', '52', '!0', '1'])
})

test('whoever falls too far behind goes on near the end', () => {
  const plan = new SegmentPlan()
  plan.add(followed(0, segments(0, 3)))
  for (let edge = 4; edge < 40; edge += 1) plan.add(followed(0, segments(0, edge)))
  assert.ok(plan.waiting.length <= 8, `${plan.waiting.length} segments wait`)
  assert.equal(plan.waiting.at(-1)?.sequence, 38)
  assert.equal(plan.waiting[0]?.isDiscontinuity, true)
})

test('keys: the IV of the attribute, else the number; DRM and foreign schemes are told', () => {
  const plan = new SegmentPlan()
  plan.add(
    followed(258, [
      '#EXT-X-KEY:METHOD=AES-128,URI="../k.key"',
      ...segments(258, 259),
      '#EXT-X-KEY:METHOD=AES-128,URI="../k.key",IV=0x0102030405060708090a0b0c0d0e0f10',
      ...segments(259, 260),
      '#EXT-X-KEY:METHOD=NONE',
      ...segments(260, 261),
    ]),
  )
  const [byNumber, byText, clear] = plan.waiting
  assert.equal(byNumber?.key?.iv.toString('hex'), '00000000000000000000000000000102')
  assert.equal(byNumber?.key?.url, 'https://a.test/live/k.key')
  assert.equal(byText?.key?.iv.toString('hex'), '0102030405060708090a0b0c0d0e0f10')
  assert.equal(clear?.key, undefined)
  for (const line of ['#EXT-X-KEY:METHOD=SAMPLE-AES,URI="skd://x",KEYFORMAT="com.apple.streamingkeydelivery"', '']) {
    const uri = line === '' ? 'file:///etc/passwd' : 's0.ts'
    const unreadable = followed(0, [...(line === '' ? [] : [line]), '#EXTINF:6,', uri])
    assert.throws(() => new SegmentPlan().add(unreadable), UnreadableSegment)
  }
})
