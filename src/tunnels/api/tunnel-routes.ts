import type { z } from 'zod'
import type { HttpRoutes } from '../../http/server.ts'
import type { Actor } from '../activity.ts'
import type { LiveTunnel } from '../live-tunnel.ts'
import type { TunnelInput } from '../tunnel-changes.ts'
import { actorOf, answered, done, doneEnvelope, envelope, pageEnvelope } from './envelope.ts'
import type { TunnelApiOptions } from './tunnel-api.ts'
import { createBody, pageQuery, tunnelPath, updateBody } from './tunnel-body.ts'
import { toTunnelObject, tunnelObject } from './tunnel-object.ts'

const tags = ['tunnels']
const tunnelAnswer = envelope(tunnelObject)

export function addTunnelRoutes(app: HttpRoutes, options: TunnelApiOptions): void {
  const { tunnels, clock } = options
  app.post(
    '/api/tunnels',
    { schema: { summary: 'Make a tunnel', tags, body: createBody, response: { 201: tunnelAnswer } } },
    async (request, reply) => {
      const actor = actorOf(request)
      const { name } = request.body
      const live = await tunnels.create(actor, { ...inputOf(request.body), name })
      return reply.code(201).send(answered(clock, shown(options, live, actor)))
    },
  )
  app.get(
    '/api/tunnels',
    {
      schema: {
        summary: 'List tunnels, the newest first: admins all, others their own',
        tags,
        querystring: pageQuery,
        response: { 200: pageEnvelope(tunnelObject) },
      },
    },
    async (call) => {
      const actor = actorOf(call)
      const all = tunnels.list(actor)
      const { limit, offset } = call.query
      const data = all.slice(offset, offset + limit).map((live) => shown(options, live, actor))
      return { ...answered(clock, data), pagination: { limit, offset, total: all.length } }
    },
  )
  app.get(
    '/api/tunnels/:tunnelId',
    {
      schema: { summary: 'Read a tunnel', tags, params: tunnelPath, response: { 200: tunnelAnswer } },
    },
    async (call) => {
      const actor = actorOf(call)
      return answered(clock, shown(options, tunnels.get(call.params.tunnelId, actor, 'read'), actor))
    },
  )
  addChangeRoutes(app, options)
}

function addChangeRoutes(app: HttpRoutes, options: TunnelApiOptions): void {
  const { tunnels, clock } = options
  app.put(
    '/api/tunnels/:tunnelId',
    {
      schema: {
        summary: 'Change what is given of a tunnel; endpoints that stay keep their id and health',
        tags,
        params: tunnelPath,
        body: updateBody,
        response: { 200: tunnelAnswer },
      },
    },
    async (call) => {
      const actor = actorOf(call)
      const live = await tunnels.update(call.params.tunnelId, actor, inputOf(call.body))
      return answered(clock, shown(options, live, actor))
    },
  )
  app.delete(
    '/api/tunnels/:tunnelId',
    {
      schema: {
        summary: 'Delete a tunnel',
        tags,
        params: tunnelPath,
        response: { 200: doneEnvelope },
      },
    },
    async (call) => {
      await tunnels.remove(call.params.tunnelId, actorOf(call))
      return done(clock, 'Tunnel deleted successfully')
    },
  )
}

/** Start and stop. A stopped tunnel carries nothing and checks nothing. */
export function addRunRoutes(app: HttpRoutes, options: TunnelApiOptions): void {
  const { tunnels, clock } = options
  const ways = [
    { path: 'start', summary: 'Start a tunnel', isRunning: true, message: 'Tunnel start initiated' },
    { path: 'stop', summary: 'Stop a tunnel', isRunning: false, message: 'Tunnel stopped successfully' },
  ] as const
  for (const { path, summary, isRunning, message } of ways) {
    app.post(
      `/api/tunnels/:tunnelId/${path}`,
      { schema: { summary, tags, params: tunnelPath, response: { 200: tunnelAnswer } } },
      async (call) => {
        const actor = actorOf(call)
        const { tunnelId } = call.params
        const live = await tunnels.setRunning(tunnelId, actor, isRunning)
        return { ...answered(clock, shown(options, live, actor)), message }
      },
    )
  }
}

export function shown({ tunnels }: TunnelApiOptions, live: LiveTunnel, actor: Actor) {
  return toTunnelObject(live.snapshot(), tunnels.permission(live, actor))
}

function inputOf({ public: isPublic, ...rest }: z.infer<typeof updateBody>): Partial<TunnelInput> {
  const { name, config, endpoints } = rest
  return {
    ...(name === undefined ? {} : { name }),
    ...(config === undefined ? {} : { config: present(config) }),
    ...(endpoints === undefined ? {} : { endpoints }),
    ...(isPublic === undefined ? {} : { isPublic }),
  }
}

/** Without the fields that were left out, so that they overwrite nothing. */
export function present<Fields extends object>(
  fields: Fields,
): { [Key in keyof Fields]?: Exclude<Fields[Key], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [Key in keyof Fields]?: Exclude<Fields[Key], undefined>
  }
}
