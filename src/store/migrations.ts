import type { DatabaseSync } from 'node:sqlite'
import { HoldfastError } from '../lib/errors.ts'

/**
 * The schema's history. Entry n leads from version n to n + 1; an entry that was released is never changed, a new one is
 * added behind it.
 */
const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE counter (
    name TEXT PRIMARY KEY,
    last INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE value (
    bucket TEXT NOT NULL,
    key TEXT NOT NULL,
    text TEXT NOT NULL,
    revision INTEGER NOT NULL,
    PRIMARY KEY (bucket, key)
  ) STRICT;

  CREATE TABLE record (
    log TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    subject TEXT NOT NULL,
    type TEXT NOT NULL,
    at_wall_ms INTEGER NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (log, sequence)
  ) STRICT, WITHOUT ROWID;

  CREATE INDEX record_by_subject ON record (log, subject, sequence);
  `,
]

/** The schema that this program reads and writes. */
const SCHEMA_VERSION = MIGRATIONS.length

/**
 * Brings a database to SCHEMA_VERSION, each step in a transaction of its own, so that a crash leaves a whole version
 * behind. Throws invalid_configuration when a newer Holdfast wrote it: its data is not this program's to reinterpret.
 */
export function migrate(database: DatabaseSync, file: string): void {
  const version = schemaVersion(database)
  if (version > SCHEMA_VERSION) {
    throw new HoldfastError(
      'invalid_configuration',
      `${file} was written by a newer Holdfast (schema ${version}, this one knows 1 to ${SCHEMA_VERSION}): ` +
        'run that version, or name another HOLDFAST_DATA_DIR',
    )
  }
  for (const [index, statements] of MIGRATIONS.entries()) {
    if (index < version) continue
    database.exec('BEGIN IMMEDIATE')
    try {
      database.exec(statements)
      database.exec(`PRAGMA user_version = ${index + 1}`)
      database.exec('COMMIT')
    } catch (error) {
      if (database.isTransaction) database.exec('ROLLBACK')
      throw error
    }
  }
}

function schemaVersion(database: DatabaseSync): number {
  return Number(database.prepare('PRAGMA user_version').get()?.['user_version'] ?? 0)
}
