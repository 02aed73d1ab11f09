import { randomBytes, randomUUID } from 'node:crypto'
import { Agent } from 'undici'
import type { Dispatcher } from 'undici'
import { z } from 'zod'
import type { Clock } from '../lib/clock.ts'
import { errorMessage, HoldfastError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import type { Random } from '../lib/random.ts'
import { redactUrl } from '../lib/redact.ts'
import type { Json, Store } from '../store/store.ts'
import { toEventMessage } from './event-message.ts'
import type { EventMessage } from './event-message.ts'
import type { GatewayEvent } from './event.ts'
import type { Journal } from './journal.ts'
import { spellingFor, storedWebhook, webhookUrlKey } from './webhook.ts'
import type { Webhook, WebhookSettings } from './webhook.ts'
import { attemptDelivery } from './webhook-delivery.ts'
import type { Attempt } from './webhook-delivery.ts'
import { outboxWebhookId, WebhookQueue } from './webhook-queue.ts'

export interface WebhookStatus {
  readonly webhook: Webhook
  /** Events that wait to be delivered. */
  readonly pending: number
  /** Events that were given up because too many waited, since the start of the process. */
  readonly dropped: number
}

/** One attempt as the delivery log keeps it. */
export interface Delivery {
  readonly eventId: string
  readonly eventType: string
  readonly attempt: number
  readonly outcome: Attempt
  readonly atWallMs: number
}

export interface Webhooks extends AsyncDisposable {
  /**
   * Registers a webhook, or replaces the settings of the one with the same URL; its secret stays unless another is
   * given. `generatedSecret` is there when one was made just now. Throws invalid_request above WEBHOOKS_MAX.
   */
  register(settings: WebhookSettings & { readonly secret?: string | undefined }): Promise<{
    readonly webhook: Webhook
    readonly generatedSecret: string | undefined
  }>
  list(): readonly WebhookStatus[]
  /** Forgets a webhook and what waits for it. Throws webhook_not_found. */
  remove(url: string): Promise<void>
  /** Sends a test event now, once, and says what came of it. Throws webhook_not_found. */
  test(url: string): Promise<{ readonly eventId: string; readonly attempt: Attempt }>
  /** The newest attempts first; `limit` 1 to 1,000. Throws webhook_not_found. */
  deliveries(url: string, limit: number): Promise<readonly Delivery[]>
}

interface WebhooksOptions {
  readonly store: Store
  readonly journal: Pick<Journal, 'subscribe'>
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly randomUuid?: () => string
}

/** Each has a queue and at most one request under way, so this bounds the connections too. */
export const WEBHOOKS_MAX = 64
const SECRET_BYTES = 32
const DELIVERIES_KEPT = 20_000
/** The delivery log is trimmed when this many were added. */
const TRIM_EVERY = 500
const CONNECT_TIMEOUT_MS = 30_000

/** Opens the registrations that the store holds and goes on with what was pending. */
export async function openWebhooks(options: WebhooksOptions): Promise<Webhooks> {
  const service = new WebhookService(options)
  await service.restore()
  return service
}

interface Registered {
  webhook: Webhook
  readonly queue: WebhookQueue
}

class WebhookService implements Webhooks {
  readonly #options: WebhooksOptions
  readonly #registered = new Map<string, Registered>()
  readonly #dispatcher: Dispatcher = new Agent({ connect: { timeout: CONNECT_TIMEOUT_MS } })
  readonly #stop = new AbortController()
  #subscription: Disposable | undefined
  #changes: Promise<unknown> = Promise.resolve()
  #deliveriesSinceTrim = TRIM_EVERY

  constructor(options: WebhooksOptions) {
    this.#options = options
  }

  async restore(): Promise<void> {
    const { store, journal, log } = this.#options
    for (const { key, value } of await store.list('webhooks')) {
      const parsed = storedWebhook.safeParse(value)
      if (parsed.success) this.#add(parsed.data)
      else log.error('webhook_unreadable', 'A stored webhook cannot be read and is left alone', { key })
    }
    const left = Map.groupBy(await store.list('webhook_outbox'), ({ key }) => outboxWebhookId(key))
    for (const [id, entries] of left) {
      const found = [...this.#registered.values()].find(({ webhook }) => webhook.id === id)
      const messages = entries.flatMap(({ key, value }) => (isMessage(value) ? [{ key, message: value }] : []))
      found?.queue.restore(messages)
      const useless = entries.filter(({ value }) => found === undefined || !isMessage(value))
      await Promise.all(useless.map(({ key }) => store.delete('webhook_outbox', key)))
    }
    this.#subscription = journal.subscribe((event) => this.#take(event))
  }

  async register(settings: WebhookSettings & { readonly secret?: string | undefined }): Promise<{
    readonly webhook: Webhook
    readonly generatedSecret: string | undefined
  }> {
    return this.#inTurn(async () => {
      const { store, clock, randomUuid = randomUUID } = this.#options
      const { secret, ...rest } = settings
      const known = this.#registered.get(webhookUrlKey(settings.url))
      if (known === undefined && this.#registered.size >= WEBHOOKS_MAX) {
        throw new HoldfastError('invalid_request', `there are ${WEBHOOKS_MAX} webhooks already, which is the most`)
      }
      const kept = secret ?? known?.webhook.secret
      const generatedSecret = kept === undefined ? randomBytes(SECRET_BYTES).toString('base64url') : undefined
      const webhook: Webhook = {
        ...rest,
        id: known?.webhook.id ?? randomUuid(),
        secret: kept ?? generatedSecret ?? '',
        registeredWallMs: Math.floor(clock.wallMs()),
      }
      await store.put('webhooks', webhook.id, { ...webhook })
      if (known === undefined) this.#add(webhook)
      else known.webhook = webhook
      return { webhook, generatedSecret }
    })
  }

  list(): readonly WebhookStatus[] {
    return [...this.#registered.values()]
      .map(({ webhook, queue }) => ({ webhook, pending: queue.pending, dropped: queue.dropped }))
      .toSorted((left, right) => left.webhook.registeredWallMs - right.webhook.registeredWallMs)
  }

  async remove(url: string): Promise<void> {
    await this.#inTurn(async () => {
      const { webhook, queue } = this.#find(url)
      await this.#options.store.delete('webhooks', webhook.id)
      this.#registered.delete(webhookUrlKey(url))
      await queue.clear()
    })
  }

  async test(url: string): Promise<{ readonly eventId: string; readonly attempt: Attempt }> {
    const { clock, randomUuid = randomUUID } = this.#options
    const { webhook } = this.#find(url)
    const event: GatewayEvent = {
      eventId: randomUuid(),
      type: 'stream_started',
      streamId: 'test',
      atWallMs: clock.wallMs(),
      data: { test: true, message: 'A test of this webhook; no stream is concerned' },
    }
    const isUpper = webhook.events.length > 0 && webhook.events.every((name) => name === name.toUpperCase())
    const message = toEventMessage(event, isUpper ? event.type.toUpperCase() : event.type)
    return { eventId: event.eventId, attempt: await this.#attempt(webhook, message, 1, this.#stop.signal) }
  }

  async deliveries(url: string, limit: number): Promise<readonly Delivery[]> {
    const { webhook } = this.#find(url)
    const query = { subject: webhook.id, limit, order: 'newest' } as const
    const records = await this.#options.store.read('webhook_deliveries', query)
    return records.flatMap(({ value, atWallMs }) => {
      const parsed = storedDelivery.safeParse(value)
      return parsed.success ? [{ ...parsed.data, atWallMs }] : []
    })
  }

  /** Breaks off what is under way; what waits stays in the store for the next start. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#subscription?.[Symbol.dispose]()
    this.#stop.abort(new Error('the gateway is stopping'))
    await Promise.all([...this.#registered.values()].map(({ queue }) => queue[Symbol.asyncDispose]()))
    await this.#dispatcher.destroy()
  }

  #take(event: GatewayEvent): void {
    for (const { webhook, queue } of this.#registered.values()) {
      const spelling = spellingFor(webhook, event.type)
      if (spelling !== undefined) queue.push(toEventMessage(event, spelling))
    }
  }

  #add(webhook: Webhook): void {
    const { store, clock, random, log } = this.#options
    const registered: Registered = {
      webhook,
      queue: new WebhookQueue({
        webhook: () => registered.webhook,
        attempt: (message, attempt, signal) => this.#attempt(registered.webhook, message, attempt, signal),
        store,
        clock,
        random,
        log,
      }),
    }
    this.#registered.set(webhookUrlKey(webhook.url), registered)
  }

  #find(url: string): Registered {
    const found = this.#registered.get(webhookUrlKey(url))
    if (found === undefined) throw new HoldfastError('webhook_not_found', 'Webhook not found')
    return found
  }

  async #attempt(webhook: Webhook, message: EventMessage, attempt: number, signal: AbortSignal): Promise<Attempt> {
    const { clock, log } = this.#options
    const outcome = await attemptDelivery({ webhook, message, attempt, dispatcher: this.#dispatcher, clock, signal })
    if (signal.aborted) return outcome
    log.debug('webhook_attempt', `Webhook attempt ${outcome.kind}`, {
      url: redactUrl(webhook.url),
      event_id: message.event_id,
      event_type: message.event_type,
      attempt,
      ms: outcome.ms,
    })
    void this.#note(webhook, message, attempt, outcome)
    return outcome
  }

  async #note(webhook: Webhook, message: EventMessage, attempt: number, outcome: Attempt): Promise<void> {
    const { store, clock, log } = this.#options
    const value: Json = { eventId: message.event_id, eventType: message.event_type, attempt, outcome: { ...outcome } }
    const record = { subject: webhook.id, type: outcome.kind, atWallMs: Math.floor(clock.wallMs()), value }
    try {
      await store.append('webhook_deliveries', record)
      this.#deliveriesSinceTrim += 1
      if (this.#deliveriesSinceTrim < TRIM_EVERY) return
      this.#deliveriesSinceTrim = 0
      await store.trim('webhook_deliveries', DELIVERIES_KEPT)
    } catch (error) {
      log.warn('webhook_log_failing', 'A delivery could not be noted', { error: errorMessage(error) })
    }
  }

  /** Registrations change one after another: two requests for the same URL must not make two webhooks. */
  async #inTurn<Result>(change: () => Promise<Result>): Promise<Result> {
    const result = this.#changes.then(change)
    this.#changes = result.catch(() => undefined)
    return result
  }
}

const storedDelivery = z.object({
  eventId: z.string(),
  eventType: z.string(),
  attempt: z.number(),
  outcome: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('succeeded'), status: z.number(), ms: z.number() }),
    z.object({ kind: z.literal('refused'), status: z.number(), ms: z.number() }),
    z.object({ kind: z.literal('failed'), error: z.string(), ms: z.number() }),
  ]),
})

function isMessage(value: Json): value is EventMessage {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    ['event_id', 'event_type', 'stream_id', 'timestamp'].every(
      (name) => typeof (value as Record<string, unknown>)[name] === 'string',
    )
  )
}
