import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import { parseMediaPlaylist } from '../../src/hls/parse-playlist.ts'
import { describeViolations } from '../../src/hls/violation.ts'
import { BroadcastRoom } from '../lab/broadcast-room.ts'
import { JsonReceiver } from '../lab/json-receiver.ts'
import { filmFixture, readFixture, runTool } from '../lab/media.ts'
import { until } from '../lab/poll.ts'
import { VodOrigin } from '../lab/vod-origin.ts'

const FILM_SECONDS = 30
/** What ffmpeg keeps of a file that it writes, where it is not told to flush. */
const FFMPEG_BUFFER_BYTES = 262_144
const film = async () => VodOrigin.start({ content: await readFixture(filmFixture(FILM_SECONDS)), etag: '"film"' })

const PROGRAMME = { segment_duration: 1, hls_list_size: 4 }

/** Segments of the playlist, read until it has `count` of them or more, each reading judged. */
async function untilSegments(room: BroadcastRoom, networkId: string, end: number): Promise<void> {
  await until(
    async () => {
      const { mediaSequence, segments } = parseMediaPlaylist(await room.playlist(networkId))
      return mediaSequence + segments.length >= end
    },
    { what: `segment ${end}`, deadlineMs: 25_000 },
  )
}

function assertLegal(room: BroadcastRoom): void {
  assert.equal(describeViolations(room.violations), '')
}

test('programmes follow each other on one network, and the playlist is legal throughout', async () => {
  await using room = await BroadcastRoom.open()
  await using origin = await film()
  const start = { ...PROGRAMME, stream_url: origin.url, segment_start_number: 500 }
  const first = await room.json('POST', '/broadcast/net-1/start', start)
  assert.deepEqual([first['http'], first['network_id'], first['status']], [200, 'net-1', 'running'])
  assert.equal(typeof first['ffmpeg_pid'], 'number')
  await untilSegments(room, 'net-1', 503)
  const second = await room.json('POST', '/broadcast/net-1/start', {
    ...start,
    seek_seconds: 10,
    segment_start_number: 0,
  })
  assert.equal(second['http'], 200)
  assert.notEqual(second['ffmpeg_pid'], first['ffmpeg_pid'])
  await untilSegments(room, 'net-1', 508)
  const stopped = await room.json('POST', '/broadcast/net-1/stop')
  assert.deepEqual([stopped['status'], stopped['network_id']], ['stopped', 'net-1'])
  assert.ok(Number(stopped['final_segment_number']) >= 507)
  const playlist = parseMediaPlaylist(await room.playlist('net-1'))
  assert.equal(playlist.hasEndList, false)
  const discontinuities = playlist.segments.filter(({ isDiscontinuity }) => isDiscontinuity).length
  assert.equal(playlist.discontinuitySequence + discontinuities, 1)
  assertLegal(room)
  // What is there is media of one piece, from tables to the end.
  const { stderr } = await runTool('ffprobe', ['-v', 'error', '-i', room.playlistUrl('net-1'), '-show_streams'])
  assert.equal(stderr, '')
  await until(() => room.processes.running() === 0, { what: 'the end of ffmpeg' })
  const status = await room.json('GET', '/broadcast/net-1/status')
  assert.deepEqual([status['status'], status['ffmpeg_pid'], status['error_message']], ['stopped', null, null])
  assert.ok(Number(status['bytes_written']) > 100_000)
  const listed = await room.json('GET', '/broadcast')
  assert.equal(listed['count'], 1)
  assert.ok(existsSync(String(status['hls_dir'])))
  await room.json('DELETE', '/broadcast/net-1')
  assert.equal((await room.ask('GET', '/broadcast/net-1/live.m3u8')).status, 404)
  assert.equal(existsSync(String(status['hls_dir'])), false)
})

test('the end of a programme is told to its owner, who need not answer at once', async () => {
  await using room = await BroadcastRoom.open()
  await using origin = await film()
  let refusals = 1
  await using owner = await JsonReceiver.start(() => {
    refusals -= 1
    return { status: refusals >= 0 ? 503 : 200 }
  })
  const metadata = { programme: 12 }
  const request = { ...PROGRAMME, stream_url: origin.url, duration_seconds: 2, callback_url: owner.url, metadata }
  await room.json('POST', '/broadcast/net/start', { ...request, dvr_mode: true })
  await until(() => owner.received.length === 2, { what: 'the second attempt', deadlineMs: 20_000 })
  const body = owner.received[1]?.body as Record<string, unknown>
  assert.deepEqual([body['event'], body['network_id'], body['metadata']], ['programme_ended', 'net', metadata])
  const data = body['data'] as Record<string, number>
  assert.deepEqual([data['exit_code'], data['final_segment_number']], [0, 1])
  assert.ok(Math.abs((data['duration_streamed'] ?? 0) - 2) < 0.2, JSON.stringify(data))
  // A recording is complete then, and has everything.
  const playlist = parseMediaPlaylist(await room.playlist('net'))
  assert.deepEqual([playlist.hasEndList, playlist.segments.length], [true, 2])
  assertLegal(room)
})

test('after a restart a programme goes on at its place, and its numbers too', async () => {
  await using room = await BroadcastRoom.open()
  await using origin = await film()
  await room.json('POST', '/broadcast/net/start', { ...PROGRAMME, stream_url: origin.url })
  await untilSegments(room, 'net', 3)
  await room.restart()
  await untilSegments(room, 'net', 7)
  const playlist = parseMediaPlaylist(await room.playlist('net'))
  const marks = playlist.segments.filter(({ isDiscontinuity }) => isDiscontinuity).length
  assert.equal(playlist.discontinuitySequence + marks, 1)
  assertLegal(room)
})

test('kill -9 of ffmpeg costs a pause, and a source that fails is gone on from with the next', async () => {
  await using room = await BroadcastRoom.open()
  await using origin = await film()
  await using broken = await VodOrigin.start({
    content: Buffer.from('<html>not a film</html>'),
    contentType: 'text/html',
  })
  const urls = { stream_url: broken.url, failover_urls: [origin.url] }
  const started = await room.json('POST', '/broadcast/net/start', { ...PROGRAMME, ...urls })
  assert.deepEqual([started['http'], started['status']], [200, 'running'])
  await untilSegments(room, 'net', 2)
  const { ffmpeg_pid: pid } = await room.json('GET', '/broadcast/net/status')
  process.kill(Number(pid), 'SIGKILL')
  await until(async () => (await room.playlist('net')).includes('run3_'), {
    ...{ what: 'segments of the third ffmpeg', deadlineMs: 25_000 },
  })
  assertLegal(room)
})

test('a start that fails is answered with the reason', async () => {
  await using room = await BroadcastRoom.open()
  await using owner = await JsonReceiver.start()
  const request = { ...PROGRAMME, stream_url: 'http://127.0.0.1:9/film.mp4', callback_url: owner.url }
  const answer = await room.json('POST', '/broadcast/net/start', request)
  assert.equal(answer['http'], 500, JSON.stringify(answer))
  await until(() => owner.received.length === 1, { what: 'the callback', deadlineMs: 20_000 })
  assert.partialDeepStrictEqual(owner.received[0]?.body, { network_id: 'net', event: 'broadcast_failed' })
  const status = await room.json('GET', '/broadcast/net/status')
  assert.equal(status['status'], 'failed')
  assert.match(String(status['error_message']), /502|Server returned/)
})

/** A film as HLS with a master playlist and encrypted segments, below one address; `requests` are the paths asked for. */
async function serveHlsFilm(directory: string): Promise<AsyncDisposable & { url: string; requests: string[] }> {
  writeFileSync(join(directory, 'the.key'), Buffer.alloc(16, 7))
  writeFileSync(join(directory, 'key-info'), `keys/the.key?a=1\n${join(directory, 'the.key')}\n`)
  const path = await filmFixture(FILM_SECONDS)
  const cut = ['-c', 'copy', '-hls_time', '2', '-hls_playlist_type', 'vod', '-hls_key_info_file', 'key-info']
  execFileSync('ffmpeg', ['-v', 'error', '-i', path, ...cut, '-f', 'hls', 'media.m3u8'], { cwd: directory })
  writeFileSync(join(directory, 'master.m3u8'), '#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nmedia.m3u8?token=x\n')
  const requests: string[] = []
  const server = createHttpServer((request, response) => {
    const name = basename(new URL(request.url ?? '', 'http://h').pathname)
    requests.push(request.url ?? '')
    if (name === 'elsewhere.mp4') {
      response.writeHead(302, { location: `http://localhost:${request.socket.localPort}/media0.ts` }).end()
    } else response.end(readFileSync(join(directory, name)))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  return {
    ...{ requests, url: `http://user:word@127.0.0.1:${address.port}/master.m3u8` },
    [Symbol.asyncDispose]: async () => {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

test('an encrypted HLS film is played from its middle, through the gateway alone', async () => {
  await using room = await BroadcastRoom.open()
  const directory = join(room.directory, 'film')
  mkdirSync(directory)
  await using origin = await serveHlsFilm(directory)
  const answer = await room.json('POST', '/broadcast/net/start', {
    ...PROGRAMME,
    stream_url: origin.url,
    seek_seconds: 15,
  })
  assert.deepEqual([answer['http'], answer['status']], [200, 'running'], JSON.stringify(answer))
  await untilSegments(room, 'net', 2)
  const { ffmpeg_pid: pid } = await room.json('GET', '/broadcast/net/status')
  const commandLine = readFileSync(`/proc/${String(pid)}/cmdline`, 'utf8')
  assert.ok(!commandLine.includes('word') && !commandLine.includes(new URL(origin.url).port), commandLine)
  assert.ok(
    origin.requests.some((path) => path.endsWith('/keys/the.key?a=1')),
    origin.requests.join(),
  )
  assert.ok(!origin.requests.some((path) => path.endsWith('media3.ts')), origin.requests.join())
  assertLegal(room)
  await room.json('POST', '/broadcast/net/stop')
  // Another name of this machine, which nobody but the source named.
  const url = origin.url.replace('master.m3u8', 'elsewhere.mp4')
  await room.json('POST', '/broadcast/away/start', { ...PROGRAMME, stream_url: url })
  await until(async () => (await room.json('GET', '/broadcast/away/status'))['status'] === 'failed', {
    what: 'the failure',
    deadlineMs: 20_000,
  })
  const asked = origin.requests.slice(origin.requests.indexOf('/elsewhere.mp4'))
  assert.deepEqual([...new Set(asked)], ['/elsewhere.mp4'])
})

test('a transcoded programme has its size, its codecs and segments of their length', async () => {
  await using room = await BroadcastRoom.open()
  await using origin = await film()
  const encoding = { transcode: true, video_resolution: '160x90', video_bitrate: '200k', preset: 'ultrafast' }
  await room.json('POST', '/broadcast/net/start', {
    ...PROGRAMME,
    ...encoding,
    stream_url: origin.url,
    segment_duration: 2,
  })
  await untilSegments(room, 'net', 2)
  const { segments } = parseMediaPlaylist(await room.playlist('net'))
  for (const { durationS } of segments) assert.ok(Math.abs(durationS - 2) < 0.1, String(durationS))
  const shown = [
    '-v',
    'error',
    '-select_streams',
    'v',
    '-show_entries',
    'stream=width,height,codec_name',
    '-of',
    'csv=p=0',
  ]
  const { stdout } = await runTool('ffprobe', [...shown, room.playlistUrl('net')])
  assert.match(stdout, /h264,160,90/)
  assertLegal(room)
})

test('a segment is on disk as it is made, so that one that is listed is complete however small it is', async () => {
  await using room = await BroadcastRoom.open()
  await using origin = await film()
  const small = { transcode: true, video_resolution: '160x90', video_bitrate: '100k', preset: 'ultrafast' }
  const request = { ...PROGRAMME, ...small, stream_url: origin.url, segment_duration: 60 }
  const { hls_dir: directory } = await room.json('POST', '/broadcast/net/start', request)
  const sizeOnDisk = () =>
    readdirSync(String(directory)).reduce((sum, name) => sum + statSync(join(String(directory), name)).size, 0)
  await until(() => sizeOnDisk() > 0, { what: 'the beginning of the segment', deadlineMs: 25_000 })
  assert.ok(sizeOnDisk() < FFMPEG_BUFFER_BYTES, 'it came when ffmpeg had a buffer full of it')
})

test('one network that starts slowly holds up no other, and there is a limit', async () => {
  await using room = await BroadcastRoom.open()
  await using origin = await film()
  await using silent = await JsonReceiver.start(() => 'never')
  let isSlowAnswered = false
  const slow = room.json('POST', '/broadcast/slow/start', { ...PROGRAMME, stream_url: `${silent.url}.mp4` }).then(
    () => (isSlowAnswered = true),
    () => (isSlowAnswered = true),
  )
  await until(() => silent.received.length > 0, { what: 'the slow one at its source' })
  const quick = await room.json('POST', '/broadcast/quick/start', { ...PROGRAMME, stream_url: origin.url })
  assert.deepEqual([quick['http'], quick['status']], [200, 'running'])
  assert.equal((await room.json('GET', '/broadcast/slow/status'))['status'], 'starting')
  assert.equal(isSlowAnswered, false)
  const more = await room.json('POST', '/broadcast/more/start', { ...PROGRAMME, stream_url: origin.url })
  assert.equal(more['http'], 503)
  assert.equal((await room.json('GET', '/broadcast/more/status'))['http'], 404)
  await room[Symbol.asyncDispose]()
  await slow
})

test('a start of which nothing is known when the grace is over is answered as starting', async () => {
  await using room = await BroadcastRoom.open({ startGraceS: 0.2 })
  await using silent = await JsonReceiver.start(() => 'never')
  const answer = await room.json('POST', '/broadcast/net/start', { ...PROGRAMME, stream_url: `${silent.url}.mp4` })
  assert.deepEqual([answer['http'], answer['status']], [200, 'starting'])
})

test('what a client names is neither read nor run', async () => {
  await using room = await BroadcastRoom.open()
  await using origin = await film()
  await room.json('POST', '/broadcast/net/start', { ...PROGRAMME, stream_url: origin.url })
  await untilSegments(room, 'net', 1)
  for (const path of [
    '/broadcast/net/segment/..%2f..%2fledger',
    '/broadcast/net/segment/%2fetc%2fpasswd',
    '/broadcast/net/segment/run1_999999.ts',
    '/broadcast/..%2fnet/live.m3u8',
    '/broadcast/other/segment/run1_000000.ts',
  ]) {
    const { status } = await room.ask('GET', path)
    assert.ok(status === 404 || status === 422, `${path}: ${status}`)
  }
  for (const wrong of [
    { stream_url: 'file:///etc/passwd' },
    { stream_url: 'concat:/etc/passwd' },
    { stream_url: 'udp://239.1.1.1:1234' },
    { stream_url: 'pipe:0' },
    { video_codec: 'libx264 -f null' },
    { transcode: true, preset: '../x' },
    { video_resolution: '1x1,movie=/etc/passwd' },
    { video_bitrate: '1M -i /etc/passwd' },
    { hwaccel: '/dev/x' },
    { segment_duration: 0 },
    { hls_list_size: 1e9 },
    { callback_url: 'file:///etc/passwd' },
    { headers: { 'X-A': 'b\r\nc: d' } },
  ]) {
    const answer = await room.json('POST', '/broadcast/bad/start', { stream_url: origin.url, ...wrong })
    assert.equal(answer['http'], 422, JSON.stringify([wrong, answer]))
  }
  assert.equal(existsSync(join(room.directory, 'broadcasts', 'bad')), false)
})
