import { z } from 'zod'
import { EVENT_TYPES } from './event.ts'
import type { EventType } from './event.ts'

/** What an operator registers. */
export interface WebhookSettings {
  readonly url: string
  /** Names of events as they were written, upper or lower case; they are delivered in that spelling. */
  readonly events: readonly string[]
  /** Sent with every delivery. */
  readonly headers: Readonly<Record<string, string>>
  /** Seconds for one attempt, 1 to 300. */
  readonly timeoutSeconds: number
  /** Attempts after the first, 0 to 100. */
  readonly retryAttempts: number
}

export interface Webhook extends WebhookSettings {
  readonly id: string
  /** Key of the signature; see webhook-signature.ts. */
  readonly secret: string
  readonly registeredWallMs: number
}

const URL_CHARACTERS_MAX = 8_192
const HEADERS_MAX = 50
const HEADER_CHARACTERS_MAX = 4_096
const SECRET_CHARACTERS_MIN = 16
const SECRET_CHARACTERS_MAX = 256
const TIMEOUT_SECONDS_MAX = 300
const RETRY_ATTEMPTS_MAX = 100

/** Registered for when a request names no events: those of the m3u-proxy API. */
export const DEFAULT_EVENTS: readonly EventType[] = [
  'stream_started',
  'stream_stopped',
  'stream_failed',
  'client_connected',
  'client_disconnected',
  'failover_triggered',
]

/** The event that a registered name stands for, in either case. */
export function eventTypeOf(name: string): EventType | undefined {
  return EVENT_TYPES.find((type) => type === name || type.toUpperCase() === name)
}

/** The spelling in which a webhook wants an event, undefined when it does not want it. */
export function spellingFor(webhook: Webhook, type: EventType): string | undefined {
  return webhook.events.find((name) => eventTypeOf(name) === type)
}

/** One spelling per URL, so that `http://host` and `http://host/` are the same webhook. */
export function webhookUrlKey(url: string): string {
  return URL.canParse(url) ? new URL(url).href : url
}

/** Reserved: what frames the message (RFC 9112 §6), belongs to one connection (RFC 9110 §7.6.1), or is written by us. */
const RESERVED_HEADERS =
  /^(connection|content-length|content-type|expect|host|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|x-holdfast-.*)$/i
/** `token` of RFC 9110 §5.6.2. */
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/
/** `field-value` of RFC 9110 §5.5: no line breaks and other control characters, only what one byte can hold. */
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/

const webhookUrl = z
  .string()
  .max(URL_CHARACTERS_MAX, `must have at most ${URL_CHARACTERS_MAX} characters`)
  .refine(isHttpUrl, 'must be an absolute http or https URL without control characters')
  .meta({ description: 'Receives a POST for each event', example: 'http://receiver.example/webhook' })

const eventName = z
  .string()
  .refine((name) => eventTypeOf(name) !== undefined, `must be one of ${EVENT_TYPES.join(', ')}, in lower or upper case`)
  .meta({ description: `One of ${EVENT_TYPES.join(', ')}, in lower or upper case`, example: 'FAILOVER_TRIGGERED' })

const webhookHeaders = z.record(z.string(), z.string()).superRefine((headers, context) => {
  const entries = Object.entries(headers)
  if (entries.length > HEADERS_MAX) {
    context.addIssue({ code: 'custom', message: `must have at most ${HEADERS_MAX} headers, has ${entries.length}` })
    return
  }
  for (const [name, value] of entries) {
    const problem = headerProblem(name, value)
    if (problem !== undefined) context.addIssue({ code: 'custom', path: [name], message: problem })
  }
})

/** The body of POST /webhooks, as m3u-proxy takes it, and `secret`. */
export const webhookBody = z.object({
  url: webhookUrl,
  events: z
    .array(eventName)
    .max(4 * EVENT_TYPES.length, `must have at most ${4 * EVENT_TYPES.length} names`)
    .default([...DEFAULT_EVENTS]),
  headers: webhookHeaders.default({}).meta({ description: 'Sent with every delivery' }),
  timeout: z.int().min(1).max(TIMEOUT_SECONDS_MAX).default(10).meta({ description: 'Seconds for one attempt' }),
  retry_attempts: z.int().min(0).max(RETRY_ATTEMPTS_MAX).default(3).meta({ description: 'Attempts after the first' }),
  secret: z
    .string()
    .min(SECRET_CHARACTERS_MIN)
    .max(SECRET_CHARACTERS_MAX)
    .optional()
    .meta({ description: 'Key of the signature; without it one is made and shown in the answer, once' }),
})

/** A registration as the store keeps it. */
export const storedWebhook = z.object({
  id: z.string(),
  url: z.string(),
  events: z.array(z.string()),
  headers: z.record(z.string(), z.string()),
  timeoutSeconds: z.number(),
  retryAttempts: z.number(),
  secret: z.string(),
  registeredWallMs: z.number(),
})

function isHttpUrl(text: string): boolean {
  // The parser drops tabs and line breaks silently, so that they would come back in logs and headers.
  // oxlint-disable-next-line no-control-regex
  if (/[\u0000-\u0020\u007f]/.test(text) || !/^https?:\/\//i.test(text)) return false
  return URL.canParse(text) && new URL(text).hostname !== ''
}

function headerProblem(name: string, value: string): string | undefined {
  if (!HEADER_NAME.test(name)) return 'a header name must be 1 to 128 of the characters that RFC 9110 allows in a token'
  if (RESERVED_HEADERS.test(name)) return 'this header is set by the gateway itself'
  if (value.length > HEADER_CHARACTERS_MAX)
    return `a header value must have at most ${HEADER_CHARACTERS_MAX} characters`
  return HEADER_VALUE.test(value)
    ? undefined
    : 'a header value must not contain line breaks or other control characters'
}
