import { z } from 'zod'
import { candidateId } from '../failover/group.ts'
import type { GroupEffect, GroupEvent, GroupPolicy } from '../failover/group.ts'
import type { Evidence } from '../failover/health.ts'
import type { PickRequest } from '../failover/pick.ts'
import type { Clock } from '../lib/clock.ts'
import { errorMessage } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import type { Random } from '../lib/random.ts'
import type { Json, Store } from '../store/store.ts'
import { jittered } from '../proxy/health/check-schedule.ts'
import type { CheckSchedule } from '../proxy/health/check-schedule.ts'
import type { Probe, ProbeOutcome } from './probe.ts'
import { storedCounters, TunnelCounters } from './tunnel-counters.ts'
import { TunnelGroup } from './tunnel-group.ts'
import type { GroupMemory } from '../failover/group-runner.ts'
import type { Chosen, NoneChosen } from './tunnel-group.ts'
import type { TunnelReporter } from './tunnel-reporter.ts'
import type { EndpointSnapshot, Tunnel, TunnelSnapshot, TunnelStatus } from './tunnel.ts'

/** How a request to an endpoint ended, or what somebody says of it. */
export type Outcome =
  | { readonly kind: 'succeeded'; readonly latencyMs?: number; readonly generation?: number }
  | {
      readonly kind: 'failed'
      /** One word, as `refused`, `timeout` or `http_status`. */
      readonly reason: string
      readonly evidence?: Evidence
      readonly latencyMs?: number
      readonly generation?: number
    }
  /** It ended without saying anything about the endpoint: the client went away. */
  | { readonly kind: 'abandoned'; readonly generation?: number }

/** How an attempt stands that a request through the tunnel made. */
export type AttemptOutcome =
  | Outcome
  /** It was answered and keeps its place until it has `left`: a connection that switched protocols. */
  | { readonly kind: 'went_on'; readonly generation: number }
  | { readonly kind: 'left' }

/** What a live tunnel takes part in. */
export interface TunnelSurroundings {
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly checks: CheckSchedule
  readonly probe: Probe
  readonly policy: GroupPolicy
}

interface LiveTunnelOptions extends TunnelSurroundings {
  readonly tunnel: Tunnel
  readonly memory: TunnelMemory | undefined
  readonly reporter: (tunnel: () => Tunnel) => TunnelReporter
}

export interface TunnelMemory {
  readonly group: GroupMemory
  readonly counters: TunnelCounters
}

/** The group's state is the engine's own JSON; it is looked into no further than that it is there. */
const storedMemory = z.object({
  group: z.object({
    state: z.looseObject({ version: z.literal(1), candidates: z.array(z.unknown()) }),
    savedAtMs: z.number(),
  }),
  counters: storedCounters,
})

/** Undefined for what is not a memory of this version. */
export function readMemory(value: unknown): TunnelMemory | undefined {
  const parsed = storedMemory.safeParse(value)
  if (!parsed.success) return undefined
  const { group, counters } = parsed.data
  return { group: group as unknown as GroupMemory, counters: new TunnelCounters(counters) }
}

/** An endpoint of which nothing is known is looked at within this. */
const FIRST_LOOK_MS = 1_000
const SAVE_RETRY_MS = 1_000

/** One tunnel at work: its group, the checks of its endpoints, its counters, and what of them is to survive. */
export class LiveTunnel implements AsyncDisposable {
  readonly #options: LiveTunnelOptions
  readonly #reporter: TunnelReporter
  readonly #counters: TunnelCounters
  readonly #group: TunnelGroup
  readonly #ended = new AbortController()
  #tunnel: Tunnel
  #status: TunnelStatus
  #saving: Promise<void> | undefined
  #writing: Promise<boolean> | undefined
  #isDirty = false
  readonly #isRestoring: boolean = true

  constructor(options: LiveTunnelOptions) {
    const { tunnel, memory, policy, clock, random, reporter } = options
    this.#options = options
    this.#tunnel = tunnel
    this.#reporter = reporter(() => this.#tunnel)
    this.#counters = memory?.counters ?? new TunnelCounters()
    this.#group = new TunnelGroup({
      ...{ endpoints: tunnel.endpoints, memory: memory?.group, policy, clock, random },
      act: (effects, event) => this.#act(effects, event),
    })
    this.#status = this.#statusNow()
    if (tunnel.lifecycle !== 'stopped') this.#group.dispatch({ kind: 'started' })
    this.#isRestoring = false
  }

  get tunnel(): Tunnel {
    return this.#tunnel
  }

  get status(): TunnelStatus {
    return this.#status
  }

  get reporter(): TunnelReporter {
    return this.#reporter
  }

  /** Takes on what was changed; endpoints that stay keep their health. */
  update(tunnel: Tunnel): void {
    const before = this.#tunnel
    this.#tunnel = tunnel
    if (before.endpoints !== tunnel.endpoints) this.#group.setEndpoints(tunnel.endpoints)
    if (before.lifecycle !== tunnel.lifecycle) {
      this.#group.dispatch({ kind: tunnel.lifecycle === 'stopped' ? 'stopped' : 'started' })
    }
    this.#settled()
  }

  endpoint(id: string): EndpointSnapshot | undefined {
    const endpoint = this.#tunnel.endpoints.find((one) => one.id === id)
    return endpoint === undefined ? undefined : this.#group.snapshot(endpoint)
  }

  snapshot(): TunnelSnapshot {
    return {
      tunnel: this.#tunnel,
      status: this.#status,
      endpoints: this.#tunnel.endpoints.map((endpoint) => this.#group.snapshot(endpoint)),
      pin: this.#group.pin,
      activeEndpointId: this.#group.activeEndpointId,
      metrics: this.#counters.metrics(),
    }
  }

  /** Who would be picked now, for somebody who may never report: no place stays taken. */
  advise(): EndpointSnapshot | undefined {
    const chosen = this.#group.choose({})
    if (typeof chosen === 'string') return undefined
    const { endpointId, generation } = chosen
    this.#group.dispatch({ kind: 'request_abandoned', id: candidateId(endpointId), generation })
    return this.endpoint(endpointId)
  }

  /** Gives one request to one endpoint, or says why there is none; `attempted` says what became of it. */
  choose(request: PickRequest): Chosen | NoneChosen {
    return this.#group.choose(request)
  }

  /** Counts a request that was one attempt. An endpoint that is not listed any more is left out of it. */
  report(endpointId: string, outcome: Outcome): void {
    if (!this.#tunnel.endpoints.some(({ id }) => id === endpointId)) return
    if (outcome.kind !== 'abandoned') {
      this.served(outcome.kind === 'succeeded' ? 'success' : 'failure', outcome.latencyMs)
    }
    this.attempted(endpointId, outcome)
  }

  /** What one attempt of a request says of its endpoint. */
  attempted(endpointId: string, outcome: AttemptOutcome): void {
    if (!this.#tunnel.endpoints.some(({ id }) => id === endpointId)) return
    const id = candidateId(endpointId)
    if (outcome.kind === 'left') return this.#group.dispatch({ kind: 'request_left', id })
    const request = { id, ...(outcome.generation === undefined ? {} : { generation: outcome.generation }) }
    switch (outcome.kind) {
      case 'succeeded':
        return this.#group.dispatch({ kind: 'candidate_succeeded', ...request })
      case 'went_on':
        return this.#group.dispatch({ kind: 'candidate_succeeded', ...request, goesOn: true })
      case 'failed': {
        const { reason, evidence = {} } = outcome
        return this.#group.dispatch({ kind: 'candidate_failed', ...request, reason, evidence })
      }
      case 'abandoned':
        return this.#group.dispatch({ kind: 'request_abandoned', ...request })
      default:
        return outcome satisfies never
    }
  }

  /** Counts a request by what its client got, however many attempts it took. */
  served(outcome: 'success' | 'failure', latencyMs: number | undefined): void {
    this.#counters.count(outcome, latencyMs)
    this.#isDirty = true
  }

  /** All requests go there, whatever its health, until it is released or `ttlMs` is over. */
  pin(endpointId: string, ttlMs: number | undefined, by: string): void {
    const ttl = ttlMs === undefined ? {} : { ttlMs }
    this.#group.dispatch({ kind: 'pin_requested', id: candidateId(endpointId), by, ...ttl })
  }

  unpin(): void {
    this.#group.dispatch({ kind: 'unpin_requested' })
  }

  /** Takes the endpoint for healthy at once; a check follows so that a mistake is noticed. */
  reset(endpointId: string): void {
    this.#group.dispatch({ kind: 'failures_reset', id: candidateId(endpointId), trusted: true })
    this.#options.checks.hurry(this.#probeKey(endpointId))
  }

  /** Resolves when everything up to now is stored, or when the store has failed to take it; it is tried again. */
  async saved(): Promise<void> {
    // The write under way may have begun before the latest change; the next one has it.
    for (let writes = 0; writes < 2 && this.#saving !== undefined; writes += 1) await this.#writing
  }

  /** Stores the counters, if anything was counted. */
  saveCounters(): void {
    if (this.#isDirty) this.#save()
  }

  /** Ends the checks and waits for what is being stored. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const { id } of this.#tunnel.endpoints) this.#options.checks.stop(this.#probeKey(id))
    this.#group[Symbol.dispose]()
    this.#ended.abort(new Error('the tunnel has ended'))
    await this.#saving
  }

  /** Stores the last state of all. */
  async saveAtEnd(): Promise<void> {
    await this.#put().catch(() => undefined)
  }

  #act(effects: readonly GroupEffect[], event: GroupEvent): void {
    for (const effect of effects) {
      switch (effect.kind) {
        case 'start_probing':
          this.#watch(effect.id, effect.intervalMs)
          break
        case 'stop_probing':
          this.#options.checks.stop(this.#probeKey(effect.id))
          break
        case 'health_changed':
          this.#reporter.healthChanged(effect)
          break
        case 'failover_triggered': {
          const receipt = effects.find((other) => other.kind === 'write_receipt')?.receipt ?? this.#group.pending
          this.#reporter.failedOver(effect, { by: receipt?.by ?? null, evidence: receipt?.evidence ?? null })
          break
        }
        // Requests go where `pick` says: there is nothing to open or to close.
        default:
          break
      }
    }
    // What a success changes, apart from these, is worth no write for each request.
    const isQuiet = event.kind === 'candidate_succeeded' || event.kind === 'request_abandoned' || event.kind === 'tick'
    if (effects.length > 0 || !isQuiet) this.#settled()
    else this.#isDirty = true
  }

  #settled(): void {
    if (this.#isRestoring) return
    const status = this.#statusNow()
    if (status !== this.#status) {
      const from = this.#status
      this.#status = status
      this.#reporter.statusChanged(from, status)
    }
    this.#save()
  }

  #statusNow(): TunnelStatus {
    const { lifecycle, endpoints } = this.#tunnel
    if (lifecycle === 'created') return 'created'
    if (lifecycle === 'stopped') return 'disconnected'
    const healths = endpoints.map((endpoint) => this.#group.snapshot(endpoint).health)
    if (healths.includes('healthy')) return 'connected'
    return healths.length > 0 && healths.every((health) => health === 'unhealthy') ? 'error' : 'connecting'
  }

  #watch(id: string, intervalMs: number): void {
    const { checks, probe, random } = this.#options
    const isUnknown = this.endpoint(id)?.health === 'unknown'
    // After a restart all tunnels begin at once: their checks are spread over the interval.
    const laterMs = this.#isRestoring ? random.next() * intervalMs : jittered(intervalMs, random)
    checks.start(this.#probeKey(id), {
      check: () => {
        const target = this.#tunnel.endpoints.find((endpoint) => endpoint.id === id)
        return target && (async (signal) => probe(target, signal))
      },
      intervalMs,
      firstAfterMs: isUnknown ? random.next() * Math.min(FIRST_LOOK_MS, intervalMs) : laterMs,
      onOutcome: (outcome) => this.#probed(id, outcome),
    })
  }

  #probed(endpointId: string, outcome: ProbeOutcome): void {
    const id = candidateId(endpointId)
    if (outcome.kind === 'good') return this.#group.dispatch({ kind: 'probe_succeeded', id })
    const { reason, status } = outcome
    const evidence = { check: true, ...(status === undefined ? {} : { status }) }
    this.#group.dispatch({ kind: 'probe_failed', id, reason, evidence })
  }

  #probeKey(endpointId: string): string {
    return `${this.#tunnel.id}/${endpointId}`
  }

  /** One write at a time, always of the latest state; many changes while one is under way are one more write. */
  #save(): void {
    this.#isDirty = true
    this.#saving ??= this.#saveAll().finally(() => {
      this.#saving = undefined
    })
  }

  async #saveAll(): Promise<void> {
    const { signal } = this.#ended
    while (this.#isDirty && !signal.aborted) {
      this.#isDirty = false
      const writing = this.#write()
      this.#writing = writing
      if (await writing) continue
      this.#isDirty = true
      await this.#options.clock.sleep(SAVE_RETRY_MS, signal).catch(() => undefined)
    }
  }

  /** False when the store did not take it. */
  async #write(): Promise<boolean> {
    try {
      await this.#put()
      return true
    } catch (error) {
      const { log } = this.#options
      const fields = { tunnel_id: this.#tunnel.id, error: errorMessage(error) }
      log.warn('tunnel_state_not_stored', 'The state of a tunnel was not stored and is tried again', fields)
      return false
    }
  }

  async #put(): Promise<void> {
    const memory = { group: this.#group.memory, counters: this.#counters.stored }
    await this.#options.store.put('tunnel_state', this.#tunnel.id, memory as unknown as Json)
  }
}
