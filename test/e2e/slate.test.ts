import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '../../src/lib/clock.ts'
import { GatewayProcess } from '../lab/gateway-process.ts'
import { until } from '../lab/poll.ts'
import { Scene } from '../lab/scene.ts'
import { dtsSteps, judgeSeams } from '../lab/seam-oracle.ts'
import { unhurried } from '../lab/unhurried.ts'
import type { Viewer } from '../lab/viewer.ts'

/** What viewers get when no source delivers. */
const hasFfmpeg = spawnSync('ffmpeg', ['-version']).status === 0
const needsFfmpeg = { skip: hasFfmpeg ? false : 'ffmpeg is not installed' }
/** 90 kHz ticks: one and a half frames at 25 frames a second. */
const STEP_TICKS_MAX = 5_400

/** How long viewers are kept with nothing, where a test waits for its end. */
const HOLD_SECONDS = 4
const briefly = { VIEWER_HOLD_SECONDS: `${HOLD_SECONDS}` }

interface Source {
  readonly signature: string | null
}

async function outage(scene: Scene): Promise<void> {
  for (const origin of scene.origins) {
    origin.answer = { kind: 'status', status: 503 }
    origin.inject({ kind: 'reset', aligned: false })
  }
}

function recovery(scene: Scene): void {
  for (const origin of scene.origins) origin.answer = { kind: 'live' }
}

async function slateOn(scene: Scene, isOn: boolean): Promise<void> {
  await until(
    async () => {
      const { stream } = await scene.gateway.api.get<{ stream: { slate_on: boolean } }>(`/streams/${scene.streamId}`)
      return stream.slate_on === isOn
    },
    { what: `the slate being ${isOn ? 'on' : 'off'}`, deadlineMs: 20_000 },
  )
}

/** A viewer of a stream of which is known what a slate has to be like; before that there can be none. */
async function watchingKnown(scene: Scene): Promise<Viewer> {
  const viewer = await scene.watching()
  await until(
    async () => {
      const path = `/streams/${scene.streamId}`
      const { stream } = await scene.gateway.api.get<{ stream: { sources: readonly Source[] } }>(path)
      return stream.sources[0]?.signature !== null
    },
    { what: 'knowing the pictures and the sound of the source' },
  )
  return viewer
}

/** Has the slate of such a stream made, so that it is there at once when the gateway is started again. */
async function makeSlate(gateway: GatewayProcess, slate: object): Promise<void> {
  await using scene = await Scene.open({ gateway, origins: [{ name: 'primary' }], stream: { slate } })
  await watchingKnown(scene)
  await outage(scene)
  await slateOn(scene, true)
}

async function assertNoStep(gateway: GatewayProcess, bytes: Buffer): Promise<void> {
  const path = join(gateway.dataDirectory, 'slate.ts')
  await writeFile(path, bytes)
  const { warnings, continuityErrors, packets } = await judgeSeams(path)
  assert.deepEqual(warnings, [])
  assert.equal(continuityErrors, 0)
  const steps = dtsSteps(packets, 'video')
  assert.ok(Math.min(...steps) > 0 && Math.max(...steps) <= STEP_TICKS_MAX, `the longest step is ${Math.max(...steps)}`)
}

test(
  'viewers see a slate, longer than they are held without one, and come back without a step',
  needsFfmpeg,
  async () => {
    const slate = { after_seconds: 1, text: 'Soon back' }
    await using gateway = await GatewayProcess.start({ env: unhurried })
    await makeSlate(gateway, slate)
    await gateway.restart(briefly)
    await using scene = await Scene.open({
      gateway,
      origins: [{ name: 'primary' }, { name: 'backup' }],
      stream: { slate },
    })
    const viewer = await watchingKnown(scene)
    await viewer.hasRead(150_000)
    await outage(scene)
    await slateOn(scene, true)
    const shownMs = systemClock.nowMs()
    await until(() => !viewer.isAlive || systemClock.nowMs() - shownMs > HOLD_SECONDS * 1_000, {
      what: 'the hold being over',
    })
    assert.equal(viewer.state, 'reading', 'the hold without a slate is over')
    recovery(scene)
    await viewer.hasRead(viewer.totalBytes + 200_000)
    await slateOn(scene, false)
    await gateway.api.call('DELETE', `/streams/${scene.streamId}`)
    await until(() => !viewer.isAlive, { what: 'the end of the stream' })
    await assertNoStep(gateway, viewer.body)
    // The receipt of the switch back tells of the slate.
    const receipt = await scene.firstFacts('switch_completed', ({ slate_ms: ms }) => Number(ms) > 0)
    assert.ok(Number(receipt['gap_ms']) < Number(receipt['slate_ms']), 'the gap ended with the slate')
  },
)

test(
  'nothing but null packets comes before it, and without it, and then the viewers are let go',
  needsFfmpeg,
  async () => {
    await using gateway = await GatewayProcess.start({ env: { ...unhurried, ...briefly } })
    await using scene = await Scene.open({
      gateway,
      origins: [{ name: 'primary' }],
      stream: { slate: false },
    })
    const viewer = await scene.watching()
    await outage(scene)
    assert.equal(await viewer.finished(), 'ended')
    const { body } = viewer
    let nullPackets = 0
    while ((body.readUInt16BE(body.length - 187 - nullPackets * 188) & 0x1fff) === 0x1fff) nullPackets += 1
    assert.ok(nullPackets > 5, `the connection was kept alive by ${nullPackets} null packets, and by nothing else`)
  },
)

test('the operator’s file is shown, and one that is missing does no harm', needsFfmpeg, async () => {
  await using gateway = await GatewayProcess.start({ env: unhurried })
  const picture = join(gateway.dataDirectory, 'card.png')
  spawnSync('ffmpeg', ['-v', 'error', '-f', 'lavfi', '-i', 'color=red:size=64x64', '-frames:v', '1', '-y', picture])
  await using scene = await Scene.open({
    gateway,
    origins: [{ name: 'primary' }],
    stream: { slate: { after_seconds: 0.5, file: picture } },
  })
  await using other = await Scene.open({
    gateway,
    origins: [{ name: 'primary' }],
    stream: { slate: { after_seconds: 0.5, file: '/nowhere/card.png' } },
  })
  const viewer = await watchingKnown(scene)
  const otherViewer = await watchingKnown(other)
  await outage(scene)
  await outage(other)
  await slateOn(scene, true)
  await until(() => gateway.logs.some(({ event }) => /^slate_(?:file_unusable|unavailable)$/.test(String(event))), {
    what: 'the word about the missing file',
  })
  recovery(scene)
  recovery(other)
  await viewer.sees(scene.origin(0).name, { marks: 5 })
  await otherViewer.sees(other.origin(0).name, { marks: 5 })
})
