import { z } from 'zod'
import type { StreamService, StreamSnapshot } from '../service.ts'
import { hasFailover } from './stream-object.ts'

/** Totals of the gateway, as the peer calls them. */
export const proxyStats = z.object({
  total_streams: z.number(),
  active_streams: z.number(),
  total_clients: z.number().meta({ description: 'Ever connected since the start' }),
  active_clients: z.number(),
  total_bytes_served: z.number(),
  total_segments_served: z.number(),
  uptime_seconds: z.number(),
})

export const connectionPoolStats = z.object({
  upstream_connections: z.number(),
  bytes_received: z.number(),
  viewers_per_upstream: z.number().nullable(),
})

export const failoverStats = z.object({
  total_switches: z.number(),
  total_failover_attempts: z.number(),
  streams_with_failover: z.number(),
  streams_on_backup: z.number(),
  last_failover_time: z.string().nullable(),
})

export const performanceMetrics = z.object({
  uptime_seconds: z.number(),
  bytes_served: z.number(),
  bytes_served_per_second: z.number().meta({ description: 'Mean since the start' }),
  cpu_seconds: z.number(),
  memory_rss_bytes: z.number(),
  memory_heap_bytes: z.number(),
})

export const errorStats = z.object({
  total_errors: z.number(),
  streams_with_errors: z.number(),
  unhealthy_sources: z.number(),
  recovering_streams: z.number(),
  failures_by_reason: z.record(z.string(), z.number()).meta({ description: 'Last failure of each source' }),
})

export function proxyStatsOf(streams: StreamService, uptimeMs: number): z.output<typeof proxyStats> {
  const all = streams.list()
  return {
    total_streams: all.length,
    active_streams: all.filter(({ isActive }) => isActive).length,
    total_clients: streams.totals.clientsEver,
    active_clients: sum(all, ({ clientCount }) => clientCount),
    total_bytes_served: streams.totals.bytesServed,
    total_segments_served: sum(all, ({ totalSegmentsServed }) => totalSegmentsServed),
    uptime_seconds: Math.floor(uptimeMs / 1000),
  }
}

export function connectionPoolStatsOf({ totals, ...rest }: StatsSource): z.output<typeof connectionPoolStats> {
  const viewers = sum(rest.all, ({ clientCount }) => clientCount)
  const { upstreamConnections } = totals
  return {
    upstream_connections: upstreamConnections,
    bytes_received: totals.bytesReceived,
    viewers_per_upstream: upstreamConnections === 0 ? null : viewers / upstreamConnections,
  }
}

export function failoverStatsOf({ all, totals }: StatsSource): z.output<typeof failoverStats> {
  const last = Math.max(...all.map(({ lastFailoverWallMs }) => lastFailoverWallMs ?? 0), 0)
  return {
    total_switches: totals.switches,
    total_failover_attempts: sum(all, ({ failoverAttempts }) => failoverAttempts),
    streams_with_failover: all.filter(hasFailover).length,
    streams_on_backup: all.filter(({ failoverIndex }) => failoverIndex > 0).length,
    last_failover_time: last === 0 ? null : new Date(last).toISOString(),
  }
}

export function performanceMetricsOf({ totals }: StatsSource, uptimeMs: number): z.output<typeof performanceMetrics> {
  const { user, system } = process.cpuUsage()
  const { rss, heapUsed } = process.memoryUsage()
  return {
    uptime_seconds: Math.floor(uptimeMs / 1000),
    bytes_served: totals.bytesServed,
    bytes_served_per_second: uptimeMs < 1 ? 0 : Math.round((totals.bytesServed * 1000) / uptimeMs),
    cpu_seconds: (user + system) / 1e6,
    memory_rss_bytes: rss,
    memory_heap_bytes: heapUsed,
  }
}

export function errorStatsOf({ all }: StatsSource): z.output<typeof errorStats> {
  const sources = all.flatMap((stream) => stream.sources)
  const reasons = new Map<string, number>()
  for (const { lastFailureReason } of sources) {
    if (lastFailureReason !== undefined) reasons.set(lastFailureReason, (reasons.get(lastFailureReason) ?? 0) + 1)
  }
  return {
    total_errors: sum(all, ({ errorCount }) => errorCount),
    streams_with_errors: all.filter(({ errorCount }) => errorCount > 0).length,
    unhealthy_sources: sources.filter(({ health }) => health === 'unhealthy').length,
    recovering_streams: all.filter(({ phase }) => phase === 'recovering').length,
    failures_by_reason: Object.fromEntries(reasons),
  }
}

export interface StatsSource {
  readonly all: readonly StreamSnapshot[]
  readonly totals: StreamService['totals']
}

function sum(all: readonly StreamSnapshot[], of: (stream: StreamSnapshot) => number): number {
  return all.reduce((total, stream) => total + of(stream), 0)
}
