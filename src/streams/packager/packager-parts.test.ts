import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { HoldfastError } from '../../lib/errors.ts'
import { blockRequest, isAnswerable } from './block-request.ts'
import { DateTimeline } from './date-timeline.ts'
import { memoryJson, startOf } from './packager-memory.ts'
import { RenderedPlaylists, SUFFIX_MARK } from './rendered-playlists.ts'
import { requestedRange } from './requested-range.ts'
import { SwitchRanges } from './switch-ranges.ts'

describe('dates of segments', () => {
  it('follow each other, drawn slowly towards the time of arrival, and never go back', () => {
    const dates = new DateTimeline()
    assert.equal(dates.begin(1_000_000, false), 1_000_000)
    dates.ended(4_000)
    assert.equal(dates.begin(1_004_003, false), 1_004_003)
    dates.ended(4_000)
    assert.equal(dates.begin(1_009_000, false), 1_008_023)
    dates.ended(4_000)
    assert.equal(dates.begin(900_000, false), 1_011_943)
  })

  it('step forward at a discontinuity, and only forward', () => {
    const dates = new DateTimeline()
    dates.begin(1_000_000, false)
    dates.ended(4_000)
    assert.equal(dates.begin(1_030_000, true), 1_030_000)
    dates.ended(4_000)
    assert.ok(dates.begin(1_000_000, true) >= 1_033_900)
  })
})

describe('the numbers of a run', () => {
  const wallMs = 1_767_225_600_000 + 5_000_000

  it('begin with the seconds of the clock where nothing is remembered', () => {
    assert.deepEqual(startOf(undefined, wallMs), {
      ...{ sequence: 5_000, discontinuitySequence: 13, isContinued: false },
      ...{ targetDurationS: undefined, longestGroupMs: 0, lost: [] },
    })
    assert.equal(startOf(undefined, 0).sequence, 0)
  })

  it('go on behind those that were taken ahead, also where the clock has gone back', () => {
    const memory = memoryJson({
      ...{ sequence: 9_000, discontinuitySequence: 70, targetDurationS: 6, longestGroupMs: 1_920.4, window: null },
    })
    const start = startOf(memory, wallMs)
    assert.deepEqual(start, {
      ...{ sequence: 9_000, discontinuitySequence: 70, isContinued: true },
      ...{ targetDurationS: 6, longestGroupMs: 1_920, lost: [] },
    })
  })

  it('of discontinuities stay small for years: hls.js walks through all below the first at every reload', () => {
    const inTenYearsMs = wallMs + 10 * 365 * 86_400_000
    assert.ok(startOf(undefined, inTenYearsMs).discontinuitySequence < 1_000_000)
  })

  it('begin anew on anything that is no memory', () => {
    for (const json of [null, 7, 'x', [], { sequence: '9' }, { sequence: -1 }, { sequence: 1e300 }]) {
      assert.equal(startOf(json, wallMs).isContinued, false)
    }
  })
})

describe('a request that waits', () => {
  const state = { nextSequence: 10, open: { sequence: 10, parts: [] } }
  const refused = (query: Record<string, string>) =>
    assert.throws(
      () => blockRequest(query, state),
      (error) => error instanceof HoldfastError && error.status === 400,
    )

  it('is told by _HLS_msn and _HLS_part', () => {
    assert.equal(blockRequest({}, state), undefined)
    assert.deepEqual(blockRequest({ _HLS_msn: '10' }, state), { sequence: 10, part: undefined })
    assert.deepEqual(blockRequest({ _HLS_msn: '11', _HLS_part: '2' }, state), { sequence: 11, part: 2 })
  })

  it('is refused when it asks for what is absurdly far ahead, or for nothing that is a number', () => {
    for (const _HLS_msn of ['12', '99999', '-1', '1.5', '', 'x', '1e3']) refused({ _HLS_msn })
    refused({ _HLS_msn: '10', _HLS_part: 'x' })
    refused({ _HLS_part: '1' })
  })

  it('is answered when the segment, or the part, is there', () => {
    const part = { media: undefined as never, durationS: 0.5, isIndependent: true }
    const open = { sequence: 10, parts: [part, part] }
    assert.equal(isAnswerable({ sequence: 9, part: undefined }, state), true)
    assert.equal(isAnswerable({ sequence: 9, part: 70 }, state), true)
    assert.equal(isAnswerable({ sequence: 10, part: undefined }, { nextSequence: 10, open }), false)
    assert.equal(isAnswerable({ sequence: 10, part: 1 }, { nextSequence: 10, open }), true)
    assert.equal(isAnswerable({ sequence: 10, part: 2 }, { nextSequence: 10, open }), false)
    assert.equal(isAnswerable({ sequence: 11, part: 0 }, { nextSequence: 10, open }), false)
  })
})

describe('a range of a segment', () => {
  for (const [header, wanted] of [
    [undefined, undefined],
    ['bytes=0-', { startByte: 0, endByte: 1_000 }],
    ['bytes=10-19', { startByte: 10, endByte: 20 }],
    ['bytes=990-5000', { startByte: 990, endByte: 1_000 }],
    ['bytes=-10', { startByte: 990, endByte: 1_000 }],
    ['bytes=-5000', { startByte: 0, endByte: 1_000 }],
    ['bytes=1000-', 'unsatisfiable'],
    ['bytes=-0', 'unsatisfiable'],
    ['bytes=20-10', undefined],
    ['bytes=-', undefined],
    ['bytes=0-1,5-6', undefined],
    ['lines=0-1', undefined],
  ] as const) {
    it(`${header ?? 'none'} is ${JSON.stringify(wanted) ?? 'all of it'}`, () => {
      assert.deepEqual(requestedRange(header, 1_000), wanted)
    })
  }
})

describe('the text of a playlist', () => {
  it('is written once for a state, whoever asks', () => {
    const rendered = new RenderedPlaylists()
    let writes = 0
    const write = () => `#EXTM3U\n${(writes += 1)}.ts${SUFFIX_MARK}\n`
    assert.equal(rendered.text('ts', '?client_id=a', write), '#EXTM3U\n1.ts?client_id=a\n')
    assert.equal(rendered.text('ts', '?client_id=b', write), '#EXTM3U\n1.ts?client_id=b\n')
    assert.equal(rendered.text('cmaf', '', write), '#EXTM3U\n2.ts\n')
    rendered.clear()
    assert.equal(rendered.text('ts', '', write), '#EXTM3U\n3.ts\n')
  })
})

describe('a switch as players are told of it', () => {
  it('has no address in it', () => {
    const ranges = new SwitchRanges()
    ranges.add({
      ...{ receiptId: '7b1f', decidedWallMs: 1_767_225_600_000, from: { index: 0 }, to: { index: 1 } },
      ...{ trigger: 'failover', reason: 'no answer from http://secret@origin/', measured: { gapMs: 120.4 } },
    })
    const attributes = ranges.all[0]?.attributes ?? []
    assert.deepEqual(
      attributes.map(({ name, value }) => `${name}=${value}`),
      [
        ...['ID=7b1f', 'CLASS=holdfast.switch', 'START-DATE=2026-01-01T00:00:00.000Z', 'DURATION=0'],
        ...['X-CAUSE=failover', 'X-REASON=other', 'X-TO-INDEX=1', 'X-FROM-INDEX=0', 'X-GAP-MS=120'],
      ],
    )
  })

  it('leaves when there are too many', () => {
    const ranges = new SwitchRanges()
    for (let index = 0; index < 100; index += 1) {
      const source = { from: undefined, to: { index: 0 }, trigger: 'retry', reason: 'ended', measured: undefined }
      ranges.add({ receiptId: `${index}`, decidedWallMs: index, ...source })
    }
    assert.equal(ranges.all.length, 64)
    assert.equal(ranges.all[0]?.atMs, 36)
  })
})
