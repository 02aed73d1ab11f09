import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { GatewayProcess } from '../lab/gateway-process.ts'
import { OriginProcess } from '../lab/origin-process.ts'
import { until } from '../lab/poll.ts'
import { Scene } from '../lab/scene.ts'
import { dtsSteps, judgeSeams, problemsOf } from '../lab/seam-oracle.ts'
import { unhurried } from '../lab/unhurried.ts'
import type { Viewer } from '../lab/viewer.ts'

let gateway: GatewayProcess
/** Leaves a source that is silent for a second, which may be for want of a processor: only for cases in which one is. */
let hasty: GatewayProcess
before(async () => {
  const env = { FAILBACK_CHECK_SECONDS: '0.3' }
  gateway = await GatewayProcess.start({ env: { ...env, ...unhurried } })
  hasty = await GatewayProcess.start({ env })
})
after(async () => {
  await gateway[Symbol.asyncDispose]()
  await hasty[Symbol.asyncDispose]()
})

const BYTES_BEFORE = 100_000
const BYTES_AFTER = 150_000
/** 90 kHz ticks: one and a half frames at 25 frames a second. */
const STEP_TICKS_MAX = 5_400

/** 90 kHz ticks by which two roundings of the same time may differ. */
const ROUNDING_TICKS = 4

/** Where the splice puts the lab's marks, several of which have the time of one picture. */
const MARKS_PID = 0x110

interface Case {
  readonly name: string
  /** More fields of the stream. */
  readonly stream?: Readonly<Record<string, unknown>>
  readonly isSilence?: boolean
  /** Brings the stream from one source to the next, as often as it has sources. */
  readonly change: (scene: Scene, viewer: Viewer) => Promise<void>
}

const nextSource = async (scene: Scene, viewer: Viewer, index: number): Promise<void> => {
  const name = scene.origin(index).name
  await viewer.sees(name)
  await viewer.hasRead(viewer.totalBytes + BYTES_BEFORE)
}

/** Until the standby has had time for a keyframe and the viewer for a picture. */
const standbyReceived = async (scene: Scene, index: number, viewer: Viewer): Promise<void> => {
  const isReceived = () => scene.origin(index).deliveringNow === 1
  await until(isReceived, { what: `standby ${index} being received`, deadlineMs: 15_000 })
  await viewer.hasRead(viewer.totalBytes + 2 * BYTES_BEFORE)
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
    isSilence: true,
    change: async (scene, viewer) => {
      scene.origin(0).inject({ kind: 'silence' })
      await nextSource(scene, viewer, 1)
    },
  },
  {
    name: 'a switch by hand and back',
    change: async (scene, viewer) => {
      await scene.gateway.api.failover(scene.streamId, { target: 1 })
      await nextSource(scene, viewer, 1)
      await scene.gateway.api.failover(scene.streamId, { target: 0 })
      await nextSource(scene, viewer, 0)
    },
  },
  {
    name: 'a reset with a hot standby',
    stream: { standby: 'hot' },
    change: async (scene, viewer) => {
      await standbyReceived(scene, 1, viewer)
      scene.origin(0).inject({ kind: 'reset', aligned: false })
      await nextSource(scene, viewer, 1)
      await standbyReceived(scene, 2, viewer)
      scene.origin(1).inject({ kind: 'reset', aligned: false })
      await nextSource(scene, viewer, 2)
    },
  },
  {
    name: 'a silence with a hot standby and a delay',
    isSilence: true,
    stream: { standby: 'hot', output_delay_ms: 2_500 },
    change: async (scene, viewer) => {
      await standbyReceived(scene, 1, viewer)
      scene.origin(0).inject({ kind: 'silence' })
      await nextSource(scene, viewer, 1)
    },
  },
  {
    name: 'a failover and the failback',
    stream: { failback: { mode: 'auto', probation_seconds: 1, hold_down_seconds: 1 } },
    change: async (scene, viewer) => {
      scene.origin(0).inject({ kind: 'reset', aligned: false })
      await nextSource(scene, viewer, 1)
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
async function watched(
  { change, stream = {}, isSilence = false }: Omit<Case, 'name'>,
  primary?: { readonly name: string; readonly url: string },
): Promise<Buffer> {
  await using scene = await Scene.open({
    gateway: isSilence ? hasty : gateway,
    origins: [{ name: 'primary' }, { name: 'backup', join: 'mid_gop' }, { name: 'spare' }],
    stream,
    ...(primary === undefined ? {} : { primaryUrl: () => primary.url }),
  })
  const viewer = scene.watch()
  await viewer.sees(primary?.name ?? scene.origin(0).name)
  await viewer.hasRead(BYTES_BEFORE)
  await change(scene, viewer)
  await viewer.hasRead(viewer.totalBytes + BYTES_AFTER)
  // Deleting the stream ends it on whole pictures, so that the recording has no torn end of its own.
  await scene.gateway.api.call('DELETE', `/streams/${scene.streamId}`)
  await until(() => !viewer.isAlive, { what: 'the end of the stream', deadlineMs: 5_000 })
  return viewer.body
}

/** … when the primary is a process of its own, which dies without a word. */
async function watchedToTheDeath(): Promise<Buffer> {
  await using mortal = await OriginProcess.start([{ name: 'mortal', programme: 'bravo' }])
  return await watched(
    {
      change: async (scene, viewer) => {
        await mortal.kill()
        await nextSource(scene, viewer, 1)
      },
    },
    { name: 'mortal', url: mortal.url('mortal') },
  )
}

describe('the decoder sees nothing of', { concurrency: 2 }, () => {
  const recordings = cases.map((each) => ({ name: each.name, record: async () => await watched(each) }))
  const death = { name: 'the death of the process of the source', record: watchedToTheDeath }
  for (const { name, record } of [...recordings, death]) {
    test(name, async () => {
      const path = join(gateway.dataDirectory, `${name.replaceAll(' ', '-')}.ts`)
      await writeFile(path, await record())
      const { warnings, continuityErrors, packets, decodedFrames, audioGaps, analysis } = await judgeSeams(path)
      assert.deepEqual(warnings, [])
      assert.equal(continuityErrors, 0)
      const steps = dtsSteps(packets, 'video')
      assert.ok(steps.length > 50, `${steps.length} pictures are too few to judge`)
      assert.ok(Math.min(...steps) > 0, 'DTS rises from picture to picture')
      assert.ok(Math.max(...steps) <= STEP_TICKS_MAX, `the longest step is ${Math.max(...steps)} ticks`)
      assert.equal(decodedFrames, packets.filter(({ kind }) => kind === 'video').length)
      const { frameTicks, holeTicks, overlapTicks } = audioGaps
      // The lab's sources begin a connection with a keyframe and send its sound up to 18 frames later; silence stands in.
      assert.ok(holeTicks <= frameTicks + ROUNDING_TICKS, `${holeTicks / 90} ms without sound`)
      assert.ok(overlapTicks <= ROUNDING_TICKS, `${overlapTicks / 90} ms of sound twice`)
      const isKnown = (problem: string) => problem.includes(` on ${MARKS_PID}:`)
      const problems = problemsOf(analysis).filter((problem) => !isKnown(problem))
      assert.deepEqual(problems, [])
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
  await writeFile(path, await watched({ ...reset, stream: { seamless: false } }))
  assert.ok(!(await isSeamless(path)), 'the oracle can fail')
})
