import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { FaultOriginOptions } from '../lab/fault-origin.ts'
import { GatewayProcess } from '../lab/gateway-process.ts'
import type { PacketFault } from '../lab/packet-faults.ts'
import { alphaPids } from '../lab/packet-faults.ts'
import { Scene } from '../lab/scene.ts'
import { unhurried } from '../lab/unhurried.ts'

const { video, audio, pmt } = alphaPids

/**
 * Conditions that take many seconds of media. They are counted on the media's own clock, so sources that send eight
 * times as fast as real time show them in an eighth of it.
 */
const pace = { kind: 'slow', factor: 8 } as const
const sources: readonly FaultOriginOptions[] = [
  { name: 'primary', pace, videoKbps: 1_200 },
  { name: 'backup', pace },
]

/** Of the primary's programme, in a second of its media. */
const MARKS_PER_SECOND = 110

let gateway: GatewayProcess
before(async () => {
  gateway = await GatewayProcess.start({ env: unhurried })
})
after(async () => await gateway[Symbol.asyncDispose]())

interface Case {
  readonly condition: string
  readonly fault: PacketFault
  /** So much is seen before it: seconds of media that the condition learns from, and some to spare. */
  readonly learntSeconds: number
  readonly stream?: Readonly<Record<string, unknown>>
}

const cases: readonly Case[] = [
  { condition: 'pts_stalled', fault: { kind: 'timestamps_frozen', pids: [video] }, learntSeconds: 10 },
  { condition: 'no_keyframe', fault: { kind: 'keyframes_hidden', pid: video }, learntSeconds: 10 },
  {
    condition: 'low_bitrate',
    fault: { kind: 'thinned', pids: [video, audio] },
    learntSeconds: 36,
    // Of keyframes only the first packet comes, so they are not known as such either.
    stream: { detect: { low_bitrate: 'fail', no_keyframe: 'off' } },
  },
  {
    condition: 'signature_changed',
    fault: { kind: 'retyped', pmtPid: pmt, pid: audio, streamType: 0x11 },
    learntSeconds: 5,
    stream: { detect: { signature_changed: 'fail' } },
  },
]

describe('what takes long to tell', { concurrency: 2 }, () => {
  for (const { condition, fault, learntSeconds, stream } of cases) {
    test(`${condition}: the backup follows on`, async () => {
      await using scene = await Scene.open({ gateway, origins: sources, stream: { ...stream } })
      const viewer = await scene.watching()
      await viewer.sees(scene.origin(0).name, { marks: learntSeconds * MARKS_PER_SECOND })
      scene.origin(0).inject({ kind: 'packets', fault })
      await viewer.sees(scene.origin(1).name, { deadlineMs: 20_000 })
      assert.deepEqual(viewer.sources, [scene.origin(0).name, scene.origin(1).name])
      const receipt = await scene.firstFacts('switch_completed')
      assert.equal(receipt['reason'], condition)
      assert.ok(Object.keys(receipt['evidence'] ?? {}).length > 0, JSON.stringify(receipt))
    })
  }

  test('a changed signature is told, and the source stays, unless the stream chose otherwise', async () => {
    await using scene = await Scene.open({ gateway, origins: sources })
    const viewer = await scene.watching()
    scene.origin(0).inject({ kind: 'packets', fault: { kind: 'retyped', pmtPid: pmt, pid: audio, streamType: 0x11 } })
    const warning = await scene.firstFacts('source_warning', (data) => data['condition'] === 'signature_changed')
    assert.deepEqual(warning['evidence'], { before: 'aac+h264', now: 'aac-latm+h264' })
    assert.equal(viewer.source, scene.origin(0).name)
  })
})

test('the least bit rate of the compatible environment fails a source, and leaves one above it alone', async () => {
  await using strict = await GatewayProcess.start({
    env: {
      ...unhurried,
      ENABLE_BITRATE_MONITORING: 'true',
      MIN_BITRATE_THRESHOLD: '62500',
      BITRATE_CHECK_INTERVAL: '0.5',
      BITRATE_FAILOVER_THRESHOLD: '3',
      BITRATE_MONITORING_GRACE_PERIOD: '1',
    },
  })
  await using scene = await Scene.open({
    gateway: strict,
    origins: [
      { name: 'primary', videoKbps: 300 },
      { name: 'backup', programme: 'alpha', videoKbps: 1_200 },
    ],
  })
  const viewer = await scene.watching()
  await viewer.sees(scene.origin(1).name)
  const receipt = await scene.firstFacts('switch_completed')
  assert.equal(receipt['reason'], 'low_bitrate')
  const evidence = receipt['evidence'] as { bytes_per_second: number }
  // Bytes, not bits; how few came within one interval says how busy this machine was.
  assert.ok(evidence.bytes_per_second > 0 && evidence.bytes_per_second < 62_500, JSON.stringify(evidence))
  // Four checks and the grace period.
  await viewer.sees(scene.origin(1).name, { marks: 400 })
  assert.deepEqual(viewer.sources, [scene.origin(0).name, scene.origin(1).name])
})
