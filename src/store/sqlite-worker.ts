import { closeSync, existsSync, mkdirSync, openSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { parentPort, workerData } from 'node:worker_threads'
import { errorMessage, HoldfastError } from '../lib/errors.ts'
import { DamagedDatabase, SqliteDatabase } from './sqlite-database.ts'
import type { FromThread, SetAside, ThreadData, ToThread } from './sqlite-protocol.ts'

/**
 * The thread that owns the database. SQLite's calls and a slow disk block it, and only it: the thread that carries media
 * never waits for a disk.
 */

const FILE_NAME = 'holdfast.db'
/** Files that make up a database: itself, its write-ahead log, its shared memory. */
const SUFFIXES = ['', '-wal', '-shm'] as const
const SET_ASIDE_NAMES_MAX = 100

function open(data: ThreadData): {
  readonly database: SqliteDatabase
  readonly setAside: SetAside | undefined
} {
  const { directory, startWallMs } = data
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const file = join(directory, FILE_NAME)
  try {
    return { database: openFile(file, data), setAside: undefined }
  } catch (error) {
    if (!(error instanceof DamagedDatabase)) throw error
    const setAside = { file: moveAside(file, startWallMs), reason: error.message }
    return { database: openFile(file, data), setAside }
  }
}

function openFile(file: string, data: ThreadData): SqliteDatabase {
  // URLs with credentials will be in there. SQLite gives the write-ahead log the permissions of the database.
  closeSync(openSync(file, 'a', 0o600))
  return new SqliteDatabase(file, data)
}

/** Moves the files of a damaged database to a name that is free, and returns it. */
function moveAside(file: string, wallMs: number): string {
  const stamp = new Date(wallMs).toISOString().replaceAll(/[:.]/g, '-')
  for (let attempt = 1; attempt <= SET_ASIDE_NAMES_MAX; attempt += 1) {
    const target = `${file}.damaged-${stamp}${attempt === 1 ? '' : `-${attempt}`}`
    if (SUFFIXES.some((suffix) => existsSync(target + suffix))) continue
    for (const suffix of SUFFIXES) {
      if (existsSync(file + suffix)) renameSync(file + suffix, target + suffix)
    }
    return target
  }
  throw new HoldfastError('store_unavailable', `${file} is damaged and there is no free name to set it aside under`)
}

function serve(port: NonNullable<typeof parentPort>, data: ThreadData): void {
  const answer = (message: FromThread) => port.postMessage(message)
  let database: SqliteDatabase
  try {
    const opened = open(data)
    database = opened.database
    answer({ kind: 'opened', setAside: opened.setAside })
  } catch (error) {
    const code = error instanceof HoldfastError ? error.code : 'store_unavailable'
    answer({ kind: 'refused', code, message: errorMessage(error) })
    port.close()
    return
  }
  port.on('message', (message: ToThread) => {
    switch (message.kind) {
      case 'batch':
        answer({ kind: 'outcomes', outcomes: database.run(message.operations) })
        return
      case 'close':
        database.close()
        answer({ kind: 'closed' })
        port.close()
        return
      default:
        message satisfies never
    }
  })
}

if (parentPort !== null) serve(parentPort, workerData as ThreadData)
