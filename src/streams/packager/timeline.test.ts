import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { PACKET_BYTES, PID_PAT, pidOf } from '../../mpegts/packet.ts'
import { h264 } from '../../mpegts/testing.ts'
import type { Slice } from '../ring.ts'
import { makeTimeline, PICTURE_TICKS, ProgrammeSlices } from './packager.fixture.ts'
import type { Segment } from './segment.ts'
import type { Timeline } from './timeline.ts'

const OTHER_SPS = Buffer.from('000000016742c01fda', 'hex')

function play(timeline: Timeline, slices: readonly Slice[]): void {
  for (const slice of slices) timeline.push(slice)
}

function bytesOf({ ts }: Segment): Buffer {
  assert.equal(ts.content.kind, 'memory')
  return Buffer.concat(ts.content.kind === 'memory' ? [...ts.content.pieces] : [])
}

const durations = (timeline: Timeline) => timeline.window.segments.map(({ durationS }) => durationS)
const discontinuities = (timeline: Timeline) =>
  timeline.window.segments.filter(({ isDiscontinuity }) => isDiscontinuity).map(({ sequence }) => sequence)

describe('the segments of a stream', () => {
  it('end at keyframes near the wanted length, after a few short ones', () => {
    const slices = new ProgrammeSlices()
    const timeline = makeTimeline(slices)
    play(timeline, slices.make({ pictures: 26 * 25, groupPictures: 25 }))
    assert.deepEqual(durations(timeline), [1, 1, 1, 4, 4, 4, 4, 4])
    assert.ok(timeline.window.segments.every(({ isIndependent }) => isIndependent))
  })

  it('are as long as the groups of pictures when those are longer', () => {
    const slices = new ProgrammeSlices()
    const timeline = makeTimeline(slices)
    play(timeline, slices.make({ pictures: 31 * 25, groupPictures: 250 }))
    assert.deepEqual(durations(timeline), [10, 10, 10])
    timeline.published()
    assert.equal(timeline.targetDurationS, 13)
  })

  it('are the bytes of the stream, untouched and complete, also where slices end inside of packets', () => {
    const slices = new ProgrammeSlices()
    const timeline = makeTimeline(slices, { limitsOf: { bytesMax: 1e9 } })
    const stream = slices.make({ pictures: 90, groupPictures: 25, pictureBytes: 270_000 })
    assert.ok(stream.some(({ data }) => data.length % PACKET_BYTES !== 0))
    play(timeline, stream)
    const made = Buffer.concat(timeline.window.segments.map(bytesOf))
    const original = Buffer.concat(stream.map(({ data }) => data))
    assert.ok(made.length > 0.8 * original.length)
    assert.ok(made.equals(original.subarray(0, made.length)))
    for (const segment of timeline.window.segments) assert.equal(pidOf(bytesOf(segment), 0), PID_PAT)
  })

  it('begin behind the preamble where the tables are not in the stream', () => {
    const slices = new ProgrammeSlices()
    const timeline = makeTimeline(slices)
    const preamble = Buffer.concat(slices.make({ pictures: 1, groupPictures: 1 }).map(({ data }) => data))
    const tables = preamble.subarray(0, 2 * PACKET_BYTES)
    for (const slice of slices.make({ pictures: 60, groupPictures: 25 })) {
      const isJoin = slice.preamble !== undefined
      timeline.push(isJoin ? { ...slice, data: slice.data.subarray(2 * PACKET_BYTES), preamble: tables } : slice)
    }
    const [first] = timeline.window.segments
    assert.ok(first !== undefined && bytesOf(first).subarray(0, tables.length).equals(tables))
  })

  it('go on without a discontinuity over a seam that keeps the timeline and the set-up', () => {
    const slices = new ProgrammeSlices()
    const timeline = makeTimeline(slices)
    play(timeline, slices.make({ pictures: 130, groupPictures: 25 }))
    play(timeline, slices.make({ pictures: 400, groupPictures: 40 }))
    assert.deepEqual(discontinuities(timeline), [])
  })

  it('go on over the wrap of the time stamps', () => {
    const slices = new ProgrammeSlices()
    const timeline = makeTimeline(slices)
    play(timeline, slices.make({ pictures: 400, groupPictures: 25, firstDts: 2 ** 33 - 100 * PICTURE_TICKS }))
    assert.deepEqual(discontinuities(timeline), [])
    assert.deepEqual(durations(timeline), [1, 1, 1, 4, 4, 4])
  })

  for (const [what, change] of [
    ['the timeline jumps', { firstDts: 5_000_000_000 }],
    ['the timeline goes back', { firstDts: 400_000 }],
    ['the parameter sets are others', { sps: OTHER_SPS }],
    ['the tracks are others', { videoPid: 0x201 }],
  ] as const) {
    it(`end where ${what}, and the next begins with a discontinuity`, () => {
      const slices = new ProgrammeSlices()
      const timeline = makeTimeline(slices)
      play(timeline, slices.make({ pictures: 160, groupPictures: 25 }))
      play(timeline, slices.make({ pictures: 300, groupPictures: 25, ...change }))
      assert.deepEqual(discontinuities(timeline), [104])
      assert.deepEqual(durations(timeline).slice(0, 6), [1, 1, 1, 3.4, 4, 4])
    })
  }

  it('do not count parameter sets as changed that come and go', () => {
    const slices = new ProgrammeSlices()
    const timeline = makeTimeline(slices)
    const both = Buffer.concat([h264.sps, OTHER_SPS])
    for (const sps of [both, h264.sps, both, OTHER_SPS, h264.sps]) {
      play(timeline, slices.make({ pictures: 25, groupPictures: 25, sps }))
    }
    assert.deepEqual(discontinuities(timeline), [])
  })

  it('are cut before the target duration, with tables in front, where there is no keyframe', () => {
    const slices = new ProgrammeSlices()
    const timeline = makeTimeline(slices)
    play(timeline, slices.make({ pictures: 200, groupPictures: 25 }))
    timeline.published()
    play(timeline, slices.make({ pictures: 400, groupPictures: 0 }))
    assert.equal(timeline.targetDurationS, 5)
    assert.ok(durations(timeline).every((durationS) => Math.round(durationS) <= 5))
    const forced = timeline.window.segments.filter(({ isIndependent }) => !isIndependent)
    assert.ok(forced.length >= 2)
    for (const segment of forced) assert.equal(pidOf(bytesOf(segment), 0), PID_PAT)
  })

  it('begin after ten seconds of media in a stream that has no keyframes at all', () => {
    const slices = new ProgrammeSlices()
    const timeline = makeTimeline(slices)
    play(timeline, slices.make({ pictures: 700, groupPictures: 0, isWithoutJoin: true }))
    assert.ok(timeline.window.segments.length >= 1)
    assert.ok(timeline.window.segments.every(({ isIndependent }) => !isIndependent))
  })

  it('are cut where one alone would fill the memory', () => {
    const slices = new ProgrammeSlices()
    const timeline = makeTimeline(slices, { limitsOf: { bytesMax: 8_000_000 } })
    play(timeline, slices.make({ pictures: 250, groupPictures: 25, pictureBytes: 20_000 }))
    assert.ok(timeline.window.segments.every(({ ts }) => ts.bytes <= 1_100_000))
    assert.ok(timeline.window.bytes <= 8_000_000)
  })

  it('leave nothing out when the stream is interrupted, and go on with a discontinuity', () => {
    const slices = new ProgrammeSlices()
    const timeline = makeTimeline(slices)
    const before = slices.make({ pictures: 90, groupPictures: 25 })
    play(timeline, before)
    timeline.interrupt()
    const made = Buffer.concat(timeline.window.segments.map(bytesOf))
    assert.ok(made.equals(Buffer.concat(before.map(({ data }) => data))))
    assert.deepEqual(durations(timeline), [1, 1, 1, 0.6])
    play(timeline, slices.make({ pictures: 160, groupPictures: 25 }))
    assert.deepEqual(discontinuities(timeline), [104])
  })

  it('begin with a discontinuity when players may know an earlier run', () => {
    const slices = new ProgrammeSlices()
    const start = {
      ...{ sequence: 7, discontinuitySequence: 2, isContinued: true, targetDurationS: 6, longestGroupMs: 900 },
      lost: [],
    }
    const timeline = makeTimeline(slices, { start })
    play(timeline, slices.make({ pictures: 60, groupPictures: 25 }))
    assert.deepEqual(discontinuities(timeline), [7])
    assert.equal(timeline.targetDurationS, 6)
  })
})
