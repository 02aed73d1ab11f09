import { z } from 'zod'
import type { HttpRoutes } from '../../http/server.ts'
import { HoldfastError } from '../../lib/errors.ts'
import type { LiveTunnel } from '../live-tunnel.ts'
import type { EndpointSnapshot } from '../tunnel.ts'
import { actorOf } from './envelope.ts'
import type { TunnelApiOptions } from './tunnel-api.ts'
import { endpointBody, endpointIdIn, failureBody, manualBody, successBody, tunnelPath } from './tunnel-body.ts'
import {
  chosenEndpoint,
  failoverStatus,
  failureState,
  pickedEndpoint,
  toChosen,
  toFailoverStatus,
  toFailureState,
  toPicked,
} from './tunnel-object.ts'

const tags = ['tunnel failover']
const ERROR_CHARACTERS_MAX = 500

/** The failover routes under one of the peer's mounts; only the documented one is in the API page. */
export function addFailoverRoutes(app: HttpRoutes, options: TunnelApiOptions, mount: string): void {
  const base = { at: `${mount}/:tunnelId/failover`, hide: mount !== '/api/tunnels' }
  addQuestionRoutes(app, options, base)
  addManualRoute(app, options, base)
  addRecordRoutes(app, options, base)
  addResetRoute(app, options, base)
}

interface Base {
  readonly at: string
  readonly hide: boolean
}

function addQuestionRoutes(app: HttpRoutes, { tunnels }: TunnelApiOptions, { at, hide }: Base): void {
  app.get(
    `${at}/endpoint`,
    {
      config: { defectCode: 'ENDPOINT_SELECTION_FAILED' },
      schema: {
        summary: 'The endpoint that a request should go to now',
        ...{ tags, hide, params: tunnelPath },
        response: { 200: z.object({ endpoint: pickedEndpoint }) },
      },
    },
    async (call) => {
      const { tunnelId } = call.params
      const endpoint = tunnels.get(tunnelId, actorOf(call), 'read').advise()
      if (endpoint === undefined) throw noEndpoints()
      return { endpoint: toPicked(endpoint) }
    },
  )
  app.get(
    `${at}/status`,
    {
      config: { defectCode: 'FAILOVER_STATUS_FAILED' },
      schema: {
        summary: 'Health of every endpoint',
        ...{ tags, hide, params: tunnelPath },
        response: { 200: failoverStatus },
      },
    },
    async (call) => {
      const { tunnelId } = call.params
      return toFailoverStatus(tunnels.get(tunnelId, actorOf(call), 'read').snapshot())
    },
  )
}

function addManualRoute(app: HttpRoutes, { tunnels }: TunnelApiOptions, { at, hide }: Base): void {
  const answer = z.object({ message: z.string(), endpoint: chosenEndpoint })
  app.post(
    `${at}/manual`,
    {
      config: { defectCode: 'MANUAL_FAILOVER_FAILED' },
      schema: {
        summary: 'Send all requests to one endpoint, or, with auto, let the gateway choose again',
        ...{ tags, hide, params: tunnelPath, body: manualBody },
        response: { 200: answer },
      },
    },
    async (call) => {
      const actor = actorOf(call)
      const { tunnelId } = call.params
      const body = call.body
      if (body?.auto === true) {
        const live = tunnels.get(tunnelId, actor, 'write')
        live.unpin()
        await live.saved()
        const endpoint = live.advise()
        if (endpoint === undefined) throw noEndpoints()
        return { message: 'Automatic failover resumed', endpoint: toChosen(endpoint) }
      }
      const endpointId = endpointIdIn(body)
      const live = tunnels.get(tunnelId, actor, 'write')
      belonging(live, endpointId)
      live.pin(endpointId, body?.ttlSeconds === undefined ? undefined : body.ttlSeconds * 1_000, actor.owner)
      await live.saved()
      return { message: 'Manual failover triggered', endpoint: toChosen(belonging(live, endpointId)) }
    },
  )
}

function addRecordRoutes(app: HttpRoutes, { tunnels }: TunnelApiOptions, { at, hide }: Base): void {
  app.post(
    `${at}/record-failure`,
    {
      config: { defectCode: 'RECORD_FAILURE_FAILED' },
      schema: {
        summary: 'Say that a request to an endpoint failed; the third failure makes it unhealthy',
        ...{ tags, hide, params: tunnelPath, body: failureBody },
        response: { 200: z.object({ message: z.string(), state: failureState }) },
      },
    },
    async (call) => {
      const actor = actorOf(call)
      const { tunnelId } = call.params
      const body = call.body
      const endpointId = endpointIdIn(body)
      const live = tunnels.get(tunnelId, actor, 'write')
      belonging(live, endpointId)
      const error = (body?.error ?? 'Unknown error').slice(0, ERROR_CHARACTERS_MAX)
      const evidence = { error, reported_by: actor.owner }
      live.report(endpointId, { kind: 'failed', reason: 'reported', evidence, ...latencyOf(body?.latency) })
      await live.saved()
      return { message: 'Endpoint failure recorded', state: toFailureState(belonging(live, endpointId)) }
    },
  )
  app.post(
    `${at}/record-success`,
    {
      config: { defectCode: 'RECORD_SUCCESS_FAILED' },
      schema: {
        summary: 'Say that a request to an endpoint was answered',
        ...{ tags, hide, params: tunnelPath, body: successBody },
        response: { 200: z.object({ message: z.string(), endpointId: z.string() }) },
      },
    },
    async (call) => {
      const { tunnelId } = call.params
      const body = call.body
      const endpointId = endpointIdIn(body)
      const live = tunnels.get(tunnelId, actorOf(call), 'write')
      belonging(live, endpointId)
      live.report(endpointId, { kind: 'succeeded', ...latencyOf(body?.latency) })
      return { message: 'Endpoint success recorded', endpointId }
    },
  )
}

function addResetRoute(app: HttpRoutes, { tunnels }: TunnelApiOptions, { at, hide }: Base): void {
  app.post(
    `${at}/reset-failures`,
    {
      config: { defectCode: 'RESET_FAILURES_FAILED' },
      schema: {
        summary: 'Forget the failures of an endpoint: it takes requests again at once',
        ...{ tags, hide, params: tunnelPath, body: endpointBody },
        response: { 200: z.object({ message: z.string(), endpointId: z.string() }) },
      },
    },
    async (call) => {
      const { tunnelId } = call.params
      const endpointId = endpointIdIn(call.body)
      const live = tunnels.get(tunnelId, actorOf(call), 'write')
      belonging(live, endpointId)
      live.reset(endpointId)
      await live.saved()
      return { message: 'Endpoint failure count reset', endpointId }
    },
  )
}

/** Throws endpoint_not_found for an endpoint that is not the tunnel's. */
function belonging(live: LiveTunnel, endpointId: string): EndpointSnapshot {
  const endpoint = live.endpoint(endpointId)
  if (endpoint !== undefined) return endpoint
  throw new HoldfastError('endpoint_not_found', 'The specified endpoint does not exist for this tunnel')
}

function noEndpoints(): HoldfastError {
  return new HoldfastError('no_endpoints', 'No endpoints found for this tunnel')
}

function latencyOf(latencyMs: number | undefined): { readonly latencyMs?: number } {
  return latencyMs === undefined ? {} : { latencyMs }
}
