/**
 * How many requests and retries there were lately, in slots of time. Plain JSON data, so that retries of all requests
 * together stay a small share: a retry storm against upstreams that are down anyway helps nobody.
 */
export interface RetryBudget {
  /** Number of the newest slot since time 0; the arrays end with it. */
  readonly slot: number
  readonly requests: readonly number[]
  readonly retries: readonly number[]
}

export interface RetryBudgetPolicy {
  /** Retries allowed as a share of the requests in the window, 0 to 1. */
  readonly share: number
  /** Retries that are always allowed in the window, however few the requests. */
  readonly retriesMin: number
  readonly windowMs: number
}

const SLOTS = 10

export const emptyRetryBudget: RetryBudget = {
  slot: 0,
  requests: Array.from({ length: SLOTS }, () => 0),
  retries: Array.from({ length: SLOTS }, () => 0),
}

/** Counts a client's request (not its retries). */
export function countRequest(budget: RetryBudget, nowMs: number, policy: RetryBudgetPolicy): RetryBudget {
  const current = atTime(budget, nowMs, policy)
  return { ...current, requests: addToNewest(current.requests) }
}

/** Takes one retry out of the budget; undefined when it is spent. */
export function takeRetry(budget: RetryBudget, nowMs: number, policy: RetryBudgetPolicy): RetryBudget | undefined {
  const current = atTime(budget, nowMs, policy)
  const allowed = Math.max(policy.retriesMin, policy.share * sum(current.requests))
  if (sum(current.retries) + 1 > allowed) return undefined
  return { ...current, retries: addToNewest(current.retries) }
}

function atTime(budget: RetryBudget, nowMs: number, policy: RetryBudgetPolicy): RetryBudget {
  const slot = Math.floor(nowMs / (policy.windowMs / SLOTS))
  const passed = Math.min(SLOTS, Math.max(0, slot - budget.slot))
  if (passed === 0) return budget
  const fresh = Array.from({ length: passed }, () => 0)
  return {
    slot,
    requests: [...budget.requests.slice(passed), ...fresh],
    retries: [...budget.retries.slice(passed), ...fresh],
  }
}

function addToNewest(counts: readonly number[]): readonly number[] {
  return counts.with(-1, (counts.at(-1) ?? 0) + 1)
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0)
}
