import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { createSimulatedClock } from '../../lib/simulated-clock.ts'
import { SlateCache } from './slate-cache.ts'

const keyOf = (digit: string) => digit.repeat(64)

async function openCache(t: TestContext, bytesMax = 10_000) {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-slates-'))
  t.after(async () => await rm(directory, { recursive: true, force: true }))
  const clock = createSimulatedClock()
  const path = (key: string) => join(directory, 'slates', `${key}.slate`)
  return { clock, path, directory, cache: new SlateCache({ directory: join(directory, 'slates'), bytesMax, clock }) }
}

test('what was written is read again, by another cache too', async (t) => {
  const { cache, clock, directory } = await openCache(t)
  assert.equal(await cache.read(keyOf('a')), undefined)
  await cache.write(keyOf('a'), Buffer.from('slate'))
  const other = new SlateCache({ directory: join(directory, 'slates'), bytesMax: 10, clock })
  assert.equal((await other.read(keyOf('a')))?.toString(), 'slate')
})

test('what is damaged, cut short or empty counts as missing', async (t) => {
  const { cache, path } = await openCache(t)
  await cache.write(keyOf('a'), Buffer.from('slate'))
  const good = await readFile(path(keyOf('a')))
  const changed = Buffer.from(good)
  changed[2] = 0
  for (const bad of [changed, good.subarray(0, -1), good.subarray(0, 3), Buffer.alloc(0)]) {
    await writeFile(path(keyOf('a')), bad)
    assert.equal(await cache.read(keyOf('a')), undefined)
  }
  await writeFile(path(keyOf('a')), good)
  assert.ok((await cache.read(keyOf('a'))) !== undefined)
})

test('above the limit those go that were not used for longest', async (t) => {
  const { cache, clock } = await openCache(t, 3_200)
  for (const digit of ['a', 'b', 'c']) {
    await cache.write(keyOf(digit), Buffer.alloc(1_000))
    // Times of files come from the machine; reading sets them by the clock.
    await clock.advance(10_000)
    await cache.read(keyOf(digit))
  }
  await clock.advance(10_000)
  await cache.read(keyOf('a'))
  await cache.write(keyOf('d'), Buffer.alloc(1_000))
  const left = await Promise.all(['a', 'b', 'c', 'd'].map(async (digit) => (await cache.read(keyOf(digit)))?.length))
  assert.deepEqual(left, [1_000, undefined, 1_000, 1_000])
})

test('files of others are left alone, and so are fresh unfinished ones; old unfinished ones go', async (t) => {
  const { cache, clock, directory } = await openCache(t, 500)
  await mkdir(join(directory, 'slates'))
  const names = ['notes.txt', `${keyOf('a')}.71.tmp`, `${keyOf('b')}.71.tmp`]
  for (const name of names) await writeFile(join(directory, 'slates', name), Buffer.alloc(1_000))
  const now = clock.wallMs() / 1_000
  await utimes(join(directory, 'slates', `${keyOf('a')}.71.tmp`), now - 3_600, now - 3_600)
  await utimes(join(directory, 'slates', `${keyOf('b')}.71.tmp`), now - 5, now - 5)
  await cache.write(keyOf('c'), Buffer.alloc(100))
  assert.deepEqual((await readdir(join(directory, 'slates'))).toSorted(), [
    `${keyOf('b')}.71.tmp`,
    `${keyOf('c')}.slate`,
    'notes.txt',
  ])
})

test('a place that cannot be written to is an error of the file system', async (t) => {
  const { directory, clock } = await openCache(t)
  await writeFile(join(directory, 'file'), '')
  const cache = new SlateCache({ directory: join(directory, 'file', 'below'), bytesMax: 1, clock })
  await assert.rejects(cache.write(keyOf('a'), Buffer.alloc(1)))
})
