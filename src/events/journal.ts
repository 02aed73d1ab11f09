import { randomUUID } from 'node:crypto'
import type { Clock } from '../lib/clock.ts'
import { errorMessage } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import type { Json, LogQuery, LogRecord, Store } from '../store/store.ts'
import { EVENT_TYPES } from './event.ts'
import type { EventSink, EventType, GatewayEvent } from './event.ts'

/** An event as the store numbered it. */
export interface JournalledEvent extends GatewayEvent {
  readonly sequence: number
}

/** What was emitted, with its number; undefined when the store could not take it yet. */
export interface RecordedEvent extends GatewayEvent {
  readonly sequence: number | undefined
}

export interface HistoryQuery {
  readonly streamId?: string
  readonly type?: EventType
  /** Only events with a higher number, oldest first. Without it the newest come first. */
  readonly after?: number
  /** Only events with a lower number. */
  readonly before?: number
  /** 1 to 1,000. */
  readonly limit: number
}

export interface Journal extends EventSink, AsyncDisposable {
  history(query: HistoryQuery): Promise<readonly JournalledEvent[]>
  /** Called within `emit`, before anything is stored. */
  subscribe(listener: (event: GatewayEvent) => void): Disposable
  /** Called once for each event, in order, when the store has numbered it (or has failed to at its first attempt). */
  subscribeRecorded(listener: (event: RecordedEvent) => void): Disposable
  /** Resolves when everything emitted so far is stored, or when the store failed to take it. */
  flush(): Promise<void>
  /** Number of the newest stored event that listeners were told of; 0 before the first. */
  readonly lastSequence: number
  /** Events that were never stored, because the queue was full or the store failed until the end. */
  readonly lost: number
}

interface JournalOptions {
  readonly store: Store
  readonly clock: Pick<Clock, 'wallMs' | 'sleep'>
  readonly log: Log
  /** Newest events that are kept. */
  readonly keepEvents: number
  readonly randomUuid?: () => string
}

/** Events that may wait for the store; past that the oldest are dropped and counted. */
const QUEUE_MAX = 10_000
/** Events handed to the store at once. */
const BATCH_MAX = 500
/** The journal is trimmed when this many were added. */
const TRIM_EVERY = 1_000
const STORE_RETRY_MS = 1_000

/**
 * The record of what happened. `emit` never throws and never waits: listeners are called, the rest is queued for the
 * store. While the store fails, the queue waits and holds the newest QUEUE_MAX events.
 */
export function createJournal(options: JournalOptions): Journal {
  return new StoreJournal(options)
}

interface Queued {
  readonly event: GatewayEvent
  isAnnounced: boolean
}

class StoreJournal implements Journal {
  readonly #options: JournalOptions
  readonly #listeners = new Set<(event: GatewayEvent) => void>()
  readonly #recordedListeners = new Set<(event: RecordedEvent) => void>()
  readonly #stop = new AbortController()
  #queue: Queued[] = []
  #writing: Promise<void> | undefined
  #storing: Promise<boolean> | undefined
  #isFailing = false
  #addedSinceTrim = TRIM_EVERY
  #lastSequence = 0
  #lost = 0

  constructor(options: JournalOptions) {
    this.#options = options
  }

  get lastSequence(): number {
    return this.#lastSequence
  }

  get lost(): number {
    return this.#lost
  }

  emit(type: EventType, streamId: string, data: GatewayEvent['data']): void {
    const { clock, randomUuid = randomUUID } = this.#options
    const event: GatewayEvent = { eventId: randomUuid(), type, streamId, atWallMs: Math.floor(clock.wallMs()), data }
    this.#tell(this.#listeners, event)
    if (this.#stop.signal.aborted) {
      this.#lose(1, 'the journal is closed')
      return
    }
    this.#queue.push({ event, isAnnounced: false })
    if (this.#queue.length > QUEUE_MAX) {
      const excess = this.#queue.length - QUEUE_MAX
      this.#queue.splice(0, excess)
      this.#lose(excess, `more than ${QUEUE_MAX} wait for the store`)
    }
    this.#write()
  }

  async history({ streamId, type, after, before, limit }: HistoryQuery): Promise<readonly JournalledEvent[]> {
    const query: LogQuery = {
      limit,
      order: after === undefined ? 'newest' : 'oldest',
      ...(streamId === undefined ? {} : { subject: streamId }),
      ...(type === undefined ? {} : { type }),
      ...(after === undefined ? {} : { after }),
      ...(before === undefined ? {} : { before }),
    }
    const records = await this.#options.store.read('events', query)
    return records.flatMap((record) => fromRecord(record) ?? [])
  }

  subscribe(listener: (event: GatewayEvent) => void): Disposable {
    this.#listeners.add(listener)
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) }
  }

  subscribeRecorded(listener: (event: RecordedEvent) => void): Disposable {
    this.#recordedListeners.add(listener)
    return { [Symbol.dispose]: () => void this.#recordedListeners.delete(listener) }
  }

  async flush(): Promise<void> {
    while (this.#queue.length > 0) {
      const failed = await this.#storeBatch()
      if (failed) return
    }
  }

  /** Stores what waits, if the store takes it, and refuses further events. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the journal is closed'))
    await this.#writing
    await this.flush()
    if (this.#queue.length > 0) this.#lose(this.#queue.length, 'the store failed until the end')
    this.#queue = []
  }

  #write(): void {
    this.#writing ??= this.#drain().finally(() => {
      this.#writing = undefined
      if (this.#queue.length > 0 && !this.#stop.signal.aborted) this.#write()
    })
  }

  async #drain(): Promise<void> {
    const { signal } = this.#stop
    while (this.#queue.length > 0 && !signal.aborted) {
      const failed = await this.#storeBatch()
      if (failed) await this.#options.clock.sleep(STORE_RETRY_MS, signal).catch(() => undefined)
    }
  }

  /** Hands the head of the queue to the store; true when some of it came back. One batch at a time. */
  async #storeBatch(): Promise<boolean> {
    this.#storing ??= this.#storeHead().finally(() => {
      this.#storing = undefined
    })
    return this.#storing
  }

  async #storeHead(): Promise<boolean> {
    const batch = this.#queue.splice(0, BATCH_MAX)
    const { store } = this.#options
    const outcomes = await Promise.allSettled(batch.map(({ event }) => store.append('events', toRecord(event))))
    const failed: Queued[] = []
    for (const [index, queued] of batch.entries()) {
      const outcome = outcomes[index]
      const sequence = outcome?.status === 'fulfilled' ? outcome.value : undefined
      if (sequence === undefined) failed.push(queued)
      else this.#lastSequence = Math.max(this.#lastSequence, sequence)
      if (!queued.isAnnounced) this.#tell(this.#recordedListeners, { ...queued.event, sequence })
      queued.isAnnounced = true
    }
    this.#queue = [...failed, ...this.#queue]
    this.#report(outcomes.find((outcome) => outcome.status === 'rejected')?.reason)
    if (failed.length === 0) await this.#trim(batch.length)
    return failed.length > 0
  }

  async #trim(added: number): Promise<void> {
    this.#addedSinceTrim += added
    if (this.#addedSinceTrim < TRIM_EVERY) return
    this.#addedSinceTrim = 0
    const { store, keepEvents, log } = this.#options
    await store.trim('events', keepEvents).catch((error: unknown) => {
      log.warn('journal_trim_failed', 'The journal could not be trimmed', { error: errorMessage(error) })
    })
  }

  /** Says once that the store fails, and once that it works again. */
  #report(error: unknown): void {
    const { log } = this.#options
    if (error !== undefined && !this.#isFailing) {
      log.error('journal_failing', 'Events cannot be stored; the newest wait', { error: errorMessage(error) })
    }
    if (error === undefined && this.#isFailing) log.info('journal_recovered', 'Events are stored again')
    this.#isFailing = error !== undefined
  }

  #tell<Event extends GatewayEvent>(listeners: ReadonlySet<(event: Event) => void>, event: Event): void {
    for (const listener of listeners) {
      try {
        listener(event)
      } catch (error) {
        const { log } = this.#options
        log.error('event_listener_failed', 'A listener failed', { event_type: event.type, error: errorMessage(error) })
      }
    }
  }

  #lose(count: number, reason: string): void {
    const before = this.#lost
    this.#lost += count
    // The first, then every thousandth: a warning for each would flood the log exactly when the disk is full.
    if (before > 0 && Math.floor(before / 1_000) === Math.floor(this.#lost / 1_000)) return
    this.#options.log.warn('journal_lost_events', `Events were not stored: ${reason}`, { lost: this.#lost })
  }
}

function toRecord(event: GatewayEvent): { subject: string; type: string; atWallMs: number; value: Json } {
  const { eventId, type, streamId, atWallMs, data } = event
  return { subject: streamId, type, atWallMs, value: { id: eventId, data } }
}

/** Undefined for a record of a type that this version does not know. */
function fromRecord({ sequence, subject, type, atWallMs, value }: LogRecord): JournalledEvent | undefined {
  const known = EVENT_TYPES.find((name) => name === type)
  if (known === undefined || !isEventValue(value)) return undefined
  return { sequence, eventId: value.id, type: known, streamId: subject, atWallMs, data: value.data }
}

function isEventValue(value: Json): value is { readonly id: string; readonly data: GatewayEvent['data'] } {
  if (typeof value !== 'object' || value === null || !('id' in value) || !('data' in value)) return false
  const { id, data } = value
  return typeof id === 'string' && typeof data === 'object' && data !== null && !Array.isArray(data)
}
