import { z } from 'zod'
import type { Clock } from '../../../lib/clock.ts'
import { redactUrl } from '../../../lib/redact.ts'
import type { EndpointSnapshot } from '../../endpoints/endpoint-group.ts'
import type { LiveService } from '../live-service.ts'

/** A service as it is shown: its definition with every default, and where it is reached. */
export const serviceObject = z.looseObject({
  id: z.string(),
  origin: z.enum(['api', 'file']).meta({ description: 'Where it is declared; one of the file is changed there' }),
  addresses: z.array(z.string()).meta({ description: 'host:port; empty when it is not reached, without PROXY_PORT' }),
  endpoints: z.array(z.looseObject({ id: z.string(), url: z.string() })),
})

export const endpointStatus = z.object({
  id: z.string(),
  url: z.string(),
  priority: z.number(),
  weight: z.number(),
  region: z.string().nullable(),
  maxConcurrency: z.number().nullable(),
  enabled: z.boolean(),
  drain: z.boolean(),
  health: z.enum(['healthy', 'unhealthy', 'unknown']),
  failures: z.number().meta({ description: 'Up by one at a failure, down by one at a success' }),
  breaker: z.enum(['closed', 'open', 'half_open']),
  breakerOpenUntil: z.string().nullable(),
  inFlight: z.number(),
  openConnections: z.number(),
  isChecked: z.boolean(),
  lastFailure: z.object({ reason: z.string(), at: z.string(), evidence: z.unknown() }).nullable(),
})

export const serviceStatus = z.object({
  id: z.string(),
  enabled: z.boolean(),
  addresses: z.array(z.string()),
  inFlight: z.number(),
  activeEndpointId: z
    .string()
    .nullable()
    .meta({ description: 'Who gets the requests; null where they are spread, or nobody can get them' }),
  pin: z.object({ endpointId: z.string(), by: z.string(), until: z.string().nullable() }).nullable(),
  endpoints: z.array(endpointStatus),
  counters: z.record(z.string(), z.unknown()).meta({ description: 'Since the start of the process' }),
  receipts: z.array(z.record(z.string(), z.unknown())).meta({ description: 'The latest switches, the newest first' }),
})

export function toServiceObject(service: LiveService, addresses: readonly string[]) {
  const { definition, origin } = service
  return { ...definition, origin, addresses: [...addresses] }
}

export function toServiceStatus(service: LiveService, addresses: readonly string[], clock: Clock) {
  const { definition, group, counters } = service
  const { pin } = group
  const { requests, ...others } = counters
  return {
    id: definition.id,
    enabled: definition.enabled,
    addresses: [...addresses],
    inFlight: service.inFlight,
    activeEndpointId: definition.strategy.kind === 'active_active' && pin === null ? null : activeEndpointId(service),
    pin:
      pin === null
        ? null
        : { endpointId: pin.id, by: pin.by, until: pin.untilMs === null ? null : isoAt(pin.untilMs, clock) },
    endpoints: service.endpoints.map((endpoint) => toEndpointStatus(endpoint, clock)),
    counters: { requests: { ...requests }, ...others },
    receipts: [...service.receipts],
  }
}

function activeEndpointId({ group }: LiveService): string | null {
  return group.pin?.id ?? group.activeEndpointId
}

export function toEndpointStatus(snapshot: EndpointSnapshot, clock: Clock) {
  const { endpoint, health, failures, breaker, openUntilMs, inFlight, openConnections, isProbed, lastFailure } =
    snapshot
  const { id, url, priority, weight, region = null, maxConcurrency = null, enabled, drain } = endpoint
  return {
    ...{ id, url: redactUrl(url), priority, weight, region, maxConcurrency, enabled, drain },
    ...{ health, failures, breaker },
    breakerOpenUntil: openUntilMs === null ? null : isoAt(openUntilMs, clock),
    ...{ inFlight, openConnections, isChecked: isProbed },
    lastFailure:
      lastFailure === undefined
        ? null
        : { reason: lastFailure.reason, at: isoAt(lastFailure.atMs, clock), evidence: lastFailure.evidence },
  }
}

/** A time of the monotonic clock as people read it. */
function isoAt(atMs: number, clock: Clock): string {
  return new Date(Math.round(clock.wallMs() - (clock.nowMs() - atMs))).toISOString()
}
