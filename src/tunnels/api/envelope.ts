import { z } from 'zod'
import type { Caller } from '../../http/access.ts'
import { RequestInvalid } from '../../http/error-body.ts'
import type { Clock } from '../../lib/clock.ts'
import { HoldfastError } from '../../lib/errors.ts'
import type { ErrorCode } from '../../lib/errors.ts'
import type { Actor } from '../activity.ts'

type WallClock = Pick<Clock, 'wallMs'>

export function envelope<Data extends z.ZodType>(data: Data) {
  return z.object({ success: z.literal(true), data, message: z.string().optional(), timestamp: z.string() })
}

export function pageEnvelope<Data extends z.ZodType>(data: Data) {
  const pagination = z.object({ limit: z.number(), offset: z.number(), total: z.number().optional() })
  return z.object({ success: z.literal(true), data: z.array(data), pagination, timestamp: z.string() })
}

export const doneEnvelope = z.object({ success: z.literal(true), message: z.string(), timestamp: z.string() })

export function answered<Data>(clock: WallClock, data: Data) {
  return { success: true as const, data, timestamp: timestamp(clock) }
}

export function done(clock: WallClock, message: string) {
  return { success: true as const, message, timestamp: timestamp(clock) }
}

export function timestamp(clock: WallClock): string {
  return new Date(clock.wallMs()).toISOString()
}

interface AskingRequest {
  readonly caller: Caller | undefined
  readonly ip: string
  readonly headers: { readonly 'user-agent'?: string | undefined }
}

/** Who asks, on a route that only callers reach. */
export function actorOf({ caller, ip, headers }: AskingRequest): Actor {
  if (caller === undefined)
    throw new HoldfastError('unauthorized', 'An API key that is valid has to come with the request')
  return { ...caller, ip, userAgent: headers['user-agent'] }
}

/** Which code a field of the body has when it does not validate, by the first step of its path; `*` for all others. */
export type FieldCodes = Readonly<Record<string, ErrorCode>>

const PARAMETERS: FieldCodes = { tunnelId: 'invalid_tunnel_id', shareId: 'share_not_found' }

/**
 * What Fastify's validation found, under the peer's own codes: what stands in no table stays an invalid_request. Other
 * errors come back as they are.
 */
export function withPeerCodes(error: unknown, fields: FieldCodes): unknown {
  if (!(error instanceof RequestInvalid)) return error
  const { issues, validationContext } = error
  const codes = validationContext === 'params' ? PARAMETERS : validationContext === 'body' ? fields : {}
  for (const { path, message } of issues) {
    const code = codes[String(path[0] ?? '')] ?? codes['*']
    if (code !== undefined)
      return new HoldfastError(code, [path.join('.'), message].filter((text) => text !== '').join(': '))
  }
  return error
}
