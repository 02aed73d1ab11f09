import { z } from 'zod'
import type { HttpRoutes } from '../../http/server.ts'
import type { TunnelShares } from '../shares.ts'
import { actorOf, answered, done, doneEnvelope, envelope, pageEnvelope } from './envelope.ts'
import type { TunnelApiOptions } from './tunnel-api.ts'
import { pageQuery, permissionBody, shareBody, tunnelPath, uuid } from './tunnel-body.ts'
import { shareObject, toShareObject, tunnelObject } from './tunnel-object.ts'
import { shown } from './tunnel-routes.ts'

const tags = ['tunnels']
const shareAnswer = envelope(shareObject)

export function addSharedWithMeRoute(app: HttpRoutes, options: TunnelApiOptions): void {
  const { tunnels, clock } = options
  app.get(
    '/api/tunnels/shared-with-me',
    {
      schema: {
        summary: 'Tunnels of others that are shared with the caller',
        tags,
        querystring: pageQuery,
        response: { 200: pageEnvelope(tunnelObject) },
      },
    },
    async (call) => {
      const actor = actorOf(call)
      const all = tunnels.sharedWith(actor)
      const { limit, offset } = call.query
      const data = all.slice(offset, offset + limit).map((live) => shown(options, live, actor))
      return { ...answered(clock, data), pagination: { limit, offset, total: all.length } }
    },
  )
}

/** Who besides its owner may use a tunnel. */
export function addShareRoutes(app: HttpRoutes, options: TunnelApiOptions, shares: TunnelShares): void {
  const { tunnels, clock } = options
  app.get(
    '/api/tunnels/:tunnelId/shares',
    {
      schema: {
        summary: 'With whom a tunnel is shared',
        tags,
        params: tunnelPath,
        response: { 200: envelope(z.array(shareObject)) },
      },
    },
    async (call) => {
      const actor = actorOf(call)
      const { tunnel } = tunnels.get(call.params.tunnelId, actor, 'admin')
      return answered(
        clock,
        shares.list(tunnel.id, actor).map((share) => toShareObject(tunnel, share)),
      )
    },
  )
  app.post(
    '/api/tunnels/:tunnelId/shares',
    {
      schema: {
        summary: 'Share a tunnel, or change what it is shared for',
        tags,
        params: tunnelPath,
        body: shareBody,
        response: { 201: shareAnswer },
      },
    },
    async (request, reply) => {
      const actor = actorOf(request)
      const { sharedWithUserId: sharedWith, permission, expiresAt } = request.body
      const expiresWallMs = expiresAt === undefined ? null : Date.parse(expiresAt)
      const { tunnelId } = request.params
      const share = await shares.add(tunnelId, actor, { sharedWith, permission, expiresWallMs })
      const { tunnel } = tunnels.get(tunnelId, actor, 'admin')
      return reply.code(201).send(answered(clock, toShareObject(tunnel, share)))
    },
  )
  addShareChangeRoutes(app, options, shares)
}

function addShareChangeRoutes(app: HttpRoutes, { tunnels, clock }: TunnelApiOptions, shares: TunnelShares): void {
  app.put(
    '/api/tunnels/:tunnelId/shares/:shareId/permission',
    {
      schema: {
        summary: 'Change what a tunnel is shared for',
        tags,
        params: tunnelPath.extend({ shareId: uuid }),
        body: permissionBody,
        response: { 200: shareAnswer },
      },
    },
    async (call) => {
      const actor = actorOf(call)
      const { tunnelId, shareId } = call.params
      const share = await shares.setPermission(tunnelId, actor, shareId, call.body.permission)
      const { tunnel } = tunnels.get(tunnelId, actor, 'admin')
      return answered(clock, toShareObject(tunnel, share))
    },
  )
  app.delete(
    '/api/tunnels/:tunnelId/shares/:sharedWithUserId',
    {
      schema: {
        summary: 'Stop sharing a tunnel with a user',
        tags,
        params: tunnelPath.extend({ sharedWithUserId: z.string() }),
        response: { 200: doneEnvelope },
      },
    },
    async (call) => {
      await shares.remove(call.params.tunnelId, actorOf(call), call.params.sharedWithUserId)
      return done(clock, 'Tunnel access revoked successfully')
    },
  )
}
