import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  candidateId,
  createGroup,
  serviceDefaults,
  step,
  tunnelPolicy,
  type GroupPolicy,
  type GroupState,
  type SelectionPolicy,
} from './group.ts'
import { pick, type PickRequest } from './pick.ts'
import { specsOf } from './rehearsal.ts'

const NOW_MS = 1_000

/** The named ones have answered a probe, the others are unknown. */
function groupOf(names: string, well: string, policy: GroupPolicy): GroupState {
  return specsOf(well).reduce<GroupState>(
    (state, { id }) => step(state, { kind: 'probe_succeeded', id }, 0, policy).state,
    createGroup(specsOf(names)),
  )
}

function failing(state: GroupState, name: string, times: number, policy: GroupPolicy, nowMs = NOW_MS): GroupState {
  return Array.from({ length: times }).reduce<GroupState>(
    (failed) => step(failed, { kind: 'probe_failed', id: candidateId(name) }, nowMs, policy).state,
    state,
  )
}

/** Who gets `count` requests one after the other, each answered at once. */
function served(
  from: GroupState,
  count: number,
  policy: GroupPolicy,
  request: PickRequest = {},
  nowMs = NOW_MS,
): string {
  let state = from
  let names = ''
  for (let index = 0; index < count; index += 1) {
    const { id, generation, why, state: next } = pick(state, request, nowMs, policy)
    if (id === undefined) return `${names}${why}`
    names += id
    state = step(next, { kind: 'candidate_succeeded', id, generation }, nowMs, policy).state
  }
  return names
}

const selecting = (selection: SelectionPolicy): GroupPolicy => ({
  ...serviceDefaults,
  trialByTraffic: false,
  selection,
})

test('health comes first, then priority, then weight, without bursts', () => {
  const state = groupOf('a:2 b:1*2 c:1 d:9', 'b c', tunnelPolicy)
  assert.equal(served(state, 6, tunnelPolicy), 'bcbbcb', 'a and d are unknown')
  assert.equal(served(groupOf('a:2 b:1', '', tunnelPolicy), 2, tunnelPolicy), 'aa', 'all are unknown: the highest')
})

test('the unknown come before the unhealthy', () => {
  const state = failing(groupOf('a:2 b:1', 'a', tunnelPolicy), 'a', 3, tunnelPolicy)
  assert.equal(served(state, 2, tunnelPolicy), 'bb')
})

test('with none usable the policy answers: highest priority, last good, or nobody', () => {
  const answered = step(
    groupOf('a:2 b:1*1 c:1*3', '', tunnelPolicy),
    { kind: 'candidate_succeeded', id: candidateId('b') },
    0,
    tunnelPolicy,
  ).state
  const dead = ['a', 'b', 'c'].reduce((state, name) => failing(state, name, 5, tunnelPolicy), answered)
  const answer = (noneUsable: GroupPolicy['noneUsable'], request: PickRequest = {}) => {
    const { id, why } = pick(dead, request, NOW_MS, { ...tunnelPolicy, noneUsable })
    return `${id} ${why}`
  }
  assert.equal(answer('highest_priority'), 'a highest_priority')
  assert.equal(answer('highest_priority', { exclude: [candidateId('a')] }), 'c highest_priority', 'then by weight')
  assert.equal(answer('last_good'), 'b last_good')
  assert.equal(answer('last_good', { exclude: [candidateId('b')] }), 'a highest_priority')
  assert.equal(answer('none'), 'undefined none_usable')
})

test('asking an open circuit for want of any other does not make its time longer', () => {
  const policy: GroupPolicy = { ...tunnelPolicy, noneUsable: 'highest_priority' }
  const dead = failing(groupOf('a', '', policy), 'a', 5, policy)
  const { id, generation, state } = pick(dead, {}, NOW_MS, policy)
  assert.equal(id, 'a')
  const failed = { kind: 'candidate_failed', id: candidateId('a'), generation, reason: 'refused' } as const
  const after = step(state, failed, NOW_MS, policy).state
  assert.deepEqual(after.candidates[0]?.breaker, dead.candidates[0]?.breaker)
})

test('an empty group and a request that has tried all say so', () => {
  assert.equal(pick(createGroup([]), {}, 0, tunnelPolicy).why, 'no_candidates')
  const state = groupOf('a b', 'a b', tunnelPolicy)
  assert.equal(pick(state, { exclude: specsOf('a b').map(({ id }) => id) }, 0, tunnelPolicy).why, 'all_excluded')
})

test('a retry goes to one that was not tried', () => {
  const state = groupOf('a:2 b:1', 'a b', tunnelPolicy)
  assert.equal(served(state, 2, tunnelPolicy, { exclude: [candidateId('a')] }), 'bb')
})

test('a pin is honoured whatever the health', () => {
  const dead = failing(groupOf('a b', 'b', tunnelPolicy), 'a', 9, tunnelPolicy)
  const pinned = step(dead, { kind: 'pin_requested', id: candidateId('a'), by: 'me' }, NOW_MS, tunnelPolicy).state
  assert.equal(served(pinned, 3, tunnelPolicy), 'aaa')
  assert.equal(pick(pinned, { exclude: [candidateId('a')] }, NOW_MS, tunnelPolicy).why, 'all_excluded')
})

test('a pin that has run out no longer holds, though no timer has fired', () => {
  const pinned = step(
    groupOf('a:2 b:1', 'a b', tunnelPolicy),
    { kind: 'pin_requested', id: candidateId('b'), by: 'me', ttlMs: 1_000 },
    NOW_MS,
    tunnelPolicy,
  ).state
  assert.equal(served(pinned, 1, tunnelPolicy, {}, NOW_MS + 999), 'b')
  assert.equal(pick(pinned, {}, NOW_MS + 1_000, tunnelPolicy).id, 'a')
})

test('weight 0 drains, but is better than nothing, and all at 0 share equally', () => {
  assert.equal(served(groupOf('a:2*0 b:1', 'a b', tunnelPolicy), 3, tunnelPolicy), 'bbb')
  const rest = failing(groupOf('a:2*0 b:1', 'a b', tunnelPolicy), 'b', 3, tunnelPolicy)
  assert.equal(served(rest, 1, tunnelPolicy), 'a', 'a drained one that is well goes before a dead one')
  assert.equal(served(groupOf('a*0 b*0', 'a b', tunnelPolicy), 4, tunnelPolicy), 'abab')
  const hashed = selecting({ kind: 'active_active', loadFactor: 1.25 })
  assert.match(served(groupOf('a*0 b*0', 'a b', hashed), 1, hashed, { key: 'k' }), /^[ab]$/)
})

test('active-passive gives everything to the first that is usable', () => {
  const policy = selecting({ kind: 'active_passive' })
  const state = groupOf('a:1 b:2 c:1', 'a b c', policy)
  assert.equal(served(state, 3, policy), 'bbb')
  assert.equal(served(failing(state, 'b', 3, policy), 3, policy), 'aaa')
  const all = (times: number) => ['a', 'b', 'c'].reduce((dead, name) => failing(dead, name, times, policy), state)
  assert.equal(served(all(3), 1, policy), 'b', 'all are unhealthy: their health is set aside')
  assert.equal(served(all(5), 1, policy), 'none_usable', 'all circuits are open')
})

test('active-passive follows the one on air while it is usable', () => {
  const policy = selecting({ kind: 'active_passive' })
  const started = step(groupOf('a:2 b:1', 'a b', policy), { kind: 'started' }, NOW_MS, policy).state
  const switched = step(started, { kind: 'switch_requested', by: 'me' }, NOW_MS, policy).state
  assert.equal(served(switched, 2, policy), 'bb')
})

test('active-passive begins with the best although the other was heard of first, for requests at once too', () => {
  const policy = selecting({ kind: 'active_passive' })
  const started = step(createGroup(specsOf('a:2 b:1')), { kind: 'started' }, 0, policy).state
  let state = step(started, { kind: 'probe_succeeded', id: candidateId('b') }, 0, policy).state
  for (let index = 0; index < 3; index += 1) {
    const picked = pick(state, {}, NOW_MS, policy)
    assert.equal(picked.id, 'a')
    state = picked.state
  }
})

test('the same key stays with the same candidate, and comes back to it after an outage', () => {
  const policy = selecting({ kind: 'active_active', loadFactor: 1.25 })
  const state = groupOf('a b c', 'a b c', policy)
  const home = served(state, 1, policy, { key: 'channel-7' })
  assert.equal(served(state, 5, policy, { key: 'channel-7' }), home.repeat(5))
  const out = failing(state, home, 3, policy)
  const refuge = served(out, 1, policy, { key: 'channel-7' })
  assert.notEqual(refuge, home)
  const back = specsOf(`${home} ${home}`).reduce<GroupState>(
    (recovering, { id }) => step(recovering, { kind: 'probe_succeeded', id }, NOW_MS, policy).state,
    out,
  )
  assert.equal(served(back, 1, policy, { key: 'channel-7' }, NOW_MS + 10_000), home)
})

test('without a key active-active goes round the healthy', () => {
  const policy = selecting({ kind: 'active_active', loadFactor: 1.25 })
  const state = failing(groupOf('a b c', 'a b c', policy), 'b', 3, policy)
  assert.equal(served(state, 4, policy), 'acac')
})

test('its own region first, then the others in configured order, then the rest', () => {
  const policy = selecting({ kind: 'geographic', regions: ['us', 'eu'] })
  let state = groupOf('x a@asia e@eu u@us', 'x a e u', policy)
  const from = (region?: string) => served(state, 1, policy, region === undefined ? {} : { region })
  assert.deepEqual([from('eu'), from('asia'), from(), from('mars')], ['e', 'a', 'u', 'u'])
  state = failing(state, 'e', 3, policy)
  assert.equal(from('eu'), 'u')
  state = failing(state, 'u', 3, policy)
  assert.equal(from('eu'), 'a')
  state = failing(state, 'a', 3, policy)
  assert.equal(from('eu'), 'x')
})

test('a candidate in its own region that is unknown does not lose to a healthy one far away', () => {
  const policy = selecting({ kind: 'geographic', regions: ['us', 'eu'] })
  const state = groupOf('e@eu u@us', 'u', policy)
  assert.equal(served(state, 1, policy, { region: 'eu' }), 'e')
})

test('one trial at a time goes to a half-open candidate although others are healthy', () => {
  const policy: GroupPolicy = { ...serviceDefaults, selection: { kind: 'priority_weighted' } }
  const state = failing(groupOf('a:2 b:1', 'a b', policy), 'a', 5, policy)
  assert.equal(served(state, 3, policy, {}, NOW_MS + 29_999), 'bbb')
  const first = pick(state, {}, NOW_MS + 30_000, policy)
  assert.deepEqual([first.id, first.why], ['a', 'trial'])
  const second = pick(first.state, {}, NOW_MS + 30_001, policy)
  assert.deepEqual([second.id, second.why], ['b', 'selected'])
  const gone = { kind: 'request_abandoned', id: candidateId('a'), generation: first.generation } as const
  const abandoned = step(second.state, gone, NOW_MS + 30_002, policy).state
  assert.equal(pick(abandoned, {}, NOW_MS + 30_003, policy).why, 'trial', 'an abandoned trial frees its place')
})

test('answers from before the circuit opened do not count after it', () => {
  const policy = tunnelPolicy
  const first = pick(groupOf('a', 'a', policy), {}, NOW_MS, policy)
  const open = failing(first.state, 'a', 5, policy)
  const half = pick(open, {}, NOW_MS + 30_000, policy)
  const late = { kind: 'candidate_failed', id: candidateId('a'), generation: first.generation, reason: 'late' } as const
  const after = step(half.state, late, NOW_MS + 30_001, policy).state
  assert.equal(after.candidates[0]?.breaker.kind, 'half_open')
  assert.deepEqual(after.candidates[0]?.health, half.state.candidates[0]?.health)
  assert.equal(after.candidates[0]?.inFlight, 1)
})

test('requests in flight are counted and never below 0', () => {
  const policy = tunnelPolicy
  const a = candidateId('a')
  let { state } = pick(pick(groupOf('a', 'a', policy), {}, 0, policy).state, {}, 0, policy)
  const inFlight = () => state.candidates[0]?.inFlight
  assert.equal(inFlight(), 2)
  for (const kind of ['request_abandoned', 'candidate_succeeded', 'candidate_succeeded'] as const) {
    state = step(state, { kind, id: a }, 0, policy).state
  }
  assert.equal(inFlight(), 0)
})

test('an unknown candidate gets one trial at a time, in the share it would have', () => {
  const policy: GroupPolicy = { ...serviceDefaults, selection: { kind: 'priority_weighted' } }
  const state = groupOf('a b', 'a', policy)
  const names: string[] = []
  let latest = state
  for (let index = 0; index < 6; index += 1) {
    const picked = pick(latest, {}, NOW_MS, policy)
    names.push(`${picked.id} ${picked.why}`)
    latest = picked.state
  }
  assert.deepEqual(names.filter((name) => name === 'b trial').length, 1, names.join(', '))
})
