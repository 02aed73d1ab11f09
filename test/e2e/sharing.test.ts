import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { GatewayProcess } from '../lab/gateway-process.ts'
import { until } from '../lab/poll.ts'
import { Scene } from '../lab/scene.ts'
import { unhurried } from '../lab/unhurried.ts'

let gateway: GatewayProcess
/** Its grace period is longer than any test, so that what happens in it happens without waiting for its end. */
let patient: GatewayProcess
before(async () => {
  gateway = await GatewayProcess.start({ env: { ...unhurried, SHARED_STREAM_GRACE: '1' } })
  patient = await GatewayProcess.start({ env: { ...unhurried, SHARED_STREAM_GRACE: '600' } })
})
after(async () => {
  await gateway[Symbol.asyncDispose]()
  await patient[Symbol.asyncDispose]()
})

test('twenty viewers are one connection at the source', async () => {
  await using scene = await Scene.open({ gateway, origins: [{ name: 'primary' }] })
  const viewers = Array.from({ length: 20 }, () => scene.watch())
  await Promise.all(viewers.map((viewer) => viewer.sees(scene.origin(0).name)))
  assert.equal(scene.origin(0).connectionsEver, 1)
  assert.equal((await gateway.api.streamObject(scene.streamId)).client_count, 20)
})

test('the first viewer leaves and the others notice nothing', async () => {
  await using scene = await Scene.open({ gateway, origins: [{ name: 'primary' }] })
  const first = await scene.watching()
  const others = [await scene.watching(), await scene.watching()]
  first.close()
  await until(async () => (await gateway.api.streamObject(scene.streamId)).client_count === 2, { what: 'two clients' })
  for (const viewer of others) await viewer.hasRead(viewer.totalBytes + 150_000)
  assert.equal(scene.origin(0).connectionsEver, 1)
  for (const viewer of others) assert.equal(viewer.record.misalignedBytes, 0)
})

test('the first viewer pauses and the others read on', async () => {
  await using scene = await Scene.open({ gateway, origins: [{ name: 'primary', videoKbps: 4_000 }] })
  const first = await scene.watching()
  const second = await scene.watching()
  first.pause()
  const pausedAt = first.totalBytes
  await second.hasRead(second.totalBytes + 1_500_000)
  assert.equal(first.totalBytes, pausedAt, 'nothing was waited for')
  assert.equal(scene.origin(0).connectionsEver, 1)
  first.resume()
  await first.hasRead(first.totalBytes + 500_000)
  assert.equal(first.record.misalignedBytes, 0)
})

test('the source is released after the grace period, and a later viewer opens it again', async () => {
  await using scene = await Scene.open({ gateway, origins: [{ name: 'primary' }] })
  const viewer = await scene.watching()
  viewer.close()
  await scene.released()
  await scene.watching()
  assert.equal(scene.origin(0).connectionsEver, 2)
})

test('a viewer who comes back within the grace period finds the source still open', async () => {
  await using scene = await Scene.open({ gateway: patient, origins: [{ name: 'primary' }] })
  for (const _ of [1, 2, 3]) {
    const viewer = await scene.watching()
    viewer.close()
  }
  await scene.watching()
  assert.equal(scene.origin(0).connectionsEver, 1)
})

test('deleting the stream ends its viewers cleanly and releases the source, without a grace period', async () => {
  await using scene = await Scene.open({ gateway: patient, origins: [{ name: 'primary' }] })
  const viewer = await scene.watching()
  assert.equal((await patient.api.call('DELETE', `/streams/${scene.streamId}`)).status, 200)
  assert.equal(await viewer.finished(), 'ended')
  await scene.released()
  assert.equal((await patient.api.call('GET', `/streams/${scene.streamId}`)).status, 404)
})

test('a failover of many viewers opens the backup once', async () => {
  await using scene = await Scene.open({ gateway, origins: [{ name: 'primary' }, { name: 'backup' }] })
  const viewers = Array.from({ length: 10 }, () => scene.watch())
  await Promise.all(viewers.map((viewer) => viewer.sees(scene.origin(0).name)))
  await scene.origin(0).die()
  await Promise.all(viewers.map((viewer) => viewer.sees(scene.origin(1).name)))
  assert.equal(scene.origin(1).connectionsEver, 1)
  for (const viewer of viewers) assert.equal(viewer.record.misalignedBytes, 0)
})

test('a stream that is kept open has its source before and after its viewers', async () => {
  await using kept = await Scene.open({ gateway, origins: [{ name: 'primary' }], stream: { keep_open: true } })
  await using other = await Scene.open({ gateway, origins: [{ name: 'primary' }] })
  await until(() => kept.origin(0).deliveringNow === 1, { what: 'the source of the kept stream' })
  const keptViewer = await kept.watching()
  const otherViewer = await other.watching()
  keptViewer.close()
  otherViewer.close()
  // The other stream's release shows that the grace period is over.
  await until(() => other.origin(0).deliveringNow === 0, { what: 'the release of the other source' })
  assert.equal(kept.origin(0).deliveringNow, 1)
  assert.equal(kept.origin(0).connectionsEver, 1)
})
