import assert from 'node:assert/strict'
import { test } from 'node:test'
import { apiServer, TOKEN } from './api-server.fixture.ts'
import { FAKE_WALL_MS } from './fake-stream-service.fixture.ts'

const PRIMARY = 'http://user:secret@primary.example/live/stream.ts'
const BACKUPS = ['http://backup1.example/live/stream.ts', 'http://backup2.example/live/stream.ts']

async function withStream(fields: object = {}) {
  const { server, streams } = await apiServer()
  const payload = { url: PRIMARY, failover_urls: BACKUPS, ...fields }
  const created = await server.app.inject({ method: 'POST', url: '/streams', payload })
  const { stream_id: streamId } = created.json<{ stream_id: string }>()
  return { server, streams, created, streamId }
}

test('a created stream is answered with the peer fields and paths to play', async () => {
  const { created, streamId } = await withStream({ user_agent: 'Custom/1.0', metadata: { channel: 'ESPN' } })
  assert.equal(created.statusCode, 200)
  assert.deepEqual(created.json(), {
    stream_id: streamId,
    primary_url: PRIMARY,
    failover_urls: BACKUPS,
    user_agent: 'Custom/1.0',
    stream_type: 'direct',
    stream_endpoint: `/stream/${streamId}`,
    playlist_url: `/stream/${streamId}`,
    direct_url: `/stream/${streamId}`,
    hls_url: `/hls/${streamId}/playlist.m3u8`,
    ts_url: `/stream/${streamId}`,
    message: 'Stream created successfully (direct)',
    metadata: { channel: 'ESPN' },
  })
})

test('a playlist is answered as an hls stream, and without metadata there is none in the answer', async () => {
  const { created, streamId } = await withStream({ url: 'http://primary.example/playlist.m3u8' })
  const answer = created.json<Record<string, unknown>>()
  assert.equal(answer['stream_type'], 'hls')
  assert.equal(answer['stream_endpoint'], `/hls/${streamId}/playlist.m3u8`)
  assert.equal(answer['user_agent'], 'Default/1.0')
  assert.equal('metadata' in answer, false)
})

test('every path answers under the root path too, also with a slash behind it', async () => {
  const { server, streamId } = await withStream()
  for (const path of ['/streams', '/m3u-proxy/streams', '/m3u-proxy/streams/', `/m3u-proxy/streams/${streamId}`]) {
    const { statusCode } = await server.app.inject({ url: path })
    assert.equal(statusCode, 200, path)
  }
  assert.equal((await server.app.inject({ url: '/m3u-proxy' })).json<{ status: string }>().status, 'running')
  assert.equal((await server.app.inject({ url: '/m3u-proxyish/streams' })).statusCode, 404)
})

test('a stream is read with both of the indices that clients know', async () => {
  const { server, streams, streamId } = await withStream({ silence_duration: '2.5', strict_live_ts: 1 })
  streams.seat(streamId, 'vlc1')
  await server.app.inject({ method: 'POST', url: `/streams/${streamId}/failover` })
  streams.change(streamId, { lastFailoverWallMs: FAKE_WALL_MS })
  const answer = (await server.app.inject({ url: `/streams/${streamId}` })).json<{
    stream: Record<string, unknown>
    clients: readonly Record<string, unknown>[]
    client_count: number
  }>()
  assert.equal(answer.stream['failover_index'], 1)
  assert.equal(answer.stream['current_failover_index'], 0)
  assert.equal(answer.stream['original_url'], PRIMARY)
  assert.equal(answer.stream['current_url'], BACKUPS[0])
  assert.equal(answer.stream['last_failover_time'], '2026-01-02T03:04:05.678Z')
  assert.equal(answer.stream['stream_type'], 'Live Continuous')
  assert.equal(answer.stream['strict_live_ts'], true)
  assert.deepEqual(answer.stream['silence'], { silence_duration: 2.5 })
  assert.equal(answer.client_count, 1)
  assert.equal(answer.clients[0]?.['client_id'], 'vlc1')
})

test('a manual failover without a body answers as the quick reference shows', async () => {
  const { server, streams, streamId } = await withStream()
  streams.seat(streamId, 'one')
  const answer = await server.app.inject({ method: 'POST', url: `/streams/${streamId}/failover` })
  assert.equal(answer.statusCode, 200)
  assert.deepEqual(answer.json(), {
    message: 'Failover triggered successfully - all clients will seamlessly reconnect',
    new_url: BACKUPS[0],
    failover_index: 1,
    failover_attempts: 1,
    active_clients: 1,
    stream_type: 'Live Continuous',
  })
})

test('a failover goes to the index or URL that body or query name', async () => {
  const { server, streamId } = await withStream()
  const path = `/streams/${streamId}/failover`
  const requests = [
    { url: path, payload: { target: 2 }, index: 2 },
    { url: path, payload: { target: BACKUPS[0] }, index: 1 },
    { url: path, payload: { target: '2' }, index: 2 },
    { url: `${path}?target=0`, payload: {}, index: 0 },
    { url: `${path}?target=${encodeURIComponent(BACKUPS[1] ?? '')}`, index: 2 },
    { url: path, payload: '', headers: { 'content-type': 'application/x-www-form-urlencoded' }, index: 0 },
  ]
  for (const { index, ...request } of requests) {
    const answer = await server.app.inject({ method: 'POST', ...request })
    assert.equal(answer.json<{ failover_index: number }>().failover_index, index, JSON.stringify(request))
  }
})

test('a failover that cannot be is refused with the reason', async () => {
  const { server, streamId } = await withStream({ failover_urls: [] })
  const none = await server.app.inject({ method: 'POST', url: `/streams/${streamId}/failover` })
  assert.equal(none.statusCode, 400)
  assert.match(none.json<{ detail: string }>().detail, /No failover/)
  const unknown = await server.app.inject({ method: 'POST', url: '/streams/nope/failover' })
  assert.deepEqual([unknown.statusCode, unknown.json()], [404, { detail: 'Stream not found' }])
  for (const target of [-1, 1.5, true, [], {}]) {
    const answer = await server.app.inject({
      method: 'POST',
      url: `/streams/${streamId}/failover`,
      payload: { target },
    })
    assert.equal(answer.statusCode, 422, JSON.stringify(target))
  }
})

test('a deleted stream is gone, and deleting it again is 404', async () => {
  const { server, streamId } = await withStream()
  const url = `/streams/${streamId}`
  const first = await server.app.inject({ method: 'DELETE', url })
  assert.deepEqual([first.statusCode, first.json()], [200, { message: `Stream ${streamId} deleted` }])
  const second = await server.app.inject({ method: 'DELETE', url })
  assert.deepEqual([second.statusCode, second.json()], [404, { detail: 'Stream not found' }])
  assert.equal((await server.app.inject({ url })).statusCode, 404)
})

test('with viewer tokens the created stream hands out the token and only it opens the stream', async () => {
  const { server } = await apiServer({ mode: { kind: 'token', token: TOKEN }, requireViewerToken: true })
  const payload = { url: PRIMARY }
  const headers = { authorization: `Bearer ${TOKEN}` }
  const created = await server.app.inject({ method: 'POST', url: '/streams', payload, headers })
  const { stream_endpoint: endpoint, stream_id: streamId } = created.json<{
    stream_endpoint: string
    stream_id: string
  }>()
  assert.match(endpoint, /^\/stream\/[0-9a-f]{32}\?token=[0-9a-f]{32}$/)
  assert.equal((await server.app.inject({ url: endpoint })).statusCode, 200)
  assert.equal((await server.app.inject({ url: endpoint.replace('?', '.ts?') })).statusCode, 200)
  assert.equal((await server.app.inject({ url: `/stream/${streamId}`, headers })).statusCode, 200)
  assert.equal((await server.app.inject({ url: `/stream/${streamId}` })).statusCode, 401)
  assert.equal((await server.app.inject({ url: `/stream/${streamId}?token=${'0'.repeat(32)}` })).statusCode, 403)
})
