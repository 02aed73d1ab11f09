import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  admits,
  afterAttempt,
  breakerAfterAbandoned,
  breakerAfterFailure,
  breakerAfterSuccess,
  breakerAt,
  closedBreaker,
  type BreakerState,
} from './circuit-breaker.ts'
import { defaultBreaker as policy } from './group-policy.ts'

function fail(breaker: BreakerState, times: number, nowMs = 0): BreakerState {
  return Array.from({ length: times }).reduce<BreakerState>(
    (state) => breakerAfterFailure(state, nowMs, policy),
    breaker,
  )
}

const opened = fail(closedBreaker, 5)

test('opens at the fifth failure in a row; a success starts the row again', () => {
  assert.equal(fail(closedBreaker, 4).kind, 'closed')
  assert.equal(opened.kind, 'open')
  assert.equal(fail(breakerAfterSuccess(fail(closedBreaker, 4), policy), 4).kind, 'closed')
})

test('failures that are far apart do not make a row', () => {
  assert.equal(fail(fail(closedBreaker, 4, 0), 4, 600_001).kind, 'closed')
})

test('refuses while open, and is half open when the time has come', () => {
  assert.deepEqual([admits(opened, 29_999, policy), breakerAt(opened, 29_999)], [false, 'open'])
  assert.deepEqual([admits(opened, 30_000, policy), breakerAt(opened, 30_000)], [true, 'half_open'])
})

test('half open admits one trial at a time, and gives its place on when nothing is heard of it', () => {
  const trial = afterAttempt(opened, 30_000, policy)
  assert.equal(admits(trial, 30_001, policy), false)
  assert.equal(admits(breakerAfterSuccess(trial, policy), 30_001, policy), true)
  assert.equal(admits(breakerAfterAbandoned(trial), 30_001, policy), true)
  assert.equal(admits(trial, 60_000, policy), true)
})

test('closes after three good trials with all counters at zero, each time anew', () => {
  let breaker: BreakerState = closedBreaker
  for (let round = 0; round < 2; round += 1) {
    breaker = afterAttempt(fail(breaker, 5), 30_000, policy)
    for (const kind of ['half_open', 'half_open', 'closed']) {
      breaker = breakerAfterSuccess(breaker, policy)
      assert.equal(breaker.kind, kind, `round ${round}`)
    }
    assert.ok(breaker.kind === 'closed' && breaker.failures === 0)
  }
})

test('any half-open failure reopens it for twice as long, up to the cap', () => {
  let breaker = opened
  let nowMs = 0
  const openForMs: number[] = []
  for (let round = 0; round < 6; round += 1) {
    if (breaker.kind !== 'open') throw new Error(`round ${round}: ${breaker.kind}`)
    openForMs.push(breaker.untilMs - nowMs)
    nowMs = breaker.untilMs
    const trial = breakerAfterSuccess(afterAttempt(breaker, nowMs, policy), policy)
    breaker = breakerAfterFailure(trial, nowMs, policy)
  }
  assert.deepEqual(openForMs, [30_000, 60_000, 120_000, 240_000, 300_000, 300_000])
})

test('the generation rises at each transition, and late results leave an open circuit alone', () => {
  const trial = afterAttempt(opened, 30_000, policy)
  const again = breakerAfterFailure(trial, 30_000, policy)
  assert.deepEqual(
    [closedBreaker, opened, trial, again].map(({ generation }) => generation),
    [0, 1, 2, 3],
  )
  assert.equal(breakerAfterFailure(opened, 10, policy), opened)
  assert.equal(breakerAfterSuccess(opened, policy), opened)
})
