import { z } from 'zod'
import type { Clock } from '../lib/clock.ts'
import { HoldfastError } from '../lib/errors.ts'
import { ROLES } from './access.ts'
import type { Caller } from './access.ts'
import type { ApiKey, ApiKeys } from './api-keys.ts'
import type { HttpRoutes, RouteGroup } from './server.ts'

const tags = ['api keys']
const DAYS_MAX = 3_650
const DAY_MS = 86_400_000

/** Names an owner: a user id of whatever system the keys are handed out by. */
const ownerName = z
  .string()
  .min(1)
  .max(128)
  .regex(/^[\w.@:|+-]+$/, 'may have letters, digits and . _ @ : | + - only')
  .meta({ description: 'User id', example: 'alice' })

const keyBody = z.object({
  name: z.string().trim().min(1).max(255),
  owner: ownerName.optional().meta({ description: 'The caller by default; only admins may name another' }),
  role: z.enum(ROLES).default('user'),
  expiresInDays: z.number().positive().max(DAYS_MAX).optional(),
})

const keyObject = z.object({
  id: z.string(),
  owner: z.string(),
  role: z.enum(ROLES),
  name: z.string(),
  createdAt: z.string(),
  lastUsedAt: z.string().nullable(),
  expiresAt: z.string().nullable(),
  expired: z.boolean(),
})

const keyPath = z.object({ keyId: z.string() })
const success = z.literal(true)
const timestamp = z.string()
const created = keyObject.extend({ key: z.string().meta({ description: 'What its owner sends; shown this once' }) })

interface KeyRouteOptions {
  readonly keys: ApiKeys
  readonly clock: Pick<Clock, 'wallMs'>
}

/** `/api/keys`: admins make, see and revoke all; users their own, without the role admin. */
export function apiKeyRoutes(options: KeyRouteOptions): RouteGroup {
  return {
    access: 'account',
    errors: 'coded',
    plugin: async (app) => {
      addListRoutes(app, options)
      addCreateRoute(app, options)
      addRevokeRoute(app, options)
    },
  }
}

function addCreateRoute(app: HttpRoutes, { keys, clock }: KeyRouteOptions): void {
  app.post(
    '/api/keys',
    {
      schema: {
        summary: 'Make an API key; it is shown this once',
        tags,
        body: keyBody,
        response: { 201: z.object({ success, data: created, timestamp }) },
      },
    },
    async ({ body, caller }, reply) => {
      const { name, owner, role, expiresInDays } = body
      const expiresWallMs =
        expiresInDays === undefined ? undefined : Math.floor(clock.wallMs() + expiresInDays * DAY_MS)
      const { key, text } = await keys.create(callerIn(caller), { name, owner, role, expiresWallMs })
      // Not for caches on the way: it is the only time that the key is shown.
      return reply
        .code(201)
        .header('cache-control', 'no-store')
        .send({ success: true, data: { ...toObject(key, keys), key: text }, timestamp: nowText(clock) })
    },
  )
}

function addListRoutes(app: HttpRoutes, { keys, clock }: KeyRouteOptions): void {
  const listed = z.object({ success, data: z.array(keyObject), timestamp })
  app.get(
    '/api/keys',
    { schema: { summary: 'List API keys: admins all, others their own', tags, response: { 200: listed } } },
    async ({ caller }) => ({
      success: true as const,
      data: keys.list(callerIn(caller)).map((key) => toObject(key, keys)),
      timestamp: nowText(clock),
    }),
  )
  const one = z.object({ success, data: keyObject, timestamp })
  app.get(
    '/api/keys/:keyId',
    { schema: { summary: 'Read what is known of an API key', tags, params: keyPath, response: { 200: one } } },
    async ({ caller, params }) => ({
      success: true as const,
      data: toObject(keys.get(callerIn(caller), params.keyId), keys),
      timestamp: nowText(clock),
    }),
  )
}

function addRevokeRoute(app: HttpRoutes, { keys, clock }: KeyRouteOptions): void {
  const done = z.object({ success, message: z.string(), timestamp })
  app.delete(
    '/api/keys/:keyId',
    { schema: { summary: 'Revoke an API key', tags, params: keyPath, response: { 200: done } } },
    async ({ caller, params }) => {
      await keys.revoke(callerIn(caller), params.keyId)
      return { success: true as const, message: 'API key revoked', timestamp: nowText(clock) }
    },
  )
}

/** The caller of a route that only callers reach. */
function callerIn(caller: Caller | undefined): Caller {
  if (caller === undefined)
    throw new HoldfastError('unauthorized', 'An API key that is valid has to come with the request')
  return caller
}

function toObject(key: ApiKey, keys: ApiKeys) {
  const { id, owner, role, name } = key
  return {
    ...{ id, owner, role, name },
    createdAt: new Date(key.createdWallMs).toISOString(),
    lastUsedAt: isoOrNull(key.lastUsedWallMs),
    expiresAt: isoOrNull(key.expiresWallMs),
    expired: keys.isExpired(key),
  }
}

function isoOrNull(wallMs: number | null): string | null {
  return wallMs === null ? null : new Date(wallMs).toISOString()
}

function nowText(clock: Pick<Clock, 'wallMs'>): string {
  return new Date(clock.wallMs()).toISOString()
}
