import assert from 'node:assert/strict'
import { test } from 'node:test'
import { candidateId, createGroup, step } from '../../failover/group.ts'
import type { GroupPolicy, GroupState } from '../../failover/group.ts'
import { pick } from '../../failover/pick.ts'
import { candidatesOf } from '../endpoints/endpoint.ts'
import { serviceDefinition } from './service-definition.ts'
import { groupPolicyOf } from './service-policy.ts'

/** A service's group whose endpoints have all answered. */
function groupOf(definition: Readonly<Record<string, unknown>>): { state: GroupState; policy: GroupPolicy } {
  const service = serviceDefinition.parse({ id: 'test', routes: [{}], slowStartMs: 0, ...definition })
  const policy = groupPolicyOf(service)
  const specs = candidatesOf(
    service.endpoints.map(({ id, url, priority, weight, enabled, drain }) => ({
      id,
      url,
      priority,
      weight,
      enabled,
      drain,
    })),
  )
  const state = specs.reduce<GroupState>(
    (group, { id }) => step(group, { kind: 'probe_succeeded', id }, 0, policy).state,
    step(createGroup(specs), { kind: 'started' }, 0, policy).state,
  )
  return { state, policy }
}

function endpoints(count: number, without = -1) {
  return Array.from({ length: count }, (_, index) => ({
    id: `replica-${index}`,
    url: `http://10.0.0.${index}`,
  })).filter((_, index) => index !== without)
}

const hashed = { kind: 'active_active', hash: { kind: 'header', name: 'x-user' } }
const KEYS = 5_000

test('losing one of N moves at most 1/N and 5 % of the keys, and only those it had', () => {
  for (const count of [3, 5, 10]) {
    const before = groupOf({ strategy: hashed, endpoints: endpoints(count) })
    const after = groupOf({ strategy: hashed, endpoints: endpoints(count, 1) })
    let moved = 0
    for (let key = 0; key < KEYS; key += 1) {
      const from = pick(before.state, { key: `user-${key}` }, 1, before.policy).id
      const to = pick(after.state, { key: `user-${key}` }, 1, after.policy).id
      if (from === to) continue
      moved += 1
      assert.equal(from, 'replica-1', `user-${key} moved from ${from} although that is still there`)
    }
    assert.ok(moved / KEYS <= 1 / count + 0.05, `${moved} of ${KEYS} keys moved with ${count} endpoints`)
    assert.ok(moved > 0)
  }
})

test('no endpoint has more than 1.25 times its share of the requests under way, whatever the keys', () => {
  const { state: empty, policy } = groupOf({ strategy: hashed, endpoints: endpoints(4) })
  let state = empty
  for (let request = 0; request < 1_000; request += 1) {
    // Nine of ten requests have one key.
    const key = request % 10 === 0 ? `user-${request}` : 'everybody'
    const picked = pick(state, { key }, 1, policy)
    assert.ok(picked.id !== undefined, picked.why)
    state = picked.state
    const fairShare = (request + 1) / 4
    const most = Math.max(...state.candidates.map(({ inFlight }) => inFlight))
    assert.ok(most <= Math.ceil(1.25 * fairShare), `${most} of ${request + 1} requests are at one endpoint`)
  }
})

test('weights 1:2:1 give 25:50:25 within 1 %', () => {
  const weighted = endpoints(3).map((endpoint, index) => ({ ...endpoint, weight: index === 1 ? 2 : 1 }))
  const { state: fresh, policy } = groupOf({ endpoints: weighted })
  let state = fresh
  const counts = new Map<string, number>()
  const requests = 10_000
  for (let request = 0; request < requests; request += 1) {
    const picked = pick(state, {}, 1, policy)
    assert.ok(picked.id !== undefined)
    counts.set(picked.id, (counts.get(picked.id) ?? 0) + 1)
    state = step(
      picked.state,
      { kind: 'candidate_succeeded', id: picked.id, generation: picked.generation },
      1,
      policy,
    ).state
  }
  for (const [index, share] of [0.25, 0.5, 0.25].entries()) {
    const actual = (counts.get(`replica-${index}`) ?? 0) / requests
    assert.ok(Math.abs(actual - share) <= 0.01, `replica-${index} got ${actual}`)
  }
})

test('the defaults of a service are those of the documents: 3 retries, 5 failures, 30 s, 3 successes', () => {
  const { policy } = groupOf({ endpoints: endpoints(2) })
  assert.deepEqual(
    [policy.breaker.failureThreshold, policy.breaker.openMs, policy.breaker.halfOpenSuccesses],
    [5, 30_000, 3],
  )
  assert.deepEqual([policy.health.failureThreshold, policy.health.riseThreshold], [3, 2])
  assert.deepEqual([policy.backoff.initialMs, policy.backoff.factor, policy.backoff.maxMs], [100, 2, 5_000])
})

test('five failures among four thousand successes open no circuit', () => {
  const { state: fresh, policy } = groupOf({ endpoints: endpoints(1) })
  const id = candidateId('replica-0')
  let state = fresh
  for (let request = 0; request < 4_000; request += 1) {
    const { generation, state: picked } = pick(state, {}, request, policy)
    const outcome =
      request % 800 === 0
        ? ({ kind: 'candidate_failed', id, generation, reason: 'reset' } as const)
        : ({ kind: 'candidate_succeeded', id, generation } as const)
    state = step(picked, outcome, request, policy).state
  }
  assert.equal(state.candidates[0]?.breaker.kind, 'closed')
})
