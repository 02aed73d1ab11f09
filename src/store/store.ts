/**
 * What the gateway needs to remember: named values and an append-only log. Narrow enough that an embedded SQLite file
 * and a NATS JetStream cluster (key-value buckets and streams) can both stand behind it. Values are JSON, at most
 * VALUE_BYTES_MAX each; keys are 1 to 256 characters out of `A-Z a-z 0-9 - / _ = .` (what a NATS bucket takes).
 *
 * A write that was acknowledged survives the death of the process. When the store cannot do what was asked (disk full,
 * closed, too far behind) the promise rejects with a HoldfastError `store_unavailable`, and nothing was written.
 */
export interface Store extends AsyncDisposable {
  get(bucket: Bucket, key: string): Promise<StoredValue | undefined>
  /**
   * Writes a value and returns its new revision. With `ifRevision` the write happens only if the stored revision is that
   * one (0: only if the key does not exist); otherwise it throws a StoreConflict. Revisions rise within a bucket and are
   * never used again, also not after a delete.
   */
  put(bucket: Bucket, key: string, value: Json, options?: { readonly ifRevision?: number }): Promise<number>
  /** Removes a key; true if it was there. */
  delete(bucket: Bucket, key: string): Promise<boolean>
  /** Every value of a bucket in the order of its keys. */
  list(bucket: Bucket): Promise<readonly StoredValue[]>
  /** Appends to a log and returns the record's sequence number (from 1, rising by 1, never reused). */
  append(log: Log, record: NewLogRecord): Promise<number>
  read(log: Log, query: LogQuery): Promise<readonly LogRecord[]>
  /** Drops records so that at most `keep` of the newest remain; returns how many were dropped. */
  trim(log: Log, keep: number): Promise<number>
}

/** Buckets of named values. */
export type Bucket =
  | 'streams'
  | 'stream_state'
  | 'webhooks'
  | 'webhook_outbox'
  | 'secrets'
  | 'drills'
  | 'api_keys'
  | 'tunnels'
  | 'tunnel_state'
  | 'services'
  | 'service_state'
  | 'broadcasts'
/** Append-only logs. */
export type Log = 'events' | 'webhook_deliveries' | 'switches' | 'tunnel_activity'

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

export interface StoredValue {
  readonly key: string
  readonly value: Json
  readonly revision: number
}

export interface NewLogRecord {
  /** What the record is about: a stream id, a webhook id; '' when it is about the gateway. */
  readonly subject: string
  readonly type: string
  /** Milliseconds since 1970-01-01 UTC. */
  readonly atWallMs: number
  readonly value: Json
}

export interface LogRecord extends NewLogRecord {
  readonly sequence: number
}

export interface LogQuery {
  readonly subject?: string
  readonly type?: string
  /** Only records with a higher sequence number. */
  readonly after?: number
  /** Only records with a lower sequence number. */
  readonly before?: number
  /** 1 to READ_LIMIT_MAX records. */
  readonly limit: number
  /** `oldest` first (for following the log) or `newest` first (for history). */
  readonly order: 'oldest' | 'newest'
}

/** A compare-and-set write lost against another writer. */
export class StoreConflict extends Error {
  constructor(bucket: Bucket, key: string, expected: number, found: number) {
    super(`${bucket}/${key} is at revision ${found}, the write expected ${expected}`)
    this.name = 'StoreConflict'
  }
}
