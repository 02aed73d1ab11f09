import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { Clock } from '../lib/clock.ts'
import { errorMessage, HoldfastError } from '../lib/errors.ts'
import type { Log as Logger } from '../lib/log.ts'
import { checkKey, checkReadLimit, toText } from './limits.ts'
import type { FromThread, Operation, Outcome, SetAside, ThreadData, ToThread } from './sqlite-protocol.ts'
import { StoreConflict } from './store.ts'
import type { Bucket, Json, Log, LogQuery, LogRecord, NewLogRecord, Store, StoredValue } from './store.ts'

/** Operations that may wait for the database; further ones are refused as store_unavailable. */
const WAITING_MAX = 50_000
/** Operations that one transaction takes. */
const BATCH_MAX = 1_000
const LOCK_WAIT_MS = 5_000
const DATABASE_BYTES_MAX = 8 * 1_073_741_824

export interface SqliteStore extends Store {
  /** The damaged database that was set aside when this one was opened, if there was one. */
  readonly setAside: SetAside | undefined
}

interface SqliteStoreOptions {
  /** Made with mode 700 when it is not there; the file in it is `holdfast.db`, mode 600. */
  readonly directory: string
  readonly clock: Pick<Clock, 'wallMs'>
  readonly log?: Logger
  /** Writes that would make the file larger fail as store_unavailable; 8 GiB by default. */
  readonly databaseBytesMax?: number
  /** How long to wait for another process to let go of the file, e.g. a predecessor that is ending; 5,000 by default. */
  readonly lockWaitMs?: number
}

/**
 * Opens the embedded store. A damaged database is moved to `holdfast.db.damaged-<time>` with its write-ahead log, and a
 * new one begun. Throws store_unavailable (in use by another process, not writable, ...) or invalid_configuration
 * (written by a newer version).
 */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<SqliteStore> {
  const { directory, clock, log, databaseBytesMax = DATABASE_BYTES_MAX, lockWaitMs = LOCK_WAIT_MS } = options
  const data: ThreadData = { directory, databaseBytesMax, lockWaitMs, startWallMs: clock.wallMs() }
  const thread = new Worker(new URL('./sqlite-worker.ts', import.meta.url), { workerData: data, execArgv: [] })
  const [first] = (await once(thread, 'message')) as [FromThread]
  if (first.kind !== 'opened') {
    await thread.terminate()
    if (first.kind !== 'refused') throw new HoldfastError('internal_error', 'the store thread answered out of turn')
    throw new HoldfastError(first.code, `cannot open the store in ${directory}: ${explained(first.message)}`)
  }
  if (first.setAside !== undefined) {
    log?.error('store_set_aside', 'The store was damaged and has been set aside; a new one was begun', {
      file: first.setAside.file,
      reason: first.setAside.reason,
    })
  }
  return new ThreadStore(thread, first.setAside)
}

function explained(message: string): string {
  return message === 'database is locked' ? 'another process uses it' : message
}

interface Waiting {
  readonly operation: Operation
  readonly resolve: (outcome: Outcome) => void
  readonly reject: (error: HoldfastError) => void
}

/**
 * The store's end of the thread. Everything asked for while a batch is away is sent as the next batch, so that one
 * transaction carries many writes when there are many, and order is kept.
 */
class ThreadStore implements SqliteStore {
  readonly setAside: SetAside | undefined
  readonly #thread: Worker
  #waiting: Waiting[] = []
  #away: readonly Waiting[] = []
  #isSendPlanned = false
  #closedBecause: string | undefined

  constructor(thread: Worker, setAside: SetAside | undefined) {
    this.#thread = thread
    this.setAside = setAside
    thread.on('message', (message: FromThread) => {
      if (message.kind === 'outcomes') this.#settle(message.outcomes)
    })
    thread.on('error', (error) => this.#fail(`its thread ended: ${errorMessage(error)}`))
    thread.on('exit', () => this.#fail('its thread ended'))
    // Only work that is under way keeps the process alive.
    thread.unref()
  }

  async get(bucket: Bucket, key: string): Promise<StoredValue | undefined> {
    checkKey(key)
    return toValues(await this.#ask({ kind: 'get', bucket, key }))[0]
  }

  async put(bucket: Bucket, key: string, value: Json, options: { readonly ifRevision?: number } = {}): Promise<number> {
    checkKey(key)
    const outcome = await this.#ask({ kind: 'put', bucket, key, text: toText(value), ifRevision: options.ifRevision })
    if (outcome.kind === 'conflict') throw new StoreConflict(bucket, key, outcome.expected, outcome.found)
    return toNumber(outcome)
  }

  async delete(bucket: Bucket, key: string): Promise<boolean> {
    checkKey(key)
    return toNumber(await this.#ask({ kind: 'delete', bucket, key })) > 0
  }

  async list(bucket: Bucket): Promise<readonly StoredValue[]> {
    return toValues(await this.#ask({ kind: 'list', bucket }))
  }

  async append(log: Log, { subject, type, atWallMs, value }: NewLogRecord): Promise<number> {
    return toNumber(
      await this.#ask({
        kind: 'append',
        log,
        record: { subject, type, atWallMs: Math.floor(atWallMs) },
        text: toText(value),
      }),
    )
  }

  async read(log: Log, query: LogQuery): Promise<readonly LogRecord[]> {
    checkReadLimit(query.limit)
    return toRecords(await this.#ask({ kind: 'read', log, query }))
  }

  async trim(log: Log, keep: number): Promise<number> {
    return toNumber(await this.#ask({ kind: 'trim', log, keep }))
  }

  /** Waits for what was asked, closes the file and ends the thread. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closedBecause !== undefined) return
    this.#closedBecause = 'it is closed'
    await this.#drained()
    const ended = new Promise<void>((resolve) => this.#thread.once('exit', () => resolve()))
    this.#thread.ref()
    this.#post({ kind: 'close' })
    await ended
  }

  async #drained(): Promise<void> {
    while (this.#waiting.length + this.#away.length > 0) {
      await new Promise<void>((resolve) => {
        this.#thread.once('message', () => resolve())
        this.#thread.once('exit', () => resolve())
      })
    }
  }

  #ask(operation: Operation): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      if (this.#closedBecause !== undefined) {
        reject(new HoldfastError('store_unavailable', `the store cannot be used: ${this.#closedBecause}`))
        return
      }
      if (this.#waiting.length >= WAITING_MAX) {
        reject(new HoldfastError('store_unavailable', `the store is ${WAITING_MAX} operations behind`))
        return
      }
      this.#waiting.push({ operation, resolve, reject })
      this.#planSend()
    })
  }

  #planSend(): void {
    if (this.#isSendPlanned || this.#away.length > 0 || this.#waiting.length === 0) return
    this.#isSendPlanned = true
    queueMicrotask(() => {
      this.#isSendPlanned = false
      this.#away = this.#waiting.slice(0, BATCH_MAX)
      this.#waiting = this.#waiting.slice(BATCH_MAX)
      if (this.#away.length === 0) return
      this.#thread.ref()
      this.#post({ kind: 'batch', operations: this.#away.map(({ operation }) => operation) })
    })
  }

  #post(message: ToThread): void {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- that is for windows, this is a thread
    this.#thread.postMessage(message)
  }

  #settle(outcomes: readonly Outcome[]): void {
    const away = this.#away
    this.#away = []
    this.#thread.unref()
    for (const [index, { resolve, reject }] of away.entries()) {
      const outcome = outcomes[index] ?? { kind: 'failed', message: 'no answer' }
      if (outcome.kind === 'failed')
        reject(new HoldfastError('store_unavailable', `the store failed: ${outcome.message}`))
      else resolve(outcome)
    }
    this.#planSend()
  }

  #fail(reason: string): void {
    this.#closedBecause ??= reason
    const lost = [...this.#away, ...this.#waiting]
    this.#away = []
    this.#waiting = []
    for (const { reject } of lost) reject(new HoldfastError('store_unavailable', `the store cannot be used: ${reason}`))
  }
}

function toNumber(outcome: Outcome): number {
  if (outcome.kind !== 'number') throw unexpected(outcome)
  return outcome.number
}

function toValues(outcome: Outcome): readonly StoredValue[] {
  if (outcome.kind !== 'values') throw unexpected(outcome)
  return outcome.values.map(({ key, text, revision }) => ({ key, value: JSON.parse(text) as Json, revision }))
}

function toRecords(outcome: Outcome): readonly LogRecord[] {
  if (outcome.kind !== 'records') throw unexpected(outcome)
  return outcome.records.map(({ text, ...record }) => ({ ...record, value: JSON.parse(text) as Json }))
}

function unexpected(outcome: Outcome): HoldfastError {
  return new HoldfastError('internal_error', `the store thread answered with ${outcome.kind}`)
}
