import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { silentLog } from '../../lib/log.ts'
import { Spill } from './spill.ts'
import { StoredMedia } from './stored-media.ts'

const mediaOf = (name: string, bytes: number) =>
  new StoredMedia(name, 'video/mp2t', [Buffer.alloc(bytes / 2, 1), Buffer.alloc(bytes / 2, 2)])

async function inDirectory(work: (directory: string) => Promise<void>): Promise<void> {
  const parent = await mkdtemp(join(tmpdir(), 'holdfast-spill-'))
  try {
    await work(join(parent, 'hls'))
  } finally {
    await rm(parent, { recursive: true, force: true })
  }
}

const spillIn = (directory: string, bytesMax = 1_000_000) => new Spill({ directory, bytesMax, log: silentLog })

describe('segments on disk', () => {
  it('are written whole, told of, and removed when nobody can ask for them', async () => {
    await inDirectory(async (directory) => {
      await using spill = spillIn(directory)
      const window = spill.forStream()
      const media = mediaOf('a', 1_000)
      const moved: boolean[] = []
      assert.equal(
        window.move(media, (isMoved) => moved.push(isMoved)),
        true,
      )
      assert.equal(media.bytesInMemory, 1_000)
      await spill.settled()
      assert.deepEqual(moved, [true])
      assert.equal(media.bytesInMemory, 0)
      const path = media.content.kind === 'file' ? media.content.path : ''
      assert.deepEqual(await readFile(path), Buffer.concat([Buffer.alloc(500, 1), Buffer.alloc(500, 2)]))
      window.forget(media)
      await spill.settled()
      assert.deepEqual(await readdir(directory), [])
      assert.equal(spill.bytes, 0)
    })
  })

  it('are not more than they may be', async () => {
    await inDirectory(async (directory) => {
      await using spill = spillIn(directory, 2_500)
      const taken = ['a', 'b', 'c'].map((name) => spill.forStream().move(mediaOf(name, 1_000), () => {}))
      assert.deepEqual(taken, [true, true, false])
    })
  })

  it('of an earlier run are removed at the start, and all of them at the end', async () => {
    await inDirectory(async (directory) => {
      await mkdir(directory)
      await writeFile(join(directory, '7.media'), 'left by a crash')
      const spill = spillIn(directory)
      await spill.settled()
      assert.deepEqual(await readdir(directory), [])
      spill.forStream().move(mediaOf('a', 10), () => {})
      await spill[Symbol.asyncDispose]()
      await assert.rejects(readdir(directory), { code: 'ENOENT' })
    })
  })

  it('stay in memory when the disk takes nothing', async () => {
    await inDirectory(async (directory) => {
      await writeFile(directory, 'a file where the directory should be')
      const spill = spillIn(join(directory, 'below'))
      const moved: boolean[] = []
      const media = mediaOf('a', 10)
      spill.forStream().move(media, (isMoved) => moved.push(isMoved))
      await spill.settled()
      assert.deepEqual(moved, [false])
      assert.equal(media.bytesInMemory, 10)
      assert.equal(spill.bytes, 0)
    })
  })
})
