import { z } from 'zod'
import type { HttpRoutes } from '../../http/server.ts'
import type { ActivityRecord } from '../activity.ts'
import { actorOf, answered, envelope, pageEnvelope } from './envelope.ts'
import type { TunnelApiOptions } from './tunnel-api.ts'
import { configBody, pageQuery, tunnelPath } from './tunnel-body.ts'
import { configObject, metricsObject, toMetrics } from './tunnel-object.ts'
import { present } from './tunnel-routes.ts'

const tags = ['tunnels']

const activityObject = z.object({
  id: z.number(),
  tunnel_id: z.string(),
  user_id: z.string().nullable(),
  action: z.string(),
  status: z.string(),
  details: z.unknown(),
  ip_address: z.string().nullable(),
  user_agent: z.string().nullable(),
  created_at: z.string(),
})

/** What a tunnel has done and what was done to it. */
export function addObservationRoutes(app: HttpRoutes, { tunnels, clock }: TunnelApiOptions): void {
  app.get(
    '/api/tunnels/:tunnelId/metrics',
    {
      schema: {
        summary: 'Requests and latencies of a tunnel since it was made',
        tags,
        params: tunnelPath,
        response: { 200: envelope(metricsObject) },
      },
    },
    async (call) => {
      const live = tunnels.get(call.params.tunnelId, actorOf(call), 'read')
      return answered(clock, toMetrics(live.snapshot().metrics))
    },
  )
  app.get(
    '/api/tunnels/:tunnelId/activity',
    {
      schema: {
        summary: 'Who did what to a tunnel, and its failovers, the newest first',
        tags,
        params: tunnelPath,
        querystring: pageQuery,
        response: { 200: pageEnvelope(activityObject) },
      },
    },
    async (call) => {
      // It shows the addresses of others, which a share does not.
      const { tunnel } = tunnels.get(call.params.tunnelId, actorOf(call), 'admin')
      const { limit, offset } = call.query
      const records = await tunnels.activity.list(tunnel.id, { limit, offset })
      const data = records.map((record) => toActivityObject(tunnel.id, record))
      return { ...answered(clock, data), pagination: { limit, offset } }
    },
  )
}

function toActivityObject(tunnelId: string, record: ActivityRecord) {
  const { sequence, owner, action, status, details, ip, userAgent, atWallMs } = record
  return {
    ...{ id: sequence, tunnel_id: tunnelId, user_id: owner, action, status, details },
    ...{ ip_address: ip, user_agent: userAgent, created_at: new Date(atWallMs).toISOString() },
  }
}

export function addConfigRoutes(app: HttpRoutes, { tunnels, clock }: TunnelApiOptions): void {
  const answer = envelope(configObject)
  app.get(
    '/api/tunnels/:tunnelId/config',
    {
      schema: {
        summary: 'Read the configuration of a tunnel',
        tags,
        params: tunnelPath,
        response: { 200: answer },
      },
    },
    async (call) => {
      const live = tunnels.get(call.params.tunnelId, actorOf(call), 'read')
      return answered(clock, live.tunnel.config)
    },
  )
  app.put(
    '/api/tunnels/:tunnelId/config',
    {
      schema: {
        summary: 'Change the fields of the configuration that are given',
        tags,
        params: tunnelPath,
        body: configBody,
        response: { 200: answer },
      },
    },
    async (call) => {
      const { params, body } = call
      const live = await tunnels.setConfig(params.tunnelId, actorOf(call), present(body), 'present')
      return answered(clock, live.tunnel.config)
    },
  )
  app.post(
    '/api/tunnels/:tunnelId/config/reset',
    {
      schema: {
        summary: 'Set the configuration back to its defaults',
        tags,
        params: tunnelPath,
        response: { 200: answer },
      },
    },
    async (call) => {
      const live = await tunnels.setConfig(call.params.tunnelId, actorOf(call), {}, 'default')
      return { ...answered(clock, live.tunnel.config), message: 'Configuration reset to defaults' }
    },
  )
}
