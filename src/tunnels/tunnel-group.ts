import { candidateId, healthOf } from '../failover/group.ts'
import type { CandidateSpec, GroupEffect, GroupEvent, GroupPolicy, GroupState } from '../failover/group.ts'
import { GroupRunner } from '../failover/group-runner.ts'
import type { GroupMemory } from '../failover/group-runner.ts'
import type { PickReason, PickRequest } from '../failover/pick.ts'
import type { Clock } from '../lib/clock.ts'
import type { Random } from '../lib/random.ts'
import type { EndpointSnapshot, PinSnapshot, TunnelEndpoint } from './tunnel.ts'

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

/** The failover group of one tunnel: the only writer of its endpoints' health. */
export class TunnelGroup implements Disposable {
  readonly #options: TunnelGroupOptions
  readonly #runner: GroupRunner

  constructor(options: TunnelGroupOptions) {
    this.#options = options
    const { endpoints, memory, policy, clock, random: chance, act } = options
    this.#runner = new GroupRunner({
      candidates: specsOf(endpoints),
      ...{ memory, clock, chance, act },
      policy: () => policy,
    })
  }

  get memory(): GroupMemory {
    return this.#runner.memory
  }

  /** The switch under way whose new endpoint has not answered yet. */
  get pending(): GroupState['pending'] {
    return this.#runner.state.pending
  }

  get activeEndpointId(): string | null {
    return this.#runner.state.onAir?.id ?? this.#runner.state.resume?.id ?? null
  }

  get pin(): PinSnapshot | null {
    const { pin } = this.#runner.state
    const { clock } = this.#options
    if (pin === null || (pin.untilMs !== null && clock.nowMs() >= pin.untilMs)) return null
    return { endpointId: pin.id, untilWallMs: pin.untilMs === null ? null : this.#wallMs(pin.untilMs), by: pin.by }
  }

  dispatch(event: GroupEvent): void {
    this.#runner.dispatch(event)
  }

  /** Gives one request to one endpoint, or says why there is none. */
  choose(request: PickRequest): Chosen | NoneChosen {
    const { id, generation, why } = this.#runner.pick(request)
    return id === undefined ? (why as NoneChosen) : { endpointId: id, generation, why }
  }

  setEndpoints(endpoints: readonly TunnelEndpoint[]): void {
    this.dispatch({ kind: 'candidates_changed', candidates: specsOf(endpoints) })
  }

  snapshot(endpoint: TunnelEndpoint): EndpointSnapshot {
    const { clock, policy } = this.#options
    const id = candidateId(endpoint.id)
    const { health, failures, lastFailure } = healthOf(this.#runner.state, id, clock.nowMs(), policy)
    const known = this.#runner.state.candidates.find(({ spec }) => spec.id === id)
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
    this.#runner[Symbol.dispose]()
  }

  #wallMs(atMs: number): number {
    const { clock } = this.#options
    return Math.round(clock.wallMs() - (clock.nowMs() - atMs))
  }
}

function specsOf(endpoints: readonly TunnelEndpoint[]): readonly CandidateSpec[] {
  return endpoints.map(({ id, priority, weight }) => ({ id: candidateId(id), priority, weight }))
}
