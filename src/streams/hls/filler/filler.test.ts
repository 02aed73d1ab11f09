import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseMediaPlaylist } from '../../../hls/parse-playlist.ts'
import { PlaylistRules } from '../../../hls/rules.ts'
import { createSimulatedClock } from '../../../lib/simulated-clock.ts'
import { contentOf } from '../inspection/segment-content.ts'
import { factsIn } from '../inspection/segments.fixture.ts'
import { fixtureSlate } from '../../slate/slate.fixture.ts'
import { FillerOrigin, fillerPlaylist } from './filler-origin.ts'
import { FillerSegments } from './filler-segments.ts'

/** A slate as an HLS source: two seconds of loop, with a keyframe each second. */

test('segments last as long as may be, in whole groups of pictures, and follow each other without a hole', () => {
  for (const [mostMs, lengths] of [
    [800, [1_000, 1_000]],
    [1_999, [1_000, 1_000]],
    [2_000, [2_000]],
    [5_000, [4_000]],
  ] as const) {
    const segments = new FillerSegments(fixtureSlate(), mostMs)
    let endMs: number | undefined
    for (let index = 0; index < 6; index += 1) {
      const lastsMs = lengths[index % lengths.length] ?? 0
      assert.equal(Math.round(segments.durationMs(index)), lastsMs)
      const bytes = segments.segment(index, 'all') ?? Buffer.alloc(0)
      const { video, firstTimestamp, pictures, continuityErrors, isCutOff } = factsIn(contentOf(bytes, undefined))
      assert.equal(pictures[0]?.isKeyframe, true)
      assert.equal(continuityErrors, 0)
      assert.equal(isCutOff, false)
      const beginsMs = (firstTimestamp ?? 0) / 90 + (video?.startMs ?? 0)
      if (endMs !== undefined) assert.ok(Math.abs(beginsMs - endMs) < 1, `${beginsMs} after ${endMs}`)
      endMs = beginsMs + lastsMs
    }
  }
})

test('pictures and sound alone are what their names say', () => {
  const segments = new FillerSegments(fixtureSlate(), 2_000)
  const whole = factsIn(contentOf(segments.segment(0, 'all') ?? Buffer.alloc(0), undefined))
  for (const kind of ['video', 'audio'] as const) {
    assert.ok(whole[kind] !== undefined)
    const facts = factsIn(contentOf(segments.segment(0, kind) ?? Buffer.alloc(0), undefined))
    assert.ok((facts[kind]?.units ?? 0) > 0)
    assert.equal(facts[kind === 'video' ? 'audio' : 'video'], undefined)
  }
})

test('what is long over is not there; where nobody asked for long it goes on where it would be', () => {
  const segments = new FillerSegments(fixtureSlate(), 2_000)
  assert.ok(segments.segment(40, 'all') !== undefined)
  assert.equal(segments.segment(0, 'all'), undefined)
  const ticksOf = (index: number) =>
    factsIn(contentOf(segments.segment(index, 'all') ?? Buffer.alloc(0), undefined)).firstTimestamp ?? 0
  const [before, after, next] = [ticksOf(40), ticksOf(1_800), ticksOf(1_801)]
  assert.equal(Math.round((after - before) / 90_000), 1_760 * 2)
  assert.equal(Math.round((next - after) / 90_000), 2)
  assert.ok(segments.segment(1_795, 'audio') !== undefined, 'players begin a few segments behind the newest')
})

test('its playlists grow in real time and keep to the rules', async () => {
  const clock = createSimulatedClock()
  const origin = new FillerOrigin({ id: 'slate.1', segments: new FillerSegments(fixtureSlate(), 2_000), clock })
  const rules = new PlaylistRules()
  const counts: number[] = []
  for (let second = 0; second < 20; second += 1) {
    const url = new URL(fillerPlaylist('all'), origin.entryUrl).href
    const answer = await origin.fetch(url)
    assert.ok(answer.kind === 'answered')
    const text = answer.resource.body.toString()
    assert.deepEqual(rules.pushText(text, clock.nowMs()), [])
    const { segments, mediaSequence } = parseMediaPlaylist(text)
    counts.push(mediaSequence + segments.length)
    await clock.advance(1_000)
  }
  assert.deepEqual([counts[0], counts[1], counts[2], counts[19]], [3, 3, 4, 12])
})
