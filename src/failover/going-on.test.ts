import assert from 'node:assert/strict'
import { test } from 'node:test'
import { candidateId, createGroup, serviceDefaults, step } from './group.ts'
import type { CandidateSpec, GroupEvent, GroupPolicy, GroupState } from './group.ts'
import { pick } from './pick.ts'

/** Requests that go on after their answer, as connections that switched protocols do. */

const NOW_MS = 1_000
const policy: GroupPolicy = { ...serviceDefaults, selection: { kind: 'priority_weighted' }, slowStartMs: 0 }

const specs = (inFlightMax: number): readonly CandidateSpec[] => [
  { id: candidateId('a'), priority: 2, weight: 1, inFlightMax },
  { id: candidateId('b'), priority: 1, weight: 1 },
]
const a = candidateId('a')

function after(state: GroupState, ...events: readonly GroupEvent[]): GroupState {
  return events.reduce((present, event) => step(present, event, NOW_MS, policy).state, state)
}

function candidateA({ candidates }: GroupState) {
  return candidates[0] ?? assert.fail()
}

const well = (inFlightMax: number) =>
  after(createGroup(specs(inFlightMax)), { kind: 'probe_succeeded', id: a }, { kind: 'probe_succeeded', id: a })

test('a request that goes on keeps its place until it has left, and its answer counts at once', () => {
  const first = pick(well(1), {}, NOW_MS, policy)
  assert.equal(first.id, a)
  const { generation } = first
  const open = after(first.state, { kind: 'candidate_succeeded', id: a, generation, goesOn: true })
  assert.equal(open.lastGoodId, a)
  assert.equal(pick(open, {}, NOW_MS, policy).id, candidateId('b'), 'a has no room')
  const left = after(open, { kind: 'request_left', id: a })
  assert.deepEqual([candidateA(left).inFlight, candidateA(left).goingOn], [0, 0])
  assert.equal(pick(left, {}, NOW_MS, policy).id, a)
})

test('neither more ends than beginnings nor other answers free the place of what goes on', () => {
  const { state, generation } = pick(well(3), {}, NOW_MS, policy)
  const open = after(state, { kind: 'candidate_succeeded', id: a, generation, goesOn: true })
  const spoilt = after(open, { kind: 'candidate_succeeded', id: a, generation }, { kind: 'request_abandoned', id: a })
  assert.equal(candidateA(spoilt).inFlight, 1)
  const left = after(spoilt, { kind: 'request_left', id: a }, { kind: 'request_left', id: a })
  assert.equal(candidateA(left).inFlight, 0)
})

test('what goes on does not keep its candidate from being tried again', () => {
  const { state, generation } = pick(well(9), {}, NOW_MS, policy)
  let bad = after(state, { kind: 'candidate_succeeded', id: a, generation, goesOn: true })
  for (let count = 0; count < 9; count += 1) bad = after(bad, { kind: 'probe_failed', id: a })
  bad = step(bad, { kind: 'probe_succeeded', id: candidateId('b') }, NOW_MS, policy).state
  assert.equal(pick(bad, {}, NOW_MS, policy).id, candidateId('b'))
  const laterMs = NOW_MS + policy.health.coolDownMs + policy.breaker.openMs
  const trial = pick(bad, {}, laterMs, policy)
  assert.deepEqual([trial.id, trial.why], [a, 'trial'])
})
