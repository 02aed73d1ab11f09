import type { Clock } from '../lib/clock.ts'
import { errorMessage } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import type { Random } from '../lib/random.ts'
import { redactUrl } from '../lib/redact.ts'
import type { Store } from '../store/store.ts'
import type { EventMessage } from './event-message.ts'
import type { Webhook } from './webhook.ts'
import type { Attempt } from './webhook-delivery.ts'

/** A message that waits in the outbox. */
export interface Pending {
  readonly key: string
  readonly message: EventMessage
}

interface WebhookQueueOptions {
  /** The registration as it is now: it can be replaced while messages wait. */
  readonly webhook: () => Webhook
  readonly attempt: (message: EventMessage, attempt: number, signal: AbortSignal) => Promise<Attempt>
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

/** Messages that may wait for one webhook; past that the oldest are dropped and counted. */
export const OUTBOX_MAX = 10_000
const FIRST_RETRY_MS = 1_000
const RETRY_MS_MAX = 60_000
/** Up to this fraction is added to a wait, so that webhooks on one host do not all come back at once. */
const RETRY_JITTER = 0.2
/** Digits of the number in an outbox key, so that keys sort as numbers do. */
const KEY_DIGITS = 12

/**
 * What one webhook has still to get, in order, one at a time. A message is in the store before its first attempt and
 * leaves it after success or the last attempt, so what was pending when the process died is delivered by the next one
 * (once more, if it died between the answer and the removal: receivers know repeats by their event id).
 */
export class WebhookQueue implements AsyncDisposable {
  readonly #options: WebhookQueueOptions
  readonly #stop = new AbortController()
  #pending: (Pending & { readonly saved: Promise<unknown> })[] = []
  #isDelivering = false
  #running: Promise<void> = Promise.resolve()
  #lastNumber = 0
  #dropped = 0

  constructor(options: WebhookQueueOptions) {
    this.#options = options
  }

  get pending(): number {
    return this.#pending.length
  }

  /** Messages that were given up because too many waited. */
  get dropped(): number {
    return this.#dropped
  }

  push(message: EventMessage): void {
    if (this.#stop.signal.aborted) return
    const { store, log, webhook } = this.#options
    this.#lastNumber += 1
    const key = outboxKey(webhook().id, this.#lastNumber)
    const saved = store.put('webhook_outbox', key, message).catch((error: unknown) => {
      log.warn('webhook_outbox_failing', 'An event for a webhook could not be stored; it is delivered from memory', {
        event_id: message.event_id,
        error: errorMessage(error),
      })
    })
    this.#pending.push({ key, message, saved })
    if (this.#pending.length > OUTBOX_MAX) this.#dropOldest()
    this.#start()
  }

  /** Takes up what an earlier process left behind, oldest first. To be called before the first `push`. */
  restore(left: readonly Pending[]): void {
    this.#pending = left.map((entry) => ({ ...entry, saved: Promise.resolve() }))
    this.#lastNumber = Math.max(0, ...left.map(({ key }) => outboxNumber(key)))
    this.#start()
  }

  /** Stops and forgets what waits, in the store too. */
  async clear(): Promise<void> {
    await this[Symbol.asyncDispose]()
    await Promise.all(this.#pending.map(({ key }) => this.#remove(key)))
    this.#pending = []
  }

  /** Breaks off the attempt under way and stops; what waits stays in the store. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the gateway is stopping'))
    await this.#running
  }

  #start(): void {
    if (this.#isDelivering || this.#pending.length === 0 || this.#stop.signal.aborted) return
    this.#isDelivering = true
    this.#running = this.#deliverAll().finally(() => {
      this.#isDelivering = false
      this.#start()
    })
  }

  async #deliverAll(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const head = this.#pending[0]
      if (head === undefined) return
      await head.saved
      const isDone = await this.#deliver(head.message)
      if (!isDone) return
      this.#pending.shift()
      await this.#remove(head.key)
    }
  }

  /** True when the message is done with: delivered, or given up after its last attempt. False when stopped. */
  async #deliver(message: EventMessage): Promise<boolean> {
    const { webhook, attempt, clock, log } = this.#options
    const { signal } = this.#stop
    for (let number = 1; !signal.aborted; number += 1) {
      const outcome = await attempt(message, number, signal)
      if (outcome.kind === 'succeeded') return true
      if (signal.aborted) return false
      const { url, retryAttempts } = webhook()
      if (number > retryAttempts) {
        log.warn('webhook_delivery_failed', 'A webhook did not take an event; it was given up', {
          url: redactUrl(url),
          event_id: message.event_id,
          event_type: message.event_type,
          attempts: number,
          error: outcome.kind === 'failed' ? outcome.error : `status ${outcome.status}`,
        })
        return true
      }
      await clock.sleep(this.#retryDelayMs(number), signal).catch(() => undefined)
    }
    return false
  }

  /** 1, 2, 4 s and so on, up to a minute, and some chance on top. */
  #retryDelayMs(attempts: number): number {
    const delayMs = Math.min(RETRY_MS_MAX, FIRST_RETRY_MS * 2 ** (attempts - 1))
    return delayMs * (1 + RETRY_JITTER * this.#options.random.next())
  }

  #dropOldest(): void {
    // The first is under way.
    const [dropped] = this.#pending.splice(1, 1)
    if (dropped === undefined) return
    this.#dropped += 1
    void this.#remove(dropped.key)
    if (this.#dropped % 1_000 !== 1) return
    this.#options.log.warn('webhook_events_dropped', `More than ${OUTBOX_MAX} events wait for a webhook`, {
      url: redactUrl(this.#options.webhook().url),
      dropped: this.#dropped,
    })
  }

  async #remove(key: string): Promise<void> {
    await this.#options.store.delete('webhook_outbox', key).catch((error: unknown) => {
      this.#options.log.warn('webhook_outbox_failing', 'A delivered event stays in the outbox and will be repeated', {
        key,
        error: errorMessage(error),
      })
    })
  }
}

function outboxKey(webhookId: string, number: number): string {
  return `${webhookId}/${String(number).padStart(KEY_DIGITS, '0')}`
}

/** The webhook that an outbox key belongs to. */
export function outboxWebhookId(key: string): string {
  return key.slice(0, key.lastIndexOf('/'))
}

function outboxNumber(key: string): number {
  return Number(key.slice(key.lastIndexOf('/') + 1)) || 0
}
