import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { processIdentity } from '../../src/process/process-identity.ts'
import { FaultOrigin } from '../lab/fault-origin.ts'
import { GatewayProcess } from '../lab/gateway-process.ts'
import { filmFixture, readFixture, tsFixture } from '../lab/media.ts'
import { until } from '../lab/poll.ts'
import { startRtspOrigin } from '../lab/rtsp-origin.ts'
import { unhurried } from '../lab/unhurried.ts'
import { VodOrigin } from '../lab/vod-origin.ts'

const ENOUGH_BYTES = 150_000

let gateway: GatewayProcess
const files = mkdtempSync(join(tmpdir(), 'holdfast-files-'))

before(async () => {
  const env = {
    ...unhurried,
    SOURCE_PROTOCOLS: 'http,https,rtsp,file',
    SOURCE_FILE_DIRECTORIES: files,
    PATH: `${files}:${process.env['PATH']}`,
  }
  gateway = await GatewayProcess.start({ env })
})
after(async () => {
  await gateway[Symbol.asyncDispose]()
  rmSync(files, { recursive: true })
})

test('an RTSP source fails over to an HTTP one, and the viewer stays', async () => {
  const media = await readFixture(tsFixture({ programme: 'alpha' }))
  await using camera = await startRtspOrigin({ media, bytesPerSecond: 100_000 })
  await using backup = await FaultOrigin.start({ name: 'backup', programme: 'bravo' })
  const streamId = await gateway.api.stream([camera.url, backup.url])
  const viewer = gateway.watch(streamId)
  await viewer.hasRead(ENOUGH_BYTES)
  await camera[Symbol.asyncDispose]()
  await viewer.sees('backup')
  assert.equal(viewer.state, 'reading')
  const stream = await gateway.api.streamObject(streamId)
  assert.equal(stream.failover_attempts, 1)
  viewer.close()
})

test('a file is a channel', async () => {
  writeFileSync(join(files, 'loop.ts'), await readFixture(tsFixture({ programme: 'alpha' })))
  const url = `${pathToFileURL(join(files, 'loop.ts')).href}?loop=1`
  const viewer = gateway.watch(await gateway.api.stream([url]))
  await viewer.hasRead(ENOUGH_BYTES)
  viewer.close()
})

test('schemes that are off, resolvers that are unknown and what they may not be told are refused', async () => {
  const page = { url: 'http://127.0.0.1:9/page' }
  for (const [path, body, words] of [
    ['/streams', { url: 'udp://239.0.0.1:1234' }, /does not allow udp/],
    ['/transcode', { url: 'srt://h:1' }, /does not allow srt/],
    ['/streams', { ...page, resolver: 'curl' }, /streamlink, ytdlp/],
    ['/streams', { ...page, resolver: 'ytdlp', resolver_args: '--exec id' }, /not allowed/],
    ['/transcode', { ...page, resolver: 'streamlink', cookies: 'a=b' }, /line 1/],
    ['/broadcast/net/start', { stream_url: 'srt://h:1' }, /does not allow srt/],
  ] as const) {
    const answer = await gateway.api.call('POST', path, body)
    assert.equal(answer.status, 422, JSON.stringify([path, body, answer.body]))
    assert.match(JSON.stringify(answer.body), words)
  }
})

test('a page whose media a resolver finds is watched, and fails over like any other source', async () => {
  await using found = await FaultOrigin.start({ name: 'found', programme: 'alpha' })
  await using spare = await FaultOrigin.start({ name: 'spare', programme: 'bravo' })
  // In place of streamlink: what it finds is in the page's own address.
  const script = `const { searchParams } = new URL(process.argv.at(-2)); console.log(JSON.stringify({ type: 'http', url: searchParams.get('media') }))`
  writeFileSync(join(files, 'streamlink'), `#!${process.execPath}\n${script}`, { mode: 0o755 })
  const page = ({ url }: FaultOrigin) => `http://127.0.0.1:9/page?media=${encodeURIComponent(url)}`
  const streamId = await gateway.api.stream([page(found), page(spare)], { resolver: 'streamlink' })
  const viewer = gateway.watch(streamId)
  await viewer.sees('found')
  await found[Symbol.asyncDispose]()
  await viewer.sees('spare')
  assert.equal(viewer.state, 'reading')
  viewer.close()
})

test('kill -9 of the gateway leaves no process behind, and a broadcast goes on after the start', async () => {
  await using origin = await VodOrigin.start({ content: await readFixture(filmFixture(30)), etag: '"film"' })
  const start = { stream_url: origin.url, segment_duration: 1, hls_list_size: 20 }
  interface Status {
    readonly ffmpeg_pid: number | null
    readonly status: string
    readonly current_segment_number: number
  }
  const status = async () => gateway.api.get<Status>('/broadcast/net/status')
  assert.equal((await gateway.api.call('POST', '/broadcast/net/start', start)).status, 200)
  await until(async () => (await status()).current_segment_number >= 2, { what: 'three segments' })
  const { ffmpeg_pid: pid, current_segment_number: number } = await status()
  assert.ok(pid !== null)
  await gateway.restart()
  await until(() => processIdentity(pid) === undefined, { what: 'the end of the ffmpeg of before' })
  await until(async () => (await status()).current_segment_number > number, { what: 'another segment' })
  const after = await status()
  assert.deepEqual([after.status, after.ffmpeg_pid === pid], ['running', false])
  const playlist = await (await fetch(`${gateway.url}/broadcast/net/live.m3u8`)).text()
  assert.equal(playlist.split('#EXT-X-DISCONTINUITY\n').length, 2, playlist)
  await gateway.api.call('DELETE', '/broadcast/net')
})
