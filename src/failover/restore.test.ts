import assert from 'node:assert/strict'
import { test } from 'node:test'
import { candidateId, healthOf, restoreGroup, step, streamPolicy, type GroupState } from './group.ts'
import { Rehearsal } from './rehearsal.ts'

/** Through the store and into a process whose clock begins at 50 ms. */
function restarted(group: Rehearsal): GroupState {
  const saved = JSON.parse(JSON.stringify(group.state)) as GroupState
  return restoreGroup(saved, 50 - group.nowMs)
}

test('health, circuits and their times survive a restart; nothing is on air', () => {
  const group = new Rehearsal('a b', streamPolicy).live()
  for (let failure = 0; failure < 5; failure += 1) group.probe('b', 'probe_failed', 100)
  group.fail()
  const state = restarted(group)
  assert.deepEqual([state.onAir, state.wanted, state.timerAtMs], [null, false, null])
  const b = candidateId('b')
  const { health, failures, breaker, lastFailure } = healthOf(state, b, 50, streamPolicy)
  assert.deepEqual([health, failures, breaker, lastFailure?.atMs], ['unhealthy', 5, 'open', 40])
  assert.equal(healthOf(state, b, 40 + 29_999, streamPolicy).breaker, 'open')
  assert.equal(healthOf(state, b, 40 + 30_000, streamPolicy).breaker, 'half_open')
})

test('a pin keeps the rest of its time, a choice by hand is kept, the epoch goes on', () => {
  const group = new Rehearsal('a b', streamPolicy).live()
  group.send({ kind: 'pin_requested', id: candidateId('b'), ttlMs: 60_000, by: 'operator' })
  group.deliver(10_000)
  const state = restarted(group)
  const started = step(state, { kind: 'started' }, 60, streamPolicy).state
  assert.deepEqual([started.onAir?.id, started.epoch], ['b', group.state.epoch + 1])
  assert.equal(started.pin?.untilMs, 50_050)

  const chosen = new Rehearsal('a b', streamPolicy).live()
  chosen.send({ kind: 'switch_requested', by: 'operator' })
  assert.equal(step(restarted(chosen), { kind: 'started' }, 60, streamPolicy).state.onAir?.id, 'b')
})

test('switches of before the restart still count towards the limit', () => {
  const group = new Rehearsal('a b', { ...streamPolicy, switchesMax: 1 }).live()
  group.fail()
  group.deliver()
  const state = step(restarted(group), { kind: 'started' }, 60, group.policy).state
  const { onAir } = state
  assert.ok(onAir !== null)
  const failed = { kind: 'candidate_failed', id: onAir.id, epoch: onAir.epoch, reason: 'refused' } as const
  assert.equal(step(state, failed, 70, group.policy).state.onAir?.cause, 'retry')
})

test('nothing is known of a candidate that the group does not list', () => {
  const { state } = new Rehearsal('a', streamPolicy)
  const unknown = { health: 'unknown', failures: 0, breaker: 'closed' }
  assert.deepEqual(healthOf(state, candidateId('stranger'), 0, streamPolicy), unknown)
})
