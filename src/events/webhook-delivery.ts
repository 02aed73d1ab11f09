import type { Dispatcher } from 'undici'
import { postJson } from '../http/post-json.ts'
import type { Clock } from '../lib/clock.ts'
import type { EventMessage } from './event-message.ts'
import type { Webhook } from './webhook.ts'
import { webhookSignature } from './webhook-signature.ts'

/** How one attempt ended, `ms` after it began. Redirects are not followed. */
export type Attempt =
  /** Answered with a status below 400. */
  | { readonly kind: 'succeeded'; readonly status: number; readonly ms: number }
  /** Answered with 400 or above. */
  | { readonly kind: 'refused'; readonly status: number; readonly ms: number }
  /** Not answered. */
  | { readonly kind: 'failed'; readonly error: string; readonly ms: number }

export interface DeliveryOptions {
  readonly webhook: Webhook
  readonly message: EventMessage
  /** From 1. */
  readonly attempt: number
  readonly dispatcher: Dispatcher
  readonly clock: Clock
  readonly signal: AbortSignal
}

const USER_AGENT = 'Holdfast-Webhook/1.0'

/** Posts a message to a webhook once. Does not throw: not even an abort, which is an attempt that failed. */
export async function attemptDelivery(options: DeliveryOptions): Promise<Attempt> {
  const { webhook, clock, dispatcher, signal } = options
  const startedMs = clock.nowMs()
  const body = JSON.stringify(options.message)
  const result = await postJson({
    ...{ url: webhook.url, headers: headersOf(options, body), body, timeoutMs: webhook.timeoutSeconds * 1_000 },
    ...{ clock, signal, dispatcher },
  })
  const ms = Math.round(clock.nowMs() - startedMs)
  if (result.kind === 'failed') return { ...result, ms }
  return { kind: result.status < 400 ? 'succeeded' : 'refused', status: result.status, ms }
}

function headersOf({ webhook, message, attempt, clock }: DeliveryOptions, body: string): Record<string, string> {
  const own = Object.entries(webhook.headers).map(([name, value]) => [name.toLowerCase(), value] as const)
  return {
    'user-agent': USER_AGENT,
    ...Object.fromEntries(own),
    'x-holdfast-event-id': message.event_id,
    'x-holdfast-delivery-attempt': String(attempt),
    'x-holdfast-signature': webhookSignature(webhook.secret, Math.floor(clock.wallMs() / 1_000), body),
  }
}
