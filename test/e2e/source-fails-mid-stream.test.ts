import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { systemClock } from '../../src/lib/clock.ts'
import { GatewayProcess } from '../lab/gateway-process.ts'
import { OriginProcess } from '../lab/origin-process.ts'
import { until } from '../lab/poll.ts'
import { Scene } from '../lab/scene.ts'
import { midStreamFaults, midStreamStalls } from '../lab/stream-faults.ts'

let gateway: GatewayProcess
before(async () => {
  // Silence has to be noticed, and not where a slow machine makes a second of it.
  gateway = await GatewayProcess.start({ env: { LIVE_STALL_FLOOR_SECONDS: '3' } })
})
after(async () => await gateway[Symbol.asyncDispose]())

describe('the connection of a viewer survives, and the first backup follows on', { concurrency: 3 }, () => {
  for (const { name, primary, strike } of [...midStreamFaults, ...midStreamStalls]) {
    test(name, async () => {
      await using scene = await Scene.open({
        gateway,
        origins: [{ ...primary, name: 'primary' }, { name: 'backup' }, { name: 'spare' }],
      })
      const [watching, other] = [await scene.watching(), await scene.watching()]
      await strike(scene.origin(0))
      for (const viewer of [watching, other]) {
        await viewer.sees(scene.origin(1).name, { marks: 10 })
        assert.deepEqual(viewer.sources, [scene.origin(0).name, scene.origin(1).name])
        assert.equal(viewer.record.misalignedBytes, 0)
        assert.equal(viewer.state, 'reading')
      }
      assert.equal(scene.origin(1).connectionsEver, 1)
      assert.equal(scene.origin(2).connectionsEver, 0, 'no backup was skipped')
      assert.equal((await gateway.api.streamObject(scene.streamId)).failover_attempts, 1)
    })
  }
})

test('kill -9 of the process behind the primary', async () => {
  await using origins = await OriginProcess.start([{ name: 'mortal' }])
  await using scene = await Scene.open({
    gateway,
    origins: [{ name: 'unused' }, { name: 'backup' }],
    primaryUrl: () => origins.url('mortal'),
  })
  const viewer = scene.watch()
  await viewer.sees('mortal')
  await origins.kill()
  await viewer.sees(scene.origin(1).name)
  assert.deepEqual(viewer.sources, ['mortal', scene.origin(1).name])
  assert.equal(viewer.record.misalignedBytes, 0)
})

test('three failovers in a row over one connection, ending at the primary again', async () => {
  await using scene = await Scene.open({
    gateway,
    origins: [{ name: 'primary' }, { name: 'backup' }, { name: 'spare' }],
  })
  const names = scene.origins.map(({ name }) => name)
  const viewer = await scene.watching()
  scene.origin(0).inject({ kind: 'reset', aligned: true })
  await viewer.sees(scene.origin(1).name)
  scene.origin(1).inject({ kind: 'fin', aligned: false })
  await viewer.sees(scene.origin(2).name)
  await scene.origin(2).die()
  await viewer.sees(scene.origin(0).name)
  assert.deepEqual(viewer.sources, [...names, scene.origin(0).name])
  assert.equal(viewer.record.misalignedBytes, 0)
})

test('the failover is told in the event, in the log that the reference greps for, and in the stream', async () => {
  await using scene = await Scene.open({ gateway, origins: [{ name: 'primary' }, { name: 'backup' }] })
  const viewer = await scene.watching()
  const beforeWallMs = systemClock.wallMs()
  scene.origin(0).inject({ kind: 'end' })
  await viewer.sees(scene.origin(1).name)
  const stream = await gateway.api.streamObject(scene.streamId)
  assert.equal(stream.original_url, scene.origin(0).url)
  assert.ok(Date.parse(`${stream.last_failover_time?.replace(/Z?$/, 'Z')}`) >= beforeWallMs - 1_000)
  for (const pattern of [/Attempting automatic failover for client \S+ \(attempt 1\/3\)/, /Stream error for client /]) {
    await until(() => gateway.logs.some((line) => pattern.test(String(line['message']))), {
      what: `the line ${String(pattern)} in the log`,
    })
  }
})
