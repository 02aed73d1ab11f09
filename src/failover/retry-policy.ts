import { backoffMs, defaultBackoff, type BackoffPolicy, type Chance } from './backoff.ts'
import { takeRetry, type RetryBudget, type RetryBudgetPolicy } from './retry-budget.ts'

export interface RetryPolicy {
  /** Retries of one request, the first attempt not counted. */
  readonly retriesMax: number
  readonly backoff: BackoffPolicy
  /** From the arrival of the request; no retry begins that could not start before it. */
  readonly deadlineMs: number
  readonly retriableErrors: readonly RetriableError[]
  /** HTTP statuses of an upstream after which another attempt makes sense. */
  readonly retriableStatuses: readonly number[]
  readonly budget: RetryBudgetPolicy
}

/** How an attempt can fail before an answer, in the engine's own words. */
export type RetriableError =
  /** No connection could be made, for whatever reason. */
  | 'connection_refused'
  /** It ended before an answer began. */
  | 'connection_reset'
  | 'timeout'
  /** The answer broke off, or cannot be read. */
  | 'broken_pipe'

export type AttemptFailure =
  | { readonly kind: 'error'; readonly error: RetriableError | 'other' }
  /** `retryAfterMs`: the answer's Retry-After in milliseconds (RFC 9110 section 10.2.3 gives seconds or a date). */
  | { readonly kind: 'status'; readonly status: number; readonly retryAfterMs?: number }

export interface RetryQuestion {
  readonly failure: AttemptFailure
  /** Retries that this request has had so far. */
  readonly retries: number
  readonly elapsedMs: number
  /**
   * Whether sending it again is safe: the method is idempotent (RFC 9110 section 9.2.2) or nothing was sent, the body can
   * be replayed, and the client has not received a byte.
   */
  readonly replayable: boolean
  /** Whether a candidate is left that this request has not tried. */
  readonly otherLeft: boolean
  readonly budget: RetryBudget
}

export type RetryDecision =
  | {
      readonly kind: 'retry'
      readonly where: 'other' | 'same'
      readonly delayMs: number
      readonly budget: RetryBudget
    }
  | { readonly kind: 'stop'; readonly why: StopReason; readonly budget: RetryBudget }

export type StopReason = 'not_replayable' | 'not_retriable' | 'retries_used_up' | 'deadline' | 'budget_spent'

/** 3 retries, 100 ms doubling up to 5 s with full jitter, 30 s in all, at most 20 % of the requests (but 3 in 10 s always). */
export const defaultRetryPolicy: RetryPolicy = {
  retriesMax: 3,
  backoff: defaultBackoff,
  deadlineMs: 30_000,
  retriableErrors: ['connection_refused', 'connection_reset', 'timeout', 'broken_pipe'],
  retriableStatuses: [502, 503, 504],
  budget: { share: 0.2, retriesMin: 3, windowMs: 10_000 },
}

/**
 * Whether a failed attempt is followed by another. A candidate that this request has not tried is tried at once; when all
 * have been, it waits by the backoff, and as long as the same candidate's Retry-After asks.
 */
export function decideRetry(
  question: RetryQuestion,
  nowMs: number,
  policy: RetryPolicy,
  chance: Chance,
): RetryDecision {
  const { failure, retries, elapsedMs, otherLeft, budget } = question
  const stop = (why: StopReason): RetryDecision => ({ kind: 'stop', why, budget })
  if (!question.replayable) return stop('not_replayable')
  if (!isRetriable(failure, policy)) return stop('not_retriable')
  if (retries >= policy.retriesMax) return stop('retries_used_up')
  const where = otherLeft ? 'other' : 'same'
  const backoff = otherLeft ? 0 : backoffMs(policy.backoff, retries, chance)
  const askedMs = where === 'same' && failure.kind === 'status' ? (failure.retryAfterMs ?? 0) : 0
  const delayMs = Math.max(backoff, askedMs)
  if (elapsedMs + delayMs >= policy.deadlineMs) return stop('deadline')
  const left = takeRetry(budget, nowMs, policy.budget)
  if (left === undefined) return stop('budget_spent')
  return { kind: 'retry', where, delayMs, budget: left }
}

function isRetriable(failure: AttemptFailure, policy: RetryPolicy): boolean {
  if (failure.kind === 'status') return policy.retriableStatuses.includes(failure.status)
  return policy.retriableErrors.some((error) => error === failure.error)
}
