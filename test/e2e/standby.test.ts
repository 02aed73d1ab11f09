import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { after, before, test } from 'node:test'
import { systemClock } from '../../src/lib/clock.ts'
import { FaultOrigin } from '../lab/fault-origin.ts'
import { GatewayProcess } from '../lab/gateway-process.ts'
import { until } from '../lab/poll.ts'
import { Scene } from '../lab/scene.ts'

/** Silence of so long is noticed; less than that a slow machine may make of sources that are well. */
const SILENCE_SECONDS = 3

let gateway: GatewayProcess
before(async () => {
  gateway = await GatewayProcess.start({
    env: {
      ...{ STANDBY_CHECK_SECONDS: '1', FAILBACK_CHECK_SECONDS: '0.3' },
      LIVE_STALL_FLOOR_SECONDS: `${SILENCE_SECONDS}`,
    },
  })
})
after(async () => await gateway[Symbol.asyncDispose]())

interface Receipt {
  readonly cause: string
  readonly was_standby: boolean
  readonly connect_ms: number | null
  readonly detection_ms: number | null
  readonly gap_ms: number | null
  readonly media_jump_ms: number | null
  readonly seam: string | null
  readonly failover_index: number
}

interface SourceObject {
  readonly url: string
  readonly health: string
  readonly standby: string
  readonly on_air: boolean
  readonly signature: string | null
}

async function receipts(streamId: string): Promise<readonly Receipt[]> {
  const { events } = await gateway.api.get<{ events: readonly { data: Receipt }[] }>(
    `/events?type=switch_completed&stream_id=${streamId}&limit=50`,
  )
  return events.map(({ data }) => data)
}

async function receiptOf(streamId: string, cause: string): Promise<Receipt> {
  return await until(async () => (await receipts(streamId)).find((receipt) => receipt.cause === cause), {
    what: `the receipt of a ${cause}`,
  })
}

async function sources(streamId: string): Promise<readonly SourceObject[]> {
  const { stream } = await gateway.api.get<{ stream: { sources: readonly SourceObject[] } }>(`/streams/${streamId}`)
  return stream.sources
}

async function standbyIs(scene: Scene, index: number, state: string): Promise<void> {
  await until(async () => (await sources(scene.streamId))[index]?.standby === state, {
    what: `source ${index} being ${state}`,
  })
}

test('a hot standby is connected before it is needed, and takes over without connecting', async () => {
  await using scene = await Scene.open({
    gateway,
    origins: [{ name: 'primary' }, { name: 'backup', join: 'mid_gop' }, { name: 'spare' }],
    stream: { standby: 'hot' },
  })
  const viewer = await scene.watching()
  await standbyIs(scene, 1, 'hot')
  await until(() => scene.origin(1).deliveringNow === 1, { what: 'the standby being received' })
  const isKnown = async () => typeof (await sources(scene.streamId))[1]?.signature === 'string'
  await until(isKnown, { what: 'pictures of the standby' })
  await viewer.hasRead(viewer.totalBytes + 150_000)
  const connectionsBefore = scene.origin(1).connectionsEver
  scene.origin(0).inject({ kind: 'reset', aligned: false })
  await viewer.sees(scene.origin(1).name)
  assert.deepEqual(viewer.sources, [scene.origin(0).name, scene.origin(1).name])
  assert.equal(scene.origin(1).connectionsEver, connectionsBefore)
  const receipt = await receiptOf(scene.streamId, 'failover')
  assert.equal(receipt.was_standby, true)
  assert.equal(receipt.connect_ms, null)
  assert.equal(receipt.seam, 'seamless')
  assert.ok((receipt.media_jump_ms ?? 1) <= 0, `nothing is missed: ${receipt.media_jump_ms} ms`)
})

test('with a hot standby and a delay longer than detection viewers are given media without a gap', async () => {
  await using scene = await Scene.open({
    gateway,
    origins: [{ name: 'primary' }, { name: 'backup' }],
    stream: { standby: 'hot', output_delay_ms: 8_000 },
  })
  const viewer = await scene.watching()
  await standbyIs(scene, 1, 'hot')
  await viewer.hasRead(viewer.totalBytes + 200_000)
  const struckMs = systemClock.nowMs()
  scene.origin(0).inject({ kind: 'silence' })
  await viewer.sees(scene.origin(1).name, { marks: 10 })
  const receipt = await receiptOf(scene.streamId, 'failover')
  const { detection_ms: detectionMs, gap_ms: gapMs } = receipt
  const silenceMs = SILENCE_SECONDS * 1_000
  assert.ok(detectionMs !== null && detectionMs >= silenceMs, `the silence was noticed after ${detectionMs} ms`)
  // Without the delay nothing would have come for as long as the silence took to be noticed.
  assert.ok(gapMs !== null && gapMs < silenceMs, `no more than between any two pieces: ${gapMs} ms`)
  const longest = viewer.longestGapMs(struckMs)
  assert.ok(longest < silenceMs, `the viewer waited ${longest} ms, less than detection took`)
})

test('a warm standby is looked at and left, and one that is known to be bad is not switched to', async () => {
  await using scene = await Scene.open({
    gateway,
    origins: [{ name: 'primary' }, { name: 'broken', answer: { kind: 'status', status: 503 } }, { name: 'spare' }],
    stream: { standby: 'warm' },
  })
  const viewer = await scene.watching()
  await until(async () => (await sources(scene.streamId))[1]?.health === 'unhealthy', {
    what: 'the broken backup being known',
  })
  await until(async () => (await sources(scene.streamId))[2]?.health === 'healthy', { what: 'the spare being known' })
  await until(() => scene.origin(2).connectionsNow === 0, { what: 'the spare being left again' })
  scene.origin(0).inject({ kind: 'reset', aligned: true })
  await viewer.sees(scene.origin(2).name)
  assert.deepEqual(viewer.sources, [scene.origin(0).name, scene.origin(2).name])
  await scene.firstFacts('failover_triggered')
  const switches = await scene.facts('failover_triggered')
  assert.deepEqual(
    switches.map(({ new_url: url }) => url),
    [scene.origin(2).url],
    'no attempt to switch to the broken one',
  )
})

test('with a cold standby nobody connects to a source that is not on air', async () => {
  await using scene = await Scene.open({ gateway, origins: [{ name: 'primary' }, { name: 'backup' }] })
  const viewer = await scene.watching()
  await viewer.hasRead(viewer.totalBytes + 250_000)
  assert.equal(scene.origin(1).connectionsEver, 0)
})

test('an account with one connection never has two, whatever is switched, probed or stood by', async () => {
  await using provider = await FaultOrigin.start({ name: 'provider', programme: 'alpha' })
  await using other = await FaultOrigin.start({ name: 'elsewhere', programme: 'bravo' })
  const account = { account: 'provider', max_connections: 1 }
  const created = await gateway.api.call<{ stream_id: string }>('POST', '/streams', {
    sources: [
      { url: `${provider.url}?1`, priority: 3, ...account },
      { url: `${provider.url}?2`, priority: 2, ...account },
      { url: other.url, priority: 1 },
    ],
    standby: 'hot',
    failback: { mode: 'auto', probation_seconds: 1, hold_down_seconds: 1 },
  })
  assert.equal(created.status, 200, created.text)
  const streamId = created.body.stream_id
  using viewer = gateway.watch(streamId)
  await viewer.sees('provider')
  await gateway.api.failover(streamId, { target: 1 })
  await viewer.hasRead(viewer.totalBytes + 200_000)
  assert.equal((await sources(streamId))[1]?.on_air, true, 'moved within the account')
  provider.inject({ kind: 'reset', aligned: true })
  await viewer.hasRead(viewer.totalBytes + 200_000)
  await gateway.api.failover(streamId, { target: 2 })
  await viewer.sees('elsewhere')
  await gateway.api.failover(streamId, { target: 0 })
  await viewer.sees('provider')
  assert.equal(provider.connectionsPeak, 1)
  assert.equal(viewer.state, 'reading')

  const second = await gateway.api.call<{ stream_id: string }>('POST', '/streams', {
    sources: [
      { url: `${provider.url}?3`, ...account },
      { url: `${other.url}?3`, priority: -1 },
    ],
  })
  using neighbour = gateway.watch(second.body.stream_id)
  await neighbour.sees('elsewhere')
  assert.equal(provider.connectionsPeak, 1, 'another stream of the account goes to its next source')
  const neighbourPath = `/streams/${second.body.stream_id}/failover`
  const refused = await gateway.api.call<{ detail: string }>('POST', neighbourPath, { target: 0 })
  assert.equal(refused.status, 500)
  assert.match(refused.body.detail, /Failover failed - source 0 .*connection/)
  assert.equal(viewer.state, 'reading')
  await gateway.api.call('DELETE', `/streams/${second.body.stream_id}`)
  await gateway.api.call('DELETE', `/streams/${streamId}`)
})

test('failback goes back to the primary after its probation, over the same connection', async () => {
  await using scene = await Scene.open({
    gateway,
    origins: [{ name: 'primary' }, { name: 'backup' }],
    stream: { failback: { mode: 'auto', probation_seconds: 1, hold_down_seconds: 1 } },
  })
  const viewer = await scene.watching()
  const names = scene.origins.map(({ name }) => name)
  scene.origin(0).answer = { kind: 'status', status: 503 }
  scene.origin(0).inject({ kind: 'reset', aligned: true })
  await viewer.sees(names[1] ?? '')
  await viewer.hasRead(viewer.totalBytes + 250_000)
  assert.deepEqual(viewer.sources, names, 'it stays while the primary is ill')
  scene.origin(0).answer = { kind: 'live' }
  await viewer.sees(names[0] ?? '', { deadlineMs: 40_000 })
  assert.deepEqual(viewer.sources, [...names, names[0]])
  assert.equal(viewer.record.misalignedBytes, 0)
  const receipt = await receiptOf(scene.streamId, 'failback')
  assert.equal(receipt.failover_index, 0)
  assert.equal(receipt.seam, 'seamless')
})

test('failback by hand only: the primary is watched, and nothing moves', async () => {
  await using scene = await Scene.open({
    gateway,
    origins: [{ name: 'primary' }, { name: 'backup' }],
    stream: { failback: 'manual' },
  })
  const viewer = await scene.watching()
  scene.origin(0).inject({ kind: 'reset', aligned: true })
  await viewer.sees(scene.origin(1).name)
  await until(async () => (await sources(scene.streamId))[0]?.health === 'healthy', {
    what: 'the primary being seen healthy',
    deadlineMs: 20_000,
  })
  await viewer.hasRead(viewer.totalBytes + 150_000)
  assert.equal(viewer.source, scene.origin(1).name)
})

test('health says what is true of each source, after a look where it is asked to', async () => {
  await using scene = await Scene.open({
    gateway,
    origins: [{ name: 'primary' }, { name: 'broken', answer: { kind: 'status', status: 404 } }, { name: 'spare' }],
    stream: { detect: { no_audio: 'warn' } },
  })
  interface Health {
    readonly healthy: boolean
    readonly sources: readonly {
      readonly signature: string | null
      readonly last_failure_reason: string | null
      readonly failures: number
      readonly conditions: readonly { readonly condition: string; readonly message: string }[]
    }[]
  }
  const path = `/streams/${scene.streamId}/health`
  const idle = await gateway.api.get<Health>(path)
  assert.equal(idle.healthy, false)
  assert.deepEqual(scene.origin(1).connectionsEver, 0, 'asking does not connect')
  const looked = await gateway.api.call<Health>('POST', path)
  assert.match(looked.body.sources[2]?.signature ?? '', /^H\.264 320x180 25 fps .*AAC/)
  assert.equal(looked.body.sources[1]?.signature, null)
  assert.equal(looked.body.sources[1]?.failures, 1)
  await scene.watching()
  assert.equal((await gateway.api.get<Health>(path)).healthy, true)
  scene.origin(0).inject({ kind: 'packets', fault: { kind: 'gone', pids: [0x101] } })
  const isMute = ({ healthy, sources: [first] }: Health) =>
    !healthy && first?.conditions.some(({ condition }) => condition === 'no_audio') === true
  await until(async () => isMute(await gateway.api.get<Health>(path)), {
    what: 'the missing sound in the health',
    deadlineMs: 20_000,
  })
  assert.equal((await gateway.api.call('GET', '/streams/none/health')).status, 404)
  assert.equal((await gateway.api.call('POST', '/streams/none/health')).status, 404)
})

test('sources that players could not follow are told before it matters', async () => {
  const hevc = execFileSync('ffmpeg', [
    ...['-v', 'error', '-f', 'lavfi', '-i', 'testsrc2=size=320x180:rate=25', '-f', 'lavfi', '-i', 'sine', '-t', '2'],
    ...[
      '-c:v',
      'libx265',
      '-preset',
      'ultrafast',
      '-x265-params',
      'log-level=none',
      '-c:a',
      'mp2',
      '-f',
      'mpegts',
      '-',
    ],
  ])
  await using scene = await Scene.open({
    gateway,
    origins: [{ name: 'primary' }, { name: 'backup', answer: { kind: 'body', contentType: 'video/mp2t', body: hevc } }],
    stream: { standby: 'warm' },
  })
  const { stream } = await until(
    async () => {
      const answer = await gateway.api.get<{ stream: { warnings: readonly string[] } }>(`/streams/${scene.streamId}`)
      return answer.stream.warnings.length > 0 ? answer : undefined
    },
    { what: 'the warning, without a viewer' },
  )
  assert.match(stream.warnings[0] ?? '', /backup 1 is HEVC while the primary is H\.264: most players freeze/)
})
