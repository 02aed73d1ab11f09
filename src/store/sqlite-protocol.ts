import type { ErrorCode } from '../lib/errors.ts'
import type { Bucket, Log, LogQuery, NewLogRecord } from './store.ts'

/** What the store says to the thread that owns the database, and what it answers. Values travel as JSON text. */
export type Operation =
  | { readonly kind: 'get'; readonly bucket: Bucket; readonly key: string }
  | {
      readonly kind: 'put'
      readonly bucket: Bucket
      readonly key: string
      readonly text: string
      readonly ifRevision: number | undefined
    }
  | { readonly kind: 'delete'; readonly bucket: Bucket; readonly key: string }
  | { readonly kind: 'list'; readonly bucket: Bucket }
  | { readonly kind: 'append'; readonly log: Log; readonly record: Omit<NewLogRecord, 'value'>; readonly text: string }
  | { readonly kind: 'read'; readonly log: Log; readonly query: LogQuery }
  | { readonly kind: 'trim'; readonly log: Log; readonly keep: number }

export interface ValueRow {
  readonly key: string
  readonly text: string
  readonly revision: number
}

export interface RecordRow extends Omit<NewLogRecord, 'value'> {
  readonly sequence: number
  readonly text: string
}

export type Outcome =
  | { readonly kind: 'number'; readonly number: number }
  | { readonly kind: 'values'; readonly values: readonly ValueRow[] }
  | { readonly kind: 'records'; readonly records: readonly RecordRow[] }
  | { readonly kind: 'conflict'; readonly expected: number; readonly found: number }
  | { readonly kind: 'failed'; readonly message: string }

export type ToThread =
  { readonly kind: 'batch'; readonly operations: readonly Operation[] } | { readonly kind: 'close' }

export type FromThread =
  | { readonly kind: 'opened'; readonly setAside: SetAside | undefined }
  | { readonly kind: 'refused'; readonly code: ErrorCode; readonly message: string }
  /** One outcome for each operation of the batch, in its order. */
  | { readonly kind: 'outcomes'; readonly outcomes: readonly Outcome[] }
  | { readonly kind: 'closed' }

/** What the thread is started with. */
export interface ThreadData {
  readonly directory: string
  readonly databaseBytesMax: number
  readonly lockWaitMs: number
  readonly startWallMs: number
}

/** A damaged database that was moved out of the way. */
export interface SetAside {
  readonly file: string
  readonly reason: string
}
