import type { CandidateId } from '../../failover/group.ts'
import { countRequest, takeRetry } from '../../failover/retry-budget.ts'
import { decideRetry } from '../../failover/retry-policy.ts'
import type { AttemptFailure } from '../../failover/retry-policy.ts'
import type { NoEndpoint, PickedEndpoint } from '../endpoints/endpoint-group.ts'
import type { Account } from './account.ts'
import type { ForwardJob } from './forward-facts.ts'
import { defaultHedgeBudget } from './forward-policy.ts'

/** What follows a failed attempt. */
export type NextAttempt =
  | { readonly kind: 'now'; readonly picked: PickedEndpoint }
  /** All have been tried: any of them again, after a wait. */
  | { readonly kind: 'later'; readonly delayMs: number }
  | { readonly kind: 'none' }

const NONE: NextAttempt = { kind: 'none' }
const NOBODY: readonly CandidateId[] = []

/** Chooses the endpoints for the attempts of one request: a different one each time, for as long as the policy lets it. */
export class Chooser {
  readonly #job: ForwardJob
  readonly #account: Account
  readonly #maySendTwice: boolean
  #tried: readonly CandidateId[] = NOBODY
  /** An upstream may have acted on the request. */
  wasSent = false

  constructor(job: ForwardJob, account: Account, maySendTwice: boolean) {
    this.#job = job
    this.#account = account
    this.#maySendTwice = maySendTwice
  }

  /** The endpoint for the first attempt; counts the request. */
  first(): PickedEndpoint | NoEndpoint {
    const { retry, hedge } = this.#job.policy
    const group = this.#job.group
    const nowMs = this.#account.startMs
    group.retryBudget = countRequest(group.retryBudget, nowMs, retry.budget)
    if (hedge !== undefined) group.hedgeBudget = countRequest(group.hedgeBudget, nowMs, hedge.budget)
    return this.#pick(!this.#maySendTwice)
  }

  /** Another one beside the first, if the budget allows. */
  beside(): PickedEndpoint | undefined {
    const group = this.#job.group
    const budget = this.#job.policy.hedge?.budget ?? defaultHedgeBudget
    const left = takeRetry(group.hedgeBudget, this.#job.shared.clock.nowMs(), budget)
    if (left === undefined) return undefined
    const picked = this.#pick(true)
    if (typeof picked === 'string') return undefined
    group.hedgeBudget = left
    return picked
  }

  /** What follows a failure, `elapsedMs` after the request had arrived. Takes it out of the budget. */
  next(failure: AttemptFailure, elapsedMs: number): NextAttempt {
    if (!this.#maySendTwice && this.wasSent) return NONE
    const group = this.#job.group
    const picked = this.#pick(true)
    const otherLeft = typeof picked !== 'string'
    const decision = decideRetry(
      { failure, retries: this.#account.retries, elapsedMs, replayable: true, otherLeft, budget: group.retryBudget },
      this.#job.shared.clock.nowMs(),
      this.#job.policy.retry,
      this.#job.shared.random,
    )
    if (decision.kind === 'stop') {
      if (otherLeft) group.abandoned(picked)
      return NONE
    }
    group.retryBudget = decision.budget
    this.#account.retries += 1
    return otherLeft ? { kind: 'now', picked } : { kind: 'later', delayMs: decision.delayMs }
  }

  /** Any endpoint again, after the wait. */
  again(): PickedEndpoint | undefined {
    this.#tried = NOBODY
    const picked = this.#pick(!this.#maySendTwice)
    return typeof picked === 'string' ? undefined : picked
  }

  #pick(noTrials: boolean): PickedEndpoint | NoEndpoint {
    const { key, region } = this.#job.facts
    const exclude = this.#tried
    const question =
      key === undefined && region === undefined
        ? { exclude, noTrials }
        : { exclude, noTrials, ...(key === undefined ? {} : { key }), ...(region === undefined ? {} : { region }) }
    const picked = this.#job.group.pick(question)
    if (typeof picked !== 'string')
      this.#tried = exclude.length === 0 ? [picked.endpoint.id] : [...exclude, picked.endpoint.id]
    return picked
  }
}
