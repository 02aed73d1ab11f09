import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StallWatch } from './stall.ts'

const policy = { floorMs: 1_000, ceilingMs: 15_000 }

/** Feeds bursts of `burstMs` of media every `burstMs`, each in chunks 1 ms apart; returns false alarms. */
function falseAlarms(burstMs: number, totalMs: number): number {
  const watch = new StallWatch(policy)
  let alarms = 0
  for (let atMs = 0; atMs < totalMs; atMs += burstMs) {
    if (watch.silenceMs(atMs) > watch.limitMs() && atMs > 0) alarms += 1
    for (let chunk = 1; chunk <= 20; chunk += 1) watch.arrived(atMs + chunk, atMs + (burstMs * chunk) / 20)
  }
  return alarms
}

for (const burstMs of [40, 500, 2_000, 5_000, 10_000, 14_000]) {
  test(`a source that delivers every ${burstMs} ms never raises a false alarm`, () => {
    assert.equal(falseAlarms(burstMs, 300_000), 0)
  })
}

test('a smooth source is given up after the floor', () => {
  const watch = new StallWatch(policy)
  for (let atMs = 0; atMs <= 5_000; atMs += 40) watch.arrived(atMs, atMs)
  assert.equal(watch.limitMs(), 1_000)
  assert.equal(watch.silenceMs(6_001), 1_001)
})

test('a start-up burst is credit only until the source is known', () => {
  const watch = new StallWatch(policy)
  watch.arrived(0, 0)
  watch.arrived(1, 2_000)
  assert.ok(watch.limitMs() >= 2_900, 'two seconds ahead of real time')
  for (let atMs = 40; atMs <= 4_000; atMs += 40) watch.arrived(atMs, 2_000 + atMs)
  assert.equal(watch.limitMs(), 1_000)
})

test('a long pause is forgotten after two minutes of smoothness', () => {
  const watch = new StallWatch(policy)
  for (let atMs = 0; atMs <= 5_000; atMs += 40) watch.arrived(atMs, atMs)
  watch.arrived(10_000, 10_000)
  assert.equal(watch.limitMs(), 10_000)
  for (let atMs = 10_040; atMs <= 140_000; atMs += 40) watch.arrived(atMs, atMs)
  assert.equal(watch.limitMs(), 1_000)
})

test('no silence is tolerated beyond the ceiling, even one below the floor', () => {
  const watch = new StallWatch({ floorMs: 1_000, ceilingMs: 500 })
  for (let atMs = 0; atMs <= 5_000; atMs += 40) watch.arrived(atMs, atMs)
  assert.equal(watch.limitMs(), 500)
})

test('time during which reading was paused is not silence', () => {
  const watch = new StallWatch(policy)
  watch.arrived(0, 0)
  watch.resumed(50_000)
  assert.equal(watch.silenceMs(50_010), 10)
})
