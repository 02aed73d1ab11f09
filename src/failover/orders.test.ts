import assert from 'node:assert/strict'
import { test } from 'node:test'
import { candidateId, createGroup, streamPolicy, tunnelPolicy, type GroupPolicy } from './group.ts'
import { Rehearsal, specsOf } from './rehearsal.ts'

const [a, b, c] = [candidateId('a'), candidateId('b'), candidateId('c')]
const publishing: GroupPolicy = { ...streamPolicy, selection: { kind: 'active_passive' }, onPriorityChange: 'switch' }

test('one manual failover is one step, and the last goes back to the first', () => {
  const group = new Rehearsal('a b c', streamPolicy).live()
  const order = [1, 2, 3, 4].map(() => group.send({ kind: 'switch_requested', by: 'operator' })[0])
  assert.deepEqual(order, ['manual b', 'manual c', 'manual a', 'manual b'])
})

test('a manual step goes to an unhealthy candidate too', () => {
  const group = new Rehearsal('a b c', streamPolicy).live()
  for (let failure = 0; failure < 9; failure += 1) group.probe('b', 'probe_failed')
  assert.deepEqual(group.send({ kind: 'switch_requested', by: 'operator' }), ['manual b'])
})

test('a switch that cannot be is refused and changes nothing', () => {
  const group = new Rehearsal('a', streamPolicy).live()
  const before = group.state
  assert.deepEqual(group.send({ kind: 'switch_requested', by: 'me' }), ['refused: no_other_candidate'])
  assert.deepEqual(group.send({ kind: 'switch_requested', by: 'me', target: b }), ['refused: unknown_candidate'])
  assert.deepEqual(group.send({ kind: 'pin_requested', by: 'me', id: b }), ['refused: unknown_candidate'])
  assert.deepEqual(group.send({ kind: 'failures_reset', id: b }), ['refused: unknown_candidate'])
  assert.deepEqual(group.state, before)
})

test('two steps by hand in a hurry: a failure goes back to the one that delivered', () => {
  const group = new Rehearsal('a b c', streamPolicy).live()
  group.send({ kind: 'switch_requested', by: 'operator' })
  group.send({ kind: 'switch_requested', by: 'operator' })
  assert.deepEqual(group.fail(), ['revert a'])
})

test('a switch while nobody watches is kept, told, and recorded', () => {
  const group = new Rehearsal('a b c', streamPolicy)
  assert.deepEqual(group.send({ kind: 'switch_requested', by: 'operator' }), [])
  assert.deepEqual(
    group.effects.map(({ kind }) => kind),
    ['failover_triggered', 'write_receipt'],
  )
  group.send({ kind: 'switch_requested', by: 'operator' })
  assert.deepEqual(group.send({ kind: 'started' }), ['start c'])
})

test('a start soon after a failover goes on with the backup, a later one begins with the best again', () => {
  const group = new Rehearsal('a b c', streamPolicy).live()
  group.fail()
  group.deliver()
  assert.deepEqual(group.send({ kind: 'stopped' }), ['off b'])
  assert.deepEqual(group.send({ kind: 'started' }, 20_000), ['start b'])
  group.send({ kind: 'stopped' })
  assert.deepEqual(group.send({ kind: 'started' }, 10_000), ['start a'])
})

test('a choice by hand outlives a stop', () => {
  const group = new Rehearsal('a b c', streamPolicy).live()
  group.send({ kind: 'switch_requested', by: 'operator' })
  group.send({ kind: 'stopped' })
  assert.deepEqual(group.send({ kind: 'started' }), ['start b'])
})

test('a fresh start passes over a candidate that is known to be bad and still cooling down', () => {
  const group = new Rehearsal('a b', streamPolicy)
  for (let failure = 0; failure < 3; failure += 1) group.probe('a', 'probe_failed')
  assert.deepEqual(group.send({ kind: 'started' }), ['start b'])
  group.send({ kind: 'stopped' })
  assert.deepEqual(group.send({ kind: 'started' }, 30_000), ['start a'])
})

test('started twice is started once, and stopped when stopped is nothing', () => {
  const group = new Rehearsal('a b', streamPolicy)
  assert.deepEqual(group.send({ kind: 'stopped' }), [])
  assert.deepEqual(group.send({ kind: 'started' }), ['start a'])
  assert.deepEqual(group.send({ kind: 'started' }), [])
})

test('a pinned candidate is kept and retried while it fails, until it is unpinned', () => {
  const group = new Rehearsal('a b c', streamPolicy).live()
  assert.deepEqual(group.send({ kind: 'pin_requested', id: b, by: 'operator' }), ['pin b'])
  for (let failure = 0; failure < 10; failure += 1) assert.equal(group.fail().at(-1)?.startsWith('retry b'), true)
  assert.deepEqual(group.send({ kind: 'switch_requested', by: 'operator' }), ['refused: pinned'])
  assert.deepEqual(group.send({ kind: 'unpin_requested' }), ['failover c'])
})

test('a pin ends when its time to live is over, by its timer or by the next event', () => {
  for (const event of [{ kind: 'tick' }, { kind: 'probe_failed', id: c }] as const) {
    const group = new Rehearsal('a b c', streamPolicy).live()
    group.send({ kind: 'pin_requested', id: b, ttlMs: 60_000, by: 'operator' })
    assert.equal(group.state.timerAtMs, group.nowMs + 60_000)
    group.fail(1_000)
    group.fail(1_000)
    assert.deepEqual(group.send(event, 58_000), ['failover c'])
    assert.equal(group.state.pin, null)
  }
})

test('unpinning a candidate that delivers leaves it on air', () => {
  const group = new Rehearsal('a b', streamPolicy).live()
  group.send({ kind: 'pin_requested', id: b, by: 'operator' })
  group.deliver()
  assert.deepEqual(group.send({ kind: 'unpin_requested' }), [])
  assert.equal(group.onAir, 'b')
})

test('a pin holds over stop and start, and over hours', () => {
  const group = new Rehearsal('a b', streamPolicy).live()
  group.send({ kind: 'pin_requested', id: b, by: 'operator' })
  group.send({ kind: 'stopped' })
  assert.deepEqual(group.send({ kind: 'started' }, 36_000_000), ['start b'])
})

test('resetting failures closes the circuit and forgets the verdict', () => {
  const group = new Rehearsal('a b', streamPolicy).live()
  for (let failure = 0; failure < 9; failure += 1) group.probe('b', 'probe_failed')
  group.send({ kind: 'failures_reset', id: b })
  assert.deepEqual(group.effects[0], {
    kind: 'health_changed',
    id: b,
    from: 'unhealthy',
    to: 'unknown',
    reason: 'failures_reset',
  })
  assert.equal(group.state.candidates[1]?.breaker.kind, 'closed')
  assert.deepEqual(group.fail(), ['failover b'])
})

test('an edit keeps health, epoch and the one on air of those that stay', () => {
  const group = new Rehearsal('a b c', streamPolicy).live()
  group.probe('b', 'probe_failed')
  const { epoch } = group.state
  assert.deepEqual(group.send({ kind: 'candidates_changed', candidates: specsOf('c b a d') }), [])
  assert.deepEqual([group.onAir, group.state.epoch], ['a', epoch])
  assert.equal(group.state.candidates[1]?.health.failures, 1)
  assert.deepEqual(group.fail(), ['failover d'])
})

test('a duplicate id is refused by name, and the group stays as it was', () => {
  assert.throws(() => createGroup(specsOf('a b a')), /candidate "a" is listed twice/)
  const group = new Rehearsal('a b', streamPolicy).live()
  const before = group.state
  assert.throws(() => group.send({ kind: 'candidates_changed', candidates: specsOf('b b') }), RangeError)
  assert.equal(group.state, before)
})

test('a weight or priority that cannot be ranked is refused with its value', () => {
  assert.throws(() => createGroup([{ id: a, priority: 0, weight: -1 }]), /"a": weight -1/)
  assert.throws(() => createGroup([{ id: a, priority: Number.NaN, weight: 1 }]), /"a": priority NaN/)
  assert.throws(() => candidateId(''), /1 to 512 characters/)
})

test('with nobody left it goes off air, and starts by itself when somebody joins', () => {
  const group = new Rehearsal('a b', streamPolicy).live()
  assert.deepEqual(group.send({ kind: 'candidates_changed', candidates: [] }), ['off a'])
  assert.deepEqual(group.send({ kind: 'candidates_changed', candidates: specsOf('x') }), ['start x'])
  const empty = new Rehearsal('', streamPolicy)
  assert.deepEqual(empty.send({ kind: 'started' }), [])
})

test('reprioritising switches at once and kicks nobody', () => {
  const group = new Rehearsal('a:10 b:5', publishing).live()
  assert.deepEqual(group.send({ kind: 'candidates_changed', candidates: specsOf('a:10 b:20') }), ['priority b'])
  group.deliver()
  assert.deepEqual(group.send({ kind: 'candidates_changed', candidates: specsOf('a:10 b:20 c:15') }), [])
  assert.deepEqual(group.send({ kind: 'candidates_changed', candidates: specsOf('a:10 b:20 c:21') }), ['priority c'])
})

test('a higher publisher that joins takes the air, an equal one does not', () => {
  const group = new Rehearsal('a:1', publishing).live()
  assert.deepEqual(group.send({ kind: 'candidates_changed', candidates: specsOf('z:1 a:1') }), [])
  assert.deepEqual(group.send({ kind: 'candidates_changed', candidates: specsOf('z:1 a:1 b:2') }), ['priority b'])
  group.deliver()
  assert.deepEqual(group.send({ kind: 'candidates_changed', candidates: specsOf('z:1 a:1') }), ['failover a'])
})

test('one that joins does not overrule a person, an edit of those that were there does', () => {
  const group = new Rehearsal('a:10 b:5', publishing).live()
  group.send({ kind: 'switch_requested', target: b, by: 'operator' })
  group.deliver()
  assert.deepEqual(group.send({ kind: 'candidates_changed', candidates: specsOf('a:10 b:5 c:20') }), [])
  assert.deepEqual(group.send({ kind: 'candidates_changed', candidates: specsOf('a:10 b:5 c:2') }), [])
  assert.deepEqual(group.send({ kind: 'candidates_changed', candidates: specsOf('a:10 b:5 c:30') }), ['priority c'])
})

test('priorities never bring a candidate on air that is known to be bad, nor one that drains', () => {
  const group = new Rehearsal('a:10 b:5 c:1', publishing).live()
  for (let failure = 0; failure < 3; failure += 1) group.probe('b', 'probe_failed')
  assert.deepEqual(group.send({ kind: 'candidates_changed', candidates: specsOf('a:10 b:20 c:30*0') }), [])
})

test('a drained candidate is put on air only when nothing else is usable', () => {
  const group = new Rehearsal('a:1 b:9*0 c:0', tunnelPolicy).live()
  assert.equal(group.onAir, 'a')
  for (let failure = 0; failure < 3; failure += 1) group.probe('c', 'probe_failed')
  assert.deepEqual(group.fail()[0], 'failover b')
})
