import assert from 'node:assert/strict'
import { test } from 'node:test'
import { candidateId, createGroup, serviceDefaults, step } from './group.ts'
import type { CandidateSpec, GroupPolicy, GroupState } from './group.ts'
import { pick } from './pick.ts'
import type { PickRequest } from './pick.ts'
import { specsOf } from './rehearsal.ts'

const NOW_MS = 1_000
const policy: GroupPolicy = { ...serviceDefaults, selection: { kind: 'priority_weighted' } }

function well(specs: readonly CandidateSpec[]): GroupState {
  return specs.reduce<GroupState>(
    (state, { id }) => step(state, { kind: 'probe_succeeded', id }, 0, policy).state,
    createGroup(specs),
  )
}

function failing(state: GroupState, name: string, times: number, nowMs = NOW_MS): GroupState {
  return Array.from({ length: times }).reduce<GroupState>(
    (failed) => step(failed, { kind: 'probe_failed', id: candidateId(name) }, nowMs, policy).state,
    state,
  )
}

/** How many of `count` requests, each answered at once, each candidate gets. */
function shares(
  from: GroupState,
  count: number,
  nowMs: number,
  rules: GroupPolicy = policy,
  request: PickRequest = {},
) {
  let state = from
  const counts: Record<string, number> = {}
  for (let index = 0; index < count; index += 1) {
    const picked = pick(state, request, nowMs, rules)
    const name = picked.id ?? picked.why
    counts[name] = (counts[name] ?? 0) + 1
    state = picked.state
    if (picked.id === undefined) continue
    const { id, generation } = picked
    state = step(state, { kind: 'candidate_succeeded', id, generation }, nowMs, rules).state
  }
  return counts
}

test('a candidate with as many requests as it takes gets no more until one is answered', () => {
  const [a, b] = specsOf('a:2 b:1')
  assert.ok(a !== undefined && b !== undefined)
  let state = well([
    { ...a, inFlightMax: 2 },
    { ...b, inFlightMax: 1 },
  ])
  const names: string[] = []
  for (let index = 0; index < 4; index += 1) {
    const picked = pick(state, {}, NOW_MS, policy)
    names.push(picked.id ?? picked.why)
    state = picked.state
  }
  assert.deepEqual(names, ['a', 'a', 'b', 'all_busy'])
  state = step(state, { kind: 'candidate_succeeded', id: a.id }, NOW_MS, policy).state
  assert.equal(pick(state, {}, NOW_MS, policy).id, 'a')
})

test('a limit of requests that lets none through is refused', () => {
  const [a] = specsOf('a')
  assert.ok(a !== undefined)
  assert.throws(() => createGroup([{ ...a, inFlightMax: 0 }]), /limit of 0 requests/)
})

test('no more than the allowed share is passed over, and those that failed last come back first', () => {
  const names = ['a', 'b', 'c', 'd']
  const state = names
    .slice(0, 3)
    .reduce((dead, name, index) => failing(dead, name, 3, NOW_MS + index), well(specsOf('a b c d')))
  const rules = (ejectedShareMax: number): GroupPolicy => ({ ...policy, ejectedShareMax })
  assert.deepEqual(shares(state, 4, NOW_MS + 10, rules(1)), { d: 4 })
  assert.deepEqual(shares(state, 4, NOW_MS + 10, rules(0.5)), { c: 2, d: 2 })
  assert.deepEqual(Object.keys(shares(state, 6, NOW_MS + 10, rules(0))).toSorted(), ['b', 'c', 'd'], 'always one')
})

test('in a panic health is set aside and all are used but those with open circuits', () => {
  let state = well(specsOf('a b c d'))
  for (const name of ['a', 'b']) state = failing(state, name, 3)
  state = failing(state, 'c', 5)
  assert.deepEqual(shares(state, 4, NOW_MS, policy), { d: 4 }, 'one of four is enough by default')
  assert.deepEqual(Object.keys(shares(state, 6, NOW_MS, { ...policy, panicShare: 0.5 })).toSorted(), ['a', 'b', 'd'])
  assert.deepEqual(Object.keys(shares(failing(state, 'd', 3), 6, NOW_MS)).toSorted(), ['a', 'b', 'd'])
})

test('a recovered candidate starts with a tenth of its weight and has all of it after the slow start', () => {
  let state = failing(well(specsOf('a b')), 'a', 3)
  for (let probe = 0; probe < 2; probe += 1) {
    state = step(state, { kind: 'probe_succeeded', id: candidateId('a') }, NOW_MS, policy).state
  }
  assert.deepEqual(shares(state, 110, NOW_MS), { a: 10, b: 100 })
  assert.deepEqual(shares(state, 90, NOW_MS + 5_000), { a: 30, b: 60 })
  assert.deepEqual(shares(state, 90, NOW_MS + 10_000), { a: 45, b: 45 })
})

test('a request that cannot be sent again is not used as a trial', () => {
  const state = failing(well(specsOf('a:2 b:1')), 'a', 5)
  assert.deepEqual(pick(state, {}, NOW_MS + 30_000, policy).why, 'trial')
  assert.equal(pick(state, { noTrials: true }, NOW_MS + 59_999, policy).id, 'b')
  assert.equal(pick(state, { noTrials: true }, NOW_MS + 60_000, policy).why, 'trial', 'nobody else has tried for long')
})

test('requests that cannot be sent again reach all candidates that nothing is held against', () => {
  let state = createGroup(specsOf('a b c'))
  const names = new Set<string>()
  for (let index = 0; index < 6; index += 1) {
    const { id, generation, state: next } = pick(state, { noTrials: true }, NOW_MS, policy)
    assert.ok(id !== undefined)
    names.add(id)
    state = step(next, { kind: 'candidate_succeeded', id, generation }, NOW_MS, policy).state
  }
  assert.deepEqual([...names].toSorted(), ['a', 'b', 'c'])
})

test('what is answered the plain way leaves the same state as the whole step', () => {
  const state = step(well(specsOf('a:2 b:1')), { kind: 'started' }, NOW_MS, policy).state
  const picked = pick(state, {}, NOW_MS, policy)
  const event = { kind: 'candidate_succeeded', id: candidateId('a'), generation: picked.generation } as const
  const settled = step(step(picked.state, event, NOW_MS, policy).state, { kind: 'tick' }, NOW_MS + 6_000, policy).state
  const again = pick(settled, {}, NOW_MS + 7_000, policy)
  const plain = step(again.state, event, NOW_MS + 7_000, policy)
  // A pin that nobody feels sends the same event the long way.
  const pin = { id: candidateId('a'), untilMs: null, by: 'me', atMs: 0 }
  const long = step({ ...again.state, pin }, event, NOW_MS + 7_000, policy)
  assert.deepEqual({ ...plain.state, pin }, long.state)
  assert.deepEqual(plain.effects, [])
})
