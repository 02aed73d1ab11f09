import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createSimulatedClock } from './simulated-clock.ts'

test('timers run in the order of their due time, each at that time', async () => {
  const clock = createSimulatedClock({ startWallMs: 1_000 })
  const seen: string[] = []
  clock.schedule(30, () => seen.push(`c@${clock.nowMs()}`))
  clock.schedule(10, () => seen.push(`a@${clock.nowMs()}`))
  clock.schedule(10, () => seen.push(`b@${clock.nowMs()}`))
  await clock.advance(29)
  assert.deepEqual(seen, ['a@1010', 'b@1010'])
  await clock.advance(1)
  assert.deepEqual(seen, ['a@1010', 'b@1010', 'c@1030'])
  assert.equal(clock.pending, 0)
})

test('a loop of sleeps wakes at each of its times within one advance', async () => {
  const clock = createSimulatedClock({ startWallMs: 0 })
  const seen: number[] = []
  const loop = async () => {
    for (let round = 0; round < 3; round += 1) {
      await clock.sleep(100)
      seen.push(clock.nowMs())
    }
  }
  const running = loop()
  await clock.advance(1_000)
  await running
  assert.deepEqual(seen, [100, 200, 300])
  assert.equal(clock.wallMs(), 1_000)
})

test('a cancelled timer does not run', async () => {
  const clock = createSimulatedClock()
  let hasRun = false
  clock.schedule(5, () => (hasRun = true)).cancel()
  await clock.advance(10)
  assert.equal(hasRun, false)
})

test('an aborted sleep rejects with the reason and leaves no timer behind', async () => {
  const clock = createSimulatedClock()
  const stop = new AbortController()
  const sleeping = clock.sleep(5, stop.signal)
  stop.abort(new Error('enough'))
  await assert.rejects(sleeping, /enough/)
  assert.equal(clock.pending, 0)
  await assert.rejects(clock.sleep(5, stop.signal), /enough/)
})

test('a timer that rearms itself at once is reported instead of spinning for ever', async () => {
  const clock = createSimulatedClock()
  const rearm = () => void clock.schedule(0, rearm)
  rearm()
  await assert.rejects(clock.advance(0), /something spins/)
})
