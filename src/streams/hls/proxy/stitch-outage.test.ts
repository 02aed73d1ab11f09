import assert from 'node:assert/strict'
import { test } from 'node:test'
import { discontinuitySequences } from '../../../hls/timeline.ts'
import { FakeSource, StitchBench } from './stitch.fixture.ts'

function play(bench: StitchBench, source: FakeSource, turns: number): void {
  for (let turn = 0; turn < turns; turn += 1) {
    bench.nowMs += 2_000
    source.grow(bench.nowMs)
    bench.take(source)
  }
}

for (const { outageS, isSeam } of [
  { outageS: 200, isSeam: false },
  { outageS: 400, isSeam: true },
]) {
  test(`a gateway that was away for ${outageS} s, in which the source went on, ${isSeam ? 'begins anew' : 'makes no seam'}`, () => {
    const bench = new StitchBench()
    const source = new FakeSource({ name: 'a', firstSequence: 100 })
    source.grow(bench.nowMs)
    bench.begin(source)
    play(bench, source, 3)
    const before = bench.look()
    bench.nowMs += 1_000 * outageS
    source.grow(bench.nowMs)
    bench.restart()
    bench.begin(source)
    bench.take(source)
    const after = bench.look()
    const seams = (discontinuitySequences(after)[0] ?? 0) - (discontinuitySequences(before).at(-1) ?? 0)
    assert.equal(seams, isSeam ? 1 : 0)
    const missed = after.mediaSequence - (before.mediaSequence + before.segments.length)
    if (!isSeam) assert.equal(missed, outageS / 2 - after.segments.length)
    else assert.ok(missed > 0)
    play(bench, source, 3)
    assert.deepEqual(bench.violations, [])
  })
}
