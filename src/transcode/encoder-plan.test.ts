import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TranscodeRequest } from '../streams/service.ts'
import { EncoderPlan } from './encoder-plan.ts'
import type { Hardware } from './hardware.ts'
import { Profiles } from './profiles.ts'

const NO_HARDWARE = { known: undefined, report: async () => ({ used: undefined, attempts: [] }) } as unknown as Hardware

function planOf(transcode: Partial<TranscodeRequest>): EncoderPlan {
  const request: TranscodeRequest = { profile: 'ladder', variables: {}, format: 'hls', ...transcode }
  return new EncoderPlan({
    profiles: new Profiles([]),
    hardware: NO_HARDWARE,
    mayBeRaw: false,
    transcode: () => request,
  })
}

const heightsOf = ({ rungs = [] }: EncoderPlan) => rungs.map(({ height }) => height)

test('a ladder of its own wishes waits for the size of the source, up to a megabyte', async () => {
  const plan = planOf({})
  assert.deepEqual(heightsOf(plan), [])
  assert.equal(plan.needsMore(Buffer.alloc(1_000)), true)
  assert.equal(plan.needsMore(Buffer.alloc(1_048_576)), false)
  const { output } = await plan.arguments(Buffer.alloc(188))
  assert.deepEqual(heightsOf(plan), [720, 480, 360])
  assert.equal(output.filter((word) => word === '0:v:0?').length, 3)
  assert.equal(plan.needsMore(Buffer.alloc(1_000)), false, 'it stays, whatever the next source is')
  plan.forgetSource()
  assert.deepEqual([heightsOf(plan), plan.needsMore(Buffer.alloc(1_000))], [[], true])
})

test('a ladder that was asked for is known at once, best first', () => {
  const rung = { audioBitsPerSecond: 64_000 }
  const renditions = [
    { ...rung, height: 180, videoBitsPerSecond: 200_000 },
    { ...rung, height: 360, videoBitsPerSecond: 600_000 },
  ]
  const plan = planOf({ renditions })
  assert.deepEqual(heightsOf(plan), [360, 180])
  assert.equal(plan.needsMore(Buffer.alloc(10)), false)
  plan.forgetSource()
  assert.deepEqual(heightsOf(plan), [360, 180])
})

test('other profiles have no rungs and wait for nothing', async () => {
  const plan = planOf({ profile: 'audio' })
  assert.deepEqual([plan.rungs, plan.needsMore(Buffer.alloc(10)), plan.hasVideo], [undefined, false, false])
  assert.deepEqual(await plan.arguments(Buffer.alloc(0)), plan.profile.arguments)
})
