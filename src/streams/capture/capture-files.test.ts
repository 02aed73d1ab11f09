import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { Log } from '../../lib/log.ts'
import { silentLog } from '../../lib/log.ts'
import { CaptureFiles } from './capture-files.ts'

const parent = await mkdtemp(join(tmpdir(), 'holdfast-captures-'))
after(() => rm(parent, { recursive: true, force: true }))

test('a capture is found again after a restart, and what was left unfinished is removed', async () => {
  const directory = join(parent, 'again')
  const files = await CaptureFiles.open({ directory, capturesKept: 5, captureBytesMax: 1_000_000, log: silentLog })
  assert.equal(files.find('stream', 'one'), undefined)
  files.keep('stream', 'one', [Buffer.from('first '), Buffer.from('second')])
  await files.flush()
  await writeFile(join(directory, 'stream.two.ts.part'), 'half')
  const again = await CaptureFiles.open({ directory, capturesKept: 5, captureBytesMax: 1_000_000, log: silentLog })
  const found = again.find('stream', 'one')
  assert.equal(found?.bytes, 12)
  assert.equal(await readFile(found?.path ?? '', 'utf8'), 'first second')
  assert.equal(again.find('other', 'one'), undefined)
  assert.deepEqual(await readdir(directory), ['stream.one.ts'])
})

test('only the newest captures are kept', async () => {
  const directory = join(parent, 'kept')
  const files = await CaptureFiles.open({ directory, capturesKept: 2, captureBytesMax: 1_000_000, log: silentLog })
  for (const id of ['one', 'two', 'three']) {
    files.keep('stream', id, [Buffer.from(id)])
    await files.flush()
  }
  assert.equal(files.find('stream', 'one'), undefined)
  assert.deepEqual((await readdir(directory)).toSorted(), ['stream.three.ts', 'stream.two.ts'])
})

test('a disk that fails is told once and costs the capture, nothing else', async () => {
  const blocked = join(parent, 'blocked')
  await writeFile(blocked, 'a file where the directory should be')
  const told: string[] = []
  const log: Log = { ...silentLog, error: (event) => told.push(event) }
  const files = await CaptureFiles.open({ directory: blocked, capturesKept: 2, captureBytesMax: 1_000_000, log })
  for (const id of ['one', 'two']) files.keep('stream', id, [Buffer.from(id)])
  await files.flush()
  assert.equal(files.find('stream', 'one'), undefined)
  assert.deepEqual(told, ['captures_failing'])
})
