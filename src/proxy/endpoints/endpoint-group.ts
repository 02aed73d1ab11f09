import { createGroup, healthOf, restoreGroup, step } from '../../failover/group.ts'
import type { GroupEffect, GroupEvent, GroupPolicy, GroupState, HealthSnapshot, Pin } from '../../failover/group.ts'
import type { Evidence } from '../../failover/health.ts'
import { pick } from '../../failover/pick.ts'
import type { PickReason, PickRequest } from '../../failover/pick.ts'
import { emptyRetryBudget } from '../../failover/retry-budget.ts'
import type { RetryBudget } from '../../failover/retry-budget.ts'
import type { Clock, Timer } from '../../lib/clock.ts'
import type { Random } from '../../lib/random.ts'
import type { TimerWheel } from '../wire/timer-wheel.ts'
import { LatencyWindow } from './latency-window.ts'
import { candidatesOf, endpointCandidate } from './endpoint.ts'
import type { Endpoint } from './endpoint.ts'
import { liveEndpoints } from './live-endpoint.ts'
import type { LiveEndpoint } from './live-endpoint.ts'

/** What a group knows, for the store: plain JSON data. */
export interface GroupMemory {
  readonly state: GroupState
  readonly savedAtMs: number
}

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
 * share. It is the only writer of the endpoints' health. Events go through one queue, so that no effect is acted on in
 * the middle of a step.
 */
export class EndpointGroup implements Disposable {
  readonly #options: EndpointGroupOptions
  readonly #queue: GroupEvent[] = []
  /** How long answers take, for hedging. */
  readonly latency = new LatencyWindow()
  retryBudget: RetryBudget = emptyRetryBudget
  hedgeBudget: RetryBudget = emptyRetryBudget
  #live: ReadonlyMap<string, LiveEndpoint>
  #policy: GroupPolicy
  #isStepping = false
  #isDisposed = false
  #state: GroupState
  #timer: Timer | undefined

  /** Throws a RangeError for endpoints that cannot be ranked or reached (duplicate id, weight, URL). */
  constructor(options: EndpointGroupOptions) {
    this.#options = options
    const { endpoints, memory, policy } = options
    this.#policy = policy
    this.#state = memory === undefined ? createGroup(candidatesOf(endpoints)) : this.#restored(memory, endpoints)
    this.#live = liveEndpoints(endpoints, new Map(), options)
    this.dispatch({ kind: 'started' })
  }

  get memory(): GroupMemory {
    return { state: this.#state, savedAtMs: this.#options.clock.nowMs() }
  }

  get policy(): GroupPolicy {
    return this.#policy
  }

  get pin(): Pin | null {
    const { pin } = this.#state
    return pin !== null && pin.untilMs !== null && this.#options.clock.nowMs() >= pin.untilMs ? null : pin
  }

  /** Where an ordered choice stands; null when nothing is usable or listed. */
  get activeEndpointId(): string | null {
    return this.#state.onAir?.id ?? null
  }

  /** Gives one request to one endpoint, or says why there is none. */
  pick(request: PickRequest): PickedEndpoint | NoEndpoint {
    const { id, generation, state, why } = pick(this.#state, request, this.#options.clock.nowMs(), this.#policy)
    if (id === undefined) return why as NoEndpoint
    const endpoint = this.#live.get(id)
    if (endpoint === undefined) return 'no_candidates'
    this.#state = state
    return { endpoint, generation, why }
  }

  succeeded({ endpoint, generation }: PickedEndpoint): void {
    this.dispatch({ kind: 'candidate_succeeded', id: endpoint.id, generation })
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
    if (this.#isDisposed) return
    this.#queue.push(event)
    if (this.#isStepping) return
    this.#isStepping = true
    try {
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) this.#step(next)
    } finally {
      this.#isStepping = false
    }
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
    for (const { breaker } of this.#state.candidates) {
      firstMs = Math.min(firstMs, breaker.kind === 'open' ? breaker.untilMs : nowMs)
    }
    const seconds = Math.ceil((firstMs - nowMs) / 1_000)
    return Math.min(RETRY_AFTER_SECONDS_MAX, Math.max(1, Number.isFinite(seconds) ? seconds : 1))
  }

  [Symbol.dispose](): void {
    if (this.#isDisposed) return
    this.dispatch({ kind: 'stopped' })
    this.#isDisposed = true
    this.#timer?.cancel()
    for (const { pool } of this.#live.values()) pool.close()
  }

  #snapshot({ id, endpoint, pool }: LiveEndpoint): EndpointSnapshot {
    const nowMs = this.#options.clock.nowMs()
    const known = this.#state.candidates.find(({ spec }) => spec.id === id)
    const breaker = known?.breaker
    return {
      ...healthOf(this.#state, id, nowMs, this.#policy),
      endpoint,
      inFlight: known?.inFlight ?? 0,
      openConnections: pool.openConnections,
      isProbed: known !== undefined && known.probing !== null,
      openUntilMs: breaker?.kind === 'open' ? breaker.untilMs : null,
    }
  }

  /** The remembered state at rest, with today's list of endpoints; nothing of it needs to be acted on. */
  #restored(memory: GroupMemory, endpoints: readonly Endpoint[]): GroupState {
    const nowMs = this.#options.clock.nowMs()
    // The time that the gateway was down has passed for the endpoints too; only a clock that was set back is made up for.
    const restored = restoreGroup(memory.state, Math.min(0, nowMs - memory.savedAtMs))
    return step(restored, { kind: 'candidates_changed', candidates: candidatesOf(endpoints) }, nowMs, this.#policy)
      .state
  }

  #step(event: GroupEvent): void {
    const { clock, random } = this.#options
    const { state, effects } = step(this.#state, event, clock.nowMs(), this.#policy, random)
    this.#state = state
    for (const effect of effects) this.#act(effect, event)
  }

  #act(effect: GroupEffect, event: GroupEvent): void {
    const { clock, prober, onEffect } = this.#options
    switch (effect.kind) {
      case 'arm_timer':
        this.#timer?.cancel()
        this.#timer = clock.schedule(Math.max(0, effect.atMs - clock.nowMs()), () => this.dispatch({ kind: 'tick' }))
        break
      case 'cancel_timer':
        this.#timer?.cancel()
        this.#timer = undefined
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
