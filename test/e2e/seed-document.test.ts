import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { GatewayProcess } from '../lab/gateway-process.ts'
import { loadTsMedia } from '../lab/hls-media.ts'
import { HlsOrigin } from '../lab/hls-origin.ts'
import { JsonReceiver } from '../lab/json-receiver.ts'
import { until } from '../lab/poll.ts'
import { Scene } from '../lab/scene.ts'
import { unhurried } from '../lab/unhurried.ts'

/** The lines of the Failover Quick Reference, run as they stand there with curl and jq. */

const TOKEN = 'your-token'
/** Ends a line that hangs; an encoder that has little of the processor takes its time for the first media. */
const SHELL_TIMEOUT_MS = 60_000
const run = promisify(execFile)
let gateway: GatewayProcess
before(async () => {
  gateway = await GatewayProcess.start({ env: { ...unhurried, API_TOKEN: TOKEN }, token: TOKEN })
})
after(async () => await gateway[Symbol.asyncDispose]())

/** Runs a line of the document with its host and ids put in. */
async function shell(line: string, streamId = ''): Promise<string> {
  const command = line
    .replaceAll('http://localhost:8085', gateway.url)
    .replaceAll('{stream_id}', streamId)
    .replaceAll('your-stream-id', streamId)
    .replaceAll('"xxx"', `"${streamId}"`)
  const { stdout } = await run('bash', ['-c', `set -o pipefail; ${command}`], { timeout: SHELL_TIMEOUT_MS })
  return stdout
}

const AUTHORIZED = '-H "Authorization: Bearer your-token"'

test('a direct stream is created as the document shows', async () => {
  const output = await shell(`curl -sS -X POST "http://localhost:8085/streams" -H "Content-Type: application/json" \
    ${AUTHORIZED} -d '{
    "url": "http://primary-source.com/live/stream.ts",
    "failover_urls": ["http://backup1.com/live/stream.ts","http://backup2.com/live/stream.ts","http://backup3.com/live/stream.ts"],
    "user_agent": "Custom-Agent/1.0",
    "metadata": {"channel": "ESPN","category": "sports"}}'`)
  const created = JSON.parse(output) as Readonly<Record<string, unknown>>
  assert.match(String(created['stream_id']), /^[0-9a-f]{32}$/)
  assert.equal(created['primary_url'], 'http://primary-source.com/live/stream.ts')
  assert.deepEqual((created['failover_urls'] as readonly string[]).length, 3)
  assert.equal(created['stream_type'], 'direct')
  assert.deepEqual(created['metadata'], { channel: 'ESPN', category: 'sports' })
})

async function created(path: string, body: string): Promise<Readonly<Record<string, unknown>>> {
  const output = await shell(`curl -sS -X POST "http://localhost:8085${path}" \
    -H "Content-Type: application/json" ${AUTHORIZED} -d '${body}'`)
  return JSON.parse(output) as Readonly<Record<string, unknown>>
}

test('an HLS stream is created, played at the address of the document, and moved by hand', async () => {
  const media = async (source: string) => await loadTsMedia({ source, programme: 'alpha' })
  await using primary = await HlsOrigin.start({ renditions: [{ name: 'main', media: await media('primary') }] })
  await using backup = await HlsOrigin.start({ renditions: [{ name: 'main', media: await media('backup') }] })
  const stream = await created('/streams', `{"url":"${primary.url}","failover_urls":["${backup.url}"]}`)
  assert.equal(stream['stream_type'], 'hls')
  const streamId = String(stream['stream_id'])
  assert.equal(stream['stream_endpoint'], `/hls/${streamId}/playlist.m3u8`)
  const playlist = await shell(
    `curl -sS "http://localhost:8085/hls/{stream_id}/playlist.m3u8?client_id=player1"`,
    streamId,
  )
  assert.match(playlist, /^#EXTM3U\n/)
  const [segment] = /^[^#].*client_id=player1$/m.exec(playlist) ?? []
  const bytes = await shell(`curl -sS "http://localhost:8085/hls/{stream_id}/${segment}" | wc -c`, streamId)
  assert.ok(Number(bytes) > 10_000 && Number(bytes) % 188 === 0, `${bytes} bytes are whole packets`)
  const answer = JSON.parse(
    await shell(`curl -sS -X POST "http://localhost:8085/streams/{stream_id}/failover" ${AUTHORIZED}`, streamId),
  ) as Readonly<Record<string, unknown>>
  assert.equal(answer['new_url'], backup.url)
  assert.equal(answer['stream_type'], 'HLS')
  assert.equal(answer['active_clients'], 1)
  await gateway.api.call('DELETE', `/streams/${streamId}`)
})

test('a transcoded stream is created with the body of the document, and plays', async () => {
  await using scene = await Scene.open({ gateway, origins: [{ name: 'primary' }, { name: 'backup' }] })
  const [primary, backup] = scene.origins
  const stream = await created(
    '/transcode',
    `{"url":"${primary?.url}","failover_urls":["${backup?.url}"],"profile":"720p","output_format":"ts"}`,
  )
  const streamId = String(stream['stream_id'])
  const bytes = await shell(
    `(curl -s "http://localhost:8085/stream/{stream_id}" || true) | head -c 188000 | wc -c`,
    streamId,
  )
  assert.equal(Number(bytes), 188_000)
  await shell(`curl -sS -X DELETE "http://localhost:8085/streams/{stream_id}" ${AUTHORIZED}`, streamId)
})

test('a manual failover with curl answers as in the document', async () => {
  await using scene = await Scene.open({ gateway, origins: [{ name: 'primary' }, { name: 'backup' }] })
  const viewer = await scene.watching()
  const output = await shell(
    `curl -sS -X POST "http://localhost:8085/streams/{stream_id}/failover" ${AUTHORIZED}`,
    scene.streamId,
  )
  assert.deepEqual(JSON.parse(output), {
    message: 'Failover triggered successfully - all clients will seamlessly reconnect',
    new_url: scene.origin(1).url,
    failover_index: 1,
    failover_attempts: 1,
    active_clients: 1,
    stream_type: 'Live Continuous',
  })
  await viewer.sees(scene.origin(1).name)

  const selected = await shell(
    `curl -sS "http://localhost:8085/stats/detailed" ${AUTHORIZED} | jq '.streams[] | select(.stream_id == "your-stream-id")'`,
    scene.streamId,
  )
  const stream = JSON.parse(selected) as Readonly<Record<string, unknown>>
  assert.equal(stream['stream_id'], scene.streamId)
  assert.equal(stream['original_url'], scene.origin(0).url)
  assert.equal(stream['current_url'], scene.origin(1).url)
  assert.equal(stream['has_failover'], true)
  assert.equal(stream['failover_attempts'], 1)
  assert.match(String(stream['last_failover_time']), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/)

  const hasFailover = await shell(
    `curl -sS "http://localhost:8085/stats/detailed" ${AUTHORIZED} | jq '.streams[] | select(.stream_id == "xxx") | .has_failover'`,
    scene.streamId,
  )
  assert.equal(hasFailover.trim(), 'true')
})

test('a webhook with the names of the document is registered and called', async () => {
  await using receiver = await JsonReceiver.start()
  const output = await shell(`curl -sS -X POST "http://localhost:8085/webhooks" -H "Content-Type: application/json" \
    ${AUTHORIZED} -d '{"url": "${receiver.url}","events": ["FAILOVER_TRIGGERED", "STREAM_FAILED"]}'`)
  const registered = JSON.parse(output) as Readonly<Record<string, unknown>>
  assert.equal(registered['webhook_url'], receiver.url)
  await using scene = await Scene.open({ gateway, origins: [{ name: 'primary' }, { name: 'backup' }] })
  await scene.watching()
  await gateway.api.failover(scene.streamId)
  interface Payload {
    readonly stream_id: string
    readonly event_type: string
    readonly data: Readonly<Record<string, unknown>>
  }
  const payloads = () => receiver.received.map(({ body }) => body as Payload)
  const payload = await until(() => payloads().find(({ stream_id: id }) => id === scene.streamId), {
    what: 'the delivery',
  })
  assert.equal(payload.event_type, 'FAILOVER_TRIGGERED')
  for (const field of ['old_url', 'new_url', 'failover_index', 'attempt_number', 'reason', 'client_count']) {
    assert.ok(field in payload.data, field)
  }
  assert.equal(payload.data['reason'], 'manual')
})

test('the log holds what the document says to look for', async () => {
  await using scene = await Scene.open({ gateway, origins: [{ name: 'primary' }, { name: 'backup' }] })
  await scene.watching()
  const before = gateway.logs.length
  await gateway.api.failover(scene.streamId)
  await until(() => gateway.logs.slice(before).some((line) => /failover/i.test(JSON.stringify(line))), {
    what: 'a line about the failover',
  })
})

test('a player may call itself anything, in either way of watching', async () => {
  await using scene = await Scene.open({ gateway, origins: [{ name: 'primary' }] })
  for (const name of ['Küche 📺', 'a"\r\nSet-Cookie: b']) {
    const query = `?client_id=${encodeURIComponent(name)}`
    const viewer = await scene.watching({ query })
    assert.equal(decodeURIComponent(String(viewer.headers['x-client-id'])), name)
    assert.equal(viewer.headers['x-stream-id'], scene.streamId)
    const playlist = await fetch(`${gateway.url}/hls/${scene.streamId}/playlist.m3u8${query}`)
    assert.equal(playlist.status, 200)
    assert.equal(decodeURIComponent(playlist.headers.get('x-client-id') ?? ''), name)
    assert.equal(playlist.headers.get('x-stream-id'), scene.streamId)
    assert.equal(playlist.headers.get('set-cookie'), null)
  }
})

test('client ids of players come back in the list of clients', async () => {
  await using scene = await Scene.open({ gateway, origins: [{ name: 'primary' }] })
  const viewer = await scene.watching({ query: '?client_id=vlc1' })
  assert.equal(viewer.headers['x-client-id'], 'vlc1')
  const { clients } = await gateway.api.get<{ clients: readonly { client_id: string }[] }>(`/streams/${scene.streamId}`)
  assert.deepEqual(
    clients.map(({ client_id }) => client_id),
    ['vlc1'],
  )
  const url = `"http://localhost:8085/hls/{stream_id}/clients/vlc1"`
  const output = await shell(`curl -sS -o /dev/null -w '%{http_code}' -X DELETE ${url} ${AUTHORIZED}`, scene.streamId)
  assert.ok(['200', '501'].includes(output), output)
})
