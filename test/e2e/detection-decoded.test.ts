import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { after, before, describe, test } from 'node:test'
import type { FaultOriginOptions } from '../lab/fault-origin.ts'
import { GatewayProcess } from '../lab/gateway-process.ts'
import type { Programme } from '../lab/media.ts'
import { until } from '../lab/poll.ts'
import { isRunning } from '../lab/running-process.ts'
import { Scene } from '../lab/scene.ts'
import { unhurried } from '../lab/unhurried.ts'

type Fields = Readonly<Record<string, unknown>>

let gateway: GatewayProcess
before(async () => {
  gateway = await GatewayProcess.start({ env: unhurried })
})
after(async () => await gateway[Symbol.asyncDispose]())

interface Case {
  readonly name: string
  readonly primary: Programme
  /** A backup of which nothing is wrong. */
  readonly backup: Programme
  readonly stream: Fields
  readonly reason: string
}

/** Everything that takes decoding. */
const ALL = { detect: { black: 'fail', frozen: 'fail', silent: 'fail' } }

const cases: readonly Case[] = [
  { name: 'black', primary: 'alpha_black', backup: 'alpha', stream: ALL, reason: 'black' },
  { name: 'frozen', primary: 'bravo', backup: 'alpha', stream: ALL, reason: 'frozen' },
  { name: 'silent', primary: 'alpha_mute', backup: 'alpha', stream: ALL, reason: 'silent' },
  {
    name: 'silent, by the fields of m3u-proxy',
    primary: 'alpha_mute',
    backup: 'alpha',
    stream: {
      enable_silence_detection: true,
      silence_threshold_db: -45,
      silence_duration: 1,
      silence_check_interval: 2,
      silence_failover_threshold: 2,
      silence_monitoring_grace_period: 1,
    },
    reason: 'silence_detected',
  },
]

describe('what only decoding tells', { concurrency: 2 }, () => {
  for (const { name, primary, backup, stream, reason } of cases) {
    test(`${name}: the backup follows on, and is left alone`, async () => {
      // Faster than real time: what is held for ten seconds of media is found in a quarter of them.
      const pace = { kind: 'slow', factor: 4 } as const
      await using scene = await Scene.open({
        gateway,
        origins: [
          { name: 'primary', programme: primary, pace },
          { name: 'backup', programme: backup, pace },
        ],
        stream,
      })
      const viewer = await scene.watching()
      await viewer.sees(scene.origin(1).name, { deadlineMs: 30_000 })
      const receipt = await scene.firstFacts('switch_completed')
      assert.equal(receipt['reason'], reason)
      assert.ok(Object.keys(receipt['evidence'] ?? {}).length > 1, JSON.stringify(receipt))
      // Longer in media than any of the conditions takes.
      await viewer.sees(scene.origin(1).name, { marks: 1_500, deadlineMs: 30_000 })
      assert.deepEqual(viewer.sources, [scene.origin(0).name, scene.origin(1).name])
      const metrics = await (await fetch(`${gateway.url}/metrics`)).text()
      const condition = reason === 'silence_detected' ? 'silent' : reason
      assert.match(
        metrics,
        new RegExp(`holdfast_source_conditions_total\\{condition="${condition}",action="fail"\\} [1-9]`),
      )
    })
  }

  test('nothing is decoded unless it is asked for', async () => {
    await using scene = await Scene.open({
      gateway,
      origins: [{ name: 'primary', programme: 'alpha_black', pace: { kind: 'slow', factor: 4 } }, { name: 'backup' }],
    })
    const viewer = await scene.watching()
    await viewer.sees(scene.origin(0).name, { marks: 300 })
    assert.equal(viewer.source, scene.origin(0).name)
    assert.deepEqual(await scene.facts('failover_triggered'), [])
  })
})

const watched: readonly FaultOriginOptions[] = [{ name: 'primary' }, { name: 'backup', programme: 'bravo' }]

test('a decoder that is killed costs the stream nothing, is started again, and goes with the stream', async () => {
  await using own = await GatewayProcess.start({ env: { ...unhurried, SLATE: 'false' } })
  await using scene = await Scene.open({ gateway: own, origins: watched, stream: { detect: { black: 'fail' } } })
  const viewer = await scene.watching()
  const [first] = await until(async () => await someChildren(own.pid), { what: 'a decoder' })
  assert.ok(first)
  process.kill(first, 'SIGKILL')
  const [second] = await until(
    async () => {
      const children = await someChildren(own.pid)
      return children !== undefined && !children.includes(first) && children
    },
    { what: 'another decoder' },
  )
  await until(() => own.logged('decoder_ended').length > 0, { what: 'the log line' })
  assert.equal(own.logged('decoder_ended').length, 1)
  assert.equal(scene.origin(0).connectionsEver, 1)
  assert.equal(viewer.source, scene.origin(0).name)
  assert.ok(second)
  await own.api.call('DELETE', `/streams/${scene.streamId}`)
  await until(async () => (await someChildren(own.pid)) === undefined, { what: 'the end of the decoder' })
})

test('a gateway that is killed takes its decoders with it', async () => {
  await using own = await GatewayProcess.start({ env: { ...unhurried, SLATE: 'false' } })
  await using scene = await Scene.open({ gateway: own, origins: watched, stream: { detect: { silent: 'warn' } } })
  await scene.watching()
  const [decoder] = await until(async () => await someChildren(own.pid), { what: 'a decoder' })
  assert.ok(decoder)
  await own.kill('SIGKILL')
  await until(async () => !(await isRunning(decoder)), { what: 'the end of the decoder' })
})

test('without ffmpeg the log says so once, and the stream is as it was', async () => {
  await using own = await GatewayProcess.start({ env: { ...unhurried, PATH: '/nonexistent' } })
  await using scene = await Scene.open({ gateway: own, origins: watched, stream: { detect: { black: 'fail' } } })
  const viewer = await scene.watching()
  await until(() => own.logged('decoder_not_found').length > 0, { what: 'the log line' })
  await viewer.sees(scene.origin(0).name, { marks: 200 })
  assert.equal(own.logged('decoder_not_found').length, 1)
  assert.deepEqual(viewer.sources, [scene.origin(0).name])
})

/** Processes that a process has started; undefined when there are none. */
async function someChildren(pid: number): Promise<readonly number[] | undefined> {
  const threads = await readdir(`/proc/${pid}/task`)
  const lists = await Promise.all(
    threads.map(async (thread) => await readFile(`/proc/${pid}/task/${thread}/children`, 'utf8').catch(() => '')),
  )
  const children = lists.join(' ').split(/\s+/).filter(Boolean).map(Number)
  return children.length === 0 ? undefined : children
}
