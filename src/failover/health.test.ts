import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultHealth } from './group-policy.ts'
import { afterFailure, afterProof, afterSuccess, unknownHealth, verdictAt, type HealthState } from './health.ts'

/** 'FSF' as outcomes one second apart. */
function play(outcomes: string, policy = defaultHealth, from: HealthState = unknownHealth, fromMs = 0): HealthState {
  return Array.from(outcomes).reduce((health, outcome, index) => {
    const atMs = fromMs + index * 1_000
    if (outcome === 'S') return afterSuccess(health, atMs, policy)
    return afterFailure(health, { reason: 'refused', atMs, epoch: null, evidence: null }, policy)
  }, from)
}

test('the counter rises by a failure, falls by a success, and never below 0', () => {
  const counts = ['F', 'FF', 'FS', 'FSS', 'SSS', 'FFSF'].map((outcomes) => play(outcomes).failures)
  assert.deepEqual(counts, [1, 2, 0, 0, 0, 2])
})

test('unhealthy at the third failure, not before, and a success in between takes one off', () => {
  const verdicts = ['FF', 'FFF', 'SFF', 'SFSF', 'FFSFF'].map((outcomes) => play(outcomes).verdict)
  assert.deepEqual(verdicts, ['unknown', 'unhealthy', 'healthy', 'healthy', 'unhealthy'])
})

test('a candidate that fails every other time is caught although its counter stays low', () => {
  assert.equal(play('SF'.repeat(4)).verdict, 'healthy')
  assert.equal(play('SF'.repeat(5)).verdict, 'unhealthy')
  assert.equal(play('SSSF'.repeat(20)).verdict, 'healthy', 'one of four is under the threshold')
})

test('a rate of long ago is forgotten', () => {
  const tired = play('SF'.repeat(4))
  assert.equal(play('SF', defaultHealth, tired, 700_000).verdict, 'healthy')
})

test('rises after enough successes in a row and starts with a clean window', () => {
  const down = play('FFF')
  assert.equal(play('SFSFS', defaultHealth, down, 3_000).verdict, 'unhealthy', 'every other time is no recovery')
  const up = play('SS', defaultHealth, down, 3_000)
  assert.deepEqual([up.verdict, up.failures, up.outcomes], ['healthy', 0, 1])
  assert.equal(up.lastFailure?.atMs, 2_000, 'the evidence stays')
})

test('delivering for the stable time is enough to rise', () => {
  assert.equal(afterProof(play('FFFFFF'), 10_000, defaultHealth).verdict, 'healthy')
})

test('bad news fades to unknown after the cooling down, whatever the hours', () => {
  const down = play('FFF')
  const at = (ms: number) => verdictAt(down, 2_000 + ms, defaultHealth)
  assert.deepEqual([at(0), at(29_999), at(30_000), at(36_000_000)], ['unhealthy', 'unhealthy', 'unknown', 'unknown'])
})

test('the window holds its newest outcomes and no more', () => {
  const policy = { ...defaultHealth, failureThreshold: 99, rateOutcomes: 30, rateOutcomesMin: 30, rateThreshold: 1 }
  assert.equal(play('S'.repeat(40) + 'F'.repeat(29), policy).verdict, 'healthy')
  assert.equal(play('S'.repeat(40) + 'F'.repeat(30), policy).verdict, 'unhealthy')
})
