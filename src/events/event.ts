import type { Json } from '../store/store.ts'

/**
 * Names of events as the m3u-proxy API spells them, then our own. Webhooks may register for them in either case.
 * docs/EVENTS.md lists each with its `data`.
 */
export const EVENT_TYPES = [
  'stream_started',
  'stream_stopped',
  'stream_failed',
  'client_connected',
  'client_disconnected',
  'failover_triggered',
  'switch_completed',
  'source_health_changed',
  'source_warning',
  'slate_shown',
  'drill_completed',
  'drill_refused',
  'stream_created',
  'stream_updated',
  'stream_deleted',
  'tunnel_created',
  'tunnel_updated',
  'tunnel_deleted',
  'tunnel_started',
  'tunnel_stopped',
  'tunnel.status_changed',
  'tunnel.failover',
  'tunnel.endpoint_health_changed',
  'service_created',
  'service_updated',
  'service_deleted',
  'service_switched',
  'endpoint_health_changed',
] as const

export type EventType = (typeof EVENT_TYPES)[number]

/** Something that happened, as it is journalled, sent to webhooks and pushed to live listeners. */
export interface GatewayEvent {
  /** UUID; a receiver uses it to drop repeats. */
  readonly eventId: string
  readonly type: EventType
  /** '' when the event is about the gateway. */
  readonly streamId: string
  readonly atWallMs: number
  readonly data: { readonly [key: string]: Json }
}

/** Where features put their events. Never throws and never waits: the journal queues behind it. */
export interface EventSink {
  emit(type: EventType, streamId: string, data: GatewayEvent['data']): void
}
