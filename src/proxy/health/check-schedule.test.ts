import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createSimulatedClock } from '../../lib/simulated-clock.ts'
import { CheckSchedule, jittered } from './check-schedule.ts'
import type { CheckOutcome } from './health-check.ts'

const middle = { next: () => 0.5 }
const GOOD: CheckOutcome = { kind: 'good' }

test('a check is made at its interval until it is stopped, and its answer is told', async () => {
  const clock = createSimulatedClock()
  const schedule = new CheckSchedule({ clock, random: middle })
  const startMs = clock.nowMs()
  const told: number[] = []
  schedule.start('a', {
    check: () => async () => GOOD,
    intervalMs: 1_000,
    firstAfterMs: 200,
    onOutcome: () => told.push(clock.nowMs() - startMs),
  })
  await clock.advance(2_500)
  assert.deepEqual(told, [200, 1_200, 2_200])
  schedule.stop('a')
  await clock.advance(5_000)
  assert.equal(told.length, 3)
  assert.equal(clock.pending, 0)
})

test('a check that hangs delays nobody else, and what it says after it was stopped counts for nothing', async () => {
  const clock = createSimulatedClock()
  const schedule = new CheckSchedule({ clock, random: middle })
  const told: string[] = []
  let answer: ((outcome: CheckOutcome) => void) | undefined
  const watch = (name: string, check: () => Promise<CheckOutcome>) =>
    schedule.start(name, { check: () => check, intervalMs: 100, firstAfterMs: 0, onOutcome: () => told.push(name) })
  watch('hangs', async () => new Promise((resolve) => (answer = resolve)))
  watch('fine', async () => GOOD)
  await clock.advance(250)
  assert.deepEqual(told, ['fine', 'fine', 'fine'])
  schedule.stop('hangs')
  answer?.(GOOD)
  await clock.advance(10)
  assert.ok(!told.includes('hangs'))
  schedule[Symbol.dispose]()
  assert.equal(schedule.size, 0)
})

test('no more looks than allowed are under way at once, and none is forgotten', async () => {
  const clock = createSimulatedClock()
  const schedule = new CheckSchedule({ clock, random: middle, checksMax: 2 })
  let underWay = 0
  let most = 0
  const seen = new Set<string>()
  for (const name of ['a', 'b', 'c', 'd', 'e']) {
    schedule.start(name, {
      check: () => async () => {
        underWay += 1
        most = Math.max(most, underWay)
        await clock.sleep(10)
        underWay -= 1
        return GOOD
      },
      intervalMs: 10_000,
      firstAfterMs: 0,
      onOutcome: () => seen.add(name),
    })
  }
  await clock.advance(1_000)
  assert.equal(most, 2)
  assert.equal(seen.size, 5)
  schedule[Symbol.dispose]()
})

test('a look can be had at once, and one that is under way is not begun twice', async () => {
  const clock = createSimulatedClock()
  const schedule = new CheckSchedule({ clock, random: middle })
  let begun = 0
  schedule.start('a', {
    check: () => async (signal) => {
      begun += 1
      await clock.sleep(100, signal).catch(() => {})
      return GOOD
    },
    ...{ intervalMs: 1_000, firstAfterMs: 900, onOutcome: () => {} },
  })
  for (const key of ['a', 'a', 'unknown']) schedule.hurry(key)
  await clock.advance(200)
  assert.equal(begun, 1)
  schedule[Symbol.dispose]()
})

test('an interval is given or taken a tenth', () => {
  assert.equal(jittered(1_000, { next: () => 0 }), 900)
  assert.equal(jittered(1_000, { next: () => 0.5 }), 1_000)
})
