import assert from 'node:assert/strict'
import { test } from 'node:test'
import { candidateId, streamPolicy, tunnelPolicy, type GroupPolicy } from './group.ts'
import { Rehearsal, specsOf } from './rehearsal.ts'

const [a, b, c] = [candidateId('a'), candidateId('b'), candidateId('c')]

test('goes to the next in order at once, round after the last, never twice to the same, then waits', () => {
  const group = new Rehearsal('a b c', streamPolicy).live()
  assert.deepEqual(group.fail(), ['failover b'])
  assert.deepEqual(group.fail(), ['failover c'])
  assert.deepEqual(group.fail(), ['exhausted', 'failover a in 60'])
  assert.deepEqual(group.fail(), ['failover b in 110'])
  assert.deepEqual(group.fail(), ['failover c in 210'])
})

test('only so many attempts go without waiting, however many candidates are left', () => {
  const group = new Rehearsal('a b c d e f', streamPolicy).live()
  assert.deepEqual([group.fail(), group.fail(), group.fail()].flat(), ['failover b', 'failover c', 'failover d'])
  assert.deepEqual(group.fail(), ['failover e in 60'])
})

test('goes round from the last candidate to the first', () => {
  const group = new Rehearsal('a b c', streamPolicy).live()
  group.send({ kind: 'switch_requested', target: c, by: 'operator' })
  group.deliver()
  group.send({ kind: 'tick' }, 5_000)
  assert.deepEqual(group.fail(), ['failover a'])
})

test('a single candidate is retried at once, then with growing waits up to the cap', () => {
  const group = new Rehearsal('a', streamPolicy).live()
  assert.deepEqual(group.fail(), ['retry a'])
  const waits = Array.from({ length: 9 }, () => group.fail().at(-1))
  assert.deepEqual(
    waits,
    [60, 110, 210, 410, 810, 1_610, 2_510, 2_510, 2_510].map((ms) => `retry a in ${ms}`),
  )
})

test('a wait is never shorter than the floor nor longer than the cap, whatever chance says', () => {
  for (const [chance, first, last] of [
    [0, 20, 20],
    [0.999_999, 100, 5_000],
  ] as const) {
    const group = new Rehearsal('a', streamPolicy, { next: () => chance }).live()
    group.fail()
    const waits = Array.from({ length: 12 }, () => {
      group.fail()
      return group.effects.flatMap((effect) => (effect.kind === 'put_on_air' ? [effect.delayMs] : []))
    }).flat()
    assert.deepEqual([waits[0], waits.at(-1)], [first, last])
  }
})

test('a source that delivers one byte and dies does not start the attempts again', () => {
  const group = new Rehearsal('a b', streamPolicy).live()
  assert.deepEqual(group.fail(), ['failover b'])
  group.deliver()
  assert.deepEqual(group.fail(), ['exhausted', 'failover a in 60'])
  group.deliver()
  assert.deepEqual(group.fail(4_999), ['failover b in 110'])
  group.deliver()
  assert.deepEqual(group.fail(5_000), ['failover a'], 'after the stable time a failure is a new incident')
})

test('without automatic failover the same candidate is retried although others are there', () => {
  for (const change of [{ automaticFailover: false }, { immediateAttempts: 0 }]) {
    const group = new Rehearsal('a b', { ...streamPolicy, ...change }).live()
    assert.deepEqual(group.fail(), ['retry a'])
    assert.deepEqual(group.fail(), ['exhausted', 'retry a in 60'])
    assert.deepEqual(group.send({ kind: 'switch_requested', by: 'operator' }), ['manual b'])
  }
})

test('an unhealthy candidate is passed over while another is usable, and tried again after its cooling down', () => {
  const group = new Rehearsal('a b c', streamPolicy).live()
  for (let failure = 0; failure < 3; failure += 1) group.probe('b', 'probe_failed')
  assert.deepEqual(group.fail(), ['failover c'])
  group.deliver()
  group.send({ kind: 'switch_requested', target: a, by: 'operator' })
  group.deliver()
  assert.deepEqual(group.fail(30_000), ['failover b'])
})

test('stays with the present candidate while every other is known to be worse', () => {
  const group = new Rehearsal('a b', streamPolicy).live()
  for (let failure = 0; failure < 3; failure += 1) group.probe('b', 'probe_failed')
  assert.deepEqual(group.fail(), ['retry a'])
  assert.deepEqual(group.fail(), ['exhausted', 'retry a in 60'])
  assert.deepEqual(group.fail(), ['failover b'], 'now both are unhealthy')
})

test('with every circuit open the one whose time comes first is tried', () => {
  const group = new Rehearsal('a b c', streamPolicy).live()
  for (const name of ['c', 'b']) for (let failure = 0; failure < 5; failure += 1) group.probe(name, 'probe_failed', 100)
  const tried = Array.from({ length: 6 }, () => group.fail().at(-1)?.split(' ')[1])
  assert.deepEqual(tried.slice(0, 4), ['a', 'a', 'a', 'a'], 'the others are worse until a is open too')
  assert.equal(tried[4], 'c')
})

test('with all candidates dead for an hour each is tried again and again, at the pace of the cap', () => {
  const group = new Rehearsal('a b c', streamPolicy).live()
  const tries = new Map<string, number>()
  const endMs = group.nowMs + 3_600_000
  while (group.nowMs < endMs) {
    group.fail(Math.max(0, (group.state.onAir?.startsAtMs ?? 0) - group.nowMs) + 5)
    tries.set(group.onAir ?? '', (tries.get(group.onAir ?? '') ?? 0) + 1)
  }
  const all = [...tries.values()].reduce((sum, count) => sum + count, 0)
  assert.ok(all > 700 && all < 1_500, `${all} attempts in an hour`)
  for (const [name, count] of tries) assert.ok(count > 60, `${name} was tried ${count} times only`)
})

test('candidates that would be no better are gone to only when nobody else is left', () => {
  const group = new Rehearsal('a b c', streamPolicy).live()
  const fail = (avoid: readonly string[]) =>
    group.send({
      ...{ kind: 'candidate_failed', reason: 'looping', avoid: avoid.map(candidateId) },
      ...{ id: candidateId(group.onAir ?? ''), epoch: group.state.epoch },
    })
  assert.deepEqual(fail(['b']), ['failover c'])
  group.deliver()
  assert.deepEqual(fail(['a', 'b']), ['failover b'], 'a failed in this round')
})

test('a switch by hand that never delivers goes back to where it came from', () => {
  const group = new Rehearsal('a b c', streamPolicy).live()
  assert.deepEqual(group.send({ kind: 'switch_requested', by: 'operator' }), ['manual b'])
  assert.deepEqual(group.fail(), ['revert a'])
  assert.deepEqual(group.fail(), ['failover c'], 'not to b again, which has just failed')
})

test('does not go back to a candidate that has become unhealthy meanwhile', () => {
  const group = new Rehearsal('a b c', streamPolicy).live()
  group.send({ kind: 'switch_requested', by: 'operator' })
  for (let failure = 0; failure < 3; failure += 1) group.probe('a', 'probe_failed')
  assert.deepEqual(group.fail(), ['failover c'])
})

test('after its first media a hand-chosen candidate fails over like any other', () => {
  const group = new Rehearsal('a b c', streamPolicy).live()
  group.send({ kind: 'switch_requested', by: 'operator' })
  group.deliver()
  assert.deepEqual(group.fail(), ['failover c'])
})

test('evidence of an older epoch never counts', () => {
  const group = new Rehearsal('a b', streamPolicy).live()
  const { epoch } = group.state
  group.fail()
  const before = group.state
  group.send({ kind: 'candidate_failed', id: a, epoch, reason: 'late' })
  group.send({ kind: 'candidate_failed', id: b, epoch, reason: 'late' })
  group.send({ kind: 'candidate_succeeded', id: b, epoch })
  assert.deepEqual(group.state, before)
})

test('at the limit of switches it stays and retries, and moves again when the window has passed', () => {
  const policy: GroupPolicy = { ...streamPolicy, switchesMax: 2 }
  const group = new Rehearsal('a b', policy).live()
  for (let switches = 0; switches < 2; switches += 1) {
    group.fail()
    group.deliver()
    group.send({ kind: 'tick' }, 5_000)
  }
  assert.equal(group.onAir, 'a')
  assert.deepEqual(group.fail(), ['retry a'])
  group.deliver()
  group.send({ kind: 'tick' }, 60_000)
  assert.deepEqual(group.fail(), ['failover b'])
})

test('leaves a dead candidate at once when a probe shows that a better one has recovered', () => {
  const group = new Rehearsal('a b', { ...streamPolicy, probe: { intervalMs: 1_000, watch: 'unhealthy' } }).live()
  for (let failure = 0; failure < 8; failure += 1) group.fail()
  const dead = group.onAir
  const other = dead === 'a' ? 'b' : 'a'
  for (let failure = 0; failure < 3; failure += 1) group.fail()
  const lines = [group.probe(other, 'probe_succeeded', 1_000), group.probe(other, 'probe_succeeded', 1_000)].flat()
  assert.equal(group.onAir, other, lines.join())
})

test('a removed candidate is replaced at once by the next in the former order', () => {
  const group = new Rehearsal('a b c', streamPolicy).live()
  group.fail()
  group.deliver()
  assert.deepEqual(group.send({ kind: 'candidates_changed', candidates: specsOf('a c') }), ['failover c'])
  const move = group.effects.find(({ kind }) => kind === 'failover_triggered')
  assert.ok(move?.kind === 'failover_triggered' && move.reason === 'candidate_removed' && move.from === b)
})

test('requests move the air only when they make the candidate known to be bad', () => {
  const group = new Rehearsal('a:2 b:1', tunnelPolicy).live()
  const failed = { kind: 'candidate_failed', id: a, reason: 'status_503' } as const
  group.send({ kind: 'candidate_succeeded', id: b })
  assert.deepEqual([group.send(failed), group.send(failed)].flat(), [])
  assert.deepEqual(group.send(failed), ['failover b', 'probe a'])
})

test('one receipt tells an incident from the first failure to the first media', () => {
  const group = new Rehearsal('a b c', streamPolicy).live()
  const failedAtMs = group.nowMs + 10
  const evidence = { silentMs: 1_200 }
  group.send({ kind: 'candidate_failed', id: a, epoch: 1, reason: 'stalled', evidence }, 10)
  group.fail(10)
  group.deliver(100)
  assert.deepEqual(
    group.effects.filter(({ kind }) => kind === 'write_receipt'),
    [
      {
        kind: 'write_receipt',
        receipt: {
          from: a,
          to: c,
          trigger: 'failover',
          reason: 'stalled',
          evidence,
          by: null,
          epoch: 3,
          decidedAtMs: failedAtMs,
          settledAtMs: failedAtMs + 110,
          attempts: 2,
          isRehearsal: false,
        },
      },
    ],
  )
  group.deliver()
  assert.deepEqual(group.effects, [], 'later media change nothing')
})

test('an outage that a retry ended leaves a receipt too, from the candidate to itself', () => {
  const group = new Rehearsal('a b', streamPolicy).live()
  group.fail()
  group.fail()
  group.deliver()
  const receipt = group.effects.find((effect) => effect.kind === 'write_receipt')?.receipt
  assert.deepEqual([receipt?.from, receipt?.to, receipt?.trigger, receipt?.attempts], [a, a, 'retry', 2])
})

test('a retry that heals the same candidate counts neither as a switch nor for the hold-down', () => {
  const group = new Rehearsal('a b', { ...streamPolicy, automaticFailover: false, switchesMax: 1 }).live()
  group.fail()
  group.deliver()
  assert.deepEqual([group.state.settledSwitchesAtMs, group.state.lastSwitchAtMs], [[], null])
})

test('an attempt forced through an open circuit half-opens it, and its failure keeps it open for longer', () => {
  const group = new Rehearsal('a', streamPolicy).live()
  const circuit = () => {
    const breaker = group.state.candidates[0]?.breaker
    return breaker?.kind === 'half_open' ? breaker.trips : breaker?.kind
  }
  for (let failure = 0; failure < 5; failure += 1) group.fail()
  assert.equal(circuit(), 1)
  group.fail()
  assert.equal(circuit(), 2)
  group.deliver()
  group.send({ kind: 'tick' }, 5_000)
  assert.equal(circuit(), 'closed', 'delivering for the stable time closes it')
})

test('a switch by hand in the middle of an incident begins with fresh attempts', () => {
  const group = new Rehearsal('a b c', streamPolicy).live()
  for (let failure = 0; failure < 4; failure += 1) group.fail()
  group.send({ kind: 'switch_requested', target: a, by: 'operator' })
  assert.deepEqual(group.fail(), ['failover b'])
})
