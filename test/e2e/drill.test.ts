import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { runDrillCommand } from '../../src/drill/drill.ts'
import type { Api } from '../lab/api.ts'
import { GatewayProcess } from '../lab/gateway-process.ts'
import { until } from '../lab/poll.ts'
import { Scene } from '../lab/scene.ts'
import type { SceneOptions } from '../lab/scene.ts'
import { unhurried } from '../lab/unhurried.ts'

interface Step {
  readonly step: string
  readonly cause: string
  readonly reason: string
  readonly old_index: number
  readonly failover_index: number
  readonly detection_ms: number | null
  readonly gap_ms: number | null
  readonly seam: string | null
  readonly was_standby: boolean
  readonly drill: boolean
}

interface Report {
  readonly mode: string
  readonly verdict: string
  readonly findings: readonly string[]
  readonly target: { readonly verified: string }
  readonly steps: readonly Step[]
  readonly viewers: { readonly before: number; readonly after: number; readonly kept: number }
  readonly media: {
    readonly packets: number
    readonly continuity_errors: number
    readonly dts_step_max_ms: number
    readonly clock_errors: number
    readonly timestamp_errors: number
    readonly table_changes: number
  }
}

interface Health {
  readonly phase: string
  readonly failover_index: number
  readonly failover_attempts: number
  readonly error_count: number
  readonly sources: readonly {
    readonly health: string
    readonly failures: number
    readonly last_failure_reason: string | null
  }[]
}

interface Refusal {
  readonly detail: string
}

/** Asks for a drill once the source on air has proved itself; a refusal has nothing but its detail. */
async function drill(
  scene: Scene,
  body: object,
): Promise<{ readonly status: number; readonly body: Report & Refusal }> {
  return until(
    async () => {
      const path = `/streams/${scene.streamId}/drill`
      const answer = await scene.gateway.api.call<Report & Refusal>('POST', path, body)
      return answer.status === 409 && answer.body.detail.endsWith('for long enough') ? undefined : answer
    },
    { what: 'an answer to a drill', deadlineMs: 60_000 },
  )
}

/** Until the source on air has proved itself; a drill to itself is refused either way. */
async function proven(scene: Scene): Promise<void> {
  const { body } = await drill(scene, { mode: 'switch', target: 0 })
  assert.match(body.detail, /source 0 is on air already/)
}

async function healthOf(api: Api, streamId: string): Promise<Health> {
  return (await api.get<{ stream: Health }>(`/streams/${streamId}`)).stream
}

/** Two sources, one viewer, and the primary has proved itself. */
async function onAir(
  gateway: GatewayProcess,
  stream: SceneOptions['stream'] = {},
  names: readonly string[] = ['primary', 'backup'],
) {
  const scene = await Scene.open({ gateway, origins: names.map((name) => ({ name })), stream })
  const viewer = await scene.watching()
  await until(async () => (await healthOf(gateway.api, scene.streamId)).sources[0]?.health === 'healthy', {
    what: 'a healthy primary',
  })
  return { scene, viewer, path: `/streams/${scene.streamId}/drill` }
}

const gateway = await GatewayProcess.start({ env: unhurried })
after(() => gateway[Symbol.asyncDispose]())

/** How long it takes to notice, and to open the next source, says how busy this machine is. */
const PAUSE = /^on the way (?:out|back) viewers were given nothing for/
const MODES = {
  switch: { reason: 'manual', cause: 'manual', mayShow: [PAUSE] },
  reset: { reason: 'reset', cause: 'failover', mayShow: [PAUSE] },
  stall: { reason: 'stalled', cause: 'failover', mayShow: [PAUSE] },
  not_media: { reason: 'stalled', cause: 'failover', mayShow: [PAUSE] },
  no_video: { reason: 'no_video', cause: 'failover', mayShow: undefined },
  no_audio: { reason: 'no_audio', cause: 'failover', mayShow: undefined },
  continuity_errors: { reason: 'continuity_errors', cause: 'failover', mayShow: undefined },
  frozen_timestamps: { reason: 'pcr_stalled', cause: 'failover', mayShow: [PAUSE, /^DTS step/, /^PCR/] },
} as const

describe('a drill leads out and back and leaves no trace:', { concurrency: 3 }, () => {
  for (const [mode, { reason, cause, mayShow }] of Object.entries(MODES)) {
    test(mode, async () => {
      const { scene, viewer, path } = await onAir(gateway)
      await using _scene = scene
      const [primary, backup] = [scene.origin(0), scene.origin(1)]
      const before = await healthOf(gateway.api, scene.streamId)
      const asked = [primary.requests.length, backup.requests.length]
      const answer = await drill(scene, { mode, stay_seconds: 1 })
      assert.equal(answer.status, 200, JSON.stringify(answer.body))
      const report = answer.body
      assert.deepEqual(
        report.steps.map((step) => [
          step.step,
          step.cause,
          step.reason,
          step.old_index,
          step.failover_index,
          step.drill,
        ]),
        [
          ['out', cause, reason, 0, 1, true],
          ['back', 'manual', 'manual', 1, 0, true],
        ],
      )
      assert.ok(report.steps.every(({ seam, gap_ms: gapMs }) => seam === 'seamless' && gapMs !== null))
      assert.equal(report.target.verified, 'probed')
      assert.deepEqual(report.viewers, { before: 1, after: 1, kept: 1 })
      // One look at the backup, then one connection; the primary is asked again for the way back, and nothing else.
      assert.deepEqual([primary.requests.length, backup.requests.length], [(asked[0] ?? 0) + 1, (asked[1] ?? 0) + 2])
      assert.equal(viewer.state, 'reading')
      await until(() => viewer.sources.length > 2, { what: 'the way back at the viewer' })
      assert.deepEqual(viewer.sources, [primary.name, backup.name, primary.name])
      assert.equal(viewer.record.misalignedBytes, 0)
      const after = await healthOf(gateway.api, scene.streamId)
      for (const field of ['health', 'failures', 'last_failure_reason'] as const) {
        assert.equal(after.sources[0]?.[field], before.sources[0]?.[field], field)
      }
      assert.deepEqual(
        [after.phase, after.failover_index, after.failover_attempts, after.error_count],
        ['live', 0, 0, 0],
      )
      if (mayShow === undefined) assert.equal(report.verdict, 'visible')
      else {
        const others = report.findings.filter((finding) => !mayShow.some((pattern) => pattern.test(finding)))
        assert.deepEqual(others, [])
        assert.equal(report.verdict, report.findings.length === 0 ? 'seamless' : 'visible')
        assert.equal(report.media.continuity_errors, 0)
        assert.equal(report.media.table_changes, 0)
      }
      assert.deepEqual((await gateway.api.call('GET', path)).body, report)
      const events = await gateway.api.events(scene.streamId)
      const types = events.map(({ event_type: type }) => type)
      assert.ok(types.includes('drill_completed'), types.join())
      assert.ok(!types.includes('source_health_changed') || before.sources[1]?.health !== 'healthy')
      for (const { event_type: type, data } of events) {
        if (type === 'failover_triggered' || type === 'switch_completed') assert.equal(data['drill'], true)
      }
    })
  }
})

test('a rehearsed failure with a hot standby and a delay leaves no gap, and the standby is not asked again', async () => {
  await using prompt = await GatewayProcess.start()
  const { scene, viewer } = await onAir(prompt, { standby: 'hot', output_delay_ms: 6_000 })
  await using _scene = scene
  const snapshot = async () =>
    (await prompt.api.get<{ stream: { sources: readonly { standby: string }[] } }>(`/streams/${scene.streamId}`)).stream
  await until(async () => (await snapshot()).sources[1]?.standby === 'hot', { what: 'a hot standby' })
  await viewer.hasRead(viewer.totalBytes + 100_000)
  await proven(scene)
  const asked = scene.origin(1).requests.length
  const report = (await drill(scene, { mode: 'stall', stay_seconds: 1 })).body
  const [out] = report.steps
  assert.equal(report.target.verified, 'received')
  assert.equal(out?.was_standby, true)
  // Without the delay viewers are given nothing for at least as long as it takes to notice.
  assert.ok((out.gap_ms ?? Infinity) < (out.detection_ms ?? 0), JSON.stringify(out))
  // Once more after the way back, to stand by again.
  assert.ok(scene.origin(1).requests.length <= asked + 1, `${scene.origin(1).requests.length - asked} requests`)
  assert.notEqual(report.verdict, 'failed', report.findings.join())
})

test('a drill may stay where it led, which is then where the stream is', async () => {
  const { scene, viewer } = await onAir(gateway)
  await using _scene = scene
  const body = { mode: 'switch', target: scene.origin(1).url, stay_seconds: 1, return: false }
  const report = (await drill(scene, body)).body
  assert.deepEqual(
    report.steps.map(({ step }) => step),
    ['out'],
  )
  await viewer.sees(scene.origin(1).name)
})

test('a source that fails in earnest during a drill is left, and the drill has failed', async () => {
  const { scene, viewer } = await onAir(gateway)
  await using _scene = scene
  const asked = drill(scene, { mode: 'reset', stay_seconds: 30 })
  await viewer.sees(scene.origin(1).name)
  scene.origin(1).inject({ kind: 'reset', aligned: true })
  const report = (await asked).body
  assert.equal(report.verdict, 'failed')
  assert.match(report.findings[0] ?? '', /source 0 came on air by failover \(reset\) meanwhile/)
  await viewer.sees(scene.origin(0).name)
})

describe('a drill is refused with 409 and the reason, and nothing is done:', { concurrency: 4 }, () => {
  const refusals: readonly (readonly [string, RegExp, () => Promise<Refused>])[] = [
    ['no other source', /the stream has no other source/, async () => refusedOn(['primary'], {}, { mode: 'switch' })],
    ['not live', /the stream is not live/, async () => refusedIdle()],
    [
      'an unreachable target',
      /source 1 .* when it was looked at/,
      async () =>
        refusedOn(['primary', 'backup'], {}, { mode: 'stall' }, async (scene) => {
          await scene.origin(1).refuse()
        }),
    ],
    [
      'a target that is not media',
      /source 1 sent something that is not media/,
      async () =>
        refusedOn(['primary', 'backup'], {}, { mode: 'switch' }, async (scene) => {
          scene.origin(1).answer = { kind: 'body', contentType: 'text/html', body: '<html><body>no</body></html>' }
        }),
    ],
    [
      'another target than the engine would take',
      /a failure would lead to source 1, not to source 2/,
      async () => refusedOn(['primary', 'backup', 'spare'], {}, { mode: 'reset', target: 2 }),
    ],
    [
      'a condition that nobody would act on',
      /no_audio is not set to fail/,
      async () => refusedOn(['primary', 'backup'], { detect: { no_audio: 'warn' } }, { mode: 'no_audio' }),
    ],
    ['an account without a second connection', /its account has no connection left/, async () => refusedAccount()],
  ]
  for (const [name, reason, provoke] of refusals) {
    test(name, async () => {
      const { status, detail, sources, isAlive } = await provoke()
      assert.equal(status, 409)
      assert.match(detail, reason)
      assert.ok(sources <= 1, 'something was switched')
      assert.ok(isAlive)
    })
  }
})

interface Refused {
  readonly status: number
  readonly detail: string
  /** Sources that the viewer has seen. */
  readonly sources: number
  readonly isAlive: boolean
}

async function refusedOn(
  names: readonly string[],
  stream: SceneOptions['stream'],
  body: object,
  prepare: (scene: Scene) => Promise<void> = async () => {},
): Promise<Refused> {
  const { scene, viewer } = await onAir(gateway, stream, names)
  await using _scene = scene
  await prepare(scene)
  const { status, body: answer } = await drill(scene, body)
  return { status, detail: answer.detail, sources: viewer.sources.length, isAlive: viewer.isAlive }
}

async function refusedIdle(): Promise<Refused> {
  await using scene = await Scene.open({ gateway, origins: [{ name: 'primary' }, { name: 'backup' }] })
  const path = `/streams/${scene.streamId}/drill`
  const { status, body } = await gateway.api.call<{ detail: string }>('POST', path, { mode: 'switch' })
  assert.equal(scene.origin(1).requests.length, 0)
  return { status, detail: body.detail, sources: 0, isAlive: true }
}

async function refusedAccount(): Promise<Refused> {
  const { scene, viewer } = await onAir(gateway)
  await using _scene = scene
  const [url, backup] = scene.origins.map((origin) => origin.url)
  const account = { account: `only-one-${scene.streamId}`, max_connections: 1 }
  // The same stream, whose sources now share an account; a new connection of the primary is what counts for it.
  await gateway.api.createStream({
    url: url ?? '',
    sources: [
      { url, ...account },
      { url: backup, ...account },
    ],
  })
  const asked = () => scene.origins.reduce((sum, { requests }) => sum + requests.length, 0)
  const before = asked()
  scene.origin(0).inject({ kind: 'end' })
  await until(
    async () => {
      const { phase, sources } = await healthOf(gateway.api, scene.streamId)
      return asked() > before && phase === 'live' && sources.some(({ health }) => health === 'healthy')
    },
    { what: 'media within the account' },
  )
  const { status, body } = await drill(scene, { mode: 'switch' })
  return { status, detail: body.detail, sources: 1, isAlive: viewer.isAlive }
}

test('one drill of a stream at a time, and what is asked for wrongly is 422, 400 or 404', async () => {
  const { scene, path } = await onAir(gateway)
  await using _scene = scene
  await proven(scene)
  const running = drill(scene, { mode: 'switch', stay_seconds: 4 })
  await until(() => scene.origin(1).requests.length > 0, { what: 'the look at the target' })
  const second = await until(
    async () => {
      const answer = await gateway.api.call<{ detail: string }>('POST', path, { mode: 'switch', stay_seconds: 1 })
      return /is running/.test(answer.body.detail) ? answer : undefined
    },
    { what: 'a refusal' },
  )
  assert.match(second.body.detail, /a drill of this stream is running/)
  assert.equal((await running).status, 200)
  for (const body of [{}, { mode: 'explode' }, { mode: 'switch', stay_seconds: 0 }, { mode: 'switch', target: -1 }]) {
    assert.equal((await gateway.api.call('POST', path, body)).status, 422, JSON.stringify(body))
  }
  assert.equal((await gateway.api.call('POST', path, { mode: 'switch', target: 9 })).status, 400)
  assert.equal((await gateway.api.call('POST', '/streams/nothing/drill', { mode: 'switch' })).status, 404)
  assert.equal((await gateway.api.call('GET', '/streams/nothing/drill')).status, 404)
})

test('a schedule is part of the stream, is shown, and survives kill -9', async () => {
  await using other = await GatewayProcess.start()
  const url = 'http://127.0.0.1:9/live/scheduled.ts'
  const drill = { mode: 'stall', stay_seconds: 10, at: '03:30' }
  const { stream_id: streamId } = await other.api.createStream({ url, failover_urls: [`${url}?2`], drill })
  await other.restart()
  const { stream } = await other.api.get<{ stream: { drill: unknown } }>(`/streams/${streamId}`)
  assert.deepEqual(stream.drill, { ...drill, target: null, return: true, every_hours: null })
  for (const wrong of [
    { mode: 'stall' },
    { mode: 'stall', at: '24:00' },
    { mode: 'stall', at: '01:00', every_hours: 2 },
  ]) {
    assert.equal((await other.api.call('POST', '/streams', { url, drill: wrong })).status, 422, JSON.stringify(wrong))
  }
})

test('holdfast drill prints the report, and its exit code is the verdict', async () => {
  const { scene } = await onAir(gateway)
  await using _scene = scene
  let output = ''
  let errors = ''
  const run = (...args: string[]) =>
    runDrillCommand({
      signal: AbortSignal.timeout(150_000),
      args: ['--gateway', gateway.url, ...args],
      environment: {},
      write: (text) => (output += text),
      writeError: (text) => (errors += text),
    })
  await proven(scene)
  assert.equal(await run(scene.streamId, '--mode', 'stall', '--target', '0'), 3)
  assert.match(errors, /source 0 is on air already/)
  const code = await run(scene.origin(0).url, '--mode', 'reset', '--stay', '1')
  assert.match(output, new RegExp(`^drill reset of stream ${scene.streamId}: (SEAMLESS|VISIBLE)$`, 'm'))
  assert.equal(code, output.includes('SEAMLESS') ? 0 : 1, errors)
  assert.match(output, /out +failover \(reset\), noticed after \d+ ms/)
  assert.match(output, /1 before, 1 after, 1 kept their connection/)
  assert.equal(await run('nothing'), 2)
  assert.equal(await run(scene.streamId, '--mode', 'explode'), 2)
  assert.equal(await run(scene.streamId, '--gateway', 'http://127.0.0.1:9'), 2)
})
