import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { GatewayProcess } from '../lab/gateway-process.ts'
import { Scene } from '../lab/scene.ts'
import { silentStartFaults, startFaults } from '../lab/stream-faults.ts'
import { unhurried } from '../lab/unhurried.ts'

let gateway: GatewayProcess
before(async () => {
  // The deadline for a source that accepts and never answers, and not one that a slow machine misses.
  gateway = await GatewayProcess.start({ env: { ...unhurried, FIRST_BYTE_TIMEOUT_SECONDS: '5' } })
})
after(async () => await gateway[Symbol.asyncDispose]())

describe('a viewer gets the first backup when the primary', { concurrency: 4 }, () => {
  for (const { name, primary, urlOf } of [...startFaults, ...silentStartFaults]) {
    test(name, async () => {
      await using scene = await Scene.open({
        gateway,
        origins: [{ ...primary, name: 'primary' }, { name: 'backup' }, { name: 'spare' }],
        ...(urlOf === undefined ? {} : { primaryUrl: urlOf }),
      })
      const viewer = scene.watch()
      await viewer.sees(scene.origin(1).name, { marks: 5 })
      assert.equal(viewer.status, 200)
      assert.deepEqual(viewer.sources, [scene.origin(1).name])
      assert.equal(viewer.record.misalignedBytes, 0)
      assert.equal(scene.origin(2).connectionsEver, 0, 'the second backup was not needed')
      const stream = await gateway.api.streamObject(scene.streamId)
      assert.equal(stream.current_url, scene.origin(1).url)
      assert.equal(stream.current_failover_index, 0)
      assert.equal(stream.failover_attempts, 1)
    })
  }
})

test('a stream whose primary and first backup are broken starts on the second backup', async () => {
  await using scene = await Scene.open({
    gateway,
    origins: [
      { name: 'primary', answer: { kind: 'status', status: 404 } },
      { name: 'backup', answer: { kind: 'reset' } },
      { name: 'spare' },
    ],
  })
  const viewer = scene.watch()
  await viewer.sees(scene.origin(2).name)
  assert.deepEqual(viewer.sources, [scene.origin(2).name])
})
