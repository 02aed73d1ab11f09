import type { Evidence } from '../../failover/health.ts'
import type { PickRequest } from '../../failover/pick.ts'
import type { RetryBudget } from '../../failover/retry-budget.ts'
import type { NoEndpoint, PickedEndpoint } from '../endpoints/endpoint-group.ts'
import type { LatencyWindow } from '../endpoints/latency-window.ts'

/**
 * What a request needs of the endpoints that can serve it: somebody who chooses among them and is told what became of each
 * attempt. `EndpointGroup` is one; a tunnel is another, whose health has an owner of its own.
 */
export interface ReplicaGroup {
  retryBudget: RetryBudget
  hedgeBudget: RetryBudget
  /** How long answers take, for hedging. */
  readonly latency: LatencyWindow
  /** Whole seconds after which asking again makes sense. */
  readonly retryAfterSeconds: number
  /** Gives one request to one endpoint, or says why there is none. Exactly one of the others follows for each, `left` aside. */
  pick(request: PickRequest): PickedEndpoint | NoEndpoint
  succeeded(picked: PickedEndpoint): void
  /** It was answered and goes on, as a connection that switched protocols does: `left` says when it is over. */
  wentOn(picked: PickedEndpoint): void
  left(picked: PickedEndpoint): void
  failed(picked: PickedEndpoint, reason: string, evidence?: Evidence): void
  /** It ended without saying anything about the endpoint. */
  abandoned(picked: PickedEndpoint): void
}
