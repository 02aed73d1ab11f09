import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import { endWithThisProcess, GatewayProcess } from '../lab/gateway-process.ts'
import { runTool } from '../lab/media.ts'
import { until } from '../lab/poll.ts'
import { Scene } from '../lab/scene.ts'
import { steadyPort } from '../lab/steady-port.ts'
import { unhurried } from '../lab/unhurried.ts'

let gateway: GatewayProcess
before(async () => {
  gateway = await GatewayProcess.start({ env: { ...unhurried, FIRST_BYTE_TIMEOUT_SECONDS: '30' } })
})
after(async () => await gateway[Symbol.asyncDispose]())

/** Asked of the kernel (proc(5)), because the first connection would be the only one that ffmpeg takes. */
async function isListening(port: number): Promise<boolean> {
  const table = await readFile('/proc/net/tcp', 'utf8')
  const local = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  return table.split('\n').some((line) => line.includes(`${local} 00000000:0000 0A`))
}

/** ffmpeg itself as an HTTP server that encodes a live picture for the one client that connects. */
async function ffmpegOrigin() {
  const port = await steadyPort()
  const url = `http://127.0.0.1:${port}/live.ts`
  const child = spawn('ffmpeg', [
    ...['-v', 'error', '-nostdin', '-re', '-f', 'lavfi', '-i', 'testsrc2=size=320x180:rate=25'],
    ...['-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=48000', '-t', '60', '-pix_fmt', 'yuv420p'],
    ...['-c:v', 'libx264', '-preset', 'ultrafast', '-g', '25', '-b:v', '400k', '-c:a', 'aac'],
    ...['-f', 'mpegts', '-listen', '1', url],
  ])
  endWithThisProcess(child)
  await until(() => isListening(port), { what: 'ffmpeg listening' })
  assert.equal(child.exitCode, null, 'the port is that of ffmpeg')
  return { url, child }
}

test('ffmpeg as the source: its killing is survived, and the backup follows', async () => {
  const { url, child } = await ffmpegOrigin()
  try {
    await using scene = await Scene.open({
      gateway,
      origins: [{ name: 'unused' }, { name: 'backup' }],
      primaryUrl: () => url,
    })
    const viewer = scene.watch()
    await viewer.hasRead(60_000)
    assert.equal(scene.origin(1).connectionsEver, 0, 'what was read came from ffmpeg')
    child.kill('SIGKILL')
    await viewer.sees(scene.origin(1).name)
    assert.equal(viewer.record.misalignedBytes, 0)
  } finally {
    child.kill('SIGKILL')
  }
})

test('ffmpeg as the viewer plays five seconds without a complaint', async () => {
  await using scene = await Scene.open({ gateway, origins: [{ name: 'primary' }] })
  const url = `${gateway.url}/stream/${scene.streamId}`
  const played = await runTool('ffmpeg', ['-v', 'warning', '-i', url, '-t', '5', '-f', 'null', '-'])
  assert.equal(played.stderr, '')
  assert.equal(played.code, 0)
})

test('ffmpeg as the viewer plays on through a failover', async () => {
  // Both sources of one channel: the same PIDs, each on a clock of its own.
  const origins = [{ name: 'primary' }, { name: 'backup', programme: 'alpha' }] as const
  await using scene = await Scene.open({ gateway, origins })
  const url = `${gateway.url}/stream/${scene.streamId}`
  const playing = runTool('ffmpeg', ['-v', 'error', '-i', url, '-map', '0:v', '-frames:v', '150', '-f', 'null', '-'])
  await until(async () => (await gateway.api.streamObject(scene.streamId)).client_count > 0, {
    what: 'ffmpeg watching',
  })
  const reading = await scene.watching()
  await reading.hasRead(150_000)
  scene.origin(0).inject({ kind: 'reset', aligned: false })
  await reading.sees(scene.origin(1).name)
  assert.equal((await playing).code, 0)
})

test('ffmpeg plays with Range and HEAD as players send them', async () => {
  await using scene = await Scene.open({ gateway, origins: [{ name: 'primary' }] })
  const viewer = scene.watch({ headers: { range: 'bytes=0-' } })
  await viewer.sees(scene.origin(0).name)
  assert.equal(viewer.status, 200)
  const head = await scene.watch({ method: 'HEAD' }).answered()
  assert.equal(head.status, 200)
})
