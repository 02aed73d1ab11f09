import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { GatewayProcess } from '../lab/gateway-process.ts'
import { until } from '../lab/poll.ts'
import { Scene } from '../lab/scene.ts'

let gateway: GatewayProcess
before(async () => {
  gateway = await GatewayProcess.start({ env: { VIEWER_HOLD_SECONDS: '4' } })
})
after(async () => await gateway[Symbol.asyncDispose]())

test('the only source is tried again when it ends, and the viewer reads on', async () => {
  await using scene = await Scene.open({ gateway, origins: [{ name: 'only' }] })
  const viewer = await scene.watching()
  for (const times of [1, 2]) {
    scene.origin(0).inject({ kind: 'reset', aligned: true })
    await until(() => scene.origin(0).connectionsEver >= times + 1, { what: 'another connection' })
    await viewer.hasRead(viewer.totalBytes + 50_000)
  }
  assert.equal(viewer.record.misalignedBytes, 0)
  assert.equal(viewer.state, 'reading')
})

test('the only source is tried again after a silence', async () => {
  await using scene = await Scene.open({ gateway, origins: [{ name: 'only' }] })
  const viewer = await scene.watching()
  scene.origin(0).inject({ kind: 'silence' })
  await until(() => scene.origin(0).connectionsEver >= 2, { what: 'another connection' })
  await viewer.hasRead(viewer.totalBytes + 50_000)
  assert.equal(viewer.record.misalignedBytes, 0)
})

test('a source that comes back while viewers are held goes on over the same connection', async () => {
  await using scene = await Scene.open({ gateway, origins: [{ name: 'only' }] })
  const viewer = await scene.watching()
  scene.origin(0).answer = { kind: 'status', status: 503 }
  scene.origin(0).inject({ kind: 'end' })
  const before = scene.origin(0).requests.length
  // Two refused retries prove that it keeps trying.
  await until(() => scene.origin(0).requests.length >= before + 2, { what: 'a second retry' })
  assert.equal(viewer.state, 'reading')
  scene.origin(0).answer = { kind: 'live' }
  await viewer.hasRead(viewer.totalBytes + 50_000)
  assert.equal(viewer.record.misalignedBytes, 0)
})

test('viewers are let go with a clean end when nothing comes back, and retries are not a hammer', async () => {
  await using scene = await Scene.open({ gateway, origins: [{ name: 'only' }], stream: { slate: false } })
  const viewer = await scene.watching()
  scene.origin(0).answer = { kind: 'status', status: 503 }
  const before = scene.origin(0).requests.length
  scene.origin(0).inject({ kind: 'end' })
  assert.equal(await viewer.finished(), 'ended')
  const tries = scene.origin(0).requests.length - before
  assert.ok(tries >= 2 && tries <= 20, `${tries} tries in 4 s`)
})
