import { z } from 'zod'
import { httpUrl } from '../../http/http-url.ts'
import { HoldfastError } from '../../lib/errors.ts'
import { PERMISSIONS } from '../tunnel.ts'
import { ENDPOINTS_MAX } from '../tunnel-changes.ts'

const PRIORITY_MAX = 2_147_483_647
const WEIGHT_MAX = 1_000_000
const NAME_CHARACTERS_MAX = 255

const name = z.string().trim().min(1).max(NAME_CHARACTERS_MAX)

/** A UUID in any case; it comes out in lower case. */
export const uuid = z.guid().toLowerCase()

const endpoint = z.object({
  id: uuid.optional().meta({ description: 'Of an endpoint that is there, to keep it under another URL' }),
  url: httpUrl,
  priority: z
    .int()
    .min(-PRIORITY_MAX - 1)
    .max(PRIORITY_MAX)
    .default(0)
    .meta({ description: 'Higher is better' }),
  weight: z.number().min(0).max(WEIGHT_MAX).default(1).meta({ description: 'Share inside one priority; 0 drains' }),
})

const endpoints = z.array(endpoint).max(ENDPOINTS_MAX)

/** Fields that the peer does not know are refused, so that a misspelt one is noticed. */
export const configBody = z
  .strictObject({
    maxConnections: z.int().min(1).max(10_000),
    timeout: z.int().min(1_000).max(300_000).meta({ description: 'Milliseconds' }),
    compression: z.boolean(),
  })
  .partial()

export const createBody = z.object({
  name,
  config: configBody.optional(),
  endpoints: endpoints.optional(),
  public: z.boolean().optional().meta({ description: 'Its traffic needs no key' }),
})

export const updateBody = createBody.partial()

export const shareBody = z.object({
  sharedWithUserId: z.string().min(1).max(128),
  permission: z.enum(PERMISSIONS).default('read'),
  expiresAt: z.iso.datetime({ offset: true }).optional(),
})

export const permissionBody = z.object({ permission: z.enum(PERMISSIONS) })

const PAGE_MAX = 1_000
const PAGE_DEFAULT = 50
const OFFSET_MAX = 100_000

export const pageQuery = z.object({
  limit: z.coerce.number().int().min(1).max(PAGE_MAX).default(PAGE_DEFAULT),
  offset: z.coerce.number().int().min(0).max(OFFSET_MAX).default(0),
})

export const tunnelPath = z.object({ tunnelId: uuid })

const TTL_SECONDS_MAX = 31_536_000

/** Checked by `endpointIdIn`, which tells a missing id from a malformed one as the peer does. */
const endpointFields = { endpointId: z.string().nullish().meta({ description: 'UUID of the endpoint' }) }
const latency = z.number().min(0).optional().meta({ description: 'Milliseconds that the request took' })

export const endpointBody = z.object(endpointFields).nullish()
export const successBody = z.object({ ...endpointFields, latency }).nullish()
export const failureBody = z.object({ ...endpointFields, latency, error: z.string().max(10_000).optional() }).nullish()
export const manualBody = z
  .object({
    ...endpointFields,
    ttlSeconds: z
      .number()
      .positive()
      .max(TTL_SECONDS_MAX)
      .optional()
      .meta({ description: 'How long the pin holds; without it, until it is released' }),
    auto: z.boolean().optional().meta({ description: 'true releases the pin; endpointId is not needed then' }),
  })
  .nullish()

/** Throws missing_endpoint_id, invalid_endpoint_id. */
export function endpointIdIn(body: { readonly endpointId?: string | null | undefined } | null | undefined): string {
  const given = body?.endpointId ?? ''
  if (given === '') throw new HoldfastError('missing_endpoint_id', 'endpointId is required')
  const parsed = uuid.safeParse(given)
  if (parsed.success) return parsed.data
  throw new HoldfastError('invalid_endpoint_id', `endpointId ${JSON.stringify(given.slice(0, 100))} is not a UUID`)
}
