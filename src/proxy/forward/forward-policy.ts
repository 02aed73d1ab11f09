import { defaultRetryPolicy } from '../../failover/retry-policy.ts'
import type { RetryPolicy } from '../../failover/retry-policy.ts'
import type { RetryBudgetPolicy } from '../../failover/retry-budget.ts'

/** A second endpoint is asked while the first has not answered yet; whoever is first wins, the other is cancelled. */
export interface HedgePolicy {
  /** After so many milliseconds, or after the time in which 95 of 100 answers come. */
  readonly afterMs: number | 'p95'
  readonly budget: RetryBudgetPolicy
}

/** How long an answer is kept back so that one that breaks off can be had elsewhere before the client has seen any of it. */
export interface HoldBackPolicy {
  /** Longer bodies are passed on as they come; 0 holds nothing back. */
  readonly bytesMax: number
  /** An answer whose length is known and within `bytesMax` is passed on unfinished after so long. */
  readonly knownLengthMs: number
  /** The same for one whose length is not known. Server-sent events never wait. */
  readonly unknownLengthMs: number
}

/** All limits of one request. Times are milliseconds. */
export interface ForwardPolicy {
  /** Name, TCP and TLS together, for each attempt. */
  readonly connectMs: number
  /** From the end of the request to the answer's head, for each attempt. */
  readonly firstByteMs: number
  /** Silence within an answer, and an upstream that takes none of the request's body. */
  readonly idleMs: number
  /** Silence in both directions after a change of protocol (WebSocket). */
  readonly upgradeIdleMs: number
  /**
   * Attempts, statuses, waits and their budget. `deadlineMs` is the time in all, from the whole request until the answer
   * begins for the client.
   */
  readonly retry: RetryPolicy
  /** Also sends POST and PATCH again after an upstream may have acted on them. */
  readonly retryNonIdempotent: boolean
  /** Request bodies up to this many bytes are kept to be sent again. */
  readonly replayBytesMax: number
  readonly holdBack: HoldBackPolicy
  /** Goes on with a larger body that broke off at another endpoint, when it is provably the same. */
  readonly isResumed: boolean
  /** Undefined: no second endpoint is asked while the first is silent, but for trials. */
  readonly hedge: HedgePolicy | undefined
  /** A trial of an endpoint that may be dead has a second one beside it after so long, whatever `hedge` says. */
  readonly trialHedgeMs: number
  /** How long the body waits for an upstream that says nothing to `Expect: 100-continue` (RFC 9110 section 10.1.1). */
  readonly continueMs: number
}

/** A tenth of the requests, and 50 in 10 s always: so that one round of clients is covered when a replica hangs. */
export const defaultHedgeBudget: RetryBudgetPolicy = { share: 0.1, retriesMin: 50, windowMs: 10_000 }

export const defaultForwardPolicy: ForwardPolicy = {
  connectMs: 500,
  firstByteMs: 15_000,
  idleMs: 60_000,
  upgradeIdleMs: 600_000,
  // 10 retries a second are always allowed: the first round of clients is not refused for want of a history.
  retry: { ...defaultRetryPolicy, budget: { ...defaultRetryPolicy.budget, retriesMin: 100 } },
  retryNonIdempotent: false,
  replayBytesMax: 65_536,
  holdBack: { bytesMax: 65_536, knownLengthMs: 2_000, unknownLengthMs: 50 },
  isResumed: true,
  hedge: undefined,
  trialHedgeMs: 200,
  continueMs: 1_000,
}
