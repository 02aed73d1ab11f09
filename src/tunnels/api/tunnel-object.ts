import { z } from 'zod'
import { PERMISSIONS } from '../tunnel.ts'
import type { EndpointSnapshot, Permission, TunnelMetrics, TunnelShare, TunnelSnapshot } from '../tunnel.ts'

const isoOrNull = z.string().nullable()
const health = z.enum(['healthy', 'unhealthy', 'unknown'])

const endpointRow = z.object({
  id: z.string(),
  tunnel_id: z.string(),
  url: z.string(),
  priority: z.number(),
  weight: z.number(),
  health_status: health,
  last_health_check: isoOrNull,
  created_at: z.string(),
  updated_at: z.string(),
})

export const configObject = z.object({ maxConnections: z.number(), timeout: z.number(), compression: z.boolean() })

export const metricsObject = z.object({
  requestCount: z.number(),
  successCount: z.number(),
  errorCount: z.number(),
  successRate: z.number(),
  averageLatency: z.number(),
  minLatency: z.number(),
  maxLatency: z.number(),
})

export const tunnelObject = z.object({
  id: z.string(),
  user_id: z.string(),
  name: z.string(),
  status: z.enum(['created', 'connecting', 'connected', 'disconnected', 'error']),
  public: z.boolean(),
  config: configObject,
  metrics: metricsObject,
  endpoints: z.array(endpointRow),
  active_endpoint_id: z.string().nullable(),
  pin: z.object({ endpoint_id: z.string(), until: isoOrNull, by: z.string() }).nullable(),
  permission: z.enum(PERMISSIONS).meta({ description: 'What the caller may do with it' }),
  created_at: z.string(),
  updated_at: z.string(),
})

/** In the shape of the peer's rows, endpoints by priority, then weight. */
export function toTunnelObject(snapshot: TunnelSnapshot, permission: Permission) {
  const { tunnel, status, endpoints, pin, activeEndpointId } = snapshot
  const { id, owner, name, isPublic, config, createdWallMs, updatedWallMs } = tunnel
  return {
    ...{ id, name, status, config, permission },
    user_id: owner,
    public: isPublic,
    metrics: toMetrics(snapshot.metrics),
    endpoints: byPriority(endpoints).map((one) => toRow(id, one)),
    active_endpoint_id: activeEndpointId,
    pin: pin && { endpoint_id: pin.endpointId, until: iso(pin.untilWallMs), by: pin.by },
    created_at: isoText(createdWallMs),
    updated_at: isoText(updatedWallMs),
  }
}

function toRow(tunnelId: string, { endpoint, health: status, lastCheckWallMs }: EndpointSnapshot) {
  const { id, url, priority, weight, createdWallMs, updatedWallMs } = endpoint
  return {
    ...{ id, url, priority, weight },
    tunnel_id: tunnelId,
    health_status: status,
    last_health_check: iso(lastCheckWallMs),
    created_at: isoText(createdWallMs),
    updated_at: isoText(updatedWallMs),
  }
}

export function toMetrics(metrics: TunnelMetrics) {
  return { ...metrics }
}

const chosen = {
  id: z.string(),
  url: z.string(),
  priority: z.number(),
  weight: z.number(),
  healthStatus: health,
}
/** An endpoint as the failover routes name it. */
export const chosenEndpoint = z.object(chosen)
export const pickedEndpoint = z.object({ ...chosen, lastHealthCheck: isoOrNull })

export function toChosen({ endpoint, health: healthStatus }: EndpointSnapshot) {
  const { id, url, priority, weight } = endpoint
  return { id, url, priority, weight, healthStatus }
}

export function toPicked(snapshot: EndpointSnapshot) {
  return { ...toChosen(snapshot), lastHealthCheck: iso(snapshot.lastCheckWallMs) }
}

export const failoverStatus = z.object({
  tunnelId: z.string(),
  endpoints: z.array(
    z.object({
      ...{ ...chosen, lastHealthCheck: isoOrNull, failureCount: z.number(), lastFailure: isoOrNull },
      isUnhealthy: z.boolean(),
      isRecovering: z.boolean(),
    }),
  ),
  summary: z.object({ total: z.number(), healthy: z.number(), unhealthy: z.number(), recovering: z.number() }),
})

export function toFailoverStatus({ tunnel, endpoints }: TunnelSnapshot) {
  const count = (wanted: (one: EndpointSnapshot) => boolean) => endpoints.filter(wanted).length
  return {
    tunnelId: tunnel.id,
    endpoints: byPriority(endpoints).map((one) => ({
      ...toPicked(one),
      failureCount: one.failureCount,
      lastFailure: iso(one.lastFailureWallMs),
      isUnhealthy: one.health === 'unhealthy',
      isRecovering: one.isRecovering,
    })),
    summary: {
      total: endpoints.length,
      healthy: count((one) => one.health === 'healthy'),
      unhealthy: count((one) => one.health === 'unhealthy'),
      recovering: count((one) => one.isRecovering),
    },
  }
}

export const failureState = z.object({
  endpointId: z.string(),
  failureCount: z.number(),
  lastFailure: isoOrNull,
  isUnhealthy: z.boolean(),
})

export function toFailureState({ endpoint, failureCount, lastFailureWallMs, health: verdict }: EndpointSnapshot) {
  return {
    endpointId: endpoint.id,
    failureCount,
    lastFailure: iso(lastFailureWallMs),
    isUnhealthy: verdict === 'unhealthy',
  }
}

export const shareObject = z.object({
  id: z.string(),
  tunnel_id: z.string(),
  owner_id: z.string(),
  shared_with_user_id: z.string(),
  permission: z.enum(PERMISSIONS),
  expires_at: isoOrNull,
  created_at: z.string(),
  updated_at: z.string(),
})

export function toShareObject(tunnel: { readonly id: string; readonly owner: string }, share: TunnelShare) {
  return {
    ...{ id: share.id, tunnel_id: tunnel.id, owner_id: tunnel.owner },
    ...{ shared_with_user_id: share.sharedWith, permission: share.permission },
    expires_at: iso(share.expiresWallMs),
    created_at: isoText(share.createdWallMs),
    updated_at: isoText(share.updatedWallMs),
  }
}

function byPriority(endpoints: readonly EndpointSnapshot[]): readonly EndpointSnapshot[] {
  return endpoints.toSorted(({ endpoint: a }, { endpoint: b }) => b.priority - a.priority || b.weight - a.weight)
}

function iso(wallMs: number | null): string | null {
  return wallMs === null ? null : isoText(wallMs)
}

function isoText(wallMs: number): string {
  return new Date(wallMs).toISOString()
}
