import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RenditionWatch } from './rendition-watch.ts'
import type { SegmentSymptom } from './rendition-watch.ts'
import { contentOf } from './segment-content.ts'
import { asFmp4, contentOfFmp4, factsIn, madeSegment } from './segments.fixture.ts'
import type { MadeSegment } from './segments.fixture.ts'

/** What is found in segments of one rendition, and what is not. */

type Container = 'mpegts' | 'fmp4'
interface Case extends MadeSegment {
  /** EXTINF; the duration, not rounded. */
  readonly toldS?: number
  readonly cutTo?: number
}

const CONTAINERS: readonly Container[] = ['mpegts', 'fmp4']

function judge(watch: RenditionWatch, made: Case, container: Container = 'mpegts'): readonly SegmentSymptom[] {
  const { index, durationS = 2, toldS = durationS + 0.002, cutTo } = made
  const bytes = madeSegment(made)
  const cut = (whole: Buffer) =>
    whole.subarray(0, cutTo === undefined ? whole.length : Math.floor(whole.length * cutTo))
  const place = { sequence: index, durationS: toldS }
  if (container === 'mpegts') return watch.judge(place, factsIn(contentOf(cut(bytes), undefined)))
  const { map, segment } = asFmp4(bytes, made.lists === undefined)
  return watch.judge(place, factsIn(contentOfFmp4({ map, segment: cut(segment) })))
}

/** Good segments 0 to `count` − 1. */
function shown(count: number, container: Container, options: Partial<Case> = {}): RenditionWatch {
  const watch = new RenditionWatch()
  for (let index = 0; index < count; index += 1) {
    assert.deepEqual(judge(watch, { index, ...options }, container), [], `segment ${index}`)
  }
  return watch
}

const conditionsOf = (symptoms: readonly SegmentSymptom[]) => symptoms.map(({ condition }) => condition)

for (const container of CONTAINERS) {
  test(`${container}: a calm programme of any duration has nothing wrong with it`, () => {
    for (const durationS of [0.8, 2, 6]) shown(8, container, { durationS })
    shown(4, container, { lists: ['h264'] })
    shown(4, container, { lists: ['aac'] })
  })

  test(`${container}: half of a segment, as soon as the first one`, () => {
    for (const before of [0, 1, 5]) {
      const watch = shown(before, container)
      const [found] = judge(watch, { index: before, cutTo: 0.5003 }, container)
      assert.equal(found?.condition, 'incomplete_segment', `after ${before}`)
      assert.ok(found.isUnusable)
      assert.equal(found.evidence['segment_ms'], 2_002)
      assert.ok(Number(found.evidence['media_ms']) < 1_400, JSON.stringify(found.evidence))
      assert.deepEqual(judge(watch, { index: before + 1 }, container), [])
    }
  })

  test(`${container}: less media than told, ending with a whole unit, once the source is known to be exact`, () => {
    assert.deepEqual(judge(new RenditionWatch(), { index: 0, durationS: 2, videoS: 1, audioS: 1 }, container), [])
    const watch = shown(3, container)
    const found = judge(watch, { index: 3, videoS: 1, audioS: 1 }, container)
    assert.deepEqual(conditionsOf(found), ['incomplete_segment'])
  })

  test(`${container}: a playlist that says more than there is, always, is no failure of its segments`, () => {
    for (const toldS of [3, 4, 2.9]) shown(8, container, { toldS, durationS: 2 })
    // Durations of a fixed target whose segments vary.
    const watch = new RenditionWatch()
    for (const [index, durationS] of [6, 3, 6, 4, 3, 6, 3].entries()) {
      assert.deepEqual(judge(watch, { index, durationS, toldS: 6, base: index * 10_000_000 }, container), [])
    }
  })

  test(`${container}: pictures that stop, and what they are told by`, () => {
    const watch = shown(3, container, { durationS: 4 })
    const [found] = judge(watch, { index: 3, durationS: 4, videoS: 0 }, container)
    assert.equal(found?.condition, 'no_video')
    assert.ok(found.isUnusable)
    assert.equal(found.evidence['limit_media_ms'], 2_000)
    assert.ok(Number(found.evidence['gap_media_ms']) >= 3_900)
  })

  test(`${container}: pictures that stop in short segments, told when that has lasted`, () => {
    const watch = shown(5, container, { durationS: 0.8 })
    const found = [5, 6, 7].map((index) => conditionsOf(judge(watch, { index, durationS: 0.8, videoS: 0 }, container)))
    assert.deepEqual(found, [[], [], ['no_video']])
  })

  test(`${container}: sound that stops, after five seconds`, () => {
    const watch = shown(3, container)
    const found = [3, 4, 5].map((index) => judge(watch, { index, audioS: 0 }, container))
    assert.deepEqual(found.map(conditionsOf), [[], [], ['no_audio']])
    assert.equal(found[2]?.[0]?.isUnusable, false)
  })

  test(`${container}: the same segment again and again under new names`, () => {
    const watch = shown(3, container)
    const found = [3, 4, 5].map((sequence) => {
      const bytes = madeSegment({ index: 2 })
      const facts = container === 'mpegts' ? contentOf(bytes, undefined) : contentOfFmp4(asFmp4(bytes))
      return watch.judge({ sequence, durationS: 2 }, factsIn(facts))[0]?.condition
    })
    assert.deepEqual(found, [undefined, 'pts_stalled', 'pts_stalled'])
  })

  test(`${container}: a programme that repeats itself with a clock that goes on`, () => {
    const watch = new RenditionWatch()
    const found = Array.from({ length: 14 }, (_, index) => judge(watch, { index, content: index % 3 }, container))
    assert.deepEqual(new Set(found.flatMap(conditionsOf)), new Set(['looping']))
    assert.equal(found.at(-1)?.[0]?.evidence['cycle_groups'], 3)
  })
}

test('sound of a source that never had any, and pictures of one that never had them, are not missed', () => {
  shown(8, 'mpegts', { audioS: 0 })
  shown(8, 'mpegts', { videoS: 0, durationS: 4 })
})

test('one picture every five seconds is what the source does', () => {
  shown(8, 'mpegts', { durationS: 5, pictureS: 5 })
})

test('a clock that begins anew with each segment is a habit, as long as the segments differ', () => {
  const watch = new RenditionWatch()
  for (let index = 0; index < 8; index += 1) {
    const facts = factsIn(contentOf(madeSegment({ index: 0, content: index }), undefined))
    assert.deepEqual(watch.judge({ sequence: index, durationS: 2 }, facts), [])
  }
})

test('timestamps that stand still within a segment', () => {
  const watch = shown(3, 'mpegts')
  const facts = factsIn(contentOf(madeSegment({ index: 3 }), undefined))
  const still = facts.video === undefined ? undefined : { ...facts.video, endMs: facts.video.startMs }
  assert.ok(
    conditionsOf(watch.judge({ sequence: 3, durationS: 2 }, { ...facts, video: still })).includes('pts_stalled'),
  )
})

test('a clear source that became scrambled fails, one that always was is told', () => {
  const facts = factsIn(contentOf(madeSegment({ index: 0 }), undefined))
  const scrambled = { ...facts, video: undefined, audio: undefined, scrambledShare: 1, firstTimestamp: undefined }
  const watch = shown(2, 'mpegts')
  assert.deepEqual(conditionsOf(watch.judge({ sequence: 2, durationS: 2 }, scrambled)), [])
  const [found] = watch.judge({ sequence: 3, durationS: 2 }, scrambled)
  assert.equal(found?.condition, 'scrambled')
  assert.equal(found.severity, 'as_chosen')
  const other = new RenditionWatch()
  other.judge({ sequence: 0, durationS: 2 }, scrambled)
  assert.equal(other.judge({ sequence: 1, durationS: 2 }, scrambled)[0]?.severity, 'at_most_warn')
})

test('packets lost again and again are told', () => {
  const facts = factsIn(contentOf(madeSegment({ index: 0 }), undefined))
  const watch = new RenditionWatch()
  const found = Array.from({ length: 4 }, (_, sequence) =>
    conditionsOf(
      watch.judge(
        { sequence, durationS: 2 },
        { ...facts, firstTimestamp: sequence, pictures: [], continuityErrors: 60 },
      ),
    ),
  )
  assert.deepEqual(found, [[], [], ['continuity_errors'], ['continuity_errors']])
})

test('segments that come in any order are judged by what is known', () => {
  const watch = new RenditionWatch()
  for (const index of [2, 0, 1, 5, 3, 4, 8, 7, 6]) assert.deepEqual(judge(watch, { index }), [])
  assert.deepEqual(conditionsOf(judge(watch, { index: 9, durationS: 2, cutTo: 0.5003 })), ['incomplete_segment'])
})

test('streams of another kind without a discontinuity are told', () => {
  const watch = shown(3, 'mpegts')
  assert.deepEqual(conditionsOf(judge(watch, { index: 3, lists: ['h264'] })), ['signature_changed'])
})
