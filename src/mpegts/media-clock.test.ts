import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MediaClock } from './media-clock.ts'
import { PCR_MODULUS, SYSTEM_CLOCK_HZ } from './packet.ts'

const MS = SYSTEM_CLOCK_HZ / 1_000

function elapsedOver(pcrs: readonly number[]): MediaClock {
  const clock = new MediaClock()
  for (const pcr of pcrs) clock.observe(pcr, false)
  return clock
}

test('without a PCR no media time is known', () => {
  assert.equal(new MediaClock().elapsedMs, undefined)
  assert.equal(new MediaClock().pcr, undefined)
})

test('media time is what the PCRs advance', () => {
  assert.equal(elapsedOver([5 * MS, 45 * MS, 85 * MS]).elapsedMs, 80)
})

test('the wrap of the PCR after 26.5 hours is 40 ms like any other step', () => {
  const clock = elapsedOver([PCR_MODULUS - 20 * MS, 20 * MS])
  assert.equal(clock.elapsedMs, 40)
  assert.equal(clock.jumps, 0)
})

test('a step back and a step hours ahead are jumps and not media', () => {
  const clock = elapsedOver([1_000 * MS, 900 * MS, 940 * MS, 7_200_000 * MS, 7_200_040 * MS])
  assert.equal(clock.elapsedMs, 80)
  assert.equal(clock.jumps, 2)
})

test('an announced discontinuity is no jump', () => {
  const clock = elapsedOver([1_000 * MS])
  clock.observe(50 * MS, true)
  clock.observe(90 * MS, false)
  assert.equal(clock.elapsedMs, 40)
  assert.equal(clock.jumps, 0)
})

test('media time stays when the PCR moves to another PID', () => {
  const clock = elapsedOver([0, 40 * MS])
  clock.restart()
  assert.equal(clock.elapsedMs, 40)
  clock.observe(9_000 * MS, false)
  clock.observe(9_040 * MS, false)
  assert.equal(clock.elapsedMs, 80)
})

test('a frozen PCR adds nothing', () => {
  assert.equal(elapsedOver([7, 7, 7]).elapsedMs, 0)
})
