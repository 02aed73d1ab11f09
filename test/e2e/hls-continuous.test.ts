import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { GatewayProcess } from '../lab/gateway-process.ts'
import { loadFmp4Media, loadTsMedia } from '../lab/hls-media.ts'
import type { HlsMedia } from '../lab/hls-media.ts'
import { HlsOrigin } from '../lab/hls-origin.ts'
import { until } from '../lab/poll.ts'
import { Scene } from '../lab/scene.ts'
import { dtsSteps, judgeSeams } from '../lab/seam-oracle.ts'
import { unhurried } from '../lab/unhurried.ts'
import type { Viewer } from '../lab/viewer.ts'

let gateway: GatewayProcess
before(async () => {
  gateway = await GatewayProcess.start({ env: unhurried })
})
after(async () => await gateway[Symbol.asyncDispose]())

/** 90 kHz ticks: one and a half frames at 25 frames a second. */
const STEP_TICKS_MAX = 5_400
const ENOUGH_BYTES = 300_000

const originOf = async (media: HlsMedia, hasMaster = false): Promise<HlsOrigin> =>
  await HlsOrigin.start({ renditions: [{ name: 'main', media }], hasMaster })

/** What the viewer was given over its one connection is one stream, whatever it was made of. */
async function assertSeamless(viewer: Viewer, streamId: string): Promise<void> {
  await gateway.api.call('DELETE', `/streams/${streamId}`)
  await until(() => !viewer.isAlive, { what: 'the end of the stream' })
  const path = join(gateway.dataDirectory, `${streamId}.ts`)
  await writeFile(path, viewer.body)
  const { warnings, continuityErrors, packets } = await judgeSeams(path)
  assert.deepEqual(warnings, [])
  assert.equal(continuityErrors, 0)
  const steps = dtsSteps(packets, 'video')
  assert.ok(steps.length > 100, `${steps.length} pictures are too few to judge`)
  assert.ok(Math.min(...steps) > 0 && Math.max(...steps) <= STEP_TICKS_MAX, `the longest step is ${Math.max(...steps)}`)
}

test('HLS sources are one continuous stream, through a failover and a switch by hand', async () => {
  await using primary = await originOf(await loadTsMedia({ source: 'segments', programme: 'alpha' }), true)
  await using backup = await originOf(await loadTsMedia({ source: 'spare', programme: 'charlie' }))
  const streamId = await gateway.api.stream([primary.url, backup.url])
  using viewer = gateway.watch(streamId)
  await viewer.sees('segments')
  await viewer.hasRead(ENOUGH_BYTES)
  primary.segmentFault = { kind: 'status', status: 404 }
  await viewer.sees('spare', { deadlineMs: 40_000 })
  primary.segmentFault = undefined
  await viewer.hasRead(viewer.totalBytes + ENOUGH_BYTES)
  await gateway.api.failover(streamId, { target: 0 })
  await viewer.sees('segments')
  await viewer.hasRead(viewer.totalBytes + ENOUGH_BYTES)
  assert.deepEqual(viewer.sources, ['segments', 'spare', 'segments'])
  await assertSeamless(viewer, streamId)
})

test('a source of segments takes over from one that is a single body, and gives back to it', async () => {
  await using playlist = await originOf(await loadTsMedia({ source: 'segments', programme: 'charlie' }))
  await using scene = await Scene.open({
    gateway,
    origins: [{ name: 'body' }],
    stream: { failover_urls: [playlist.url] },
  })
  const viewer = await scene.watching()
  await viewer.hasRead(ENOUGH_BYTES)
  await scene.origin(0).refuse()
  scene.origin(0).inject({ kind: 'reset', aligned: false })
  await viewer.sees('segments', { deadlineMs: 40_000 })
  await viewer.hasRead(viewer.totalBytes + ENOUGH_BYTES)
  await scene.origin(0).accept()
  playlist.playlistFault = { kind: 'html' }
  await viewer.sees(scene.origin(0).name, { deadlineMs: 40_000 })
  await viewer.hasRead(viewer.totalBytes + ENOUGH_BYTES)
  await assertSeamless(viewer, scene.streamId)
})

test('segments of fragmented MP4 come out as MPEG-TS', async () => {
  await using origin = await originOf(await loadFmp4Media({ source: 'fragments', programme: 'alpha' }))
  const streamId = await gateway.api.stream([origin.url])
  using viewer = gateway.watch(streamId)
  await viewer.hasRead(ENOUGH_BYTES * 2, 40_000)
  await assertSeamless(viewer, streamId)
})

test('a playlist at an address that does not look like one is read as one', async () => {
  await using origin = await HlsOrigin.start({
    renditions: [{ name: 'main', media: await loadTsMedia({ source: 'hidden', programme: 'alpha' }) }],
    redirectsEntry: true,
  })
  const disguised = origin.url.replace(/\.m3u8$/, '')
  assert.notEqual(disguised, origin.url)
  const streamId = await gateway.api.stream([disguised])
  using viewer = gateway.watch(streamId)
  await viewer.sees('hidden')
})
