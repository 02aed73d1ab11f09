import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { GatewayProcess } from '../lab/gateway-process.ts'
import { until } from '../lab/poll.ts'
import { isRunning } from '../lab/running-process.ts'
import { FakeFfmpeg, TranscodeScene } from '../lab/transcode-lab.ts'
import { unhurried } from '../lab/unhurried.ts'

test('kill -9 of the gateway leaves no encoder behind, and the stream is there again after it', async () => {
  await using gateway = await GatewayProcess.start({ env: unhurried })
  await using scene = await TranscodeScene.open(gateway, [{}])
  await scene.watching()
  const pid = await scene.pid()
  await gateway.restart()
  await until(async () => !(await isRunning(pid)), { what: 'the end of the orphan' })
  await scene.watching()
  assert.equal((await scene.state()).stream_type, 'Transcoding')
})

test('TERM of the gateway ends its encoders', async () => {
  await using gateway = await GatewayProcess.start({ env: unhurried })
  await using scene = await TranscodeScene.open(gateway, [{}])
  await scene.watching()
  const pid = await scene.pid()
  assert.equal(await gateway.kill('SIGTERM'), 0)
  await until(async () => !(await isRunning(pid)), { what: 'the end of the encoder' })
})

test('one more encoder than TRANSCODES_MAX is refused with 503, and let in when one has ended', async () => {
  await using gateway = await GatewayProcess.start({
    env: { ...unhurried, TRANSCODES_MAX: '1', SHARED_STREAM_GRACE: '0' },
  })
  await using first = await TranscodeScene.open(gateway, [{}])
  await using second = await TranscodeScene.open(gateway, [{}])
  const viewer = await first.watching()
  const refused = second.watch()
  await refused.finished()
  assert.equal(refused.status, 503)
  assert.match(refused.text, /TRANSCODES_MAX/)
  // Whoever shares the one that runs is let in.
  await first.watching()
  process.kill(await first.pid(), 'SIGKILL')
  await viewer.hasRead(viewer.totalBytes + 300_000)
  await gateway.api.call('DELETE', `/streams/${first.streamId}`)
  await until(
    async () => {
      const again = second.watch()
      await again.answered()
      return again.status === 200
    },
    { what: 'the place of the first' },
  )
})

test('without ffmpeg the answer is 503 with the reason', async () => {
  const empty = await mkdtemp(join(tmpdir(), 'holdfast-lab-empty-'))
  await using gateway = await GatewayProcess.start({ env: { PATH: empty } })
  const answer = await gateway.api.call<{ detail: string }>('POST', '/transcode', { url: 'http://127.0.0.1:9/x.ts' })
  assert.equal(answer.status, 503)
  assert.match(answer.body.detail, /ffmpeg is not installed/)
  const profiles = await gateway.api.call<{ hardware_acceleration: { available: boolean } }>(
    'GET',
    '/transcode/profiles',
  )
  assert.equal(profiles.body.hardware_acceleration.available, false)
  await rm(empty, { recursive: true })
})

test('an encoder that cannot read a source twice in a row is given the next source, before anybody is refused', async () => {
  await using fake = await FakeFfmpeg.make('[ "$RUN" -le 2 ] && { echo "Invalid data found" >&2; exit 1; }')
  await using gateway = await GatewayProcess.start({ env: { ...unhurried, PATH: fake.path } })
  await using scene = await TranscodeScene.open(gateway, [{}, {}])
  const viewer = await scene.watching()
  const state = await scene.state()
  assert.deepEqual([state.failover_index, state.transcoder.restarts, await fake.runs()], [1, 2, 3])
  assert.match(state.transcoder.last_failure ?? '', /Invalid data found/)
  assert.equal(viewer.state, 'reading')
  await until(() => gateway.logs.some(({ message }) => message === 'Transcoding process exited, attempting failover'), {
    what: 'the line in the log',
  })
  const switches = await until(
    async () => {
      const path = `/streams/${scene.streamId}/switches`
      const answer = await gateway.api.get<{ switches: readonly { reason: string }[] }>(path)
      return answer.switches.length > 0 && answer.switches
    },
    { what: 'the record of the switch' },
  )
  assert.deepEqual(
    switches.map(({ reason }) => reason),
    ['transcode_failed'],
  )
})

test('an encoder that fails on every source: whoever waits is told, and the gateway does not spin', async () => {
  await using fake = await FakeFfmpeg.make('exit 1')
  await using gateway = await GatewayProcess.start({ env: { ...unhurried, PATH: fake.path } })
  await using scene = await TranscodeScene.open(gateway, [{}, {}])
  const viewer = scene.watch()
  await viewer.finished()
  assert.equal(viewer.status, 502)
  assert.match(viewer.text, /process failed/)
  assert.ok((await fake.runs()) <= 8, `${await fake.runs()} runs`)
})

test('an encoder that puts out nothing is given up after the start limit, and another is started', async () => {
  await using fake = await FakeFfmpeg.make('[ "$RUN" -eq 1 ] && exec cat > /dev/null')
  await using gateway = await GatewayProcess.start({
    env: { ...unhurried, PATH: fake.path, TRANSCODE_START_SECONDS: '10' },
  })
  await using scene = await TranscodeScene.open(gateway, [{}])
  await scene.watching()
  const { transcoder } = await scene.state()
  assert.equal(transcoder.restarts, 1)
  assert.match(transcoder.last_failure ?? '', /put out nothing/)
})

test('an encoder that puts out something that is not media counts as failed', async () => {
  await using fake = await FakeFfmpeg.make('[ "$RUN" -eq 1 ] && { echo "<html>no</html>"; exec cat > /dev/null; }')
  await using gateway = await GatewayProcess.start({ env: { ...unhurried, PATH: fake.path } })
  await using scene = await TranscodeScene.open(gateway, [{}])
  await scene.watching()
  const { transcoder } = await scene.state()
  assert.deepEqual([transcoder.restarts, transcoder.last_failure], [1, 'not_media'])
})

test('an encoder that does not keep up goes on at a later keyframe', async () => {
  await using fake = await FakeFfmpeg.make('sleep 7')
  await using gateway = await GatewayProcess.start({
    env: { ...unhurried, PATH: fake.path, STREAM_BUFFER_SECONDS: '1', TRANSCODE_START_SECONDS: '60' },
  })
  await using scene = await TranscodeScene.open(gateway, [{ videoKbps: 2_000 }])
  await scene.watching()
  const { transcoder } = await scene.state()
  assert.deepEqual([transcoder.restarts, await fake.runs()], [0, 1])
  assert.ok(transcoder.input_skips > 0, JSON.stringify(transcoder))
})
