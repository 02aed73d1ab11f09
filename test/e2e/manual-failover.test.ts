import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { GatewayProcess } from '../lab/gateway-process.ts'
import { until } from '../lab/poll.ts'
import { Scene } from '../lab/scene.ts'
import { unhurried } from '../lab/unhurried.ts'

let gateway: GatewayProcess
before(async () => {
  gateway = await GatewayProcess.start({ env: { ...unhurried, FIRST_BYTE_TIMEOUT_SECONDS: '30' } })
})
after(async () => await gateway[Symbol.asyncDispose]())

const three = () => Scene.open({ gateway, origins: [{ name: 'primary' }, { name: 'backup' }, { name: 'spare' }] })

describe('a manual failover', () => {
  test('moves exactly one step each time, and round to the primary again', async () => {
    await using scene = await three()
    const viewer = await scene.watching()
    for (const [step, index] of [1, 2, 0, 1].entries()) {
      const answer = await gateway.api.failover(scene.streamId)
      assert.equal(answer.new_url, scene.origin(index).url)
      assert.equal(answer.failover_index, index)
      assert.equal(answer.failover_attempts, step + 1)
      assert.equal(answer.active_clients, 1)
      assert.equal(answer.stream_type, 'Live Continuous')
      assert.match(answer.message, /Failover triggered successfully/)
      await viewer.sees(scene.origin(index).name)
    }
    const [primary, backup, spare] = scene.origins.map(({ name }) => name)
    assert.deepEqual(viewer.sources, [primary, backup, spare, primary, backup])
    assert.equal(viewer.record.misalignedBytes, 0)
    assert.ok(viewer.isAlive)
  })

  test('goes to the index that it names', async () => {
    await using scene = await three()
    const viewer = await scene.watching()
    const answer = await gateway.api.failover(scene.streamId, { target: 2 })
    assert.equal(answer.failover_index, 2)
    await viewer.sees(scene.origin(2).name)
    assert.deepEqual(viewer.sources, [scene.origin(0).name, scene.origin(2).name])
  })

  test('goes to the URL that it names', async () => {
    await using scene = await three()
    const viewer = await scene.watching()
    await gateway.api.failover(scene.streamId, { target: scene.origin(2).url })
    await viewer.sees(scene.origin(2).name)
    await gateway.api.failover(scene.streamId, { target: scene.origin(0).url })
    await viewer.sees(scene.origin(0).name)
  })

  test('to a source that is none of the stream is refused', async () => {
    await using scene = await three()
    for (const target of [7, -3, 'http://elsewhere.example/x.ts']) {
      const answer = await gateway.api.call('POST', `/streams/${scene.streamId}/failover`, { target })
      assert.ok(answer.status === 400 || answer.status === 422, `${String(target)} was answered ${answer.status}`)
    }
  })

  test('without failover URLs is 400, of an unknown stream 404', async () => {
    await using scene = await Scene.open({ gateway, origins: [{ name: 'only' }] })
    const none = await gateway.api.call<{ detail: string }>('POST', `/streams/${scene.streamId}/failover`)
    assert.equal(none.status, 400)
    assert.match(none.body.detail, /failover/i)
    assert.equal((await gateway.api.call('POST', '/streams/no-such-stream/failover')).status, 404)
  })

  test('keeps the present source on air until the next one delivers', async () => {
    await using scene = await Scene.open({
      gateway,
      origins: [{ name: 'primary' }, { name: 'backup', join: 'mid_gop', answer: { kind: 'never_answer' } }],
    })
    const [primary, backup] = [scene.origin(0), scene.origin(1)]
    const viewer = await scene.watching()
    await gateway.api.failover(scene.streamId)
    await until(() => backup.waitingNow === 1, { what: 'the request for the backup' })
    await viewer.hasRead(viewer.totalBytes + 60_000)
    assert.deepEqual(viewer.sources, [primary.name])
    // Its keyframe comes up to 0.8 s after its answer, and all of that time is the primary's.
    backup.answerLate({ kind: 'live' })
    await viewer.sees(backup.name)
    assert.deepEqual(viewer.sources, [primary.name, backup.name])
    assert.equal(viewer.record.misalignedBytes, 0)
  })

  test('before anybody watches decides where the stream starts', async () => {
    await using scene = await three()
    await gateway.api.failover(scene.streamId)
    const viewer = scene.watch()
    await viewer.sees(scene.origin(1).name)
    assert.deepEqual(viewer.sources, [scene.origin(1).name])
  })

  test('to a source that is down leaves viewers with a picture', async () => {
    await using scene = await Scene.open({
      gateway,
      origins: [{ name: 'primary' }, { name: 'backup', answer: { kind: 'status', status: 404 } }, { name: 'spare' }],
    })
    const viewer = await scene.watching()
    await gateway.api.call('POST', `/streams/${scene.streamId}/failover`)
    await viewer.hasRead(viewer.totalBytes + 150_000)
    await until(() => scene.origin(1).connectionsEver >= 1, { what: 'a try of the named source' })
    await viewer.hasRead(viewer.totalBytes + 60_000)
    assert.ok(viewer.isAlive)
    assert.equal(viewer.record.misalignedBytes, 0)
  })
})
