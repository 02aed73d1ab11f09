import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { writePlaylist } from '../../hls/write-playlist.ts'
import type { Json } from '../../store/store.ts'
import { lostRunJson, lostRunOf, lostUnderNamesOf, lostUntil } from './lost-segments.ts'
import type { LostRun } from './lost-segments.ts'
import { mediaPlaylist } from './media-playlist.ts'
import { memoryJson, startOf } from './packager-memory.ts'
import { makeTimeline, ProgrammeSlices } from './packager.fixture.ts'
import type { Timeline } from './timeline.ts'

const WALL_MS = 1_800_000_000_000
const SEGMENT_MS = 2_000

/** Four segments, the second behind a discontinuity, that end at WALL_MS. */
const RUN: LostRun = {
  sequence: 500,
  discontinuitySequence: 30,
  segments: Array.from({ length: 4 }, (_, index) => ({
    durationS: SEGMENT_MS / 1_000,
    dateMs: WALL_MS - (4 - index) * SEGMENT_MS,
    isDiscontinuity: index === 1,
    tsName: `ts/old-${500 + index}.ts`,
    cmaf: index < 2 ? undefined : { name: `cmaf/old.3-${500 + index}.m4s`, durationS: 1.98 },
  })),
}

function playing(
  slices: ProgrammeSlices,
  pictures: number,
  options: Parameters<typeof makeTimeline>[1] = {},
): Timeline {
  const timeline = makeTimeline(slices, { limitsOf: { segmentMs: 2_000 }, ...options })
  for (const slice of slices.make({ pictures, groupPictures: 25 })) timeline.push(slice)
  return timeline
}

function restarted(before: Timeline, wallMs: number) {
  const counts = { sequence: 900, discontinuitySequence: 99, targetDurationS: 5, longestGroupMs: 1_000 }
  return startOf(memoryJson({ ...counts, window: lostRunJson(before.window) }), wallMs)
}

function textOf(timeline: Timeline): string {
  const { window, targetDurationS } = timeline
  const { segments, nextSequence, discontinuitySequence } = window
  const state = { segments, nextSequence, discontinuitySequence, targetDurationS, partTargetS: 0.5, dateRanges: [] }
  const none = { open: undefined, nextPartName: undefined }
  return writePlaylist(mediaPlaylist({ ...state, ...none }, { rendition: 'ts', base: '', suffix: '', isDelta: false }))
}

describe('segments that a run before this one had', () => {
  it('are what was published, with numbers, names, dates, durations and discontinuities', () => {
    const slices = new ProgrammeSlices()
    const before = playing(slices, 500)
    const read = lostRunOf(JSON.parse(JSON.stringify(lostRunJson(before.window))) as Json)
    const newest = before.window.segments.slice(-8)
    assert.equal(read?.sequence, newest[0]?.sequence)
    assert.deepEqual(
      read?.segments.map(({ tsName, dateMs, durationS }) => [tsName, dateMs, durationS]),
      newest.map(({ ts, dateMs, durationS }) => [ts.name, dateMs, durationS]),
    )
  })

  it('go on until now in time and numbers, under the names that they would have had', () => {
    const run = lostUntil(RUN, WALL_MS + 7_000)
    assert.equal(run?.sequence, 500)
    assert.deepEqual(
      run.segments.slice(3).map(({ tsName, cmaf, dateMs, durationS }) => [tsName, cmaf?.name, dateMs, durationS]),
      [
        ['ts/old-503.ts', 'cmaf/old.3-503.m4s', WALL_MS - 2_000, 2],
        ['ts/old-504.ts', 'cmaf/old.3-504.m4s', WALL_MS, 1.75],
        ['ts/old-505.ts', 'cmaf/old.3-505.m4s', WALL_MS + 1_750, 1.75],
        ['ts/old-506.ts', 'cmaf/old.3-506.m4s', WALL_MS + 3_500, 1.75],
        ['ts/old-507.ts', 'cmaf/old.3-507.m4s', WALL_MS + 5_250, 1.75],
      ],
    )
    assert.equal(run.segments[0]?.cmaf, undefined, 'before somebody asked for fragmented MP4')
  })

  it('leave room for those that were published after the last save, also where the clock has gone back', () => {
    for (const wallMs of [WALL_MS, WALL_MS - 3_600_000]) {
      const run = lostUntil(RUN, wallMs)
      assert.equal(run?.segments.length, 6)
      assert.ok(run.segments.every(({ durationS }) => durationS > 0))
    }
  })

  it('are not told of after an outage that nobody waits for', () => {
    assert.equal(lostUntil(RUN, WALL_MS + 300_000)?.segments.length, 154)
    assert.equal(lostUntil(RUN, WALL_MS + 300_001), undefined)
  })

  it('count as none where what was kept cannot be read', () => {
    const good = { sequence: 1, discontinuity_sequence: 1, segments: [[2, 0, false, 'ts/a-1.ts']] }
    assert.notEqual(lostRunOf(good), undefined)
    const bad: readonly Json[] = [
      ...[null, 7, [], {}, { ...good, segments: [] }, { ...good, sequence: -1 }],
      ...[
        { ...good, segments: [[2, 0, false]] },
        { ...good, segments: [['2', 0, false, 'a']] },
      ],
    ]
    for (const json of bad) assert.equal(lostRunOf(json), undefined, JSON.stringify(json))
  })

  it('have the names of their own rendition, where several are cut at the same places', () => {
    const base = lostUntil(RUN, WALL_MS + 4_000)
    assert.ok(base)
    // Saved while only the first rendition had its newest segment.
    const own: LostRun = {
      ...RUN,
      sequence: 499,
      segments: RUN.segments.map((segment, index) => ({ ...segment, tsName: `ts/other-${499 + index}.ts` })),
    }
    const lost = lostUnderNamesOf(base.segments, base.sequence, own)
    assert.deepEqual(
      lost.map(({ tsName }) => tsName),
      [500, 501, 502, 503, 504, 505].map((number) => `ts/other-${number}.ts`),
    )
    assert.deepEqual(
      lost.map(({ dateMs }) => dateMs),
      base.segments.map(({ dateMs }) => dateMs),
    )
  })
})

describe('a run that begins with what another had', () => {
  it('names them as gaps, and begins with a discontinuity behind them', () => {
    const slices = new ProgrammeSlices()
    const before = playing(slices, 500)
    slices.nowMs += 20_000
    const start = restarted(before, slices.nowMs)
    const timeline = playing(slices, 200, { run: 'next', start })
    const { segments } = timeline.window
    const [kept] = before.window.segments.slice(-8)
    assert.equal(segments[0]?.sequence, kept?.sequence)
    const own = segments.filter(({ isLost }) => !isLost)
    assert.deepEqual(
      own.map(({ isDiscontinuity }) => isDiscontinuity),
      own.map((_, index) => index === 0),
    )
    const text = textOf(timeline)
    assert.equal(text.split('#EXT-X-GAP').length - 1, segments.length - own.length)
    assert.equal(text.split('#EXT-X-DISCONTINUITY\n').length - 1, 1)
    assert.equal(text.indexOf('#EXT-X-GAP', text.indexOf('#EXT-X-DISCONTINUITY\n')), -1)
    for (const { ts, isLost } of segments) assert.equal(timeline.window.find(ts.name) === undefined, isLost)
  })

  it('dates what follows no earlier than what is lost', () => {
    const slices = new ProgrammeSlices()
    const before = playing(slices, 500)
    slices.nowMs -= 3_600_000
    const start = restarted(before, slices.nowMs)
    const timeline = playing(slices, 100, { run: 'next', start })
    const dates = timeline.window.segments.map(({ dateMs }) => dateMs)
    assert.deepEqual(
      dates,
      dates.toSorted((a, b) => a - b),
    )
  })

  it('names them until there is a whole window of its own', () => {
    const slices = new ProgrammeSlices()
    const before = playing(slices, 500)
    slices.nowMs += 250_000
    const start = restarted(before, slices.nowMs)
    const timeline = makeTimeline(slices, { limitsOf: { segmentMs: 2_000, windowMs: 20_000 }, run: 'next', start })
    const lostCount = () => timeline.window.segments.filter(({ isLost }) => isLost).length
    for (const slice of slices.make({ pictures: 400, groupPictures: 25 })) timeline.push(slice)
    assert.equal(lostCount(), start.lost.length)
    for (const slice of slices.make({ pictures: 200, groupPictures: 25 })) timeline.push(slice)
    assert.equal(lostCount(), 0)
    const isFirstThere = timeline.window.segments[0]?.isDiscontinuity === true
    assert.equal(timeline.window.discontinuitySequence - start.discontinuitySequence, isFirstThere ? 0 : 1)
  })

  it('saves what it has, so that a third finds all of it', () => {
    const slices = new ProgrammeSlices()
    const before = playing(slices, 500)
    slices.nowMs += 2_000
    const second = playing(slices, 100, { run: 'second', start: restarted(before, slices.nowMs) })
    slices.nowMs += 2_000
    const third = playing(slices, 100, { run: 'third', start: restarted(second, slices.nowMs) })
    const names = (timeline: Timeline) =>
      new Map(timeline.window.segments.map(({ sequence, ts }) => [sequence, ts.name]))
    const known = [...names(second)].slice(-8)
    const now = names(third)
    for (const [sequence, name] of known) assert.equal(now.get(sequence), name)
    const runs = new Set([...now.values()].map((name) => name.slice(3, name.lastIndexOf('-'))))
    assert.deepEqual([...runs], ['run', 'second', 'third'])
  })
})
