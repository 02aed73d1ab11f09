import assert from 'node:assert/strict'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { makeDirectory } from './directory.ts'

test('missing folders are made with the mode, and those that are there stay', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'holdfast-'))
  t.after(() => rm(root, { recursive: true }))
  await makeDirectory(join(root, 'a', 'b'), 0o700)
  await makeDirectory(join(root, 'a', 'b'), 0o700)
  assert.equal((await stat(join(root, 'a', 'b'))).mode & 0o777, 0o700)
  await writeFile(join(root, 'file'), '')
  await assert.rejects(makeDirectory(join(root, 'file', 'x'), 0o700), { code: 'ENOTDIR' })
})

test(
  'a folder that the system does not let be made is an error and no endless loop',
  { skip: process.platform !== 'linux' && 'needs /proc', timeout: 5000 },
  async () => {
    await assert.rejects(makeDirectory('/proc/holdfast/data', 0o700), { code: 'ENOENT' })
  },
)
