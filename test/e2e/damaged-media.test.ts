import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Fault } from '../lab/fault.ts'
import { GatewayProcess } from '../lab/gateway-process.ts'
import { until } from '../lab/poll.ts'
import { Scene } from '../lab/scene.ts'

let gateway: GatewayProcess
before(async () => {
  gateway = await GatewayProcess.start()
})
after(async () => await gateway[Symbol.asyncDispose]())

const damages: readonly (readonly [string, Fault])[] = [
  ['1,000 bytes of noise between two packets', { kind: 'burst_of_garbage', bytes: 1_000 }],
  ['a single stray byte', { kind: 'burst_of_garbage', bytes: 1 }],
  ['every 50th packet cut in half', { kind: 'half_packets', every: 50 }],
]

describe('a viewer gets whole packets only, and no failover, although the source sends', { concurrency: 3 }, () => {
  for (const [name, fault] of damages) {
    test(name, async () => {
      await using scene = await Scene.open({ gateway, origins: [{ name: 'primary' }, { name: 'backup' }] })
      const viewer = await scene.watching()
      scene.origin(0).inject(fault)
      await viewer.hasRead(viewer.totalBytes + 200_000)
      assert.equal(viewer.record.misalignedBytes, 0)
      assert.deepEqual(viewer.sources, [scene.origin(0).name])
      assert.equal(scene.origin(1).connectionsEver, 0)
    })
  }

  test('from the middle of a packet on', async () => {
    await using scene = await Scene.open({
      gateway,
      origins: [{ name: 'primary', join: 'mid_gop', framing: 'chunked' }, { name: 'backup' }],
    })
    const viewer = await scene.watching()
    await viewer.hasRead(100_000)
    assert.equal(viewer.record.misalignedBytes, 0)
  })
})

describe('a source that delivers in bursts is not taken for a stalled one', { concurrency: 3 }, () => {
  for (const everyMs of [500, 2_000, 6_000]) {
    test(`of ${everyMs} ms`, async () => {
      await using scene = await Scene.open({
        gateway,
        origins: [{ name: 'primary', pace: { kind: 'bursts', everyMs } }, { name: 'backup' }],
      })
      const viewer = await scene.watching()
      // The first burst is one of these long, and two more have come: the pauses before them were the temptation.
      const mediaMs = 2.5 * everyMs
      await until(
        () => {
          const [first] = viewer.record.stretches
          return (viewer.record.lastMark?.dueMs ?? 0) - (first?.dueMs ?? Infinity) >= mediaMs
        },
        { what: `${mediaMs} ms of media`, deadlineMs: 2 * mediaMs + 10_000, evidence: () => viewer.summary() },
      )
      assert.deepEqual(viewer.sources, [scene.origin(0).name])
      assert.equal(scene.origin(1).connectionsEver, 0)
    })
  }
})
