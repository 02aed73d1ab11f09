import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { GatewayProcess } from '../lab/gateway-process.ts'
import { runTool } from '../lab/media.ts'
import { until } from '../lab/poll.ts'
import { isRunning } from '../lab/running-process.ts'
import { TranscodeScene } from '../lab/transcode-lab.ts'
import { unhurried } from '../lab/unhurried.ts'
import type { Viewer } from '../lab/viewer.ts'

let gateway: GatewayProcess
before(async () => {
  gateway = await GatewayProcess.start({ env: { ...unhurried, TRANSCODES_MAX: '8' } })
})
after(async () => {
  await gateway[Symbol.asyncDispose]()
})

/** What an independent decoder complains of; '' when it reads all of it. */
async function complaintsAbout(viewer: Viewer, name: string): Promise<string> {
  const path = join(tmpdir(), `holdfast-lab-transcode-${process.pid}-${name}.ts`)
  await writeFile(path, viewer.body)
  const { stderr } = await runTool('ffmpeg', ['-v', 'warning', '-xerror', '-i', path, '-f', 'null', '-'])
  return stderr
}

async function goesOn(viewer: Viewer, bytes = 300_000): Promise<void> {
  await viewer.hasRead(viewer.totalBytes + bytes)
  assert.equal(viewer.state, 'reading')
}

test('kill -9 of ffmpeg: viewers keep their connection, and what they read is one stream that decodes', async () => {
  await using scene = await TranscodeScene.open(gateway, [{}])
  const viewer = await scene.watching()
  const pid = await scene.pid()
  process.kill(pid, 'SIGKILL')
  await goesOn(viewer, 600_000)
  const { transcoder } = await scene.comesTo(
    'another encoder',
    ({ transcoder: { pid: now } }) => now !== null && now !== pid,
  )
  assert.equal(transcoder.restarts, 1)
  assert.match(transcoder.last_failure ?? '', /SIGKILL/)
  assert.equal(await complaintsAbout(viewer, 'killed'), '')
  assert.equal(scene.origin(0).connectionsEver, 1, 'the source did not notice')
})

test('the source is killed: the encoder goes on with the next one, as the same process', async () => {
  await using scene = await TranscodeScene.open(gateway, [{}, {}])
  const viewer = await scene.watching()
  const pid = await scene.pid()
  await scene.origin(0).refuse()
  scene.origin(0).inject({ kind: 'reset', aligned: false })
  const state = await scene.comesTo('the failover', ({ failover_index: index }) => index === 1)
  await goesOn(viewer, 600_000)
  assert.equal(await scene.pid(), pid)
  assert.equal((await scene.state()).transcoder.restarts, 0)
  assert.deepEqual([state.stream_type, state.current_url], ['Transcoding', scene.origin(1).url])
  assert.equal(await complaintsAbout(viewer, 'switched'), '')
})

test('a failover by hand moves the source and leaves the encoder alone', async () => {
  await using scene = await TranscodeScene.open(gateway, [{}, {}])
  const viewer = await scene.watching()
  const pid = await scene.pid()
  const answer = await gateway.api.call<Record<string, unknown>>('POST', `/streams/${scene.streamId}/failover`)
  assert.deepEqual(
    [answer.status, answer.body['new_url'], answer.body['active_clients'], answer.body['stream_type']],
    [200, scene.origin(1).url, 1, 'Transcoding'],
  )
  await goesOn(viewer)
  assert.equal(await scene.pid(), pid)
})

test('no process is left when the last viewer has gone, nor when the stream is deleted', async () => {
  await using scene = await TranscodeScene.open(gateway, [{}])
  const viewer = await scene.watching()
  const first = await scene.pid()
  viewer.close()
  await until(async () => !(await isRunning(first)), { what: 'the end of the encoder', deadlineMs: 15_000 })
  await scene.watching()
  const second = await scene.pid()
  assert.notEqual(second, first)
  await gateway.api.call('DELETE', `/streams/${scene.streamId}`)
  await until(async () => !(await isRunning(second)), { what: 'the end of the encoder' })
})

test('viewers of the same URL, profile and variables share one encoder; another variable is another stream', async () => {
  await using scene = await TranscodeScene.open(gateway, [{}], {
    profile_variables: { crf: '30', preset: 'ultrafast' },
  })
  const post = async (variables: object) => {
    const asked = { url: scene.origin(0).url, profile: 'lowlatency', profile_variables: variables }
    return (await gateway.api.call<{ stream_id: string }>('POST', '/transcode', asked)).body.stream_id
  }
  const first = await scene.watching()
  const pid = await scene.pid()
  assert.equal(await post({ preset: 'ultrafast', crf: 30 }), scene.streamId)
  await scene.watching()
  assert.deepEqual([(await scene.state()).client_count, await scene.pid()], [2, pid])
  assert.equal(first.state, 'reading')
  assert.notEqual(await post({ preset: 'ultrafast', crf: 31 }), scene.streamId)
  const plain = await gateway.api.call<{ stream_id: string }>('POST', '/streams', { url: scene.origin(0).url })
  assert.notEqual(plain.body.stream_id, scene.streamId)
})

test('the state tells how the encoder fares', async () => {
  await using scene = await TranscodeScene.open(gateway, [{}])
  await scene.watching()
  // ffmpeg tells of no frames a second before it has run for one.
  const { transcoder } = await scene.comesTo(
    'a report of the encoder',
    ({ transcoder: { frames, speed, fps } }) => (frames ?? 0) > 25 && (speed ?? 0) > 0 && (fps ?? 0) > 0,
  )
  assert.equal(transcoder.dropped_frames, 0)
  const { body } = await gateway.api.call<{ streams: readonly { stream_id: string; transcoder: unknown }[] }>(
    'GET',
    '/stats',
  )
  assert.notEqual(body.streams.find(({ stream_id: id }) => id === scene.streamId)?.transcoder ?? null, null)
})

test('no source delivers: whoever waits is told, and no encoder is started for it', async () => {
  await using scene = await TranscodeScene.open(gateway, [{ answer: { kind: 'status', status: 404 } }])
  const viewer = scene.watch()
  await viewer.answered()
  await viewer.finished()
  assert.equal(viewer.status, 502)
  assert.match(viewer.text, /http 404/)
  assert.equal((await scene.state()).transcoder.pid, null)
})

test('the only source is away for a while: the slate and the source that returns go through the same encoder', async () => {
  await using scene = await TranscodeScene.open(gateway, [{}], { slate: { enabled: true, after_seconds: 1 } })
  const viewer = await scene.watching()
  const pid = await scene.pid()
  await scene.origin(0).refuse()
  scene.origin(0).inject({ kind: 'reset', aligned: false })
  await scene.comesTo('the slate', ({ slate_on: isOn }) => isOn)
  await goesOn(viewer, 50_000)
  await scene.origin(0).accept()
  await scene.comesTo('the source again', ({ slate_on: isOn, upstream_connections: open }) => !isOn && open === 1)
  await goesOn(viewer)
  const { transcoder } = await scene.state()
  assert.deepEqual([transcoder.pid, transcoder.restarts], [pid, 0])
  assert.equal(await complaintsAbout(viewer, 'slate'), '')
})
