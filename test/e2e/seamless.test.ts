import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { GatewayProcess } from '../lab/gateway-process.ts'
import { until } from '../lab/poll.ts'
import { Scene } from '../lab/scene.ts'
import { dtsSteps, judgeSeams } from '../lab/seam-oracle.ts'
import type { Viewer } from '../lab/viewer.ts'

let gateway: GatewayProcess
before(async () => {
  gateway = await GatewayProcess.start()
})
after(async () => await gateway[Symbol.asyncDispose]())

const BYTES_BEFORE = 100_000
const BYTES_AFTER = 150_000
/** 90 kHz ticks: one and a half frames at 25 frames a second. */
const STEP_TICKS_MAX = 5_400

interface Case {
  readonly name: string
  /** Brings the stream from one source to the next, as often as it has sources. */
  readonly change: (scene: Scene, viewer: Viewer) => Promise<void>
}

const nextSource = async (scene: Scene, viewer: Viewer, index: number): Promise<void> => {
  const name = scene.origin(index).name
  await viewer.sees(name)
  await viewer.hasRead(viewer.totalBytes + BYTES_BEFORE)
}

const cases: readonly Case[] = [
  {
    name: 'a reset in the middle of a packet',
    change: async (scene, viewer) => {
      scene.origin(0).inject({ kind: 'reset', aligned: false })
      await nextSource(scene, viewer, 1)
    },
  },
  {
    name: 'a silence',
    change: async (scene, viewer) => {
      scene.origin(0).inject({ kind: 'silence' })
      await nextSource(scene, viewer, 1)
    },
  },
  {
    name: 'a switch by hand and back',
    change: async (scene, viewer) => {
      await gateway.api.failover(scene.streamId, { target: 1 })
      await nextSource(scene, viewer, 1)
      await gateway.api.failover(scene.streamId, { target: 0 })
      await nextSource(scene, viewer, 0)
    },
  },
  {
    name: 'three failovers in a row',
    change: async (scene, viewer) => {
      scene.origin(0).inject({ kind: 'reset', aligned: true })
      await nextSource(scene, viewer, 1)
      scene.origin(1).inject({ kind: 'fin', aligned: false })
      await nextSource(scene, viewer, 2)
      scene.origin(2).inject({ kind: 'reset', aligned: false })
      await nextSource(scene, viewer, 0)
    },
  },
]

/** What one viewer read over one connection, to the end of the stream. */
async function watched(change: Case['change'], stream: Readonly<Record<string, unknown>>): Promise<Buffer> {
  await using scene = await Scene.open({
    gateway,
    origins: [{ name: 'primary' }, { name: 'backup', join: 'mid_gop' }, { name: 'spare' }],
    stream,
  })
  const viewer = await scene.watching()
  await viewer.hasRead(BYTES_BEFORE)
  await change(scene, viewer)
  await viewer.hasRead(viewer.totalBytes + BYTES_AFTER)
  // Deleting the stream ends it on whole pictures, so that the recording has no torn end of its own.
  await gateway.api.call('DELETE', `/streams/${scene.streamId}`)
  await until(() => !viewer.isAlive, { what: 'the end of the stream', deadlineMs: 5_000 })
  return viewer.body
}

describe('the decoder sees nothing of', { concurrency: 2 }, () => {
  for (const { name, change } of cases) {
    test(name, async () => {
      const path = join(gateway.dataDirectory, `${name.replaceAll(' ', '-')}.ts`)
      await writeFile(path, await watched(change, {}))
      const { warnings, continuityErrors, packets, decodedFrames } = await judgeSeams(path)
      assert.deepEqual(warnings, [])
      assert.equal(continuityErrors, 0)
      const steps = dtsSteps(packets, 'video')
      assert.ok(steps.length > 50, `${steps.length} pictures are too few to judge`)
      assert.ok(Math.min(...steps) > 0, 'DTS rises from picture to picture')
      assert.ok(Math.max(...steps) <= STEP_TICKS_MAX, `the longest step is ${Math.max(...steps)} ticks`)
      assert.equal(decodedFrames, packets.filter(({ kind }) => kind === 'video').length)
    })
  }
})

async function isSeamless(path: string): Promise<boolean> {
  // Streams that change their PIDs make ffmpeg give up on copying them.
  const verdict = await judgeSeams(path).catch(() => undefined)
  if (verdict === undefined || verdict.warnings.length > 0 || verdict.continuityErrors > 0) return false
  return dtsSteps(verdict.packets, 'video').every((step) => step > 0 && step <= STEP_TICKS_MAX)
}

test('without the splice the same oracle finds what a naive change of source does', async () => {
  const path = join(gateway.dataDirectory, 'naive.ts')
  const [reset] = cases
  assert.ok(reset !== undefined)
  await writeFile(path, await watched(reset.change, { seamless: false }))
  assert.ok(!(await isSeamless(path)), 'the oracle can fail')
})
