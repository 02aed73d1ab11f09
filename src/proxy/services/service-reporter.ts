import type { EventSink, EventType, GatewayEvent } from '../../events/event.ts'
import { picksPastAir } from '../../failover/group.ts'
import type { GroupEffect, GroupPolicy, Receipt } from '../../failover/group.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Log } from '../../lib/log.ts'
import { redactUrl } from '../../lib/redact.ts'
import type { Json } from '../../store/store.ts'

interface ServiceReporterOptions {
  readonly events: EventSink
  readonly clock: Clock
  readonly log: Log
  readonly serviceId: string
  readonly urlOf: (endpointId: string) => string | undefined
}

/** A switch as it is shown and journalled; times are ISO 8601. */
export type SwitchReceipt = Readonly<Record<string, Json>>

type HealthEffect = Extract<GroupEffect, { kind: 'health_changed' }>

/** Tells the journal and the log what happens to one service. */
export class ServiceReporter {
  readonly #options: ServiceReporterOptions

  constructor(options: ServiceReporterOptions) {
    this.#options = options
  }

  /** Something that was asked for: made, changed, deleted. */
  asked(type: Extract<EventType, `service_${string}`>, by: string, data: GatewayEvent['data'] = {}): void {
    this.#emit(type, { by, ...data })
  }

  healthChanged({ id, from, to, reason }: HealthEffect): void {
    const { log, serviceId } = this.#options
    this.#emit('endpoint_health_changed', { ...this.#endpoint(id), from, to, reason })
    const level = to === 'unhealthy' ? 'warn' : 'info'
    log[level]('endpoint_health_changed', `Endpoint ${id} of service ${serviceId} is ${to}`, {
      ...{ service_id: serviceId, endpoint_id: id, from, to, reason },
    })
  }

  /** The receipt of a switch, as it was told; undefined where requests are spread and a switch means nothing. */
  switched(receipt: Receipt, policy: GroupPolicy): SwitchReceipt | undefined {
    const { log, serviceId } = this.#options
    const { from, to, trigger: cause, reason, by, evidence, attempts, epoch } = receipt
    if (from === to || (picksPastAir(policy) && cause !== 'pin' && policy.selection.kind === 'active_active')) {
      return undefined
    }
    const told: SwitchReceipt = {
      ...{ from: this.#endpoint(from), to: this.#endpoint(to), cause, reason, by, evidence, attempts, epoch },
      decided_at: this.#isoAt(receipt.decidedAtMs),
      settled_at: this.#isoAt(receipt.settledAtMs),
    }
    this.#emit('service_switched', told)
    log.info('service_switched', `Service ${serviceId} went from ${from} to ${to}`, {
      ...{ service_id: serviceId, from, to, cause, reason },
    })
    return told
  }

  #isoAt(atMs: number): string {
    const { clock } = this.#options
    return new Date(Math.round(clock.wallMs() - (clock.nowMs() - atMs))).toISOString()
  }

  #endpoint(id: string) {
    const url = this.#options.urlOf(id)
    return { endpoint_id: id, url: url === undefined ? null : redactUrl(url) }
  }

  #emit(type: EventType, data: GatewayEvent['data']): void {
    this.#options.events.emit(type, '', { service_id: this.#options.serviceId, ...data })
  }
}
