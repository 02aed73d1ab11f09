import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { GatewayProcess } from '../lab/gateway-process.ts'
import { runTool } from '../lab/media.ts'
import { until } from '../lab/poll.ts'
import { Scene } from '../lab/scene.ts'
import { TsRecord } from '../lab/ts-record.ts'
import { unhurried } from '../lab/unhurried.ts'

interface Switches {
  readonly switches: readonly { readonly receipt_id: string; readonly capture: string | null }[]
}

/** A capture is complete 10 s after its switch. */
const CAPTURED_DEADLINE_MS = 25_000

test('the capture of a failover plays from its start and shows both sources, also after a restart', async () => {
  await using gateway = await GatewayProcess.start({ env: unhurried })
  await using scene = await Scene.open({
    gateway,
    origins: [{ name: 'primary' }, { name: 'backup' }],
    stream: { capture: true, seamless: true },
  })
  const path = `/streams/${scene.streamId}/switches`
  const viewer = await scene.watching()
  await viewer.hasRead(300_000)
  scene.origin(0).inject({ kind: 'reset', aligned: true })
  await viewer.sees(scene.origin(1).name)
  const receipt = await until(async () => (await gateway.api.get<Switches>(path)).switches[0], { what: 'a receipt' })
  const early = await gateway.api.call<{ detail: string }>('GET', `${path}/${receipt.receipt_id}/capture`)
  assert.equal(early.status, 404)
  assert.match(early.body.detail, /no capture of switch/)
  const capture = await until(async () => (await gateway.api.get<Switches>(path)).switches[0]?.capture ?? undefined, {
    what: 'the capture',
    deadlineMs: CAPTURED_DEADLINE_MS,
  })
  await gateway.restart()
  const answer = await fetch(gateway.url + capture)
  assert.equal(answer.status, 200)
  assert.equal(answer.headers.get('content-type'), 'video/mp2t')
  assert.match(answer.headers.get('content-disposition') ?? '', /^attachment; filename="[-\w]+\.ts"$/)
  const bytes = Buffer.from(await answer.arrayBuffer())
  assert.equal(Number(answer.headers.get('content-length')), bytes.length)
  const record = new TsRecord()
  record.push(bytes, 0)
  assert.deepEqual(record.sources, [scene.origin(0).name, scene.origin(1).name])
  assert.equal(record.misalignedBytes, 0)
  const file = join(gateway.dataDirectory, 'downloaded.ts')
  await writeFile(file, bytes)
  const probed = await runTool('ffprobe', [
    ...['-v', 'error', '-select_streams', 'v', '-count_frames'],
    ...['-show_entries', 'stream=nb_read_frames', '-of', 'default=nokey=1:noprint_wrappers=1', file],
  ])
  assert.equal(probed.stderr, '')
  const frames = Number(probed.stdout.trim().split('\n')[0])
  // 10 s after the seam, and what there was before it, of which 20 s are kept.
  assert.ok(frames >= 250 && frames <= 800, `${frames} frames`)
  assert.equal((await gateway.api.call('GET', `${path}/not-a-uuid/capture`)).status, 422)
})

test('a stream that does not ask for captures has none', async () => {
  await using gateway = await GatewayProcess.start({ env: unhurried })
  await using scene = await Scene.open({ gateway, origins: [{ name: 'primary' }, { name: 'backup' }] })
  const viewer = await scene.watching()
  await gateway.api.failover(scene.streamId)
  await viewer.sees(scene.origin(1).name)
  const path = `/streams/${scene.streamId}/switches`
  const receipt = await until(async () => (await gateway.api.get<Switches>(path)).switches[0], { what: 'a receipt' })
  assert.equal((await gateway.api.call('GET', `${path}/${receipt.receipt_id}/capture`)).status, 404)
})
