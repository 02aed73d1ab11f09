import { request } from 'undici'
import type { Dispatcher } from 'undici'
import type { Clock } from '../lib/clock.ts'
import { errorMessage } from '../lib/errors.ts'
import { redactUrlsIn } from '../lib/redact.ts'
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
/** Of the answer's body, which nobody needs, this much is read so that the connection can be used again. */
const ANSWER_BYTES_MAX = 65_536
const ERROR_CHARACTERS_MAX = 500

/** Posts a message to a webhook once. Does not throw: not even an abort, which is an attempt that failed. */
export async function attemptDelivery(options: DeliveryOptions): Promise<Attempt> {
  const { webhook, clock, dispatcher } = options
  const startedMs = clock.nowMs()
  const elapsedMs = () => Math.round(clock.nowMs() - startedMs)
  const deadline = new AbortController()
  const timer = clock.schedule(webhook.timeoutSeconds * 1_000, () =>
    deadline.abort(new Error(`no answer within ${webhook.timeoutSeconds} s`)),
  )
  const signal = AbortSignal.any([options.signal, deadline.signal])
  try {
    const body = JSON.stringify(options.message)
    const answer = await request(targetOf(webhook.url), {
      dispatcher,
      method: 'POST',
      headers: headersOf(options, body),
      body,
      signal,
      headersTimeout: 0,
      bodyTimeout: 0,
    })
    // The status is the answer; what becomes of the body changes nothing.
    await answer.body.dump({ limit: ANSWER_BYTES_MAX, signal }).catch(() => undefined)
    const kind = answer.statusCode < 400 ? 'succeeded' : 'refused'
    return { kind, status: answer.statusCode, ms: elapsedMs() }
  } catch (error) {
    return { kind: 'failed', error: describe(signal.aborted ? signal.reason : error), ms: elapsedMs() }
  } finally {
    timer.cancel()
  }
}

/** The URL without its credentials, which go into a header. */
function targetOf(text: string): URL {
  const url = new URL(text)
  url.username = ''
  url.password = ''
  url.hash = ''
  return url
}

function headersOf({ webhook, message, attempt, clock }: DeliveryOptions, body: string): Record<string, string> {
  const headers: Record<string, string> = { 'user-agent': USER_AGENT }
  const { username, password } = new URL(webhook.url)
  if (username !== '' || password !== '') {
    const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
    headers['authorization'] = `Basic ${Buffer.from(credentials).toString('base64')}`
  }
  for (const [name, value] of Object.entries(webhook.headers)) headers[name.toLowerCase()] = value
  headers['content-type'] = 'application/json'
  headers['x-holdfast-event-id'] = message.event_id
  headers['x-holdfast-delivery-attempt'] = String(attempt)
  headers['x-holdfast-signature'] = webhookSignature(webhook.secret, Math.floor(clock.wallMs() / 1_000), body)
  return headers
}

function describe(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : undefined
  // Several addresses of one name that all failed arrive as an AggregateError without a message.
  const message = errorMessage(error) || (error instanceof AggregateError ? errorMessage(error.errors[0]) : '')
  const text = code === undefined || message.includes(code) ? message : `${code}: ${message}`
  return redactUrlsIn(text || 'unknown error').slice(0, ERROR_CHARACTERS_MAX)
}
