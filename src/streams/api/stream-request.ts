import { z } from 'zod'
import { ACTIONS, CONDITIONS } from '../detect/conditions.ts'
import { FAILBACK_KINDS, OUTPUT_DELAY_MS_MAX, STANDBY_KINDS } from '../service.ts'
import type { FailbackKind, SlateRequest, StandbyKind, StreamRequest } from '../service.ts'
import { httpUrl } from '../../http/http-url.ts'
import { drillScheduleBody, toDrillSchedule } from './drill-body.ts'
import { lenientBoolean, lenientNumber } from './input.ts'
import { requestHeaders } from '../../http/request-headers.ts'
import type { ResolverName } from '../sources/resolver-arguments.ts'
import { resolverFields, resolverProblems, toResolver } from './resolver-request.ts'
import { requireAllowedProtocols, sourceUrl } from './source-url.ts'
import { accountProblems, sourceBody, SOURCES_MAX, toSources } from './source-request.ts'
import { userAgentText } from './user-agent.ts'

/** Most failover URLs of one stream. */
export const FAILOVER_URLS_MAX = 100
const METADATA_KEYS_MAX = 64
const WAIT_SECONDS_MAX = 86_400
const PATH_CHARACTERS_MAX = 4_096
const SLATE_TEXT_CHARACTERS_MAX = 80
const METADATA_CHARACTERS_MAX = 1024

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

const waitSeconds = (description: string) =>
  z
    .number()
    .min(0, 'must be at least 0')
    .max(WAIT_SECONDS_MAX, `must be at most ${WAIT_SECONDS_MAX}`)
    .nullish()
    .meta({ description })

const failbackKind = z.enum(FAILBACK_KINDS, `must be one of ${FAILBACK_KINDS.join(', ')}`)
const failback = z.union(
  [
    failbackKind,
    z.object({
      mode: failbackKind,
      probation_seconds: waitSeconds('Healthy for so long before it is gone back to'),
      hold_down_seconds: waitSeconds('No failback so long after a switch; doubles when one did not last'),
    }),
  ],
  `must be one of ${FAILBACK_KINDS.join(', ')}, or an object with mode and optionally probation_seconds and hold_down_seconds from 0 to ${WAIT_SECONDS_MAX}`,
)

const slate = z.union(
  [
    lenientBoolean,
    z.object({
      enabled: lenientBoolean.nullish(),
      after_seconds: waitSeconds('Silence after which it is shown'),
      file: z
        .string()
        .min(1)
        .max(PATH_CHARACTERS_MAX)
        .nullish()
        .meta({ description: 'Video or picture on the gateway’s machine' }),
      text: z.string().max(SLATE_TEXT_CHARACTERS_MAX).nullish().meta({ description: 'Text of the built-in card' }),
    }),
  ],
  `must be true, false, or an object of enabled, after_seconds (0 to ${WAIT_SECONDS_MAX}), file (a path) and text (at most ${SLATE_TEXT_CHARACTERS_MAX} characters)`,
)

/** What Holdfast can do beyond the compatible fields. */
const own = {
  sources: z.array(sourceBody).max(SOURCES_MAX, `must have at most ${SOURCES_MAX} sources`).nullish().meta({
    description: 'Sources with priority, weight, region, headers, user_agent, account, max_connections (Holdfast only)',
  }),
  keep_open: lenientBoolean
    .nullish()
    .meta({ description: 'Keep the source connected while nobody watches (Holdfast only)' }),
  seamless: lenientBoolean.nullish().meta({
    description: 'Join MPEG-TS sources into one programme on one timeline; true by default (Holdfast only)',
  }),
  detect: z
    .partialRecord(
      z.enum(CONDITIONS),
      z.enum(ACTIONS, `must be one of ${ACTIONS.join(', ')}`),
      `must be an object of conditions, which are ${CONDITIONS.join(', ')}`,
    )
    .nullish()
    .meta({ description: 'What to do about each condition of a source, see docs/DETECTION.md (Holdfast only)' }),
  standby: z
    .enum(STANDBY_KINDS, `must be one of ${STANDBY_KINDS.join(', ')}`)
    .nullish()
    .meta({ description: 'How the next source is kept ready: cold, warm or hot (Holdfast only)' }),
  failback: failback
    .nullish()
    .meta({ description: 'Going back to a better source that has recovered (Holdfast only)' }),
  slate: slate.nullish().meta({ description: 'What viewers see when no source delivers (Holdfast only)' }),
  output_delay_ms: z
    .int('must be a whole number')
    .min(0, 'must be at least 0')
    .max(OUTPUT_DELAY_MS_MAX, `must be at most ${OUTPUT_DELAY_MS_MAX}`)
    .nullish()
    .meta({ description: 'Viewers get everything so much later (Holdfast only)' }),
  capture: lenientBoolean
    .nullish()
    .meta({ description: 'Keep the bytes of 10 s around each switch, to be downloaded (Holdfast only)' }),
  drill: drillScheduleBody
    .nullish()
    .meta({ description: 'Rehearse a failover now and then, see docs/DRILLS.md (Holdfast only)' }),
}

/** POST /streams. Unknown fields are ignored, as the peer does; null means not given. */
export const streamRequestBody = z
  .object({
    url: sourceUrl.optional().meta({ description: 'Names the stream; may be left out when `sources` has one' }),
    failover_urls: z
      .array(sourceUrl)
      .max(FAILOVER_URLS_MAX, `must have at most ${FAILOVER_URLS_MAX} URLs`)
      .nullish()
      .meta({
        description: 'Tried in this order when the source on air fails; after the last comes the primary again',
      }),
    failover_resolver_url: httpUrl
      .nullish()
      .meta({ description: 'Asked for the next URL when a source fails; failover_urls are its fallback' }),
    user_agent: userAgentText.nullish(),
    metadata: metadata.nullish(),
    headers: requestHeaders('Sent with every request to a source').nullish(),
    strict_live_ts: lenientBoolean.nullish(),
    use_sticky_session: lenientBoolean.nullish(),
    ...resolverFields,
    ...own,
    ...silence,
  })
  .superRefine((body, context) => {
    for (const { path, message } of resolverProblems(body)) context.addIssue({ code: 'custom', path: [path], message })
    if (body.url === undefined && (body.sources ?? []).length === 0) {
      const message = 'Invalid input: expected string, received undefined'
      context.addIssue({ code: 'invalid_type', expected: 'string', input: undefined, path: ['url'], message })
    }
    if (namesNoSource(body)) {
      const message = 'is not a source of this stream: it must be an index from 0, or a URL, of one of them'
      context.addIssue({ code: 'custom', path: ['drill', 'target'], message })
    }
    for (const { index, message } of accountProblems(body.sources ?? [])) {
      context.addIssue({ code: 'custom', path: ['sources', index, 'max_connections'], message })
    }
  })

type Listed = Parameters<typeof toSources>[0]

/** Whether a scheduled drill is to lead to a source that is not there. A resolver may name any. */
function namesNoSource({
  drill,
  failover_resolver_url: resolver,
  ...listed
}: Listed & {
  readonly drill?: Parameters<typeof toDrillSchedule>[0] | null | undefined
  readonly failover_resolver_url?: string | null | undefined
}): boolean {
  const target = drill === undefined || drill === null ? undefined : toDrillSchedule(drill).target
  if (target === undefined || typeof resolver === 'string') return false
  const sources = toSources(listed, undefined)
  return typeof target === 'number' ? target >= sources.length : !sources.some(({ url }) => url === target)
}

/** What the configuration says where a body does not. Durations in milliseconds. */
export interface StreamDefaults {
  readonly strictLiveTs: boolean
  readonly useStickySession: boolean
  readonly region: string | undefined
  readonly standby: StandbyKind
  readonly failback: FailbackKind
  readonly failbackProbationMs: number
  readonly failbackHoldDownMs: number
  readonly slate: boolean
  readonly slateAfterMs: number
  readonly slateFile: string | undefined
  readonly slateText: string | undefined
  readonly outputDelayMs: number
  /** Schemes that sources may have; http and https where it is not given. */
  readonly sourceProtocols?: readonly string[]
  /** Throws resolver_disabled or resolver_unavailable. */
  readonly requireResolver?: (name: ResolverName) => void
}

type Body = z.output<typeof streamRequestBody>

/** As `toStreamRequest`; throws for a scheme that is not allowed (RequestInvalid), and for a resolver that is not there. */
export function toAllowedRequest(body: Body, defaults: StreamDefaults): StreamRequest {
  const request = toStreamRequest(body, defaults)
  requireAllowedProtocols(request, defaults.sourceProtocols)
  if (request.resolver !== undefined) defaults.requireResolver?.(request.resolver.name)
  return request
}

/** The domain's form of a validated body. */
export function toStreamRequest(body: Body, defaults: StreamDefaults): StreamRequest {
  const silenceGiven = Object.keys(silence).flatMap((name) => {
    const value = body[name as keyof typeof silence]
    return value === undefined || value === null ? [] : [[name, value] as const]
  })
  const resolver = body.failover_resolver_url ?? undefined
  const userAgent = body.user_agent ?? undefined
  const detect = body.detect ?? undefined
  const sources = toSources(body, defaults.region)
  const url = body.url ?? body.sources?.[0]?.url ?? ''
  const primaryAt = sources.findIndex((source) => source.url === url)
  return {
    url,
    failoverUrls: sources.filter((_, index) => index !== primaryAt).map((source) => source.url),
    sources,
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
    standby: body.standby ?? defaults.standby,
    failback: toFailback(body.failback, defaults),
    slate: toSlate(body.slate, defaults),
    outputDelayMs: body.output_delay_ms ?? defaults.outputDelayMs,
    capture: body.capture ?? false,
    ...(body.drill === undefined || body.drill === null ? {} : { drill: toDrillSchedule(body.drill) }),
    ...toResolver(body),
  }
}

const MS_PER_SECOND = 1_000

function toFailback(body: Body['failback'], defaults: StreamDefaults): StreamRequest['failback'] {
  const { mode, probation_seconds, hold_down_seconds } =
    typeof body === 'object' && body !== null ? body : { mode: body ?? defaults.failback }
  const msOf = (seconds: number | null | undefined, otherwiseMs: number) =>
    typeof seconds === 'number' ? seconds * MS_PER_SECOND : otherwiseMs
  return {
    kind: mode,
    probationMs: msOf(probation_seconds, defaults.failbackProbationMs),
    holdDownMs: msOf(hold_down_seconds, defaults.failbackHoldDownMs),
  }
}

function toSlate(body: Body['slate'], defaults: StreamDefaults): SlateRequest {
  const given = typeof body === 'object' && body !== null ? body : {}
  const file = given.file ?? defaults.slateFile
  const text = given.text ?? defaults.slateText
  const after = given.after_seconds
  return {
    isOn: typeof body === 'boolean' ? body : (given.enabled ?? (body === given || defaults.slate)),
    afterMs: typeof after === 'number' ? after * MS_PER_SECOND : defaults.slateAfterMs,
    ...(file === undefined ? {} : { file }),
    ...(text === undefined ? {} : { text }),
  }
}

/** A stream of nothing but a URL, for `?url=`. */
export function requestOf(url: string, defaults: StreamDefaults): StreamRequest {
  return toStreamRequest({ url }, defaults)
}
