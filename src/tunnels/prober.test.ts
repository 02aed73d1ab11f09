import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../lib/random.ts'
import { createSimulatedClock } from '../lib/simulated-clock.ts'
import type { ProbeOutcome } from './probe.ts'
import { Prober } from './prober.ts'

const GOOD: ProbeOutcome = { kind: 'good' }

function scene(takesMs = 0, probesMax = 32) {
  const clock = createSimulatedClock()
  const startMs = clock.nowMs()
  const begun: { readonly url: string; readonly atMs: number }[] = []
  const aborted: string[] = []
  let most = 0
  let underWay = 0
  const prober = new Prober({
    ...{ clock, random: seededRandom(3), probesMax },
    probe: async ({ url }, signal) => {
      begun.push({ url, atMs: clock.nowMs() - startMs })
      underWay += 1
      most = Math.max(most, underWay)
      await clock.sleep(takesMs, signal).catch(() => aborted.push(url))
      underWay -= 1
      return GOOD
    },
  })
  const outcomes: string[] = []
  const watch = (url: string, intervalMs = 1_000, firstAfterMs = 0) =>
    prober.start(url, {
      ...{ intervalMs, firstAfterMs },
      target: () => ({ url, namedByAdmin: true }),
      onOutcome: () => void outcomes.push(url),
    })
  return { clock, prober, begun, aborted, outcomes, watch, most: () => most }
}

test('checks go on at the interval, give or take a tenth, counted from the end of the last', async () => {
  const { clock, prober, begun, watch } = scene(500)
  watch('a', 1_000, 200)
  await clock.advance(10_000)
  assert.equal(begun[0]?.atMs, 200)
  const gaps = begun.slice(1).map(({ atMs }, index) => atMs - (begun[index]?.atMs ?? 0))
  assert.ok(gaps.length >= 5)
  for (const gap of gaps) assert.ok(gap >= 1_400 && gap <= 1_600, String(gap))
  assert.ok(new Set(gaps).size > 1, 'there is jitter')
  prober[Symbol.dispose]()
  await clock.settle()
  assert.equal(clock.pending, 0)
})

test('a watch that ends takes its check with it, and what it found out counts for nothing', async () => {
  const { clock, prober, aborted, outcomes, watch } = scene(500)
  watch('a')
  await clock.advance(100)
  prober.stop('a')
  await clock.advance(5_000)
  assert.deepEqual([aborted, outcomes, prober.size, clock.pending], [['a'], [], 0, 0])
})

test('no more checks are under way at once than allowed, and each gets its turn', async () => {
  const { clock, outcomes, watch, most } = scene(100, 2)
  for (const url of ['a', 'b', 'c', 'd', 'e']) watch(url, 10_000)
  await clock.advance(1_000)
  assert.equal(most(), 2)
  assert.deepEqual(outcomes.toSorted(), ['a', 'b', 'c', 'd', 'e'])
})

test('a check can be had at once, and one that is under way is not begun twice', async () => {
  const { clock, prober, begun, watch } = scene(100)
  watch('a', 1_000, 900)
  prober.hurry('a')
  prober.hurry('a')
  prober.hurry('unknown')
  await clock.advance(200)
  assert.equal(begun.length, 1)
})
