import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '../../test/lab/poll.ts'
import { JsonReceiver } from '../../test/lab/json-receiver.ts'
import { silentLog } from '../lib/log.ts'
import { createSimulatedClock } from '../lib/simulated-clock.ts'
import { Callbacks } from './callbacks.ts'
import type { PendingCallback } from './callbacks.ts'

function setUp(pending: readonly PendingCallback[] = []) {
  const clock = createSimulatedClock()
  const callbacks = new Callbacks({ clock, log: silentLog, timeoutMs: 3_000, pending, onChanged: () => {} })
  return { clock, callbacks }
}

test('callbacks arrive in order, and each is tried again until it is taken', async () => {
  let refusals = 2
  await using receiver = await JsonReceiver.start(() => {
    refusals -= 1
    return { status: refusals >= 0 ? 500 : 200 }
  })
  const { clock, callbacks } = setUp()
  callbacks.send(receiver.url, 'one', 'programme_ended', { data: { final_segment_number: 7 } })
  callbacks.send(receiver.url, 'one', 'broadcast_failed', { data: {} })
  for (const [count, waitMs] of [
    [1, 1_000],
    [2, 2_000],
  ] as const) {
    await until(() => callbacks.pending[0]?.attempts === count, { what: `attempt ${count}` })
    assert.equal(receiver.received.length, count)
    await clock.advance(waitMs - 1)
    assert.equal(receiver.received.length, count)
    await clock.advance(1)
  }
  await until(() => callbacks.pending.length === 0, { what: 'the delivery' })
  const bodies = receiver.received.map(({ body }) => body as { event: string; network_id: string; event_id: string })
  assert.deepEqual(
    bodies.map(({ event }) => event),
    ['programme_ended', 'programme_ended', 'programme_ended', 'broadcast_failed'],
  )
  assert.equal(new Set(bodies.slice(0, 3).map(({ event_id }) => event_id)).size, 1)
  assert.equal(bodies[0]?.network_id, 'one')
})

test('a receiver that never answers holds nothing up but its own, and is given up at last', async () => {
  await using receiver = await JsonReceiver.start(() => 'never')
  const { clock, callbacks } = setUp()
  callbacks.send(receiver.url, 'one', 'programme_ended', {})
  for (let attempt = 1; attempt <= 8; attempt += 1) {
    await until(() => receiver.received.length === attempt, { what: `attempt ${attempt}` })
    await clock.advance(3_000)
    await until(() => (callbacks.pending[0]?.attempts ?? 8) === attempt, { what: `the end of attempt ${attempt}` })
    await clock.advance(Math.min(1_000 * 2 ** (attempt - 1), 60_000))
  }
  assert.deepEqual(callbacks.pending, [])
})

test('what was pending before a restart is sent after it', async () => {
  await using receiver = await JsonReceiver.start(() => ({ status: 200 }))
  const { callbacks } = setUp([{ id: 'a', url: receiver.url, body: { event: 'programme_ended' }, attempts: 3 }])
  await until(() => callbacks.pending.length === 0, { what: 'the delivery' })
  assert.equal(receiver.received[0]?.headers['x-holdfast-delivery-attempt'], '4')
})
