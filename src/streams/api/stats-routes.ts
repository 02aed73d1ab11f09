import { z } from 'zod'
import type { HttpRoutes } from '../../http/server.ts'
import type { StreamApiOptions } from './api-options.ts'
import {
  connectionPoolStats,
  connectionPoolStatsOf,
  errorStats,
  errorStatsOf,
  failoverStats,
  failoverStatsOf,
  performanceMetrics,
  performanceMetricsOf,
  proxyStats,
  proxyStatsOf,
} from './gateway-stats.ts'
import type { StatsSource } from './gateway-stats.ts'
import { clientObject, streamObject, toClientObject, toStreamObject } from './stream-object.ts'

const tags = ['stats']

const statsAnswer = proxyStats.extend({ streams: z.array(streamObject), clients: z.array(clientObject) })
const detailedAnswer = z.object({
  proxy_stats: proxyStats,
  streams: z.array(streamObject),
  connection_pool_stats: connectionPoolStats,
  failover_stats: failoverStats,
  performance_metrics: performanceMetrics,
  error_stats: errorStats,
  stream_count: z.number(),
  client_count: z.number(),
})
const performanceAnswer = z.object({
  connection_pool: connectionPoolStats,
  connection_pool_stats: connectionPoolStats,
  performance_metrics: performanceMetrics,
  failover_stats: failoverStats,
  error_stats: errorStats,
  timestamp: z.string(),
})

/** Numbers of the gateway and of each stream. `uptimeMs` is how long the gateway has been up. */
export function addStatsRoutes(app: HttpRoutes, options: StreamApiOptions, uptimeMs: () => number): void {
  const { streams, clock } = options
  const source = (): StatsSource => ({ all: streams.list(), totals: streams.totals })
  app.get(
    '/stats',
    { schema: { summary: 'Totals, streams and viewers', tags, response: { 200: statsAnswer } } },
    async () => ({
      ...proxyStatsOf(streams, uptimeMs()),
      streams: streams.list().map(toStreamObject),
      clients: streams.clients().map(toClientObject),
    }),
  )
  const detailed = { summary: 'Everything about streams and their failovers', tags, response: { 200: detailedAnswer } }
  app.get('/stats/detailed', { schema: detailed }, async () => {
    const stats = source()
    return {
      proxy_stats: proxyStatsOf(streams, uptimeMs()),
      streams: stats.all.map(toStreamObject),
      connection_pool_stats: connectionPoolStatsOf(stats),
      failover_stats: failoverStatsOf(stats),
      performance_metrics: performanceMetricsOf(stats, uptimeMs()),
      error_stats: errorStatsOf(stats),
      stream_count: stats.all.length,
      client_count: streams.clients().length,
    }
  })
  const performance = { summary: 'Performance of the gateway', tags, response: { 200: performanceAnswer } }
  app.get('/stats/performance', { schema: performance }, async () => {
    const stats = source()
    const pool = connectionPoolStatsOf(stats)
    return {
      connection_pool: pool,
      connection_pool_stats: pool,
      performance_metrics: performanceMetricsOf(stats, uptimeMs()),
      failover_stats: failoverStatsOf(stats),
      error_stats: errorStatsOf(stats),
      timestamp: new Date(clock.wallMs()).toISOString(),
    }
  })
  const listed = z.object({ total_streams: z.number(), streams: z.array(streamObject) })
  app.get(
    '/stats/streams',
    { schema: { summary: 'Numbers of each stream', tags, response: { 200: listed } } },
    async () => {
      const all = streams.list().map(toStreamObject)
      return { total_streams: all.length, streams: all }
    },
  )
}
