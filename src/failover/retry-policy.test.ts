import assert from 'node:assert/strict'
import { test } from 'node:test'
import { countRequest, emptyRetryBudget, takeRetry, type RetryBudget } from './retry-budget.ts'
import { decideRetry, defaultRetryPolicy as policy, type RetryQuestion } from './retry-policy.ts'

const question: RetryQuestion = {
  failure: { kind: 'error', error: 'connection_refused' },
  retries: 0,
  elapsedMs: 10,
  replayable: true,
  otherLeft: true,
  budget: emptyRetryBudget,
}
const chance = { next: () => 0.5 }
const decide = (changes: Partial<RetryQuestion>, nowMs = 0) =>
  decideRetry({ ...question, ...changes }, nowMs, policy, chance)
const outcome = (changes: Partial<RetryQuestion>) => {
  const decision = decide(changes)
  return decision.kind === 'stop' ? decision.why : `${decision.where} in ${decision.delayMs}`
}

test('a candidate that was not tried is tried at once; when all have been, the waits grow', () => {
  assert.deepEqual(
    [0, 1, 2, 3].map((retries) => outcome({ retries })),
    ['other in 0', 'other in 0', 'other in 0', 'retries_used_up'],
  )
  assert.deepEqual(
    [0, 1, 2, 3].map((retries) => outcome({ retries, otherLeft: false })),
    ['same in 60', 'same in 110', 'same in 210', 'retries_used_up'],
  )
})

test('the same candidate is asked again after a wait, and after what it asked for', () => {
  assert.equal(outcome({ otherLeft: false }), 'same in 60')
  const failure = { kind: 'status', status: 503, retryAfterMs: 2_000 } as const
  assert.equal(outcome({ otherLeft: false, failure }), 'same in 2000')
  assert.equal(outcome({ failure }), 'other in 0', 'another candidate has not asked for anything')
})

test('only 502, 503, 504 and failures of the connection are retried', () => {
  const retried = [400, 404, 429, 500, 501, 502, 503, 504, 505].filter(
    (status) => decide({ failure: { kind: 'status', status } }).kind === 'retry',
  )
  assert.deepEqual(retried, [502, 503, 504])
  for (const error of ['connection_refused', 'connection_reset', 'timeout', 'broken_pipe'] as const) {
    assert.equal(outcome({ failure: { kind: 'error', error } }), 'other in 0')
  }
  assert.equal(outcome({ failure: { kind: 'error', error: 'other' } }), 'not_retriable')
})

test('what cannot be sent again is not', () => {
  assert.equal(outcome({ replayable: false }), 'not_replayable')
})

test('no retry begins at or after the deadline', () => {
  assert.equal(outcome({ elapsedMs: 29_999 }), 'other in 0')
  assert.equal(outcome({ elapsedMs: 30_000 }), 'deadline')
  assert.equal(
    outcome({ elapsedMs: 29_000, otherLeft: false, failure: { kind: 'status', status: 503, retryAfterMs: 1_000 } }),
    'deadline',
  )
})

test('three retries are always allowed in a window, a fourth needs requests', () => {
  let budget: RetryBudget | undefined = emptyRetryBudget
  for (let retry = 0; retry < 3; retry += 1) budget = takeRetry(budget ?? emptyRetryBudget, 0, policy.budget)
  assert.ok(budget !== undefined)
  assert.equal(takeRetry(budget, 0, policy.budget), undefined)
  assert.equal(outcome({ budget }), 'budget_spent')
  assert.ok(takeRetry(budget, 10_000, policy.budget), 'the window has passed')
  for (let request = 0; request < 20; request += 1) budget = countRequest(budget, 0, policy.budget)
  assert.ok(takeRetry(budget, 0, policy.budget), '20 % of 20 requests is 4')
})

test('with everything down the upstreams get at most 1.2 times the requests', () => {
  let budget = emptyRetryBudget
  let retries = 0
  const requests = 20_000
  for (let request = 0; request < requests; request += 1) {
    const nowMs = request * 3
    budget = countRequest(budget, nowMs, policy.budget)
    for (let retry = 0; retry < 4; retry += 1) {
      const decision = decide({ budget, retries: retry }, nowMs)
      budget = decision.budget
      if (decision.kind === 'stop') break
      retries += 1
    }
  }
  assert.ok(retries <= 0.2 * requests + 3, `${retries} retries of ${requests} requests`)
  assert.ok(retries > 0.15 * requests, `${retries} retries of ${requests} requests`)
})

test('the budget is plain data and survives hours without traffic', () => {
  const used = countRequest(countRequest(emptyRetryBudget, 5, policy.budget), 1_005, policy.budget)
  assert.deepEqual(JSON.parse(JSON.stringify(used)), used)
  const later = countRequest(used, 7_200_000, policy.budget)
  assert.equal(
    later.requests.reduce((sum, count) => sum + count, 0),
    1,
  )
  assert.equal(later.requests.length, used.requests.length)
})
