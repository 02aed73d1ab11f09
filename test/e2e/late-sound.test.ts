import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { createAnalyser } from '../../src/mpegts/analyser/analyser.ts'
import { GatewayProcess } from '../lab/gateway-process.ts'
import { alphaPids } from '../lab/packet-faults.ts'
import { until } from '../lab/poll.ts'
import { Scene } from '../lab/scene.ts'
import { problemsOf } from '../lab/seam-oracle.ts'
import { unhurried } from '../lab/unhurried.ts'

let gateway: GatewayProcess
before(async () => {
  gateway = await GatewayProcess.start({ env: unhurried })
})
after(async () => await gateway[Symbol.asyncDispose]())

const BYTES_BEFORE = 200_000
const BYTES_AFTER = 150_000

test('a hot standby that takes over from a source without sound sends none that is late', async () => {
  await using scene = await Scene.open({
    gateway,
    origins: [{ name: 'primary' }, { name: 'backup', join: 'mid_gop' }],
    stream: { standby: 'hot' },
  })
  const viewer = await scene.watching()
  const isReceived = () => scene.origin(1).deliveringNow === 1
  await until(isReceived, { what: 'the standby being received', deadlineMs: 15_000 })
  await viewer.sees(scene.origin(0).name, { marks: 150 })
  await viewer.hasRead(viewer.totalBytes + BYTES_BEFORE)
  scene.origin(0).inject({ kind: 'packets', fault: { kind: 'gone', pids: [alphaPids.audio] } })
  await viewer.sees(scene.origin(1).name)
  await viewer.hasRead(viewer.totalBytes + BYTES_AFTER)
  const receipt = await scene.firstFacts('switch_completed')
  assert.equal(receipt['reason'], 'no_audio')
  assert.equal(receipt['was_standby'], true)
  assert.equal(receipt['seam'], 'seamless')
  // The sound was away for as long as it took to notice, and what the standby had of it came to nothing.
  assert.ok(Number(receipt['audio_hole_ms']) > 500, JSON.stringify(receipt))
  await scene.gateway.api.call('DELETE', `/streams/${scene.streamId}`)
  await until(() => !viewer.isAlive, { what: 'the end of the stream', deadlineMs: 5_000 })
  const analyser = createAnalyser()
  analyser.push(viewer.body)
  const isSilence = (problem: string) => /^(?:audio_hole|pts_error) /.test(problem)
  assert.deepEqual(
    problemsOf(analyser.report()).filter((problem) => !isSilence(problem)),
    [],
  )
})
