import assert from 'node:assert/strict'
import { test } from 'node:test'
import { candidateId, healthOf, streamPolicy, tunnelPolicy, type GroupPolicy } from './group.ts'
import { Rehearsal } from './rehearsal.ts'

const auto: GroupPolicy = {
  ...streamPolicy,
  failback: { kind: 'auto', probationMs: 30_000, holdDownMs: 60_000, flapWindowMs: 300_000, holdDownMsMax: 200_000 },
}

/** On the backup, stable. */
function onBackup(policy: GroupPolicy): Rehearsal {
  const group = new Rehearsal('a b', policy).live()
  group.fail()
  group.deliver()
  group.send({ kind: 'tick' }, policy.stableMs)
  return group
}

/** Good probes every 10 s until the primary is on air again; the time since the last settled switch. */
function probeUntilBack(group: Rehearsal): number {
  for (let probes = 0; probes < 100; probes += 1) {
    if (group.probe('a', 'probe_succeeded', 10_000).includes('failback a')) {
      return group.nowMs - (group.state.lastSwitchAtMs ?? 0)
    }
  }
  throw new Error('no failback')
}

test('goes back only after the probation and the hold-down', () => {
  const group = onBackup(auto)
  assert.ok(group.state.candidates[0]?.probing, 'the primary is probed')
  const sinceSwitchMs = probeUntilBack(group)
  assert.ok(sinceSwitchMs >= 60_000 && sinceSwitchMs < 70_000, `${sinceSwitchMs} ms`)
})

test('the timer brings the failback when no probe is due', () => {
  const group = onBackup(auto)
  group.probe('a', 'probe_succeeded', 1_000)
  group.probe('a', 'probe_succeeded', 1_000)
  const { timerAtMs } = group.state
  assert.equal(timerAtMs, (group.state.lastSwitchAtMs ?? 0) + 60_000)
  assert.deepEqual(group.send({ kind: 'tick' }, (timerAtMs ?? 0) - group.nowMs), ['failback a', 'leave a'])
})

test('good probes close a circuit that many bad ones have opened, without waiting for its time', () => {
  const group = onBackup({ ...auto, failback: { ...auto.failback, holdDownMs: 0 } as GroupPolicy['failback'] })
  for (let probes = 0; probes < 20; probes += 1) group.probe('a', 'probe_failed', 1_000)
  for (let probes = 0; probes < 30; probes += 1) {
    assert.deepEqual(group.probe('a', 'probe_succeeded', 1_000), [], `not after ${probes} s`)
  }
  assert.deepEqual(group.probe('a', 'probe_succeeded', 1_000), ['failback a', 'leave a'])
})

test('a bad probe starts the probation again', () => {
  const group = onBackup({ ...auto, failback: { ...auto.failback, holdDownMs: 0 } as GroupPolicy['failback'] })
  group.probe('a', 'probe_succeeded')
  group.probe('a', 'probe_succeeded', 20_000)
  group.probe('a', 'probe_failed', 5_000)
  group.probe('a', 'probe_succeeded', 5_000)
  assert.deepEqual(group.probe('a', 'probe_succeeded', 29_999), [])
  assert.deepEqual(group.probe('a', 'probe_succeeded', 1), ['failback a', 'leave a'])
})

test('success of long ago is no probation: only probes since the switch count', () => {
  const group = onBackup({ ...auto, failback: { ...auto.failback, holdDownMs: 0 } as GroupPolicy['failback'] })
  assert.deepEqual(group.send({ kind: 'tick' }, 3_600_000), [])
  assert.deepEqual(group.probe('a', 'probe_succeeded'), [])
})

test('a failback that does not last doubles the hold-down up to its cap, one that lasts clears it', () => {
  const group = onBackup(auto)
  const holds: number[] = []
  for (let round = 0; round < 4; round += 1) {
    holds.push(Math.floor(probeUntilBack(group) / 10_000) * 10_000)
    group.deliver()
    group.send({ kind: 'tick' }, 5_000)
    group.fail(1_000)
    group.deliver()
    group.send({ kind: 'tick' }, 5_000)
  }
  assert.deepEqual(holds, [60_000, 120_000, 200_000, 200_000])
  probeUntilBack(group)
  group.deliver()
  group.send({ kind: 'tick' }, 5_000)
  group.fail(300_000)
  group.deliver()
  group.send({ kind: 'tick' }, 5_000)
  assert.equal(Math.floor(probeUntilBack(group) / 10_000) * 10_000, 60_000)
})

test('a failback that never delivers goes back to the backup', () => {
  const group = onBackup(auto)
  probeUntilBack(group)
  assert.deepEqual(group.fail().slice(0, 1), ['revert b'])
  group.deliver()
  assert.equal(group.state.flap.level, 1)
})

test('a person who chose the backup is not overruled', () => {
  const group = new Rehearsal('a b', auto).live()
  group.send({ kind: 'switch_requested', by: 'operator' })
  group.deliver()
  group.send({ kind: 'tick' }, 5_000)
  for (let probes = 0; probes < 20; probes += 1) group.probe('a', 'probe_succeeded', 10_000)
  assert.equal(group.onAir, 'b')
})

test('off neither probes nor goes back; manual probes and stays', () => {
  for (const kind of ['off', 'manual'] as const) {
    const group = onBackup({ ...streamPolicy, failback: { kind } })
    assert.equal(group.state.candidates[0]?.probing !== null, kind === 'manual')
    for (let probes = 0; probes < 20; probes += 1) group.probe('a', 'probe_succeeded', 10_000)
    assert.equal(group.onAir, 'b')
  }
})

test('a tunnel is restored by one good probe, and the probing ends', () => {
  const group = new Rehearsal('a:2 b:1', tunnelPolicy).live()
  group.probe('b', 'probe_succeeded')
  for (let failure = 0; failure < 3; failure += 1) group.probe('a', 'probe_failed')
  group.fail()
  assert.equal(group.onAir, 'b')
  group.deliver()
  group.send({ kind: 'tick' }, 5_000)
  assert.deepEqual(group.probe('a', 'probe_succeeded', 60_000), ['failback a', 'leave a'])
})

test('probes stop when nobody wants output and begin again with it', () => {
  const group = onBackup(auto)
  assert.deepEqual(group.send({ kind: 'stopped' }), ['off b', 'leave a'])
  assert.deepEqual(group.send({ kind: 'started' }), ['start b', 'probe a'])
})

test('a pinned backup is not left', () => {
  const group = onBackup(auto)
  group.send({ kind: 'pin_requested', id: candidateId('b'), by: 'operator' })
  for (let probes = 0; probes < 20; probes += 1) group.probe('a', 'probe_succeeded', 10_000)
  assert.equal(group.onAir, 'b')
  assert.deepEqual(group.send({ kind: 'unpin_requested' }), ['failback a', 'leave a'])
})

test('one good probe does not close a circuit: it takes as many as trials do', () => {
  const failback = { ...auto.failback, probationMs: 0, holdDownMs: 0 } as GroupPolicy['failback']
  const group = onBackup({ ...auto, failback })
  for (let failure = 0; failure < 5; failure += 1) group.probe('a', 'probe_failed')
  group.probe('a', 'probe_succeeded', 1_000)
  group.probe('a', 'probe_failed', 1_000)
  for (let probes = 1; probes < auto.breaker.halfOpenSuccesses; probes += 1) {
    group.probe('a', 'probe_succeeded', 1_000)
    assert.equal(healthOf(group.state, candidateId('a'), group.nowMs, auto).breaker, 'half_open')
  }
  group.probe('a', 'probe_succeeded', 1_000)
  assert.equal(healthOf(group.state, candidateId('a'), group.nowMs, auto).breaker, 'closed')
})

test('where each request is chosen for, the air follows as soon as a better candidate is healthy', () => {
  const group = new Rehearsal('a:2 b:1', tunnelPolicy)
  group.send({ kind: 'started' })
  for (let failure = 0; failure < 2; failure += 1) {
    group.send({ kind: 'candidate_failed', id: candidateId('a'), reason: 'refused' })
  }
  assert.deepEqual(group.send({ kind: 'candidate_failed', id: candidateId('a'), reason: 'refused' }), ['failover b'])
  assert.deepEqual(group.send({ kind: 'candidate_succeeded', id: candidateId('a') }, 100), ['failback a', 'leave a'])
})

test('a pin that ends on a candidate known to be bad leaves it, though it once answered', () => {
  const group = new Rehearsal('a:2 b:1', tunnelPolicy)
  group.send({ kind: 'started' })
  group.send({ kind: 'candidate_succeeded', id: candidateId('a') })
  group.send({ kind: 'pin_requested', id: candidateId('b'), by: 'tester' })
  group.send({ kind: 'candidate_succeeded', id: candidateId('b') })
  for (let failure = 0; failure < 3; failure += 1) {
    group.send({ kind: 'candidate_failed', id: candidateId('b'), reason: 'refused' }, 10)
  }
  assert.equal(group.onAir, 'b')
  assert.deepEqual(group.send({ kind: 'unpin_requested' }), ['failover a', 'leave a'])
})

test('failures that are forgotten on trust make a candidate healthy, otherwise unknown', () => {
  const group = new Rehearsal('a:2 b:1', tunnelPolicy)
  for (const trusted of [false, true]) {
    group.send({ kind: 'failures_reset', id: candidateId('a'), trusted })
    const { health } = healthOf(group.state, candidateId('a'), group.nowMs, tunnelPolicy)
    assert.equal(health, trusted ? 'healthy' : 'unknown')
  }
})

test('one good probe restores a tunnel’s endpoint whose circuit has opened, for any number of requests', () => {
  const group = new Rehearsal('a:2 b:1', tunnelPolicy)
  group.send({ kind: 'started' })
  for (let failure = 0; failure < 6; failure += 1) {
    group.send({ kind: 'candidate_failed', id: candidateId('a'), reason: 'refused' })
  }
  assert.equal(healthOf(group.state, candidateId('a'), group.nowMs, tunnelPolicy).breaker, 'open')
  group.probe('a', 'probe_succeeded', 60_000)
  const { health, breaker } = healthOf(group.state, candidateId('a'), group.nowMs, tunnelPolicy)
  assert.deepEqual([health, breaker], ['healthy', 'closed'])
})
