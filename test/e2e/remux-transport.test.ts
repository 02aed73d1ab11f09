import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { copyFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { systemClock } from '../../src/lib/clock.ts'
import { createRemuxTransport } from '../../src/streams/sources/remux-transport.ts'
import { UrlResolver } from '../../src/streams/sources/url-resolver.ts'
import { transportOf } from '../../src/streams/sources/transports.ts'
import { endWithThisProcess } from '../lab/gateway-process.ts'
import { readFixture, runTool, tsFixture } from '../lab/media.ts'
import { until } from '../lab/poll.ts'
import { startRtspOrigin } from '../lab/rtsp-origin.ts'
import { openProcessRoom } from '../lab/process-room.ts'
import type { ProcessRoom } from '../lab/process-room.ts'
import { SourceReading } from '../lab/source-reading.ts'
import { steadyPort } from '../lab/steady-port.ts'

const ENOUGH_BYTES = 150_000
const RATE = 100_000

function remux(room: ProcessRoom, fileDirectories: readonly string[] = [], program = 'ffmpeg') {
  return createRemuxTransport({ processes: room.processes, fileDirectories, program })
}

/** Codecs that ffprobe finds, and that every packet begins as it should. */
async function assertPlayable(room: ProcessRoom, body: Buffer): Promise<void> {
  const whole = body.subarray(0, body.length - (body.length % 188))
  for (let at = 0; at < whole.length; at += 188) assert.equal(whole[at], 0x47, `packet at ${at}`)
  const path = join(room.directory, 'read.ts')
  writeFileSync(path, whole)
  const { stdout } = await runTool('ffprobe', [
    '-v',
    'error',
    '-show_entries',
    'stream=codec_name',
    '-of',
    'csv=p=0',
    path,
  ])
  assert.deepEqual([...new Set(stdout.split(/\s+/).filter(Boolean))].toSorted(), ['aac', 'h264'])
}

/** An ffmpeg that serves the fixture to whoever connects, until it is killed. */
async function serveWithFfmpeg(output: readonly string[]): Promise<ChildProcess> {
  const path = await tsFixture({ programme: 'alpha' })
  const child = spawn('ffmpeg', ['-v', 'error', '-re', '-stream_loop', '-1', '-i', path, '-c', 'copy', ...output], {
    stdio: 'ignore',
  })
  endWithThisProcess(child)
  return child
}

/** Opens it again and again: the other side may need a moment to listen. */
async function readWhenReady(room: ProcessRoom, url: string): Promise<SourceReading> {
  let reading = new SourceReading(remux(room), { url })
  await until(
    () => {
      if (reading.failure !== undefined) reading = new SourceReading(remux(room), { url })
      return reading.bytes > 0
    },
    { what: `media from ${url}`, deadlineMs: 20_000, evidence: () => reading.failure },
  )
  return reading
}

test('an RTSP source is read over TCP, and let go of when it is closed', async () => {
  await using room = openProcessRoom()
  const media = await readFixture(tsFixture({ programme: 'alpha' }))
  await using origin = await startRtspOrigin({ media, bytesPerSecond: RATE })
  using reading = new SourceReading(remux(room), { url: origin.url })
  await reading.untilBytes(ENOUGH_BYTES)
  await assertPlayable(room, reading.body)
  assert.deepEqual(reading.calls, ['head 200'])
  reading.reader.close()
  await until(() => origin.connections() === 0 && room.processes.running() === 0, { what: 'the end of the connection' })
  assert.deepEqual(reading.calls, ['head 200'])
})

test('a reader that paused an RTSP source gets the rest when it resumes', async () => {
  await using room = openProcessRoom()
  const media = await readFixture(tsFixture({ programme: 'alpha' }))
  await using origin = await startRtspOrigin({ media, bytesPerSecond: 20 * RATE })
  using reading = new SourceReading(remux(room), { url: origin.url })
  reading.takesMore = false
  await until(() => reading.bytes > 0, { what: 'the first media' })
  const { bytes } = reading
  reading.takesMore = true
  reading.reader.resume()
  await reading.untilBytes(bytes + ENOUGH_BYTES)
})

test('what an RTSP source answers is told by status, and its credentials never', async () => {
  await using room = openProcessRoom()
  const media = Buffer.alloc(188 * 7, 0xff)
  let status = 404
  const options = { media, bytesPerSecond: RATE, credentials: 'user:wörd', status: () => status }
  await using origin = await startRtspOrigin(options)
  const missing = await new SourceReading(remux(room), { url: origin.url }).end()
  assert.ok(missing !== 'end')
  assert.deepEqual([missing.kind, missing.status], ['http_status', 404])
  status = 200
  const url = origin.url.replace('rtsp://', 'rtsp://someone:hidden-word@')
  const denied = await new SourceReading(remux(room), { url }).end()
  assert.ok(denied !== 'end')
  assert.deepEqual([denied.kind, denied.status], ['http_status', 401])
  assert.ok(!JSON.stringify(denied).includes('hidden-word'), JSON.stringify(denied))
})

test('an RTSP source that goes away ends the reading', async () => {
  await using room = openProcessRoom()
  const media = await readFixture(tsFixture({ programme: 'alpha' }))
  await using origin = await startRtspOrigin({ media, bytesPerSecond: RATE })
  using reading = new SourceReading(remux(room), { url: origin.url })
  await reading.untilBytes(ENOUGH_BYTES)
  origin.cut()
  await reading.end()
  await until(() => room.processes.running() === 0, { what: 'the end of ffmpeg' })
})

test('kill -9 of the ffmpeg that reads a source is a failure of that source', async () => {
  await using room = openProcessRoom()
  const media = await readFixture(tsFixture({ programme: 'alpha' }))
  await using origin = await startRtspOrigin({ media, bytesPerSecond: RATE })
  const pids: number[] = []
  const start = room.processes.start.bind(room.processes)
  room.processes.start = (spec) => {
    const started = start(spec)
    pids.push(started.pid ?? 0)
    return started
  }
  using reading = new SourceReading(remux(room), { url: origin.url })
  await reading.untilBytes(ENOUGH_BYTES)
  process.kill(pids[0] ?? 0, 'SIGKILL')
  const failure = await reading.end()
  assert.ok(failure !== 'end')
  assert.deepEqual([failure.kind, failure.evidence?.['exit_signal']], ['process_failed', 'SIGKILL'])
})

test('an SRT source is handed on byte for byte', async () => {
  await using room = openProcessRoom()
  const port = await steadyPort()
  const child = await serveWithFfmpeg(['-f', 'mpegts', `srt://127.0.0.1:${port}?mode=listener`])
  using reading = await readWhenReady(room, `srt://127.0.0.1:${port}`)
  await reading.untilBytes(ENOUGH_BYTES)
  await assertPlayable(room, reading.body)
  child.kill('SIGKILL')
})

test('an RTMP source becomes a transport stream', async () => {
  await using room = openProcessRoom()
  const port = await steadyPort()
  const child = await serveWithFfmpeg(['-f', 'flv', '-listen', '1', `rtmp://127.0.0.1:${port}/live/one`])
  using reading = await readWhenReady(room, `rtmp://127.0.0.1:${port}/live/one`)
  await reading.untilBytes(ENOUGH_BYTES)
  await assertPlayable(room, reading.body)
  child.kill('SIGKILL')
  await reading.end()
})

for (const [name, output] of [
  ['UDP', (port: number) => ['-f', 'mpegts', `udp://127.0.0.1:${port}?pkt_size=1316`]],
  ['RTP', (port: number) => ['-f', 'rtp_mpegts', `rtp://127.0.0.1:${port}`]],
] as const) {
  test(`${name} datagrams are received`, async () => {
    await using room = openProcessRoom()
    const port = await steadyPort()
    using reading = new SourceReading(remux(room), { url: `${name.toLowerCase()}://127.0.0.1:${port}` })
    const child = await serveWithFfmpeg(output(port))
    await reading.untilBytes(ENOUGH_BYTES)
    await assertPlayable(room, reading.body)
    child.kill('SIGKILL')
  })
}

test('a file is played at its own pace, again and again if asked to, from allowed directories only', async () => {
  await using room = openProcessRoom()
  const [allowed, other] = [join(room.directory, 'allowed'), join(room.directory, 'other')]
  for (const directory of [allowed, other]) {
    mkdirSync(directory)
    copyFileSync(await tsFixture({ programme: 'alpha' }), join(directory, 'a film.ts'))
  }
  symlinkSync(join(other, 'a film.ts'), join(allowed, 'link.ts'))
  writeFileSync(join(allowed, 'list.m3u8'), `#EXTM3U\n#EXTINF:8,\n${join(other, 'a film.ts')}\n`)
  writeFileSync(join(allowed, 'list.ffconcat'), `ffconcat version 1.0\nfile '${join(other, 'a film.ts')}'\n`)
  const url = (...path: readonly string[]) => pathToFileURL(join(...path)).href
  const read = (address: string) => new SourceReading(remux(room, [allowed]), { url: address })
  using reading = read(`${url(allowed, 'a film.ts')}?loop=1`)
  await reading.untilBytes(ENOUGH_BYTES)
  await assertPlayable(room, reading.body)
  const refused = [url(other, 'a film.ts'), url(allowed, 'link.ts'), url(allowed, 'none.ts'), 'file:///etc/passwd']
  for (const address of [...refused, `${url(allowed)}/..%2fother/a%20film.ts`, 'file:///dev/zero']) {
    const failure = await read(address).end()
    assert.ok(failure !== 'end' && failure.kind === 'address_forbidden', `${address}: ${JSON.stringify(failure)}`)
  }
  for (const list of ['list.m3u8', 'list.ffconcat']) {
    const failure = await read(url(allowed, list)).end()
    assert.ok(failure !== 'end' && failure.kind === 'process_failed', `${list}: ${JSON.stringify(failure)}`)
  }
})

test('an address that nobody serves is told as what it is', async () => {
  await using room = openProcessRoom()
  const port = await steadyPort()
  for (const [url, kind] of [
    [`rtsp://127.0.0.1:${port}/a`, 'refused'],
    [`rtmp://127.0.0.1:${port}/a/b`, 'refused'],
    [`srt://127.0.0.1:${port}`, 'refused'],
    ['rtsp://nowhere.invalid/a', 'dns'],
  ] as const) {
    // The one is what ffmpeg gives a connection, the other what ffmpeg is given for its start too.
    const limits = { connectTimeoutMs: 1_000, answerTimeoutMs: 60_000 }
    const failure = await new SourceReading(remux(room), { url, ...limits }).end()
    assert.ok(failure !== 'end' && failure.kind === kind, `${url}: ${JSON.stringify(failure)}`)
  }
})

test('a host that the operator did not name may not be private, nor may it be listened for', async () => {
  await using room = openProcessRoom()
  for (const url of [
    'rtsp://127.0.0.1/a',
    'rtmp://[::1]/a/b',
    'srt://10.0.0.1:9',
    'udp://203.1.2.3:9',
    'rtp://1.2.3.4:9',
  ]) {
    const reading = new SourceReading(remux(room), { url, operatorHosts: new Set() })
    const failure = await reading.end()
    assert.ok(failure !== 'end' && failure.kind === 'address_forbidden', `${url}: ${JSON.stringify(failure)}`)
  }
  assert.equal(room.processes.running(), 0)
})

test('without ffmpeg, with too many of them, or with a scheme that is off, the failure says so', async () => {
  await using room = openProcessRoom({ limits: { source: 0 } })
  const url = 'rtsp://127.0.0.1:9/a'
  const missing = await new SourceReading(remux(room, [], 'no-ffmpeg-here'), { url }).end()
  assert.ok(missing !== 'end' && missing.kind === 'process_unavailable' && /not installed/.test(missing.message))
  const full = await new SourceReading(remux(room), { url }).end()
  assert.ok(full !== 'end' && full.kind === 'process_unavailable' && /no more may/.test(full.message))
  const wishes = { useStickySession: false, hasAlternative: () => false }
  const resolver = new UrlResolver({
    ...{ processes: room.processes, clock: systemClock, directory: join(room.directory, 'resolver') },
    ...{ isEnabled: { streamlink: true, ytdlp: true }, timeoutMs: 1_000, runsMax: 1 },
  })
  const off = transportOf(url, wishes, { protocols: ['http'], hls: () => remux(room), resolver, remux: remux(room) })
  const refused = await new SourceReading(off, { url }).end()
  assert.ok(refused !== 'end' && /SOURCE_PROTOCOLS does not allow rtsp/.test(refused.message))
})
