import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { test } from 'node:test'
import { createSimulatedClock } from '../../../lib/simulated-clock.ts'
import { ChangeSignal, goneSignal } from './change-signal.ts'

/** Requests that wait until something has changed. */

const signal = new AbortController().signal

test('whoever waits is answered when what they look for is there, at the deadline, or when nothing is to be expected', async () => {
  const clock = createSimulatedClock()
  const changes = new ChangeSignal(clock)
  const deadlineMs = clock.nowMs() + 5_000
  const values: string[] = []
  const early = changes.until(() => values[0], { deadlineMs, signal })
  const never = changes.until(() => undefined, { deadlineMs, signal })
  changes.changed()
  await clock.settle()
  values.push('here')
  changes.changed()
  assert.equal(await early, 'here')
  await clock.advance(5_000)
  assert.equal(await never, undefined)
  const hopeless = changes.until(() => undefined, { deadlineMs: clock.nowMs() + 5_000, signal })
  changes.giveUp()
  assert.equal(await hopeless, undefined)
  assert.equal(clock.pending, 0)
})

test('a player that leaves waits no more', async () => {
  const clock = createSimulatedClock()
  const changes = new ChangeSignal(clock)
  const response = Object.assign(new EventEmitter(), { destroyed: false })
  const waiting = changes.until(() => undefined, { deadlineMs: clock.nowMs() + 5_000, signal: goneSignal(response) })
  response.emit('close')
  assert.equal(await waiting, undefined)
  assert.equal(clock.pending, 0)
})

test('ten thousand wait, and one more is refused', async () => {
  const clock = createSimulatedClock()
  const changes = new ChangeSignal(clock)
  const deadlineMs = clock.nowMs() + 5_000
  const waiting = Array.from({ length: 10_000 }, () => changes.until(() => undefined, { deadlineMs, signal }))
  await assert.rejects(
    changes.until(() => undefined, { deadlineMs, signal }),
    { code: 'too_many_viewers' },
  )
  assert.equal(clock.pending, 10_000)
  changes.giveUp()
  await Promise.all(waiting)
  assert.equal(clock.pending, 0)
})
