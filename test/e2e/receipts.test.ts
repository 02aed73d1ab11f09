import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Api } from '../lab/api.ts'
import { GatewayProcess } from '../lab/gateway-process.ts'
import { until } from '../lab/poll.ts'
import { Scene } from '../lab/scene.ts'
import { unhurried } from '../lab/unhurried.ts'

interface Receipt {
  readonly receipt_id: string
  readonly cause: string
  readonly reason: string
  readonly old_url: string
  readonly new_url: string
  readonly old_index: number
  readonly failover_index: number
  readonly detection_ms: number | null
  readonly connect_ms: number | null
  readonly gap_ms: number | null
  readonly outage_ms: number | null
  readonly seam: string | null
  readonly units_dropped: number | null
  readonly audio_hole_ms: number | null
  readonly audio_filled_ms: number | null
  readonly viewers: number
  readonly by: string | null
  readonly drill: boolean
  readonly capture: string | null
}

interface Page {
  readonly stream_id: string
  readonly switches: readonly Receipt[]
  readonly next_before: number | null
}

/** 1,024 samples at 48 kHz, rounded up. */
const AUDIO_FRAME_MS = 22

async function receiptsOf(api: Api, streamId: string, count: number): Promise<readonly Receipt[]> {
  return until(
    async () => {
      const { switches } = await api.get<Page>(`/streams/${streamId}/switches`)
      return switches.length >= count ? switches : undefined
    },
    { what: `${count} receipts` },
  )
}

test('each switch leaves a receipt, the newest first, and all survive kill -9', async () => {
  await using gateway = await GatewayProcess.start({ env: unhurried })
  await using scene = await Scene.open({ gateway, origins: [{ name: 'primary' }, { name: 'backup' }] })
  const viewer = await scene.watching()
  // The sound of a source begins later than its pictures: of one that is left before, nothing is known of it.
  await viewer.hasRead(viewer.totalBytes + 100_000)
  scene.origin(0).inject({ kind: 'reset', aligned: false })
  await viewer.sees(scene.origin(1).name)
  await scene.firstFacts('switch_completed')
  await gateway.api.failover(scene.streamId, { target: 0 })
  await viewer.sees(scene.origin(0).name)
  const receipts = await receiptsOf(gateway.api, scene.streamId, 2)
  const [byHand, failover] = receipts
  assert.ok(byHand !== undefined && failover !== undefined)
  assert.deepEqual([failover.cause, failover.reason], ['failover', 'reset'])
  assert.deepEqual([failover.old_index, failover.failover_index, failover.viewers], [0, 1, 1])
  for (const field of ['detection_ms', 'connect_ms', 'gap_ms', 'outage_ms', 'units_dropped'] as const) {
    const value = failover[field]
    assert.ok(value !== null && value >= 0 && value < 60_000, `${field} is ${value}`)
  }
  assert.equal(failover.seam, 'seamless')
  // The backup begins its connection with a keyframe, and nobody has its sound.
  const { audio_hole_ms: holeMs, audio_filled_ms: filledMs } = failover
  assert.ok(holeMs !== null && holeMs < AUDIO_FRAME_MS, `${holeMs} ms without sound`)
  assert.ok(filledMs !== null && filledMs >= 0 && filledMs < 1_000, `${filledMs} ms of silence`)
  assert.deepEqual([byHand.cause, byHand.by, byHand.detection_ms], ['manual', 'operator', null])
  assert.deepEqual([byHand.old_index, byHand.failover_index], [1, 0])
  assert.ok(receipts.every(({ drill, capture }) => !drill && capture === null))
  await gateway.restart()
  assert.deepEqual((await gateway.api.get<Page>(`/streams/${scene.streamId}/switches`)).switches, receipts)
})

test('an outage that the same source ended leaves a receipt too', async () => {
  await using gateway = await GatewayProcess.start({ env: unhurried })
  await using scene = await Scene.open({ gateway, origins: [{ name: 'only' }] })
  const viewer = await scene.watching()
  scene.origin(0).inject({ kind: 'end' })
  const [receipt] = await receiptsOf(gateway.api, scene.streamId, 1)
  assert.deepEqual([receipt?.cause, receipt?.old_index, receipt?.failover_index], ['retry', 0, 0])
  await viewer.sees(scene.origin(0).name)
})

test('receipts are read page by page, and only of streams that exist', async () => {
  await using gateway = await GatewayProcess.start({ env: unhurried })
  await using scene = await Scene.open({ gateway, origins: [{ name: 'primary' }, { name: 'backup' }] })
  const path = `/streams/${scene.streamId}/switches`
  for (let count = 0; count < 3; count += 1) await gateway.api.failover(scene.streamId)
  const all = await receiptsOf(gateway.api, scene.streamId, 3)
  const first = await gateway.api.get<Page>(`${path}?limit=2`)
  const second = await gateway.api.get<Page>(`${path}?limit=2&before=${first.next_before}`)
  assert.deepEqual([...first.switches, ...second.switches], all)
  assert.equal(second.next_before, null)
  assert.equal((await gateway.api.call('GET', `${path}?limit=0`)).status, 422)
  assert.equal((await gateway.api.call('GET', `${path}?before=x`)).status, 422)
  await gateway.api.call('DELETE', `/streams/${scene.streamId}`)
  const gone = await gateway.api.call('GET', path)
  assert.deepEqual([gone.status, gone.body], [404, { detail: 'Stream not found' }])
})

test('the receipt of a source that was taken off the list names that source', async () => {
  await using gateway = await GatewayProcess.start()
  await using scene = await Scene.open({ gateway, origins: [{ name: 'primary' }, { name: 'backup' }] })
  const viewer = await scene.watching()
  await gateway.api.failover(scene.streamId, { target: 1 })
  await viewer.sees(scene.origin(1).name)
  await receiptsOf(gateway.api, scene.streamId, 1)
  await gateway.api.stream([scene.origin(0).url])
  await viewer.sees(scene.origin(0).name)
  const [removed] = await receiptsOf(gateway.api, scene.streamId, 2)
  assert.deepEqual([removed?.cause, removed?.reason], ['failover', 'candidate_removed'])
  assert.deepEqual([removed?.old_url, removed?.new_url], [scene.origin(1).url, scene.origin(0).url])
})
