import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'
import { after, test } from 'node:test'
import { systemClock } from '../lib/clock.ts'
import { HoldfastError } from '../lib/errors.ts'
import { silentLog } from '../lib/log.ts'
import { createSimulatedClock } from '../lib/simulated-clock.ts'
import { openSqliteStore } from './sqlite.ts'

const parent = await mkdtemp(join(tmpdir(), 'holdfast-store-'))
after(() => rm(parent, { recursive: true, force: true }))
let directories = 0

function newDirectory(): string {
  directories += 1
  return join(parent, String(directories))
}

const clock = createSimulatedClock()

test('values, revisions, records and sequence numbers are there after the store was opened again', async () => {
  const directory = newDirectory()
  {
    await using store = await openSqliteStore({ directory, clock })
    await store.put('streams', 'a', { kept: true })
    await store.delete('streams', 'never')
    await store.append('events', { subject: 's', type: 't', atWallMs: 5, value: [1] })
    await store.append('events', { subject: 's', type: 't', atWallMs: 6, value: [2] })
    await store.trim('events', 0)
  }
  await using store = await openSqliteStore({ directory, clock })
  assert.deepEqual(await store.get('streams', 'a'), { key: 'a', value: { kept: true }, revision: 1 })
  assert.equal(await store.put('streams', 'b', 1), 2)
  assert.equal(await store.append('events', { subject: 's', type: 't', atWallMs: 7, value: [3] }), 3)
})

test('only the owner can read the directory and the files that the store makes', async () => {
  const directory = newDirectory()
  await using store = await openSqliteStore({ directory, clock })
  await store.put('secrets', 'a', 'hidden')
  assert.equal((await stat(directory)).mode & 0o777, 0o700)
  for (const name of await readdir(directory)) {
    assert.equal((await stat(join(directory, name))).mode & 0o777, 0o600, name)
  }
})

for (const [damage, spoil] of [
  ['whose header is overwritten', (file: string) => overwrite(file, 0, 'this is not a database, it was one')],
  ['with a page overwritten', (file: string) => overwrite(file, 4_096 + 5, 'x'.repeat(8_000))],
] as const) {
  test(`a database ${damage} is set aside whole, named in the log, and a new one is begun`, async () => {
    const directory = newDirectory()
    {
      await using store = await openSqliteStore({ directory, clock })
      for (let index = 0; index < 200; index += 1) await store.put('streams', `key-${index}`, 'y'.repeat(500))
    }
    const file = join(directory, 'holdfast.db')
    await spoil(file)
    const spoilt = await readFile(file)
    const errors: string[] = []
    const log = { ...silentLog, error: (event: string) => void errors.push(event) }
    await using store = await openSqliteStore({ directory, clock, log })
    assert.deepEqual(errors, ['store_set_aside'])
    assert.match(store.setAside?.file ?? '', /holdfast\.db\.damaged-2026-01-01T00-00-00-000Z$/)
    assert.deepEqual(await readFile(store.setAside?.file ?? ''), spoilt)
    assert.deepEqual(await store.list('streams'), [])
    await store.put('streams', 'a', 1)
  })
}

test('a second damaged database does not overwrite the first one that was set aside', async () => {
  const directory = newDirectory()
  await mkdir(directory)
  for (const text of ['first rubbish', 'second rubbish']) {
    await writeFile(join(directory, 'holdfast.db'), text.repeat(100))
    await using store = await openSqliteStore({ directory, clock })
    assert.equal(await readFile(store.setAside?.file ?? '', 'utf8'), text.repeat(100))
  }
  const asides = (await readdir(directory)).filter((name) => name.includes('damaged'))
  assert.equal(asides.length, 2)
})

test('a database of a newer version is refused and left as it is', async () => {
  const directory = newDirectory()
  await (await openSqliteStore({ directory, clock }))[Symbol.asyncDispose]()
  const database = new DatabaseSync(join(directory, 'holdfast.db'))
  database.exec('PRAGMA user_version = 999')
  database.close()
  await assert.rejects(
    openSqliteStore({ directory, clock }),
    (error) =>
      error instanceof HoldfastError &&
      error.code === 'invalid_configuration' &&
      /newer Holdfast \(schema 999, this one knows 1 to \d+\)/.test(error.message),
  )
  assert.deepEqual(await readdir(directory), ['holdfast.db'])
})

test('a database that another gateway has open is refused, not shared', async () => {
  const directory = newDirectory()
  await using first = await openSqliteStore({ directory, clock })
  await first.put('streams', 'a', 1)
  await assert.rejects(openSqliteStore({ directory, clock, lockWaitMs: 50 }), isUnavailable(/another process uses it/))
  assert.equal((await first.get('streams', 'a'))?.value, 1)
})

test('a directory that cannot be made is named in the error', async () => {
  const directory = newDirectory()
  await writeFile(directory, 'a file is in the way')
  await assert.rejects(openSqliteStore({ directory: join(directory, 'data'), clock }), isUnavailable(/ENOTDIR/))
})

test('a full disk fails the write, keeps what was there, and still reads', async () => {
  const directory = newDirectory()
  await using store = await openSqliteStore({ directory, clock, databaseBytesMax: 256 * 1_024 })
  await store.put('streams', 'small', 'kept')
  const outcomes = await Promise.allSettled([
    store.put('streams', 'first', 'x'.repeat(100_000)),
    store.put('streams', 'second', 'x'.repeat(400_000)),
    store.get('streams', 'small'),
  ])
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  )
  await assert.rejects(store.put('streams', 'third', 'x'.repeat(400_000)), isUnavailable(/full/))
  assert.equal((await store.get('streams', 'small'))?.value, 'kept')
  assert.equal((await store.list('streams')).length, 2)
})

/** Writes and says each key only once the store has acknowledged it. */
const WRITER = `
  import { systemClock } from ${JSON.stringify(new URL('../lib/clock.ts', import.meta.url).href)}
  import { openSqliteStore } from ${JSON.stringify(new URL('./sqlite.ts', import.meta.url).href)}
  const store = await openSqliteStore({ directory: process.argv[1], clock: systemClock })
  for (let index = 0; ; index += 1) {
    const [, sequence] = await Promise.all([
      store.put('streams', 'key-' + index, 'v'.repeat(300)),
      store.append('events', { subject: 's', type: 't', atWallMs: 1, value: index }),
    ])
    process.stdout.write(index + ' ' + sequence + '\\n')
  }
`

test('everything acknowledged is there after kill -9 in the middle of writing', { timeout: 150_000 }, async () => {
  const directory = newDirectory()
  for (const acknowledgements of [50, 700]) {
    const child = spawn(process.execPath, ['--input-type=module', '--eval', WRITER, directory], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let last = ''
    let seen = 0
    for await (const line of createInterface({ input: child.stdout })) {
      last = line
      seen += 1
      if (seen === acknowledgements) child.kill('SIGKILL')
    }
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    assert.equal(child.signalCode, 'SIGKILL')
    const [index = -1, sequence = -1] = last.split(' ').map(Number)
    await using store = await openSqliteStore({ directory, clock: systemClock })
    assert.equal(store.setAside, undefined)
    const keys = new Set((await store.list('streams')).map(({ key }) => key))
    for (let written = 0; written <= index; written += 1) assert.ok(keys.has(`key-${written}`), `key-${written}`)
    const [found] = await store.read('events', { after: sequence - 1, limit: 1, order: 'oldest' })
    assert.deepEqual(found?.value, index)
  }
})

async function overwrite(file: string, position: number, text: string): Promise<void> {
  const handle = await open(file, 'r+')
  await handle.write(text, position)
  await handle.close()
}

function isUnavailable(message: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof HoldfastError && error.code === 'store_unavailable' && message.test(error.message)
}
