import type { EventSink, EventType, GatewayEvent } from '../events/event.ts'
import type { GroupEffect } from '../failover/group.ts'
import { redactUrl } from '../lib/redact.ts'
import type { ActivityLog, Actor } from './activity.ts'
import type { Tunnel, TunnelStatus } from './tunnel.ts'

interface TunnelReporterOptions {
  readonly events: EventSink
  readonly activity: ActivityLog
  readonly tunnel: () => Tunnel
}

type FailoverEffect = Extract<GroupEffect, { kind: 'failover_triggered' }>
type HealthEffect = Extract<GroupEffect, { kind: 'health_changed' }>

/** Who asked for a switch and what was measured. */
export interface Motive {
  readonly by: string | null
  readonly evidence: GatewayEvent['data'] | null
}

/** Tells the journal, the webhooks and the tunnel's activity log what happens to one tunnel. */
export class TunnelReporter {
  readonly #options: TunnelReporterOptions

  constructor(options: TunnelReporterOptions) {
    this.#options = options
  }

  /** Something that was asked for: created, updated, ... */
  asked(type: Extract<EventType, `tunnel_${string}`>, actor: Actor, data: GatewayEvent['data'] = {}): void {
    this.#emit(type, { by: actor.owner, ...data })
  }

  statusChanged(from: TunnelStatus, to: TunnelStatus): void {
    this.#emit('tunnel.status_changed', { from, to })
    this.#options.activity.add(this.#options.tunnel().id, { action: 'status_change', status: to, details: { from } })
  }

  healthChanged({ id, from, to, reason }: HealthEffect): void {
    this.#emit('tunnel.endpoint_health_changed', { ...this.#endpoint(id), from, to, reason })
  }

  /** The receipt of a failover: everything there is to know about why. */
  failedOver({ from, to, cause, reason, attempt, epoch }: FailoverEffect, { by, evidence }: Motive): void {
    const receipt = { from: this.#endpoint(from), to: this.#endpoint(to), cause, reason, by, evidence, attempt, epoch }
    this.#emit('tunnel.failover', receipt)
    this.#options.activity.add(this.#options.tunnel().id, { action: 'failover', status: 'success', details: receipt })
  }

  #endpoint(id: string) {
    const endpoint = this.#options.tunnel().endpoints.find((one) => one.id === id)
    return { endpoint_id: id, url: endpoint === undefined ? null : redactUrl(endpoint.url) }
  }

  #emit(type: EventType, data: GatewayEvent['data']): void {
    const { id, name, owner } = this.#options.tunnel()
    this.#options.events.emit(type, '', { tunnel_id: id, name, owner, ...data })
  }
}
