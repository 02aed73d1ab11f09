import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { GatewayProcess } from '../lab/gateway-process.ts'
import { until } from '../lab/poll.ts'
import { Scene } from '../lab/scene.ts'
import { unhurried } from '../lab/unhurried.ts'
import { Viewer } from '../lab/viewer.ts'

let gateway: GatewayProcess
let scene: Scene
before(async () => {
  gateway = await GatewayProcess.start({ env: unhurried })
  scene = await Scene.open({ gateway, origins: [{ name: 'primary' }, { name: 'backup' }] })
})
after(async () => {
  await scene[Symbol.asyncDispose]()
  await gateway[Symbol.asyncDispose]()
})

test('a failover is pushed to listeners, kept in the journal with its receipt, and counted', async () => {
  using listener = new Viewer({ url: `${gateway.url}/events/live` })
  await listener.answered()
  assert.match(String(listener.headers['content-type']), /^text\/event-stream/)
  const viewer = await scene.watching()
  scene.origin(0).inject({ kind: 'silence' })
  await viewer.sees(scene.origin(1).name)
  await until(() => listener.text.includes('failover_triggered') && listener.text.includes('switch_completed'), {
    what: 'the pushed events',
    evidence: () => listener.text,
  })
  const events = await gateway.api.events(scene.streamId, 'switch_completed')
  assert.deepEqual(
    events.map(({ event_type: type }) => type),
    ['switch_completed'],
  )
  const data = events[0]?.data ?? {}
  assert.equal(data['reason'], 'stalled')
  assert.equal(data['new_url'], scene.origin(1).url)
  assert.ok(Number(data['detection_ms']) > 500, JSON.stringify(data))
  assert.ok(Number(data['gap_ms']) >= Number(data['detection_ms']) * 0.9, JSON.stringify(data))
  assert.deepEqual(await gateway.api.events('no-such-stream'), [])

  const metrics = (await gateway.api.call('GET', '/metrics')).text
  for (const subject of [/switch/i, /viewer|client/i, /bytes/i, /upstream/i, /event_?loop/i]) {
    assert.match(metrics, new RegExp(`^holdfast_\\w*${subject.source}|^nodejs_\\w*${subject.source}`, 'im'))
  }
  assert.match(metrics, /_bucket\{[^}]*le="/, 'histograms of detection and gap')
  assert.match(metrics, /stalled/)
})

test('the journal survives kill -9', async () => {
  await gateway.restart()
  const types = new Set((await gateway.api.events(scene.streamId)).map(({ event_type: type }) => type))
  for (const type of ['stream_created', 'stream_started', 'failover_triggered', 'switch_completed']) {
    assert.ok(types.has(type), `${type} is not among ${[...types].join(', ')}`)
  }
})
