import { randomUUID } from 'node:crypto'
import { postJson } from '../http/post-json.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import { redactUrl } from '../lib/redact.ts'
import type { Json } from '../store/store.ts'

export type CallbackEvent = 'programme_ended' | 'broadcast_failed'

/** A callback that has not succeeded yet; plain JSON, so that it survives a restart. */
export interface PendingCallback {
  readonly id: string
  readonly url: string
  readonly body: { readonly [key: string]: Json }
  readonly attempts: number
}

export interface CallbacksOptions {
  readonly clock: Clock
  readonly log: Log
  readonly timeoutMs: number
  readonly pending: readonly PendingCallback[]
  /** What is pending has changed. */
  readonly onChanged: () => void
}

const ATTEMPTS_MAX = 8
const PENDING_MAX = 50
const WAIT_MS_MIN = 1_000
const WAIT_MS_MAX = 60_000

/**
 * Tells the owner of a network what has become of its programmes: one after another in their order, each tried up to eight
 * times with growing waits. Nothing else waits for it.
 */
export class Callbacks implements Disposable {
  readonly #options: CallbacksOptions
  readonly #abort = new AbortController()
  #pending: readonly PendingCallback[]
  #timer: Timer | undefined
  #isSending = false

  constructor(options: CallbacksOptions) {
    this.#options = options
    this.#pending = options.pending
    void this.#next()
  }

  get pending(): readonly PendingCallback[] {
    return this.#pending
  }

  send(url: string, networkId: string, event: CallbackEvent, facts: { readonly [key: string]: Json }): void {
    const { clock, log, onChanged } = this.#options
    const id = randomUUID()
    const timestamp = new Date(clock.wallMs()).toISOString()
    const body = { event_id: id, network_id: networkId, event, timestamp, ...facts }
    if (this.#pending.length >= PENDING_MAX) {
      log.warn('broadcast_callback_dropped', 'Too many callbacks wait for a receiver that does not answer', {
        network_id: networkId,
      })
    }
    this.#pending = [...this.#pending, { id, url, body, attempts: 0 }].slice(-PENDING_MAX)
    onChanged()
    void this.#next()
  }

  [Symbol.dispose](): void {
    this.#timer?.cancel()
    this.#abort.abort()
  }

  async #next(): Promise<void> {
    const first = this.#pending[0]
    // While it waits for its turn to be tried again, so do those behind it.
    const isBusy = this.#isSending || this.#timer !== undefined
    if (first === undefined || isBusy || this.#abort.signal.aborted) return
    this.#isSending = true
    const problem = await this.#attempt(first)
    this.#isSending = false
    if (this.#abort.signal.aborted) return
    const attempts = first.attempts + 1
    const isOver = problem === undefined || attempts >= ATTEMPTS_MAX
    if (problem !== undefined) this.#warn(first, problem, isOver)
    const rest = this.#pending.filter(({ id }) => id !== first.id)
    this.#pending = isOver ? rest : [{ ...first, attempts }, ...rest]
    this.#options.onChanged()
    if (isOver) void this.#next()
    else {
      const waitMs = Math.min(WAIT_MS_MIN * 2 ** (attempts - 1), WAIT_MS_MAX)
      this.#timer = this.#options.clock.schedule(waitMs, () => {
        this.#timer = undefined
        void this.#next()
      })
    }
  }

  /** Undefined when it was taken, else what was wrong. */
  async #attempt({ url, body, id, attempts }: PendingCallback): Promise<string | undefined> {
    const { clock, timeoutMs } = this.#options
    const result = await postJson({
      ...{ url, body: JSON.stringify(body), timeoutMs, clock, signal: this.#abort.signal },
      headers: {
        'user-agent': 'Holdfast-Broadcast/1.0',
        'x-holdfast-event-id': id,
        'x-holdfast-delivery-attempt': String(attempts + 1),
      },
    })
    if (result.kind === 'failed') return result.error
    return result.status < 400 ? undefined : `answered ${result.status}`
  }

  #warn({ url, attempts }: PendingCallback, problem: string, isOver: boolean): void {
    const fields = { url: redactUrl(url), attempt: attempts + 1, error: problem }
    const { log } = this.#options
    if (isOver)
      log.warn('broadcast_callback_given_up', 'A callback of a broadcast was not taken, and is given up', fields)
    else log.info('broadcast_callback_failed', 'A callback of a broadcast was not taken, and is tried again', fields)
  }
}
