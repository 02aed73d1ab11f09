import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createSimulatedClock } from '../lib/simulated-clock.ts'
import { candidateId, streamPolicy } from './group.ts'
import { GroupRunner } from './group-runner.ts'
import type { GroupMemory } from './group-runner.ts'
import { specsOf } from './rehearsal.ts'

function scene(memory?: GroupMemory) {
  const clock = createSimulatedClock()
  const log: string[] = []
  const runner = new GroupRunner({
    candidates: specsOf('a b'),
    ...{ memory, clock },
    chance: { next: () => 0.5 },
    policy: () => streamPolicy,
    act: (effects, event) => {
      log.push(`${event.kind}:`)
      for (const effect of effects) {
        if (effect.kind !== 'put_on_air') continue
        log.push(effect.id)
        // What an effect leads to comes after the step that it stands in.
        if (effect.id === 'a')
          runner.dispatch({ kind: 'candidate_failed', id: effect.id, epoch: effect.epoch, reason: 'x' })
        log.push('acted')
      }
    },
    onSettled: () => log.push('settled'),
  })
  return { clock, log, runner }
}

test('an event that an effect leads to waits until the effects before it are done', () => {
  const { runner, log } = scene()
  runner.dispatch({ kind: 'started' })
  assert.deepEqual(log, ['started:', 'a', 'acted', 'candidate_failed:', 'b', 'acted', 'settled'])
})

test('the timer of the group brings its tick', async () => {
  const { runner, log, clock } = scene()
  runner.dispatch({ kind: 'started' })
  runner.dispatch({ kind: 'candidate_succeeded', id: candidateId('b'), epoch: runner.state.epoch })
  log.length = 0
  await clock.advance(streamPolicy.stableMs)
  assert.deepEqual(log, ['tick:', 'settled'])
  assert.equal(runner.state.onAir?.stable, true)
})

test('after its end nothing happens any more', async () => {
  const { runner, log, clock } = scene()
  runner.dispatch({ kind: 'started' })
  runner.dispatch({ kind: 'candidate_succeeded', id: candidateId('b'), epoch: runner.state.epoch })
  runner[Symbol.dispose]()
  log.length = 0
  runner.dispatch({ kind: 'stopped' })
  await clock.advance(60_000)
  assert.deepEqual(log, [])
  assert.equal(clock.pending, 0)
})

test('what is remembered comes back at rest, with today’s candidates, and nothing is acted on', () => {
  const { runner: former } = scene()
  former.dispatch({ kind: 'started' })
  const { runner, log } = scene({ ...former.memory, savedAtMs: former.memory.savedAtMs + 60_000 })
  assert.deepEqual(log, [])
  assert.equal(runner.state.wanted, false)
  const [first] = runner.state.candidates
  assert.equal(first?.health.failures, 1)
  const failedAtMs = first?.health.lastFailure?.atMs ?? Number.NaN
  assert.ok(failedAtMs <= runner.memory.savedAtMs - 60_000, 'a clock that was set back is made up for')
})

test('requests are given out and change the state', () => {
  const { runner } = scene()
  const { id, generation } = runner.pick({})
  assert.equal(id, 'a')
  assert.equal(runner.state.candidates[0]?.inFlight, 1)
  runner.dispatch({ kind: 'request_abandoned', id: candidateId('a'), generation })
  assert.equal(runner.state.candidates[0]?.inFlight, 0)
})
