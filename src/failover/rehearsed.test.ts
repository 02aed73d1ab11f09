import assert from 'node:assert/strict'
import { test } from 'node:test'
import { candidateId, defaultFailback, healthOf, streamPolicy } from './group.ts'
import type { GroupPolicy, Receipt } from './group.ts'
import { Rehearsal } from './rehearsal.ts'

const [a, b] = [candidateId('a'), candidateId('b')]

/** The candidate on air looks as if it had failed. */
function rehearseFailure(group: Rehearsal): readonly string[] {
  const { onAir } = group.state
  if (onAir === null) throw new Error('nobody is on air')
  const { id, epoch } = onAir
  return group.send({ kind: 'candidate_failed', id, epoch, reason: 'stalled', isRehearsal: true }, 10)
}

function receiptOf(group: Rehearsal): Receipt | undefined {
  return group.effects.find((effect) => effect.kind === 'write_receipt')?.receipt
}

test('a rehearsed failure leads where a failure leads, and says that it was rehearsed', () => {
  const group = new Rehearsal('a b c', streamPolicy).live()
  assert.deepEqual(rehearseFailure(group), ['failover b'])
  const told = group.effects.find((effect) => effect.kind === 'failover_triggered')
  assert.equal(told?.isRehearsal, true)
  group.deliver()
  const receipt = receiptOf(group)
  assert.deepEqual([receipt?.from, receipt?.to, receipt?.trigger, receipt?.isRehearsal], [a, b, 'failover', true])
})

test('a rehearsed failure is held against nobody, however often it is rehearsed', () => {
  const policy: GroupPolicy = { ...streamPolicy, switchesMax: 2 }
  const group = new Rehearsal('a b', policy).live()
  const before = group.state.candidates[0]
  for (let round = 0; round < 5; round += 1) {
    assert.deepEqual(rehearseFailure(group), ['failover b'])
    group.deliver()
    group.send({ kind: 'switch_requested', target: a, by: 'drill', isRehearsal: true })
    group.deliver()
  }
  assert.deepEqual(group.state.candidates[0], before)
  assert.equal(healthOf(group.state, a, group.nowMs, policy).failures, 0)
  assert.deepEqual(group.state.settledSwitchesAtMs, [])
  assert.equal(group.state.lastSwitchAtMs, null)
  assert.equal(group.state.incident, null)
})

test('a real failure during a rehearsal counts, and leads back at once', () => {
  const group = new Rehearsal('a b', streamPolicy).live()
  rehearseFailure(group)
  assert.deepEqual(group.fail(), ['revert a'], 'before it delivered')
  group.deliver()
  assert.equal(healthOf(group.state, b, group.nowMs, streamPolicy).failures, 1)
  assert.equal(receiptOf(group)?.isRehearsal, false)
  const later = new Rehearsal('a b', streamPolicy).live()
  rehearseFailure(later)
  later.deliver()
  assert.deepEqual(later.fail(1_000), ['failover a'], 'after it delivered')
})

test('a rehearsal leaves a person’s choice and the manners of failback as they were', () => {
  const policy: GroupPolicy = { ...streamPolicy, failback: defaultFailback }
  const group = new Rehearsal('a b', policy).live()
  group.send({ kind: 'switch_requested', target: b, by: 'drill', isRehearsal: true })
  assert.equal(group.state.onAir?.byHand, false)
  group.deliver()
  group.send({ kind: 'switch_requested', target: a, by: 'drill', isRehearsal: true, byHand: true })
  group.deliver()
  assert.equal(group.state.onAir?.byHand, true)
  assert.deepEqual(group.state.flap, { level: 0, failedBackTo: null, failedBackAtMs: 0 })
})

test('with nowhere to go a rehearsed failure opens the same candidate again', () => {
  const group = new Rehearsal('a', streamPolicy).live()
  assert.deepEqual(rehearseFailure(group), ['retry a'])
  const pinned = new Rehearsal('a b', streamPolicy).live()
  pinned.send({ kind: 'pin_requested', id: a, by: 'operator' })
  assert.deepEqual(rehearseFailure(pinned), ['retry a'])
})
