import { z } from 'zod'
import { ACTIONS, CONDITIONS } from '../detect/conditions.ts'
import type { StreamRequest } from '../service.ts'
import { httpUrl } from '../../http/http-url.ts'
import { lenientBoolean, lenientNumber } from './input.ts'
import { requestHeaders } from '../../http/request-headers.ts'

/** Most failover URLs of one stream. */
export const FAILOVER_URLS_MAX = 100
const METADATA_KEYS_MAX = 64
const METADATA_CHARACTERS_MAX = 1024
const USER_AGENT_CHARACTERS_MAX = 1024

const metadataText = z.string().max(METADATA_CHARACTERS_MAX, `must have at most ${METADATA_CHARACTERS_MAX} characters`)

/** Scalars become text as the peer writes them, booleans `True` and `False`, so that filters of old still match. */
const metadata = z
  .record(
    metadataText,
    z.union(
      [metadataText, z.number().transform(String), z.boolean().transform((value) => (value ? 'True' : 'False'))],
      `must be a number, a boolean or a text of at most ${METADATA_CHARACTERS_MAX} characters`,
    ),
  )
  .refine((value) => Object.keys(value).length <= METADATA_KEYS_MAX, `must have at most ${METADATA_KEYS_MAX} keys`)

const silence = {
  enable_silence_detection: lenientBoolean.nullish(),
  silence_threshold_db: lenientNumber.nullish(),
  silence_duration: lenientNumber.nullish(),
  silence_check_interval: lenientNumber.nullish(),
  silence_failover_threshold: lenientNumber.nullish(),
  silence_monitoring_grace_period: lenientNumber.nullish(),
}

/** POST /streams. Unknown fields are ignored, as the peer does; null means not given. */
export const streamRequestBody = z.object({
  url: httpUrl,
  failover_urls: z
    .array(httpUrl)
    .max(FAILOVER_URLS_MAX, `must have at most ${FAILOVER_URLS_MAX} URLs`)
    .nullish()
    .meta({ description: 'Tried in this order when the source on air fails; after the last comes the primary again' }),
  failover_resolver_url: httpUrl
    .nullish()
    .meta({ description: 'Asked for the next URL when a source fails; failover_urls are its fallback' }),
  user_agent: z
    .string()
    .max(USER_AGENT_CHARACTERS_MAX, `must have at most ${USER_AGENT_CHARACTERS_MAX} characters`)
    .regex(/^[\t\x20-\x7e\x80-\xff]*$/, 'must not contain line breaks or other control characters')
    .nullish(),
  metadata: metadata.nullish(),
  headers: requestHeaders('Sent with every request to a source').nullish(),
  strict_live_ts: lenientBoolean.nullish(),
  use_sticky_session: lenientBoolean.nullish(),
  keep_open: lenientBoolean
    .nullish()
    .meta({ description: 'Keep the source connected while nobody watches (Holdfast only)' }),
  seamless: lenientBoolean.nullish().meta({
    description: 'Join MPEG-TS sources into one programme on one timeline; true by default (Holdfast only)',
  }),
  detect: z
    .partialRecord(
      z.enum(CONDITIONS, `must be one of ${CONDITIONS.join(', ')}`),
      z.enum(ACTIONS, `must be one of ${ACTIONS.join(', ')}`),
    )
    .nullish()
    .meta({ description: 'What to do about each condition of a source, see docs/DETECTION.md (Holdfast only)' }),
  ...silence,
})

export interface StreamDefaults {
  readonly strictLiveTs: boolean
  readonly useStickySession: boolean
}

/** The domain's form of a validated body. */
export function toStreamRequest(body: z.output<typeof streamRequestBody>, defaults: StreamDefaults): StreamRequest {
  const silenceGiven = Object.keys(silence).flatMap((name) => {
    const value = body[name as keyof typeof silence]
    return value === undefined || value === null ? [] : [[name, value] as const]
  })
  const resolver = body.failover_resolver_url ?? undefined
  const userAgent = body.user_agent ?? undefined
  const detect = body.detect ?? undefined
  return {
    url: body.url,
    failoverUrls: body.failover_urls ?? [],
    ...(resolver === undefined ? {} : { failoverResolverUrl: resolver }),
    ...(userAgent === undefined || userAgent === '' ? {} : { userAgent }),
    headers: body.headers ?? {},
    metadata: body.metadata ?? {},
    strictLiveTs: body.strict_live_ts ?? defaults.strictLiveTs,
    useStickySession: body.use_sticky_session ?? defaults.useStickySession,
    keepOpen: body.keep_open ?? false,
    seamless: body.seamless ?? true,
    silence: Object.fromEntries(silenceGiven),
    ...(detect === undefined ? {} : { detect }),
  }
}

/** A stream of nothing but a URL, for `?url=`. */
export function requestOf(url: string, defaults: StreamDefaults): StreamRequest {
  return toStreamRequest({ url }, defaults)
}
