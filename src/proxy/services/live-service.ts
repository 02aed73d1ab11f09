import { z } from 'zod'
import type { EventSink } from '../../events/event.ts'
import { candidateId } from '../../failover/group.ts'
import type { GroupEffect } from '../../failover/group.ts'
import type { Clock } from '../../lib/clock.ts'
import { HoldfastError } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import type { Random } from '../../lib/random.ts'
import type { Json, Store } from '../../store/store.ts'
import { EndpointGroup } from '../endpoints/endpoint-group.ts'
import type { GroupMemory } from '../../failover/group-runner.ts'
import type { EndpointSnapshot } from '../endpoints/endpoint-group.ts'
import type { AccessRecord } from '../forward/access-record.ts'
import type { ClientExchange } from '../forward/client-exchange.ts'
import { Forwarder } from '../forward/forwarder.ts'
import type { ForwardFacts } from '../forward/forward-facts.ts'
import type { ForwardPolicy } from '../forward/forward-policy.ts'
import type { CheckSchedule } from '../health/check-schedule.ts'
import { EndpointChecks } from '../health/endpoint-checks.ts'
import type { CheckOutcome } from '../health/health-check.ts'
import type { NameSet } from '../wire/name-set.ts'
import type { TimerWheel } from '../wire/timer-wheel.ts'
import { checkRulesOf } from './check-rules.ts'
import { factReader } from './request-facts.ts'
import type { FactReader } from './request-facts.ts'
import { ServiceCounters } from './service-counters.ts'
import type { ServiceDefinition } from './service-definition.ts'
import { forwardPolicyOf, groupPolicyOf } from './service-policy.ts'
import { ServiceReporter } from './service-reporter.ts'
import type { SwitchReceipt } from './service-reporter.ts'
import type { ServiceFiles } from './service-tls.ts'
import { StateSaver } from './state-saver.ts'

/** Who declared a service: the API, or the file, which alone may change its own. */
export type ServiceOrigin = 'api' | 'file'

/** What all services take part in. */
export interface ServiceSurroundings {
  readonly store: Store
  readonly events: EventSink
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly wheel: TimerWheel
  readonly schedule: CheckSchedule
  /** What we are called in Via. */
  readonly pseudonym: string
  /** Where this gateway stands. */
  readonly ownRegion: string | undefined
  /** A mistake of ours that surfaced in a connection. */
  readonly onFault: (error: unknown) => void
}

interface LiveServiceOptions extends ServiceSurroundings {
  readonly origin: ServiceOrigin
  readonly definition: ServiceDefinition
  readonly files: ServiceFiles
  readonly memory: ServiceMemory | undefined
}

/** What survives the process, beside the definition. */
export interface ServiceMemory {
  readonly group: GroupMemory
  readonly receipts: readonly SwitchReceipt[]
}

/** The group's state is the engine's own JSON; it is looked into no further than that it is there. */
const storedMemory = z.object({
  group: z.object({
    state: z.looseObject({ version: z.literal(1), candidates: z.array(z.unknown()) }),
    savedAtMs: z.number(),
  }),
  receipts: z.array(z.record(z.string(), z.json())),
})

/** Undefined for what is not a memory of this version. */
export function readMemory(value: unknown): ServiceMemory | undefined {
  const parsed = storedMemory.safeParse(value)
  return parsed.success ? (parsed.data as unknown as ServiceMemory) : undefined
}

/** What the front has changed about a request. */
export interface ChangedRequest {
  readonly path: string
  readonly without: NameSet | undefined
}

const RECEIPTS_KEPT = 20

/** What the facts of all its requests have in common. */
function commonFactsOf({ hostHeader, trustForwarded }: ServiceDefinition): ForwardFacts {
  return { host: hostHeader, isForwardedTrusted: trustForwarded }
}

/** One service at work: its endpoints and their health, its requests, and what of it is to survive. */
export class LiveService implements AsyncDisposable {
  readonly group: EndpointGroup
  readonly counters = new ServiceCounters()
  readonly reporter: ServiceReporter
  readonly #options: LiveServiceOptions
  readonly #checks: EndpointChecks
  readonly #forwarder: Forwarder
  readonly #saver: StateSaver
  #origin: ServiceOrigin
  #definition: ServiceDefinition
  #files: ServiceFiles
  #policy: ForwardPolicy
  #factsOf: FactReader
  #commonFacts: ForwardFacts
  #receipts: readonly SwitchReceipt[]
  #inFlight = 0

  constructor(options: LiveServiceOptions) {
    const { definition, files, memory, clock, random, wheel, log, events, schedule, onFault } = options
    this.#options = options
    this.#origin = options.origin
    this.#definition = definition
    this.#files = files
    this.#receipts = memory?.receipts ?? []
    this.#policy = forwardPolicyOf(definition)
    this.#factsOf = factReader(definition.strategy, options.ownRegion)
    this.#commonFacts = commonFactsOf(definition)
    const urlOf = (id: string) => this.#definition.endpoints.find((endpoint) => endpoint.id === id)?.url
    this.reporter = new ServiceReporter({ events, clock, log, serviceId: definition.id, urlOf })
    this.#saver = new StateSaver({ clock, log, serviceId: definition.id, put: async () => this.#put() })
    this.#checks = new EndpointChecks({
      ...{ serviceId: definition.id, schedule, clock, random, rules: checkRulesOf(definition) },
      report: (endpointId, outcome) => this.#checked(endpointId, outcome),
    })
    const onAccess = (record: AccessRecord) => this.#served(record)
    this.#forwarder = new Forwarder({ clock, random, wheel, pseudonym: options.pseudonym, onAccess, onFault })
    this.group = new EndpointGroup({
      ...{ endpoints: files.endpoints, policy: groupPolicyOf(definition), clock, random, wheel, onFault },
      ...(memory === undefined ? {} : { memory: memory.group }),
      prober: this.#checks,
      onEffect: (effect) => this.#act(effect),
    })
  }

  get id(): string {
    return this.#definition.id
  }

  get origin(): ServiceOrigin {
    return this.#origin
  }

  get definition(): ServiceDefinition {
    return this.#definition
  }

  get files(): ServiceFiles {
    return this.#files
  }

  /** Requests under way. */
  get inFlight(): number {
    return this.#inFlight
  }

  /** The latest switches, the newest first. */
  get receipts(): readonly SwitchReceipt[] {
    return this.#receipts
  }

  get endpoints(): readonly EndpointSnapshot[] {
    return this.group.endpoints
  }

  /** Takes on what was changed. Requests under way go on as they began; endpoints that stay keep their health. */
  update(definition: ServiceDefinition, files: ServiceFiles, origin: ServiceOrigin): void {
    this.#definition = definition
    this.#files = files
    this.#origin = origin
    this.#policy = forwardPolicyOf(definition)
    this.#factsOf = factReader(definition.strategy, this.#options.ownRegion)
    this.#commonFacts = commonFactsOf(definition)
    this.#checks.update(checkRulesOf(definition), files.endpoints)
    this.group.setPolicy(groupPolicyOf(definition))
    this.group.setEndpoints(files.endpoints)
    this.#saver.save()
  }

  /** Why the service takes no request now; undefined when it does. */
  refusal(): HoldfastError | undefined {
    const { enabled, maxConcurrency } = this.#definition
    if (!enabled) return new HoldfastError('service_disabled', 'The service is disabled')
    if (maxConcurrency === undefined || this.#inFlight < maxConcurrency) return undefined
    return new HoldfastError('endpoints_busy', 'The service has as many requests as it takes')
  }

  /** Serves one request to its end. `request` is what the front knows of it. */
  forward(exchange: ClientExchange, request: ChangedRequest | undefined, clientAddress: string): void {
    const { head } = exchange
    const facts = this.#factsOf({ path: head.path, fields: head.fields, clientAddress })
    this.#inFlight += 1
    const own = this.#commonFacts
    const isCommon = request === undefined && facts.key === undefined && facts.region === undefined
    this.#forwarder.forward(exchange, this.group, this.#policy, isCommon ? own : { ...own, ...facts, ...request })
  }

  /** All requests go to one endpoint, whatever its health. Throws endpoint_not_found. */
  pin(endpointId: string, ttlMs: number | undefined, by: string): void {
    const id = candidateId(this.#existing(endpointId))
    this.group.dispatch({ kind: 'pin_requested', id, by, ...(ttlMs === undefined ? {} : { ttlMs }) })
    this.#saver.save()
  }

  unpin(): void {
    this.group.dispatch({ kind: 'unpin_requested' })
    this.#saver.save()
  }

  /** Forgets what is held against an endpoint. Throws endpoint_not_found. */
  reset(endpointId: string): void {
    this.group.dispatch({ kind: 'failures_reset', id: candidateId(this.#existing(endpointId)) })
    this.#saver.save()
  }

  /** Stores what is known now. */
  save(): void {
    this.#saver.save()
  }

  /** Ends checks and idle connections; requests under way go on. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#checks[Symbol.dispose]()
    await this.#saver[Symbol.asyncDispose]()
    await this.#put().catch(() => undefined)
    this.group[Symbol.dispose]()
  }

  /** Ends it for good: nothing of it is stored any more. */
  async end(): Promise<void> {
    this.#checks[Symbol.dispose]()
    await this.#saver[Symbol.asyncDispose]()
    this.group[Symbol.dispose]()
  }

  #existing(endpointId: string): string {
    const found = this.#definition.endpoints.find(({ id, enabled }) => id === endpointId && enabled)
    if (found !== undefined) return endpointId
    const ids = this.#definition.endpoints.flatMap(({ id, enabled }) => (enabled ? [id] : []))
    throw new HoldfastError(
      'endpoint_not_found',
      `There is no enabled endpoint ${JSON.stringify(endpointId)}; there are ${ids.join(', ')}`,
    )
  }

  #served(record: AccessRecord): void {
    this.#inFlight -= 1
    this.counters.count(record)
  }

  #checked(endpointId: string, outcome: CheckOutcome): void {
    if (outcome.kind === 'good') {
      this.group.probed(endpointId, { ok: true })
      return
    }
    const { reason, status } = outcome
    this.group.probed(endpointId, {
      ...{ ok: false, reason },
      evidence: { check: true, ...(status === undefined ? {} : { status }) },
    })
  }

  #act(effect: GroupEffect): void {
    if (effect.kind === 'health_changed') {
      if (effect.to === 'unhealthy') this.counters.ejections += 1
      this.reporter.healthChanged(effect)
    } else if (effect.kind === 'write_receipt') {
      const told = this.reporter.switched(effect.receipt, this.group.policy)
      if (told !== undefined) this.#receipts = [told, ...this.#receipts].slice(0, RECEIPTS_KEPT)
    }
    this.#saver.save()
  }

  async #put(): Promise<void> {
    const memory = { group: this.group.memory, receipts: this.#receipts }
    await this.#options.store.put('service_state', this.id, memory as unknown as Json)
  }
}
