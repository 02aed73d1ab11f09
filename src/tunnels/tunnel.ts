import { z } from 'zod'

/** What may be done with a tunnel, each including those before it: look at it and use it, change it, share and delete it. */
export const PERMISSIONS = ['read', 'write', 'admin'] as const
export type Permission = (typeof PERMISSIONS)[number]

/** What the peer's tunnels have; the data plane keeps to it. */
const tunnelConfig = z.object({
  /** Requests under way at once. */
  maxConnections: z.number(),
  /** Milliseconds for one request. */
  timeout: z.number(),
  compression: z.boolean(),
})

const tunnelEndpoint = z.object({
  /** UUID; it stays while the URL stays. */
  id: z.string(),
  url: z.string(),
  /** Higher is better. */
  priority: z.number(),
  /** Share of the requests inside one priority; 0 drains. */
  weight: z.number(),
  /** An admin named it, so that it may be a private address. */
  namedByAdmin: z.boolean(),
  createdWallMs: z.number(),
  updatedWallMs: z.number(),
})

const tunnelShare = z.object({
  id: z.string(),
  sharedWith: z.string(),
  permission: z.enum(PERMISSIONS),
  grantedBy: z.string(),
  createdWallMs: z.number(),
  updatedWallMs: z.number(),
  expiresWallMs: z.number().nullable(),
})

/** A tunnel as its owner configured it, and as the store keeps it. */
export const storedTunnel = z.object({
  /** UUID */
  id: z.string(),
  owner: z.string(),
  /** Unique among those of the owner. */
  name: z.string(),
  /** Its traffic needs no key. */
  isPublic: z.boolean(),
  lifecycle: z.enum(['created', 'started', 'stopped']),
  config: tunnelConfig,
  endpoints: z.array(tunnelEndpoint),
  shares: z.array(tunnelShare),
  createdWallMs: z.number(),
  updatedWallMs: z.number(),
})

export type Tunnel = Readonly<z.infer<typeof storedTunnel>>
export type TunnelConfig = Readonly<z.infer<typeof tunnelConfig>>
export type TunnelEndpoint = Readonly<z.infer<typeof tunnelEndpoint>>
export type TunnelShare = Readonly<z.infer<typeof tunnelShare>>

export const defaultTunnelConfig: TunnelConfig = { maxConnections: 100, timeout: 30_000, compression: true }

/**
 * `created` until it is started, `disconnected` once it is stopped; in between `connected` while an endpoint is known to
 * be healthy, `error` while all are unhealthy, else `connecting`.
 */
export type TunnelStatus = 'created' | 'connecting' | 'connected' | 'disconnected' | 'error'

export type EndpointHealth = 'healthy' | 'unhealthy' | 'unknown'

/** Times are milliseconds since 1970-01-01 UTC. */
export interface EndpointSnapshot {
  readonly endpoint: TunnelEndpoint
  readonly health: EndpointHealth
  /** +1 a failure, -1 a success. */
  readonly failureCount: number
  /** When anything was last heard of it, by a request or a check. */
  readonly lastCheckWallMs: number | null
  readonly lastFailureWallMs: number | null
  /** It is unhealthy, and checks go on to see it recover. */
  readonly isRecovering: boolean
}

export interface PinSnapshot {
  readonly endpointId: string
  readonly untilWallMs: number | null
  readonly by: string
}

/** Everything that there is to see of a tunnel. */
export interface TunnelSnapshot {
  readonly tunnel: Tunnel
  readonly status: TunnelStatus
  readonly endpoints: readonly EndpointSnapshot[]
  readonly pin: PinSnapshot | null
  /** The endpoint that requests of the best priority go to; with several of that priority, one of them. */
  readonly activeEndpointId: string | null
  readonly metrics: TunnelMetrics
}

export interface TunnelMetrics {
  readonly requestCount: number
  readonly successCount: number
  readonly errorCount: number
  /** Percent of the requests; 100 before the first. */
  readonly successRate: number
  /** Milliseconds over the requests whose latency is known; 0 before the first. */
  readonly averageLatency: number
  readonly minLatency: number
  readonly maxLatency: number
}
