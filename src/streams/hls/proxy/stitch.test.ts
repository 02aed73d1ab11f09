import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { attributeText } from '../../../hls/attribute-list.ts'
import type { MediaPlaylist } from '../../../hls/playlist.ts'
import { discontinuitySequences, programDateTimesMs } from '../../../hls/timeline.ts'
import { FakeSource, StitchBench } from './stitch.fixture.ts'

/** Time passes, the source grows, its playlist is taken: `times` target durations of it. */
function play(bench: StitchBench, source: FakeSource, times: number, slots: readonly number[] = [0]): void {
  for (let turn = 0; turn < times; turn += 1) {
    bench.nowMs += 2_000
    source.grow(bench.nowMs)
    for (const slot of slots) bench.take(source, slot)
  }
}

function started(options: Partial<ConstructorParameters<typeof FakeSource>[0]> = {}) {
  const bench = new StitchBench()
  const primary = new FakeSource({ name: 'a', firstSequence: 100, ...options })
  primary.grow(bench.nowMs)
  bench.begin(primary)
  bench.take(primary)
  return { bench, primary }
}

const sequences = ({ mediaSequence, segments }: MediaPlaylist): readonly number[] =>
  segments.map((_, index) => mediaSequence + index)
const discontinuities = (playlist: MediaPlaylist): readonly number[] =>
  playlist.segments.flatMap(({ isDiscontinuity }, index) => (isDiscontinuity ? [playlist.mediaSequence + index] : []))

describe('one source', () => {
  test('passes with its own numbers and without anything added', () => {
    const { bench, primary } = started()
    play(bench, primary, 10)
    const seen = bench.look()
    assert.equal(seen.mediaSequence, primary.playlist.mediaSequence)
    assert.equal(seen.segments.length, 6)
    assert.equal(seen.targetDurationS, 2)
    assert.deepEqual(discontinuities(seen), [])
    assert.equal(seen.dateRanges.length, 0)
    assert.deepEqual(bench.violations, [])
  })

  test('its own discontinuities pass, and are counted when they slide out, also by one that forgets to', () => {
    const { bench, primary } = started()
    play(bench, primary, 2)
    bench.nowMs += 2_000
    primary.grow(bench.nowMs, true)
    bench.take(primary)
    assert.equal(discontinuities(bench.look()).length, 1)
    play(bench, primary, 8)
    assert.equal(bench.look().discontinuitySequence, 1)
    assert.deepEqual(bench.violations, [])
  })

  test('an old version of its playlist changes nothing', () => {
    const { bench, primary } = started()
    play(bench, primary, 3)
    const old = primary.playlist
    play(bench, primary, 2)
    const before = bench.text()
    const stale = Object.assign(Object.create(Object.getPrototypeOf(primary) as object) as FakeSource, {})
    Object.defineProperty(stale, 'playlist', { value: old })
    Object.defineProperty(stale, 'options', { value: primary.options })
    assert.equal(bench.take(stale), 'unchanged')
    assert.equal(bench.text(), before)
  })

  test('a numbering that began anew is told, and goes on behind a discontinuity when nobody else is there', () => {
    const { bench, primary } = started()
    play(bench, primary, 5)
    const before = bench.look()
    primary.reset()
    bench.nowMs += 4_000
    primary.grow(bench.nowMs)
    assert.equal(bench.take(primary), 'reset')
    bench.begin(primary)
    assert.equal(bench.take(primary), 'joined')
    const after = bench.look()
    assert.deepEqual(discontinuities(after), [Math.max(...sequences(before)) + 1])
    assert.deepEqual(bench.violations, [])
  })

  test('the same source after a failure goes on without a seam', () => {
    const { bench, primary } = started()
    play(bench, primary, 5)
    bench.begin(primary)
    play(bench, primary, 3)
    const seen = bench.look()
    assert.equal(seen.mediaSequence, primary.playlist.mediaSequence)
    assert.deepEqual(discontinuities(seen), [])
  })
})

describe('a switch', () => {
  test('numbers go on, one discontinuity stands at the seam, and no segment has a name that another had', () => {
    const { bench, primary } = started()
    const backup = new FakeSource({ name: 'b', firstSequence: 7 })
    backup.grow(bench.nowMs)
    play(bench, primary, 5)
    const last = Math.max(...sequences(bench.look()))
    bench.begin(backup, 1)
    play(bench, backup, 1)
    const seen = bench.look()
    assert.deepEqual(discontinuities(seen), [last + 1])
    assert.ok(seen.segments.length >= 6)
    play(bench, backup, 10)
    assert.equal(bench.look().discontinuitySequence, 1)
    assert.deepEqual(discontinuities(bench.look()), [])
    assert.deepEqual(bench.violations, [])
  })

  test('as much is added as time has passed, so that players have no less than before', () => {
    const { bench, primary } = started()
    const backup = new FakeSource({ name: 'b' })
    play(bench, primary, 5)
    const last = Math.max(...sequences(bench.look()))
    bench.nowMs += 5_500
    backup.grow(bench.nowMs)
    bench.begin(backup, 1)
    bench.take(backup)
    assert.equal(Math.max(...sequences(bench.look())) - last, 3)
  })

  test('where both date their segments nothing is repeated and nothing is left out', () => {
    const { bench, primary } = started({ dateSkewMs: 0 })
    const backup = new FakeSource({ name: 'b', firstSequence: 5_000, dateSkewMs: 0, window: 10 })
    play(bench, primary, 5)
    bench.nowMs += 6_000
    backup.grow(bench.nowMs)
    bench.begin(backup, 1)
    bench.take(backup)
    const seen = bench.look()
    const dates = programDateTimesMs(seen)
    for (const [index, ms] of dates.entries()) assert.equal(ms, (dates[0] ?? 0) + index * 2_000)
    assert.deepEqual(bench.violations, [])
  })

  test('a source that is a little behind is waited for, but not for long', () => {
    const { bench, primary } = started({ dateSkewMs: 0 })
    const behind = new FakeSource({ name: 'b', dateSkewMs: -2_000 })
    play(bench, primary, 5)
    behind.grow(bench.nowMs)
    bench.begin(behind, 1)
    assert.equal(bench.take(behind), 'waiting')
    bench.nowMs += 4_000
    behind.grow(bench.nowMs)
    assert.equal(bench.take(behind), 'joined')
    assert.deepEqual(bench.violations, [])
  })

  test('dates never go back, whatever the clock of the next source says', () => {
    for (const dateSkewMs of [-3_600_000, 3_600_000, undefined]) {
      const { bench, primary } = started({ dateSkewMs: 0 })
      const backup = new FakeSource({ name: 'b', ...(dateSkewMs === undefined ? {} : { dateSkewMs }) })
      play(bench, primary, 5)
      backup.grow(bench.nowMs)
      bench.begin(backup, 1)
      play(bench, backup, 3)
      bench.begin(primary, 0)
      play(bench, primary, 3)
      const dates = programDateTimesMs(bench.look())
      assert.ok(dates.every((ms, index) => ms !== undefined && ms >= (dates[index - 1] ?? 0)))
      assert.deepEqual(bench.violations, [])
    }
  })

  test('is published as a date range without an address, for as long as its first segment is there', () => {
    const { bench, primary } = started()
    const backup = new FakeSource({ name: 'b' })
    play(bench, primary, 5)
    backup.grow(bench.nowMs)
    bench.begin(backup, 1)
    play(bench, backup, 1)
    const [range, ...others] = bench.look().dateRanges
    assert.ok(range !== undefined && others.length === 0)
    assert.equal(attributeText(range.attributes, 'CLASS'), 'holdfast.switch')
    assert.equal(attributeText(range.attributes, 'X-HOLDFAST-FROM'), '0')
    assert.equal(attributeText(range.attributes, 'X-HOLDFAST-TO'), '1')
    assert.doesNotMatch(bench.text(), /example/)
    play(bench, backup, 20)
    assert.equal(bench.look().dateRanges.length, 0)
    assert.deepEqual(bench.violations, [])
  })

  test('round and back again, with fragmented MP4 on one side', () => {
    const { bench, primary } = started({ hasMap: true })
    const backup = new FakeSource({ name: 'b', firstSequence: 3 })
    for (let turn = 0; turn < 6; turn += 1) {
      const source = turn % 2 === 0 ? backup : primary
      source.grow(bench.nowMs)
      bench.begin(source, turn % 2 === 0 ? 1 : 0)
      play(bench, source, 4)
    }
    assert.deepEqual(bench.violations, [])
  })

  test('a segment that nobody can get any more becomes a gap, and is made up for', () => {
    const { bench, primary } = started()
    const backup = new FakeSource({ name: 'b', window: 10 })
    play(bench, primary, 5)
    const [lost] = bench.look().segments.slice(-2)
    assert.ok(lost !== undefined)
    assert.equal(bench.stitch.slot(0).lost(new Set([lost.uri])), true)
    assert.equal(bench.stitch.slot(0).lost(new Set(['s/other.ts'])), false)
    const last = Math.max(...sequences(bench.look()))
    backup.grow(bench.nowMs)
    bench.begin(backup, 1)
    bench.nowMs += 2_000
    backup.grow(bench.nowMs)
    bench.take(backup)
    const seen = bench.look()
    assert.deepEqual(
      seen.segments.filter(({ isGap }) => isGap).map(({ uri }) => uri),
      [lost.uri],
    )
    assert.equal(Math.max(...sequences(seen)) - last, 2)
    assert.deepEqual(bench.violations, [])
  })

  test('longer segments raise the target duration only when they do not fit', () => {
    const { bench, primary } = started({ targetDurationS: 6 })
    const fits = new FakeSource({ name: 'b', durationsS: [6], targetDurationS: 6 })
    const doesNot = new FakeSource({ name: 'c', durationsS: [10] })
    play(bench, primary, 5)
    fits.grow(bench.nowMs)
    bench.begin(fits, 1)
    play(bench, fits, 9)
    assert.deepEqual(bench.violations, [])
    doesNot.grow(bench.nowMs)
    bench.begin(doesNot, 2)
    play(bench, doesNot, 9)
    assert.equal(bench.look().targetDurationS, 10)
  })
})

describe('slots', () => {
  test('have their discontinuity at the same segment, also one that comes in later', () => {
    const { bench, primary } = started({ dateSkewMs: 0 })
    const backup = new FakeSource({ name: 'b', firstSequence: 900, dateSkewMs: 0 })
    play(bench, primary, 5, [0, 1])
    backup.grow(bench.nowMs)
    bench.begin(backup, 1)
    play(bench, backup, 2, [0, 1])
    bench.take(backup, 2)
    const [first, second, late] = [bench.look(0), bench.look(1), bench.look(2)]
    assert.deepEqual(discontinuities(first), discontinuities(second))
    assert.equal(discontinuities(first).length, 1)
    // The late one begins with the new source: the same numbers, and the same discontinuity number.
    assert.equal(late.mediaSequence, discontinuities(first)[0])
    assert.equal(discontinuitySequences(late)[0], discontinuitySequences(first).at(-1))
    assert.deepEqual(bench.violations, [])
  })

  test('one that was not followed during a switch begins anew behind it, with higher numbers', () => {
    const { bench, primary } = started()
    play(bench, primary, 3, [0, 1])
    const before = bench.look(1)
    for (const [index, name] of ['b', 'c'].entries()) {
      const next = new FakeSource({ name })
      next.grow(bench.nowMs)
      bench.begin(next, index + 1)
      play(bench, next, 4)
      if (name === 'c') bench.take(next, 1)
    }
    const after = bench.look(1)
    assert.ok(after.mediaSequence > Math.max(...sequences(before)))
    assert.equal(discontinuitySequences(after)[0], 2)
    assert.deepEqual(bench.violations, [])
  })
})

describe('a restart', () => {
  for (const turns of [1, 2, 3, 4, 5]) {
    test(`keeps the dates of a source that has none, with a memory that is ${2 * turns} s old`, () => {
      const durationsS = [1.2]
      const { bench, primary } = started({ durationsS, targetDurationS: 2 })
      play(bench, primary, 3)
      const backup = new FakeSource({ name: 'b', durationsS, targetDurationS: 2 })
      backup.grow(bench.nowMs)
      bench.begin(backup, 1)
      play(bench, backup, 8)
      const { memory } = bench.stitch
      play(bench, backup, turns)
      bench.restart(memory)
      bench.begin(backup, 1)
      play(bench, backup, 3)
      assert.deepEqual(bench.violations, [])
    })
  }

  test('of the gateway while the source goes on changes nothing for players', () => {
    const { bench, primary } = started()
    const backup = new FakeSource({ name: 'b', firstSequence: 40 })
    play(bench, primary, 3)
    backup.grow(bench.nowMs)
    bench.begin(backup, 1)
    play(bench, backup, 12)
    const before = bench.text()
    bench.restart()
    bench.begin(backup, 1)
    bench.take(backup)
    assert.equal(bench.text(), before)
    play(bench, backup, 3)
    assert.deepEqual(bench.violations, [])
  })

  test('after a crash, with an old memory, and onto another source: numbers still never go back', () => {
    const { bench, primary } = started()
    const memory = bench.stitch.memory
    play(bench, primary, 30)
    const before = bench.look()
    const backup = new FakeSource({ name: 'b' })
    bench.nowMs += 10_000
    backup.grow(bench.nowMs)
    bench.restart(memory)
    bench.begin(backup, 1)
    bench.take(backup)
    const after = bench.look()
    assert.ok(after.mediaSequence > Math.max(...sequences(before)))
    assert.ok((discontinuitySequences(after)[0] ?? 0) > 0)
    assert.deepEqual(bench.violations, [])
  })
})

test('whatever happens in whatever order, the rules find nothing', () => {
  const source = fc.record({
    skew: fc.option(fc.integer({ min: -20_000, max: 20_000 }), { nil: undefined }),
    firstSequence: fc.integer({ min: 0, max: 5_000 }),
    window: fc.integer({ min: 4, max: 9 }),
    short: fc.boolean(),
  })
  const happening = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({ kind: fc.constant('time' as const), ms: fc.integer({ min: 300, max: 5_000 }) }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('switch' as const), to: fc.nat({ max: 2 }) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('discontinuity' as const) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('reset' as const) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('lost' as const), at: fc.nat({ max: 8 }) }) },
  )
  fc.assert(
    fc.property(fc.tuple(source, source, source), fc.array(happening, { maxLength: 60 }), (options, happenings) => {
      const bench = new StitchBench()
      const sources = options.map(
        ({ skew, firstSequence, window, short }, index) =>
          new FakeSource({
            ...{ name: 'abc'[index] ?? '', firstSequence, window, targetDurationS: 2 },
            durationsS: short ? [2, 1.6, 2] : [2],
            ...(skew === undefined ? {} : { dateSkewMs: skew }),
          }),
      )
      let onAir = 0
      const poll = (isDiscontinuity = false): void => {
        for (const [index, each] of sources.entries()) each.grow(bench.nowMs, isDiscontinuity && index === onAir)
        const current = sources[onAir]
        if (current === undefined || bench.take(current) !== 'reset') return
        bench.begin(current, onAir)
        bench.take(current)
      }
      const begin = (): void => {
        const current = sources[onAir]
        if (current !== undefined) bench.begin(current, onAir)
      }
      poll()
      begin()
      poll()
      for (const happening of happenings) {
        if (happening.kind === 'time') bench.nowMs += happening.ms
        if (happening.kind === 'switch') onAir = happening.to
        if (happening.kind === 'reset') sources[onAir]?.reset()
        if (happening.kind === 'restart') bench.restart()
        if (happening.kind === 'restart' || happening.kind === 'switch') begin()
        if (happening.kind === 'lost') {
          const name = bench.stitch.slot(0).segments[happening.at]?.segment.uri
          if (name !== undefined) bench.stitch.slot(0).lost(new Set([name]))
        }
        poll(happening.kind === 'discontinuity')
      }
      assert.deepEqual(bench.violations, [])
    }),
    { numRuns: 150 },
  )
})
