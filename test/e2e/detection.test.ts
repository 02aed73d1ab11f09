import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Fault } from '../lab/fault.ts'
import { GatewayProcess } from '../lab/gateway-process.ts'
import { alphaPids } from '../lab/packet-faults.ts'
import { Scene } from '../lab/scene.ts'
import { unhurried } from '../lab/unhurried.ts'

type Fields = Readonly<Record<string, unknown>>

let gateway: GatewayProcess
before(async () => {
  gateway = await GatewayProcess.start({ env: unhurried })
})
after(async () => await gateway[Symbol.asyncDispose]())

/** Waits for a warning about a condition, and checks that it came to nothing else. */
async function warned(scene: Scene, condition: string, deadlineMs = 20_000): Promise<Fields> {
  const warning = await scene.firstFacts('source_warning', (data) => data['condition'] === condition, deadlineMs)
  assert.deepEqual(await scene.facts('failover_triggered'), [])
  return warning
}

const { video, audio, tables } = alphaPids

interface Case {
  readonly condition: string
  readonly fault: Fault
}

const cases: readonly Case[] = [
  {
    condition: 'no_video',
    fault: { kind: 'packets', fault: { kind: 'gone', pids: [video] } },
  },
  {
    condition: 'no_audio',
    fault: { kind: 'packets', fault: { kind: 'gone', pids: [audio] } },
  },
  { condition: 'pcr_stalled', fault: { kind: 'packets', fault: { kind: 'pcr_frozen' } } },
  {
    condition: 'continuity_errors',
    fault: { kind: 'packets', fault: { kind: 'lost', pids: [video, audio], every: 8 } },
  },
  {
    condition: 'transport_errors',
    fault: { kind: 'packets', fault: { kind: 'damaged', every: 8 } },
  },
  {
    condition: 'scrambled',
    fault: { kind: 'packets', fault: { kind: 'scrambled', pids: [video, audio] } },
  },
  {
    condition: 'tables_missing',
    fault: { kind: 'packets', fault: { kind: 'gone', pids: tables } },
  },
  // Padding is no media: silence, with all that is known about the source's bursts.
  { condition: 'stalled', fault: { kind: 'packets', fault: { kind: 'padding_only' } } },
]

async function oneSwitchAndNoMore(): Promise<void> {
  await using scene = await Scene.open({
    gateway,
    // The picture of this programme stands still, so each of its groups of pictures is like the one before.
    origins: [
      { name: 'primary', programme: 'bravo' },
      { name: 'backup', programme: 'bravo' },
    ],
    stream: { detect: { looping: 'fail' } },
  })
  const viewer = await scene.watching()
  await viewer.sees(scene.origin(1).name)
  const warning = await scene.firstFacts('source_warning', (data) => data['condition'] === 'looping')
  assert.equal(warning['failover_index'], 1)
  assert.deepEqual(viewer.sources, [scene.origin(0).name, scene.origin(1).name])
}

describe('what a socket does not tell', { concurrency: 2 }, () => {
  describe('the connection is fine, the media is not, and the backup follows on', { concurrency: 5 }, () => {
    for (const { condition, fault } of cases) {
      test(condition, async () => {
        await using scene = await Scene.open({ gateway, origins: [{ name: 'primary' }, { name: 'backup' }] })
        const viewer = await scene.watching()
        // A rhythm is known only once it has been seen.
        await viewer.sees(scene.origin(0).name, { marks: 150 })
        scene.origin(0).inject(fault)
        await viewer.sees(scene.origin(1).name)
        assert.deepEqual(viewer.sources, [scene.origin(0).name, scene.origin(1).name])
        assert.equal(viewer.state, 'reading')
        const receipt = await scene.firstFacts('switch_completed')
        assert.equal(receipt['reason'], condition)
        // How soon each is found is told by the tests of the monitor, on a simulated clock.
        assert.ok(Number(receipt['detection_ms']) > 0, JSON.stringify(receipt))
        assert.ok(Object.keys(receipt['evidence'] ?? {}).length > 0, JSON.stringify(receipt))
      })
    }

    test('slower_than_real_time', async () => {
      await using scene = await Scene.open({
        gateway,
        origins: [{ name: 'primary', pace: { kind: 'slow', factor: 0.6 } }, { name: 'backup' }],
      })
      const viewer = await scene.watching()
      await viewer.sees(scene.origin(1).name, { deadlineMs: 45_000 })
      const receipt = await scene.firstFacts('switch_completed')
      assert.equal(receipt['reason'], 'slower_than_real_time')
    })
  })

  describe('a source is told of and stays on air', { concurrency: 3 }, () => {
    test('when the stream chose to be warned', async () => {
      await using scene = await Scene.open({
        gateway,
        origins: [{ name: 'primary' }, { name: 'backup' }],
        stream: { detect: { no_audio: 'warn' } },
      })
      const viewer = await scene.watching()
      scene.origin(0).inject({ kind: 'packets', fault: { kind: 'gone', pids: [audio] } })
      const warning = await warned(scene, 'no_audio', 40_000)
      assert.equal(warning['failover_index'], 0)
      assert.match(String(warning['message']), /audio/)
      assert.equal(viewer.source, scene.origin(0).name)
    })

    test('when the other one was left for the same a moment ago', oneSwitchAndNoMore)

    test('when it is the only one and the condition is no loss of media', async () => {
      await using scene = await Scene.open({ gateway, origins: [{ name: 'primary' }] })
      const viewer = await scene.watching()
      scene.origin(0).inject({ kind: 'packets', fault: { kind: 'lost', pids: [video, audio], every: 8 } })
      await warned(scene, 'continuity_errors')
      assert.equal(scene.origin(0).connectionsEver, 1)
      assert.equal(viewer.state, 'reading')
    })

    test('when it repeats itself, as every lab programme does after 8 s, and nothing else is said of a sound source', async () => {
      await using scene = await Scene.open({ gateway, origins: [{ name: 'primary' }, { name: 'backup' }] })
      await scene.watching()
      await warned(scene, 'looping', 45_000)
      assert.equal((await scene.facts('source_warning')).length, 1)
    })
  })
})
