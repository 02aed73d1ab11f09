import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createSimulatedClock } from '../../../lib/simulated-clock.ts'
import type { SlateMaker } from '../../outage.ts'
import { fixtureSlate } from '../../slate/slate.fixture.ts'
import { HlsSlate, isSlate } from './hls-slate.ts'
import type { HlsSlateOptions } from './hls-slate.ts'

/** When players of passed-on playlists get a slate, and when not. */

const AFTER_MS = 3_000
const HOLD_MS = 60_000

function lab(options: Partial<HlsSlateOptions> = {}, isOn = true) {
  const clock = createSimulatedClock()
  const told: string[] = []
  const slates: Pick<SlateMaker, 'render'> = {
    render: async () => {
      told.push('rendered')
      return fixtureSlate()
    },
  }
  const slate = new HlsSlate({
    clock,
    slates: { ...slates, prepare: () => Promise.reject(new Error('not asked for')) },
    request: () => ({ isOn, afterMs: AFTER_MS }),
    holdMs: HOLD_MS,
    signature: () => ({ streams: [] }),
    targetMs: () => 2_000,
    fillIn: ({ key }) => void told.push(`fill in ${isSlate(key)}`),
    takeOff: () => void told.push('take off'),
    shown: () => void told.push('shown'),
    unavailable: (error) => void told.push(String(error)),
    ...options,
  })
  return { clock, told, slate }
}

test('after the configured silence, made before it, and told once', async () => {
  const { clock, told, slate } = lab()
  slate.failed()
  await clock.advance(AFTER_MS - 1)
  assert.deepEqual(told, ['rendered'])
  slate.failed()
  await clock.advance(1)
  assert.deepEqual(told, ['rendered', 'fill in true', 'shown'])
  assert.equal(slate.isOn, true)
})

test('not where a source delivers in time, and again at the next failure', async () => {
  const { clock, told, slate } = lab()
  slate.failed()
  await clock.advance(AFTER_MS - 1)
  slate.end()
  await clock.advance(10 * AFTER_MS)
  assert.deepEqual(told, ['rendered'])
  slate.failed()
  await clock.advance(AFTER_MS)
  assert.equal(slate.isOn, true)
})

test('goes on at once where what took its place delivers nothing', async () => {
  const { clock, told, slate } = lab()
  slate.failed()
  await clock.advance(AFTER_MS)
  slate.failed()
  assert.deepEqual(told, ['rendered', 'fill in true', 'shown', 'fill in true'])
})

test('is taken off when viewers are held no longer', async () => {
  const { clock, told, slate } = lab()
  slate.failed()
  await clock.advance(HOLD_MS)
  assert.equal(told.at(-1), 'take off')
  assert.equal(slate.isOn, false)
})

test('does not come after that either, however long it took to make or was to be waited for', async () => {
  const slow = Promise.withResolvers<ReturnType<typeof fixtureSlate>>()
  const labs = [
    lab({ request: () => ({ isOn: true, afterMs: 2 * HOLD_MS }) }),
    lab({ slates: { render: () => slow.promise, prepare: () => Promise.reject(new Error('not asked for')) } }),
  ]
  for (const { clock, slate } of labs) {
    slate.failed()
    await clock.advance(HOLD_MS)
    slow.resolve(fixtureSlate())
    slate.failed()
    await clock.advance(3 * HOLD_MS)
    assert.deepEqual([slate.isOn, clock.pending], [false, 0])
    slate.end()
    slate.failed()
    slate.end()
  }
})

test('is none where it is off, cannot be made, or nobody knows of what', async () => {
  const off = lab({}, false)
  const without = lab({ slates: undefined })
  const unknown = lab({ signature: () => undefined })
  for (const { clock, told, slate } of [off, without, unknown]) {
    slate.failed()
    await clock.advance(HOLD_MS)
    assert.deepEqual(told, [])
  }
  const failing = lab({
    slates: {
      render: () => Promise.reject(new Error('no encoder')),
      prepare: () => Promise.reject(new Error('not asked for')),
    },
  })
  failing.slate.failed()
  await failing.clock.advance(HOLD_MS)
  assert.deepEqual(failing.told, ['Error: no encoder'])
})
