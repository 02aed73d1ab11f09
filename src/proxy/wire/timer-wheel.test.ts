import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../../lib/random.ts'
import { createSimulatedClock } from '../../lib/simulated-clock.ts'
import { Deadline, TimerWheel } from './timer-wheel.ts'

/** The most by which a deadline may be late, milliseconds. */
const LATE_MS_MAX = 20

test('deadlines of any length are called once, never early and at most two ticks late', async () => {
  const clock = createSimulatedClock()
  const wheel = new TimerWheel(clock)
  const random = seededRandom(7)
  const lateness: number[] = []
  for (let index = 0; index < 200; index += 1) {
    const delayMs = Math.floor(random.next() * 40_000)
    const dueMs = clock.nowMs() + delayMs
    wheel.arm(new Deadline(() => lateness.push(clock.nowMs() - dueMs)), delayMs)
  }
  await clock.advance(45_000)
  assert.equal(lateness.length, 200)
  assert.ok(Math.min(...lateness) >= 0 && Math.max(...lateness) <= LATE_MS_MAX, `late by ${Math.max(...lateness)} ms`)
  assert.deepEqual([wheel.size, clock.pending], [0, 0])
})

test('a deadline that is moved is called at its last time only, earlier or later', async () => {
  const clock = createSimulatedClock()
  const wheel = new TimerWheel(clock)
  const beginMs = clock.nowMs()
  const calledMs: number[] = []
  const later = new Deadline(() => calledMs.push(clock.nowMs() - beginMs))
  const earlier = new Deadline(() => calledMs.push(clock.nowMs() - beginMs))
  wheel.arm(later, 100)
  wheel.arm(earlier, 20_000)
  wheel.arm(later, 300)
  wheel.arm(earlier, 50)
  await clock.advance(30_000)
  assert.equal(calledMs.length, 2)
  assert.ok((calledMs[0] ?? 0) >= 50 && (calledMs[0] ?? 0) <= 50 + LATE_MS_MAX)
  assert.ok((calledMs[1] ?? 0) >= 300 && (calledMs[1] ?? 0) <= 300 + LATE_MS_MAX)
})

test('a deadline that is disarmed or removed is not called, and may be armed again', async () => {
  const clock = createSimulatedClock()
  const wheel = new TimerWheel(clock)
  let calls = 0
  const disarmed = new Deadline(() => (calls += 1))
  const removed = new Deadline(() => (calls += 1))
  wheel.arm(disarmed, 100)
  wheel.arm(removed, 100)
  wheel.disarm(disarmed)
  wheel.remove(removed)
  await clock.advance(15_000)
  assert.deepEqual([calls, wheel.size, clock.pending], [0, 0, 0])
  wheel.arm(disarmed, 100)
  await clock.advance(200)
  assert.equal(calls, 1)
})

test('a deadline may arm itself again', async () => {
  const clock = createSimulatedClock()
  const wheel = new TimerWheel(clock)
  let calls = 0
  const again: Deadline = new Deadline(() => {
    calls += 1
    if (calls < 5) wheel.arm(again, 100)
  })
  wheel.arm(again, 100)
  await clock.advance(1_000)
  assert.equal(calls, 5)
  assert.equal(clock.pending, 0)
})
