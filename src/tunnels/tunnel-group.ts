import { candidateId, createGroup, healthOf, restoreGroup, step } from '../failover/group.ts'
import type { CandidateSpec, GroupEffect, GroupEvent, GroupPolicy, GroupState } from '../failover/group.ts'
import { pick } from '../failover/pick.ts'
import type { PickReason, PickRequest } from '../failover/pick.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import type { Random } from '../lib/random.ts'
import type { EndpointSnapshot, PinSnapshot, TunnelEndpoint } from './tunnel.ts'

/** Plain JSON data. */
export interface GroupMemory {
  readonly state: GroupState
  readonly savedAtMs: number
}

interface TunnelGroupOptions {
  readonly endpoints: readonly TunnelEndpoint[]
  readonly memory: GroupMemory | undefined
  readonly policy: GroupPolicy
  readonly clock: Clock
  readonly random: Random
  /** What one event led to, in order; the engine's own timer is already taken care of. */
  readonly act: (effects: readonly GroupEffect[], event: GroupEvent) => void
}

/** An endpoint that a request was given to, and on what grounds. */
export interface Chosen {
  readonly endpointId: string
  /** Hand it back with what became of the request: an answer from before the circuit changed does not count. */
  readonly generation: number
  readonly why: PickReason
}

/** Why there is no endpoint for a request. */
export type NoneChosen = Extract<PickReason, 'no_candidates' | 'all_excluded' | 'none_usable' | 'all_busy'>

/**
 * The failover group of one tunnel: the engine's state and its timer. It is the only writer of the endpoints' health.
 * Events go through one queue, so no effect is acted on in the middle of a step.
 */
export class TunnelGroup implements Disposable {
  readonly #options: TunnelGroupOptions
  readonly #queue: GroupEvent[] = []
  #isStepping = false
  #isDisposed = false
  #state: GroupState
  #timer: Timer | undefined

  constructor(options: TunnelGroupOptions) {
    this.#options = options
    const { endpoints, memory } = options
    this.#state = memory === undefined ? createGroup(specsOf(endpoints)) : this.#restored(memory, endpoints)
  }

  get memory(): GroupMemory {
    return { state: this.#state, savedAtMs: this.#options.clock.nowMs() }
  }

  /** The switch under way whose new endpoint has not answered yet. */
  get pending(): GroupState['pending'] {
    return this.#state.pending
  }

  get activeEndpointId(): string | null {
    return this.#state.onAir?.id ?? this.#state.resume?.id ?? null
  }

  get pin(): PinSnapshot | null {
    const { pin } = this.#state
    const { clock } = this.#options
    if (pin === null || (pin.untilMs !== null && clock.nowMs() >= pin.untilMs)) return null
    return { endpointId: pin.id, untilWallMs: pin.untilMs === null ? null : this.#wallMs(pin.untilMs), by: pin.by }
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

  /** Gives one request to one endpoint, or says why there is none. */
  choose(request: PickRequest): Chosen | NoneChosen {
    const { clock, policy } = this.#options
    const { id, generation, state, why } = pick(this.#state, request, clock.nowMs(), policy)
    this.#state = state
    return id === undefined ? (why as NoneChosen) : { endpointId: id, generation, why }
  }

  setEndpoints(endpoints: readonly TunnelEndpoint[]): void {
    this.dispatch({ kind: 'candidates_changed', candidates: specsOf(endpoints) })
  }

  snapshot(endpoint: TunnelEndpoint): EndpointSnapshot {
    const { clock, policy } = this.#options
    const id = candidateId(endpoint.id)
    const { health, failures, lastFailure } = healthOf(this.#state, id, clock.nowMs(), policy)
    const known = this.#state.candidates.find(({ spec }) => spec.id === id)
    const lastOutcomeAtMs = known?.health.lastOutcomeAtMs ?? 0
    return {
      endpoint,
      health,
      failureCount: failures,
      lastCheckWallMs: lastOutcomeAtMs === 0 ? null : this.#wallMs(lastOutcomeAtMs),
      lastFailureWallMs: lastFailure === undefined ? null : this.#wallMs(lastFailure.atMs),
      isRecovering: health === 'unhealthy' && known !== undefined && known.probing !== null,
    }
  }

  [Symbol.dispose](): void {
    this.#isDisposed = true
    this.#timer?.cancel()
  }

  #wallMs(atMs: number): number {
    const { clock } = this.#options
    return Math.round(clock.wallMs() - (clock.nowMs() - atMs))
  }

  /** The remembered state at rest, with today's list of endpoints; nothing of it needs to be acted on. */
  #restored(memory: GroupMemory, endpoints: readonly TunnelEndpoint[]): GroupState {
    const { clock, policy } = this.#options
    const nowMs = clock.nowMs()
    // The time that the gateway was down has passed for the endpoints too; only a clock that was set back is made up for.
    const restored = restoreGroup(memory.state, Math.min(0, nowMs - memory.savedAtMs))
    return step(restored, { kind: 'candidates_changed', candidates: specsOf(endpoints) }, nowMs, policy).state
  }

  #step(event: GroupEvent): void {
    const { clock, random, policy, act } = this.#options
    const { state, effects } = step(this.#state, event, clock.nowMs(), policy, random)
    this.#state = state
    for (const effect of effects) {
      if (effect.kind === 'arm_timer') {
        this.#timer?.cancel()
        this.#timer = clock.schedule(Math.max(0, effect.atMs - clock.nowMs()), () => this.dispatch({ kind: 'tick' }))
      } else if (effect.kind === 'cancel_timer') {
        this.#timer?.cancel()
        this.#timer = undefined
      }
    }
    act(effects, event)
  }
}

function specsOf(endpoints: readonly TunnelEndpoint[]): readonly CandidateSpec[] {
  return endpoints.map(({ id, priority, weight }) => ({ id: candidateId(id), priority, weight }))
}
