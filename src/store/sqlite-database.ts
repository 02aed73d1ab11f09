import { DatabaseSync } from 'node:sqlite'
import type { SQLInputValue, StatementSync } from 'node:sqlite'
import { errorMessage } from '../lib/errors.ts'
import { migrate } from './migrations.ts'
import type { Operation, Outcome, RecordRow, ThreadData, ValueRow } from './sqlite-protocol.ts'
import type { LogQuery } from './store.ts'

/** The write-ahead log is cut back to this after a checkpoint. */
const WAL_BYTES_MAX = 16 * 1_048_576

const STATEMENTS = {
  count: `INSERT INTO counter (name, last) VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET last = last + 1 RETURNING last`,
  counted: `SELECT last FROM counter WHERE name = ?`,
  get: `SELECT key, text, revision FROM value WHERE bucket = ? AND key = ?`,
  put: `INSERT INTO value (bucket, key, text, revision) VALUES (?, ?, ?, ?)
    ON CONFLICT (bucket, key) DO UPDATE SET text = excluded.text, revision = excluded.revision`,
  delete: `DELETE FROM value WHERE bucket = ? AND key = ?`,
  list: `SELECT key, text, revision FROM value WHERE bucket = ? ORDER BY key`,
  append: `INSERT INTO record (log, sequence, subject, type, at_wall_ms, text) VALUES (?, ?, ?, ?, ?, ?)`,
  trim: `DELETE FROM record WHERE log = ? AND sequence <= ?`,
} as const

type DatabaseLimits = Pick<ThreadData, 'databaseBytesMax' | 'lockWaitMs'>

/** Says that the file itself is broken, in contrast to a disk that is full or a file that is in use. */
export class DamagedDatabase extends Error {
  constructor(reason: string, options: { readonly cause?: unknown } = {}) {
    super(reason, options)
    this.name = 'DamagedDatabase'
  }
}

/**
 * The database file and its prepared statements, synchronous: it belongs on a thread of its own. One process at a time
 * holds the file (WAL with exclusive locking), so two gateways on one data directory cannot undo each other's work.
 */
export class SqliteDatabase {
  readonly #database: DatabaseSync
  readonly #statements: ReadonlyMap<string, StatementSync>
  readonly #reads = new Map<string, StatementSync>()

  /** Throws a DamagedDatabase, a HoldfastError (see `migrate`), or what SQLite throws (in use, not writable, ...). */
  constructor(file: string, { databaseBytesMax, lockWaitMs }: DatabaseLimits) {
    this.#database = new DatabaseSync(file, { timeout: lockWaitMs, defensive: true })
    try {
      configure(this.#database, databaseBytesMax)
      migrate(this.#database, file)
      this.#statements = new Map(
        Object.entries(STATEMENTS).map(([name, sql]) => [name, this.#database.prepare(sql)] as const),
      )
    } catch (error) {
      this.#database.close()
      throw isDamage(error) ? new DamagedDatabase(errorMessage(error), { cause: error }) : error
    }
  }

  /**
   * Runs operations in their order and commits them together. When the commit fails as a whole, each is tried by itself,
   * so that a full disk fails the writes and not the reads beside them.
   */
  run(operations: readonly Operation[]): readonly Outcome[] {
    try {
      return this.#transact(operations)
    } catch (error) {
      if (operations.length === 1) return [{ kind: 'failed', message: errorMessage(error) }]
      return operations.flatMap((operation) => this.run([operation]))
    }
  }

  close(): void {
    this.#database.close()
  }

  #transact(operations: readonly Operation[]): readonly Outcome[] {
    this.#database.exec('BEGIN IMMEDIATE')
    try {
      const outcomes = operations.map((operation) => this.#perform(operation))
      this.#database.exec('COMMIT')
      return outcomes
    } catch (error) {
      // SQLite has already rolled back by itself after some errors, a full disk among them.
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK')
      throw error
    }
  }

  #perform(operation: Operation): Outcome {
    switch (operation.kind) {
      case 'get':
        return { kind: 'values', values: this.#values('get', operation.bucket, operation.key) }
      case 'put':
        return this.#put(operation)
      case 'delete':
        return { kind: 'number', number: this.#change('delete', operation.bucket, operation.key) }
      case 'list':
        return { kind: 'values', values: this.#values('list', operation.bucket) }
      case 'append': {
        const { log, record, text } = operation
        const sequence = this.#count(`log:${log}`)
        this.#change('append', log, sequence, record.subject, record.type, record.atWallMs, text)
        return { kind: 'number', number: sequence }
      }
      case 'read':
        return { kind: 'records', records: this.#read(operation.log, operation.query) }
      case 'trim': {
        const last = Number(this.#statement('counted').get(`log:${operation.log}`)?.['last'] ?? 0)
        return { kind: 'number', number: this.#change('trim', operation.log, last - operation.keep) }
      }
      default:
        return operation satisfies never
    }
  }

  #put({ bucket, key, text, ifRevision }: Extract<Operation, { readonly kind: 'put' }>): Outcome {
    if (ifRevision !== undefined) {
      const found = this.#values('get', bucket, key)[0]?.revision ?? 0
      if (found !== ifRevision) return { kind: 'conflict', expected: ifRevision, found }
    }
    const revision = this.#count(`bucket:${bucket}`)
    this.#change('put', bucket, key, text, revision)
    return { kind: 'number', number: revision }
  }

  #read(log: string, query: LogQuery): readonly RecordRow[] {
    const { subject, type, after, before, limit, order } = query
    const conditions = ['log = ?']
    const values: SQLInputValue[] = [log]
    const add = (condition: string, value: SQLInputValue | undefined) => {
      if (value === undefined) return
      conditions.push(condition)
      values.push(value)
    }
    add('subject = ?', subject)
    add('type = ?', type)
    add('sequence > ?', after)
    add('sequence < ?', before)
    const sql =
      'SELECT sequence, subject, type, at_wall_ms AS atWallMs, text FROM record ' +
      `WHERE ${conditions.join(' AND ')} ORDER BY sequence ${order === 'oldest' ? 'ASC' : 'DESC'} LIMIT ?`
    // There are 32 forms of this statement (four conditions, two orders), so the map is bounded.
    const statement = this.#reads.get(sql) ?? this.#database.prepare(sql)
    this.#reads.set(sql, statement)
    return statement.all(...values, limit).map((row) => ({
      sequence: Number(row['sequence']),
      subject: String(row['subject']),
      type: String(row['type']),
      atWallMs: Number(row['atWallMs']),
      text: String(row['text']),
    }))
  }

  #count(name: string): number {
    return Number(this.#statement('count').get(name)?.['last'])
  }

  #values(name: 'get' | 'list', ...values: SQLInputValue[]): readonly ValueRow[] {
    return this.#statement(name)
      .all(...values)
      .map((row) => ({ key: String(row['key']), text: String(row['text']), revision: Number(row['revision']) }))
  }

  #change(name: keyof typeof STATEMENTS, ...values: SQLInputValue[]): number {
    return Number(this.#statement(name).run(...values).changes)
  }

  #statement(name: keyof typeof STATEMENTS): StatementSync {
    const statement = this.#statements.get(name)
    if (statement === undefined) throw new Error(`the statement ${name} was not prepared`)
    return statement
  }
}

function configure(database: DatabaseSync, databaseBytesMax: number): void {
  // Before anything else touches the file: with exclusive locking SQLite needs no shared-memory file beside it.
  database.exec('PRAGMA locking_mode = EXCLUSIVE')
  database.exec('PRAGMA journal_mode = WAL')
  // NORMAL: a commit survives the death of the process; the last ones before a power cut may be lost, never the file.
  database.exec('PRAGMA synchronous = NORMAL')
  database.exec(`PRAGMA journal_size_limit = ${WAL_BYTES_MAX}`)
  const pageBytes = Number(database.prepare('PRAGMA page_size').get()?.['page_size'] ?? 4_096)
  database.exec(`PRAGMA max_page_count = ${Math.max(1, Math.floor(databaseBytesMax / pageBytes))}`)
  const verdict = String(database.prepare('PRAGMA quick_check(1)').get()?.['quick_check'] ?? 'no answer')
  if (verdict !== 'ok') throw new DamagedDatabase(verdict)
}

/** SQLITE_CORRUPT and SQLITE_NOTADB (https://www.sqlite.org/rescode.html); the low byte is the primary code. */
const DAMAGE_CODES: readonly number[] = [11, 26]

function isDamage(error: unknown): boolean {
  if (!(error instanceof Error) || !('errcode' in error)) return false
  return typeof error.errcode === 'number' && DAMAGE_CODES.includes(error.errcode & 0xff)
}
