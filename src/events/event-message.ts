import type { Json } from '../store/store.ts'
import type { GatewayEvent } from './event.ts'

/** An event as it goes out: to webhooks, to live listeners, and in the history. The shape is m3u-proxy's. */
export interface EventMessage {
  readonly [key: string]: Json
  readonly event_id: string
  readonly event_type: string
  readonly stream_id: string
  /** ISO 8601, UTC, with Z. */
  readonly timestamp: string
  readonly data: GatewayEvent['data']
}

/** `spelling` is the event's name as the receiver registered it (`FAILOVER_TRIGGERED` or `failover_triggered`). */
export function toEventMessage(event: GatewayEvent, spelling: string = event.type): EventMessage {
  return {
    event_id: event.eventId,
    event_type: spelling,
    stream_id: event.streamId,
    timestamp: new Date(event.atWallMs).toISOString(),
    data: event.data,
  }
}
