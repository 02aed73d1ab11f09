import { z } from 'zod'
import { httpUrl } from '../http/http-url.ts'
import { requestHeaders } from '../http/request-headers.ts'
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

const SECRET_CHARACTERS_MIN = 16
const SECRET_CHARACTERS_MAX = 256
const TIMEOUT_SECONDS_MAX = 300
const RETRY_ATTEMPTS_MAX = 100

/** Registered for when a request names no events: those of the m3u-proxy API. */
const DEFAULT_EVENTS: readonly EventType[] = [
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

/** Beside what no request may set: what a delivery says itself. */
const DELIVERY_HEADERS = /^(content-type|x-holdfast-.*)$/

const webhookUrl = httpUrl.meta({
  description: 'Receives a POST for each event',
  example: 'http://receiver.example/webhook',
})

const eventName = z
  .string()
  .refine((name) => eventTypeOf(name) !== undefined, `must be one of ${EVENT_TYPES.join(', ')}, in lower or upper case`)
  .meta({ description: `One of ${EVENT_TYPES.join(', ')}, in lower or upper case`, example: 'FAILOVER_TRIGGERED' })

/** The body of POST /webhooks, as m3u-proxy takes it, and `secret`. */
export const webhookBody = z.object({
  url: webhookUrl,
  events: z
    .array(eventName)
    .max(4 * EVENT_TYPES.length, `must have at most ${4 * EVENT_TYPES.length} names`)
    .default([...DEFAULT_EVENTS]),
  headers: requestHeaders('Sent with every delivery', DELIVERY_HEADERS).default({}),
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
