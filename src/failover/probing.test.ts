import assert from 'node:assert/strict'
import { test } from 'node:test'
import { serviceDefaults, standbyOf, streamPolicy, type GroupPolicy } from './group.ts'
import { Rehearsal } from './rehearsal.ts'

const warm: GroupPolicy = {
  ...streamPolicy,
  failback: { kind: 'manual' },
  probe: { intervalMs: 10_000, standbyIntervalMs: 60_000, watch: 'all' },
}

/** Who is probed and how often, by name. */
function probed(group: Rehearsal): Readonly<Record<string, number>> {
  return Object.fromEntries(
    group.effects.flatMap((effect) => (effect.kind === 'start_probing' ? [[effect.id, effect.intervalMs]] : [])),
  )
}

test('everybody but the one on air is probed, at the pace of a standby', () => {
  const group = new Rehearsal('a b c', warm)
  group.send({ kind: 'started' })
  assert.deepEqual(probed(group), { b: 60_000, c: 60_000 })
  assert.deepEqual(group.send({ kind: 'stopped' }), ['off a', 'leave b', 'leave c'])
})

test('one that failed is probed at the pace of a failback, the one that took over no longer', () => {
  const group = new Rehearsal('a b c', warm).live()
  assert.deepEqual(group.fail(), ['failover b', 'probe a', 'leave b'])
  assert.deepEqual(probed(group), { a: 10_000 })
})

test('the standby is who would take over now', () => {
  const group = new Rehearsal('a b c', warm)
  const standby = () => standbyOf(group.state, group.nowMs, warm)
  assert.equal(standby(), undefined)
  group.live()
  assert.equal(standby(), 'b')
  for (let failures = 0; failures < 3; failures += 1) group.probe('b', 'probe_failed', 100)
  assert.equal(standby(), 'c', 'not one that is known to be bad')
  assert.equal(group.fail()[0], 'failover c', 'and that is who takes over')
  assert.equal(standby(), undefined, 'the others have failed in this incident')
  group.deliver()
  group.send({ kind: 'tick' }, warm.stableMs)
  assert.equal(standby(), 'a')
  assert.equal(standbyOf(new Rehearsal('a', warm).live().state, 0, warm), undefined)
})

test('where probes speak for requests the one on air is probed too, and left when they fail', () => {
  const policy: GroupPolicy = {
    ...serviceDefaults,
    selection: { kind: 'active_passive' },
    probe: { intervalMs: 5_000, watch: 'always' },
    failback: {
      ...serviceDefaults.failback,
      kind: 'auto',
      probationMs: 30_000,
      holdDownMs: 0,
      flapWindowMs: 0,
      holdDownMsMax: 0,
    },
  }
  const group = new Rehearsal('a:2 b:1', policy)
  group.send({ kind: 'started' })
  assert.deepEqual(probed(group), { a: 5_000, b: 5_000 })
  group.probe('b', 'probe_succeeded', 5_000)
  group.probe('a', 'probe_failed')
  group.probe('a', 'probe_failed', 5_000)
  assert.deepEqual(group.probe('a', 'probe_failed', 5_000), ['failover b'])
  // No request comes: its probes alone say that it delivers, and that the better one is back.
  group.probe('b', 'probe_succeeded', 5_000)
  group.probe('a', 'probe_succeeded')
  group.probe('a', 'probe_succeeded', 10_000)
  assert.deepEqual(group.probe('a', 'probe_succeeded', 19_999), [])
  assert.deepEqual(group.send({ kind: 'tick' }, 1), ['failback a'])
})
