import { createGroup, healthOf } from '../../failover/group.ts'
import type { GroupEffect, GroupEvent, GroupPolicy, HealthSnapshot, Pin } from '../../failover/group.ts'
import { GroupRunner } from '../../failover/group-runner.ts'
import type { GroupMemory } from '../../failover/group-runner.ts'
import type { Evidence } from '../../failover/health.ts'
import type { PickReason, PickRequest } from '../../failover/pick.ts'
import { emptyRetryBudget } from '../../failover/retry-budget.ts'
import type { RetryBudget } from '../../failover/retry-budget.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Random } from '../../lib/random.ts'
import type { TimerWheel } from '../wire/timer-wheel.ts'
import { LatencyWindow } from './latency-window.ts'
import { candidatesOf, endpointCandidate } from './endpoint.ts'
import type { Endpoint } from './endpoint.ts'
import { liveEndpoints } from './live-endpoint.ts'
import type { LiveEndpoint } from './live-endpoint.ts'

/** Checks endpoints at intervals for as long as the engine wants them watched, and tells by `probed`. */
export interface EndpointProber {
  start(endpoint: Endpoint, intervalMs: number): void
  stop(endpointId: string): void
}

export interface EndpointGroupOptions {
  readonly endpoints: readonly Endpoint[]
  readonly policy: GroupPolicy
  readonly clock: Clock
  readonly random: Random
  readonly wheel: TimerWheel
  readonly memory?: GroupMemory
  readonly prober?: EndpointProber
  /** What an event led to, probes and timers aside, in order: receipts, changes of health, refusals of requests by hand. */
  readonly onEffect?: (effect: GroupEffect, event: GroupEvent) => void
  readonly onFault: (error: unknown) => void
}

/** One request that was given to an endpoint. Report its outcome exactly once. */
export interface PickedEndpoint {
  readonly endpoint: LiveEndpoint
  readonly generation: number
  readonly why: PickReason
}

/** Why there is no endpoint for a request. */
export type NoEndpoint = Extract<PickReason, 'no_candidates' | 'all_excluded' | 'none_usable' | 'all_busy'>

export interface EndpointSnapshot extends HealthSnapshot {
  readonly endpoint: Endpoint
  readonly inFlight: number
  readonly openConnections: number
  readonly isProbed: boolean
  /** When its circuit lets a trial through, milliseconds of the clock's `nowMs`; null while it is not open. */
  readonly openUntilMs: number | null
}

const RETRY_AFTER_SECONDS_MAX = 30

/**
 * A set of endpoints that stand in for each other: the engine's group, the connections, and what all their requests
 * share. It is the only writer of the endpoints' health.
 */
export class EndpointGroup implements Disposable {
  readonly #options: EndpointGroupOptions
  /** How long answers take, for hedging. */
  readonly latency = new LatencyWindow()
  retryBudget: RetryBudget = emptyRetryBudget
  hedgeBudget: RetryBudget = emptyRetryBudget
  #live: ReadonlyMap<string, LiveEndpoint>
  #policy: GroupPolicy
  #isDisposed = false
  readonly #runner: GroupRunner

  /** Throws a RangeError for endpoints that cannot be ranked or reached (duplicate id, weight, URL). */
  constructor(options: EndpointGroupOptions) {
    this.#options = options
    const { endpoints, memory, policy } = options
    this.#policy = policy
    const { clock, random: chance } = options
    this.#runner = new GroupRunner({
      candidates: candidatesOf(endpoints),
      ...{ memory, clock, chance },
      policy: () => this.#policy,
      act: (effects, event) => {
        for (const effect of effects) this.#act(effect, event)
      },
    })
    this.#live = liveEndpoints(endpoints, new Map(), options)
    this.dispatch({ kind: 'started' })
  }

  get memory(): GroupMemory {
    return this.#runner.memory
  }

  get policy(): GroupPolicy {
    return this.#policy
  }

  get pin(): Pin | null {
    const { pin } = this.#runner.state
    return pin !== null && pin.untilMs !== null && this.#options.clock.nowMs() >= pin.untilMs ? null : pin
  }

  /** Where an ordered choice stands; null when nothing is usable or listed. */
  get activeEndpointId(): string | null {
    return this.#runner.state.onAir?.id ?? null
  }

  /** Gives one request to one endpoint, or says why there is none. */
  pick(request: PickRequest): PickedEndpoint | NoEndpoint {
    const { id, generation, why } = this.#runner.pick(request)
    if (id === undefined) return why as NoEndpoint
    const endpoint = this.#live.get(id)
    if (endpoint === undefined) return 'no_candidates'
    return { endpoint, generation, why }
  }

  succeeded({ endpoint, generation }: PickedEndpoint): void {
    this.dispatch({ kind: 'candidate_succeeded', id: endpoint.id, generation })
  }

  /** It was answered and keeps its place until `left`. */
  wentOn({ endpoint, generation }: PickedEndpoint): void {
    this.dispatch({ kind: 'candidate_succeeded', id: endpoint.id, generation, goesOn: true })
  }

  left({ endpoint }: PickedEndpoint): void {
    this.dispatch({ kind: 'request_left', id: endpoint.id })
  }

  failed({ endpoint, generation }: PickedEndpoint, reason: string, evidence?: Evidence): void {
    const failed = { kind: 'candidate_failed', id: endpoint.id, generation, reason } as const
    this.dispatch(evidence === undefined ? failed : { ...failed, evidence })
  }

  /** It ended without saying anything about the endpoint. */
  abandoned({ endpoint, generation }: PickedEndpoint): void {
    this.dispatch({ kind: 'request_abandoned', id: endpoint.id, generation })
  }

  /** What a check of an endpoint found. */
  probed(
    endpointId: string,
    outcome: { readonly ok: boolean; readonly reason?: string; readonly evidence?: Evidence },
  ) {
    const id = endpointCandidate(endpointId)
    if (outcome.ok) this.dispatch({ kind: 'probe_succeeded', id })
    else {
      const { reason = 'probe_failed', evidence } = outcome
      this.dispatch({ kind: 'probe_failed', id, reason, ...(evidence === undefined ? {} : { evidence }) })
    }
  }

  dispatch(event: GroupEvent): void {
    this.#runner.dispatch(event)
  }

  /** Edits the list in place: what stays keeps its health and its requests. Throws as the constructor does. */
  setEndpoints(endpoints: readonly Endpoint[]): void {
    const candidates = candidatesOf(endpoints)
    // A list that cannot be ranked is refused before anything has changed.
    createGroup(candidates)
    this.#live = liveEndpoints(endpoints, this.#live, this.#options)
    this.dispatch({ kind: 'candidates_changed', candidates })
  }

  setPolicy(policy: GroupPolicy): void {
    this.#policy = policy
    this.dispatch({ kind: 'tick' })
  }

  get endpoints(): readonly EndpointSnapshot[] {
    return [...this.#live.values()].map((live) => this.#snapshot(live))
  }

  /** Whole seconds after which asking again makes sense, 1 to 30: when the first circuit lets a trial through. */
  get retryAfterSeconds(): number {
    const nowMs = this.#options.clock.nowMs()
    let firstMs = Number.POSITIVE_INFINITY
    for (const { breaker } of this.#runner.state.candidates) {
      firstMs = Math.min(firstMs, breaker.kind === 'open' ? breaker.untilMs : nowMs)
    }
    const seconds = Math.ceil((firstMs - nowMs) / 1_000)
    return Math.min(RETRY_AFTER_SECONDS_MAX, Math.max(1, Number.isFinite(seconds) ? seconds : 1))
  }

  [Symbol.dispose](): void {
    if (this.#isDisposed) return
    this.dispatch({ kind: 'stopped' })
    this.#isDisposed = true
    this.#runner[Symbol.dispose]()
    for (const { pool } of this.#live.values()) pool.close()
  }

  #snapshot({ id, endpoint, pool }: LiveEndpoint): EndpointSnapshot {
    const nowMs = this.#options.clock.nowMs()
    const known = this.#runner.state.candidates.find(({ spec }) => spec.id === id)
    const breaker = known?.breaker
    return {
      ...healthOf(this.#runner.state, id, nowMs, this.#policy),
      endpoint,
      inFlight: known?.inFlight ?? 0,
      openConnections: pool.openConnections,
      isProbed: known !== undefined && known.probing !== null,
      openUntilMs: breaker?.kind === 'open' ? breaker.untilMs : null,
    }
  }

  #act(effect: GroupEffect, event: GroupEvent): void {
    const { prober, onEffect } = this.#options
    switch (effect.kind) {
      case 'arm_timer':
      case 'cancel_timer':
        break
      case 'start_probing': {
        const live = this.#live.get(effect.id)
        if (live !== undefined) prober?.start(live.endpoint, effect.intervalMs)
        break
      }
      case 'stop_probing':
        prober?.stop(effect.id)
        break
      default:
        onEffect?.(effect, event)
    }
  }
}
