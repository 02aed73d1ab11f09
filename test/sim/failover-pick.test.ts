import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  candidateId,
  createGroup,
  serviceDefaults,
  step,
  tunnelPolicy,
  type CandidateId,
  type CandidateSpec,
  type GroupPolicy,
  type GroupState,
} from '../../src/failover/group.ts'
import { pick, type PickRequest } from '../../src/failover/pick.ts'
import { seededRandom } from '../../src/lib/random.ts'

const PICKS = 10_000

function specs(weights: readonly number[]): readonly CandidateSpec[] {
  return weights.map((weight, index) => ({ id: candidateId(`endpoint-${index}`), priority: 1, weight }))
}

/** A group whose candidates have all answered once. */
function wellGroup(candidates: readonly CandidateSpec[], policy: GroupPolicy): GroupState {
  return candidates.reduce<GroupState>(
    (state, { id }) => step(state, { kind: 'candidate_succeeded', id }, 0, policy).state,
    createGroup(candidates),
  )
}

/** Picks and answers at once; how often each was picked. */
function countPicks(
  initial: GroupState,
  policy: GroupPolicy,
  picks: number,
  request: (index: number) => PickRequest,
): ReadonlyMap<CandidateId, number> {
  const counts = new Map<CandidateId, number>()
  let state = initial
  for (let index = 0; index < picks; index += 1) {
    const picked = pick(state, request(index), index, policy)
    assert.ok(picked.id !== undefined)
    counts.set(picked.id, (counts.get(picked.id) ?? 0) + 1)
    const { id, generation } = picked
    state = step(picked.state, { kind: 'candidate_succeeded', id, generation }, index, policy).state
  }
  return counts
}

test('weights converge to within 1 % over 10,000 selections', () => {
  for (let seed = 1; seed <= 10; seed += 1) {
    const random = seededRandom(seed)
    const weights = Array.from({ length: 2 + Math.floor(random.next() * 6) }, () => Math.floor(random.next() * 20))
    const candidates = specs([...weights, 5])
    const total = candidates.reduce((sum, { weight }) => sum + weight, 0)
    const counts = countPicks(wellGroup(candidates, tunnelPolicy), tunnelPolicy, PICKS, () => ({}))
    for (const { id, weight } of candidates) {
      const share = (counts.get(id) ?? 0) / PICKS
      assert.ok(
        Math.abs(share - weight / total) < 0.01,
        `seed ${seed}: ${id} had ${share}, its weight is ${weight}/${total}`,
      )
    }
  }
})

test('weights converge after candidates have come and gone and failed', () => {
  const candidates = specs([1, 2, 1])
  let state = wellGroup(candidates, tunnelPolicy)
  const second = candidateId('endpoint-1')
  for (let failure = 0; failure < 3; failure += 1) {
    state = step(state, { kind: 'candidate_failed', id: second, reason: 'refused' }, 0, tunnelPolicy).state
  }
  assert.equal(countPicks(state, tunnelPolicy, 1_000, () => ({})).get(second), undefined)
  state = step(state, { kind: 'probe_succeeded', id: second }, 1, tunnelPolicy).state
  assert.equal(countPicks(state, tunnelPolicy, PICKS, () => ({})).get(second), PICKS / 2)
})

test('keys spread over candidates by weight within 2 %', () => {
  const candidates = specs([1, 2, 1])
  const free = { ...serviceDefaults, selection: { kind: 'active_active', loadFactor: 100 } } as const
  const counts = countPicks(wellGroup(candidates, free), free, PICKS, (index) => ({ key: `session-${index}` }))
  for (const { id, weight } of candidates) {
    assert.ok(Math.abs((counts.get(id) ?? 0) / PICKS - weight / 4) < 0.02, `${id}: ${counts.get(id)}`)
  }
})

test('removing 1 of N candidates moves at most 1/N + 5 % of the keys, and only those that it had', () => {
  for (const count of [2, 3, 5, 10, 20]) {
    const candidates = specs(Array.from({ length: count }, () => 1))
    const before = wellGroup(candidates, serviceDefaults)
    for (const removed of [0, count - 1]) {
      const remaining = candidates.filter((_, index) => index !== removed)
      const after = step(before, { kind: 'candidates_changed', candidates: remaining }, 0, serviceDefaults).state
      let moved = 0
      for (let key = 0; key < 2_000; key += 1) {
        const request = { key: `channel/${key}` }
        const from = pick(before, request, 0, serviceDefaults).id
        const to = pick(after, request, 0, serviceDefaults).id
        if (from === to) continue
        moved += 1
        assert.equal(from, candidates[removed]?.id, 'a key moved that had no need to')
      }
      assert.ok(moved / 2_000 <= 1 / count + 0.05, `${moved} of 2000 keys moved, 1 of ${count} removed`)
    }
  }
})

test('one hot key never loads a candidate beyond 1.25 times its share of the requests in flight', () => {
  const candidates = specs([1, 1, 2])
  for (let seed = 1; seed <= 20; seed += 1) {
    const random = seededRandom(seed)
    let state = wellGroup(candidates, serviceDefaults)
    const inFlight: CandidateId[] = []
    for (let turn = 0; turn < 300; turn += 1) {
      const done = random.next() < 0.4 ? inFlight.splice(Math.floor(random.next() * inFlight.length), 1)[0] : undefined
      if (done !== undefined) {
        state = step(state, { kind: 'candidate_succeeded', id: done }, turn, serviceDefaults).state
        continue
      }
      const key = random.next() < 0.8 ? 'hot' : `cold-${turn}`
      const picked = pick(state, { key }, turn, serviceDefaults)
      assert.ok(picked.id !== undefined, `seed ${seed}: nobody took the request`)
      state = picked.state
      inFlight.push(picked.id)
      const weight = candidates.find(({ id }) => id === picked.id)?.weight ?? 0
      const load = inFlight.filter((id) => id === picked.id).length
      const limit = Math.ceil((1.25 * inFlight.length * weight) / 4)
      assert.ok(load <= limit, `seed ${seed}: ${picked.id} has ${load} in flight, the limit is ${limit}`)
    }
  }
})

test('5 failures among 4,000 successes do not open a circuit', () => {
  let state = wellGroup(specs([1]), serviceDefaults)
  const id = candidateId('endpoint-0')
  for (let index = 0; index < 4_005; index += 1) {
    const kind = index % 801 === 800 ? 'candidate_failed' : 'candidate_succeeded'
    state = step(state, { kind, id, reason: 'status_503' }, index, serviceDefaults).state
  }
  assert.equal(state.candidates[0]?.breaker.kind, 'closed')
  assert.equal(state.candidates[0]?.health.verdict, 'healthy')
})

test('a dead candidate gets single trials only, and all of its share soon after it is well again', () => {
  for (let seed = 1; seed <= 8; seed += 1) liveWithOneDead(seed)
})

/** 50 requests a second on two candidates; one is dead from 1 s to 100 s. */
function liveWithOneDead(seed: number): void {
  const random = seededRandom(seed)
  const [well, sick] = [candidateId('endpoint-0'), candidateId('endpoint-1')]
  let state = wellGroup(specs([1, 1]), serviceDefaults)
  let open: { id: CandidateId; generation: number; endsAtMs: number }[] = []
  let failed = 0
  let trialsUnderWayMost = 0
  let lateShare = 0
  for (let nowMs = 0; nowMs < 240_000; nowMs += 20) {
    for (const { id, generation } of open.filter(({ endsAtMs }) => endsAtMs <= nowMs)) {
      const dies = id === sick && nowMs > 1_000 && nowMs < 100_000
      if (dies) failed += 1
      const kind = dies ? 'candidate_failed' : 'candidate_succeeded'
      state = step(state, { kind, id, generation, reason: 'refused' }, nowMs, serviceDefaults).state
    }
    open = open.filter(({ endsAtMs }) => endsAtMs > nowMs)
    const picked = pick(state, {}, nowMs, serviceDefaults)
    assert.ok(picked.id !== undefined, `seed ${seed}: no candidate at ${nowMs} ms`)
    state = picked.state
    open.push({ id: picked.id, generation: picked.generation, endsAtMs: nowMs + 20 + random.next() * 300 })
    const sickNow = open.filter(({ id }) => id === sick).length
    if (nowMs > 2_000 && nowMs < 100_000) trialsUnderWayMost = Math.max(trialsUnderWayMost, sickNow)
    if (nowMs >= 230_000 && picked.id === sick) lateShare += 1 / 500
  }
  assert.ok(trialsUnderWayMost <= 1, `seed ${seed}: ${trialsUnderWayMost} trials at once`)
  assert.ok(failed >= 4 && failed <= 20, `seed ${seed}: ${failed} requests were lost on a dead candidate`)
  assert.ok(Math.abs(lateShare - 0.5) < 0.05, `seed ${seed}: its share came back to ${lateShare} only`)
  assert.equal(state.candidates.find(({ spec }) => spec.id === well)?.health.verdict, 'healthy')
}
