import { HoldfastError } from '../lib/errors.ts'
import { checkKey, checkReadLimit, toText } from './limits.ts'
import { StoreConflict } from './store.ts'
import type { Bucket, Json, Log, LogQuery, LogRecord, NewLogRecord, Store, StoredValue } from './store.ts'

interface Shelf {
  readonly values: Map<string, { readonly text: string; readonly revision: number }>
  lastRevision: number
}

interface Pages {
  records: { readonly record: Omit<LogRecord, 'value'>; readonly text: string }[]
  lastSequence: number
}

/** A store that forgets everything when it is closed: for tests, and to hold the other stores to the same contract. */
export function createMemoryStore(): Store {
  return new MemoryStore()
}

class MemoryStore implements Store {
  readonly #shelves = new Map<Bucket, Shelf>()
  readonly #logs = new Map<Log, Pages>()
  #isClosed = false

  async get(bucket: Bucket, key: string): Promise<StoredValue | undefined> {
    this.#checkOpen()
    checkKey(key)
    const found = this.#shelf(bucket).values.get(key)
    return found === undefined ? undefined : { key, value: fromText(found.text), revision: found.revision }
  }

  async put(bucket: Bucket, key: string, value: Json, options: { readonly ifRevision?: number } = {}): Promise<number> {
    this.#checkOpen()
    checkKey(key)
    const text = toText(value)
    const shelf = this.#shelf(bucket)
    const found = shelf.values.get(key)?.revision ?? 0
    if (options.ifRevision !== undefined && options.ifRevision !== found) {
      throw new StoreConflict(bucket, key, options.ifRevision, found)
    }
    shelf.lastRevision += 1
    shelf.values.set(key, { text, revision: shelf.lastRevision })
    return shelf.lastRevision
  }

  async delete(bucket: Bucket, key: string): Promise<boolean> {
    this.#checkOpen()
    checkKey(key)
    return this.#shelf(bucket).values.delete(key)
  }

  async list(bucket: Bucket): Promise<readonly StoredValue[]> {
    this.#checkOpen()
    return [...this.#shelf(bucket).values]
      .toSorted(([left], [right]) => (left < right ? -1 : 1))
      .map(([key, { text, revision }]) => ({ key, value: fromText(text), revision }))
  }

  async append(log: Log, { subject, type, atWallMs, value }: NewLogRecord): Promise<number> {
    this.#checkOpen()
    const text = toText(value)
    const pages = this.#pages(log)
    pages.lastSequence += 1
    pages.records.push({ record: { subject, type, atWallMs, sequence: pages.lastSequence }, text })
    return pages.lastSequence
  }

  async read(log: Log, query: LogQuery): Promise<readonly LogRecord[]> {
    this.#checkOpen()
    checkReadLimit(query.limit)
    const { subject, type, after = 0, before = Number.MAX_SAFE_INTEGER } = query
    const fitting = this.#pages(log).records.filter(
      ({ record }) =>
        record.sequence > after &&
        record.sequence < before &&
        (subject === undefined || record.subject === subject) &&
        (type === undefined || record.type === type),
    )
    const ordered = query.order === 'oldest' ? fitting : fitting.toReversed()
    return ordered.slice(0, query.limit).map(({ record, text }) => ({ ...record, value: fromText(text) }))
  }

  async trim(log: Log, keep: number): Promise<number> {
    this.#checkOpen()
    const pages = this.#pages(log)
    const dropped = Math.max(0, pages.records.length - keep)
    pages.records = pages.records.slice(dropped)
    return dropped
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new HoldfastError('store_unavailable', 'the store is closed')
  }

  #shelf(bucket: Bucket): Shelf {
    const shelf = this.#shelves.get(bucket) ?? { values: new Map(), lastRevision: 0 }
    this.#shelves.set(bucket, shelf)
    return shelf
  }

  #pages(log: Log): Pages {
    const pages = this.#logs.get(log) ?? { records: [], lastSequence: 0 }
    this.#logs.set(log, pages)
    return pages
  }
}

function fromText(text: string): Json {
  return JSON.parse(text) as Json
}
