import type { Clock } from '../../lib/clock.ts'
import { errorMessage } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import type { Json, LogRecord, Store } from '../../store/store.ts'
import { receiptObject } from './receipt.ts'
import type { SwitchReceipt } from './receipt.ts'

export interface SwitchLogOptions {
  readonly store: Store
  readonly clock: Pick<Clock, 'sleep'>
  readonly log: Log
  /** Newest receipts that are kept, of all streams together. */
  readonly receiptsKept: number
}

/** A receipt as it was stored; `sequence` is its place in the log and rises with time. */
export interface StoredReceipt {
  readonly sequence: number
  readonly receiptId: string
  readonly receipt: { readonly [key: string]: Json }
}

export interface ReceiptPage {
  /** The newest first. */
  readonly receipts: readonly StoredReceipt[]
  /** What to ask `before` with for the ones before these; undefined when there are none. */
  readonly nextBefore: number | undefined
}

/** Receipts that may wait for the store; past that the oldest are dropped. */
const QUEUE_MAX = 1_000
const STORE_RETRY_MS = 1_000
/** The log is trimmed when this many were added. */
const TRIM_EVERY = 100

/** The receipts of every switch, on disk. `record` never throws and never waits; what the store refuses is tried again. */
export class SwitchLog implements AsyncDisposable {
  readonly #options: SwitchLogOptions
  readonly #stop = new AbortController()
  readonly #queue: SwitchReceipt[] = []
  #writing: Promise<void> | undefined
  #isFailing = false
  #addedSinceTrim = TRIM_EVERY

  constructor(options: SwitchLogOptions) {
    this.#options = options
  }

  record(receipt: SwitchReceipt): void {
    this.#queue.push(receipt)
    if (this.#queue.length > QUEUE_MAX) this.#queue.shift()
    this.#write()
  }

  /**
   * The receipts of one stream, newest first: `limit` (1 to 999) of them with a sequence below `before`. Rejects with
   * store_unavailable.
   */
  async history(
    streamId: string,
    { limit, before }: { readonly limit: number; readonly before?: number | undefined },
  ): Promise<ReceiptPage> {
    const records = await this.#options.store.read('switches', {
      // One more, to know whether there is another page.
      ...{ subject: streamId, limit: limit + 1, order: 'newest' },
      ...(before === undefined ? {} : { before }),
    })
    const page = records.slice(0, limit)
    return {
      receipts: page.flatMap((record) => fromRecord(record) ?? []),
      nextBefore: records.length > limit ? page.at(-1)?.sequence : undefined,
    }
  }

  /** Stores what waits, if the store takes it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#writing
    while (this.#queue.length > 0) {
      if (!(await this.#storeFirst())) return
    }
  }

  #write(): void {
    if (this.#stop.signal.aborted) return
    this.#writing ??= this.#drain().finally(() => {
      this.#writing = undefined
      if (this.#queue.length > 0) this.#write()
    })
  }

  async #drain(): Promise<void> {
    const { signal } = this.#stop
    while (this.#queue.length > 0 && !signal.aborted) {
      const isStored = await this.#storeFirst()
      if (!isStored) await this.#options.clock.sleep(STORE_RETRY_MS, signal).catch(() => undefined)
    }
  }

  /** One at a time, so that their order in the log is that in which they happened. */
  async #storeFirst(): Promise<boolean> {
    const [receipt] = this.#queue
    if (receipt === undefined) return true
    const { store, log } = this.#options
    try {
      await store.append('switches', toRecord(receipt))
      if (this.#queue[0] === receipt) this.#queue.shift()
      if (this.#isFailing) log.info('switch_log_recovered', 'Receipts of switches are stored again')
      this.#isFailing = false
      await this.#trim()
      return true
    } catch (error) {
      if (!this.#isFailing) {
        log.error('switch_log_failing', 'Receipts of switches cannot be stored; the newest wait', {
          detail: errorMessage(error),
        })
      }
      this.#isFailing = true
      return false
    }
  }

  async #trim(): Promise<void> {
    this.#addedSinceTrim += 1
    if (this.#addedSinceTrim < TRIM_EVERY) return
    this.#addedSinceTrim = 0
    const { store, receiptsKept, log } = this.#options
    await store.trim('switches', receiptsKept).catch((error: unknown) => {
      log.warn('switch_log_trim_failed', 'Old receipts of switches could not be removed', {
        detail: errorMessage(error),
      })
    })
  }
}

function toRecord(receipt: SwitchReceipt): Omit<LogRecord, 'sequence'> {
  const { streamId, trigger, settledWallMs } = receipt
  return { subject: streamId, type: trigger, atWallMs: Math.round(settledWallMs), value: receiptObject(receipt) }
}

/** Undefined for a record that is not one of ours. */
function fromRecord({ sequence, value }: LogRecord): StoredReceipt | undefined {
  if (!isObject(value)) return undefined
  const receiptId = value['receipt_id']
  return typeof receiptId === 'string' ? { sequence, receiptId, receipt: value } : undefined
}

function isObject(value: Json): value is { readonly [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
