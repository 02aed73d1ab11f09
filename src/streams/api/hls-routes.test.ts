import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readConfig } from '../../config/config.ts'
import { apiServer, TOKEN } from './api-server.fixture.ts'
import { requestOf } from './stream-request.ts'

async function withStream(options: Parameters<typeof apiServer>[0] = {}) {
  const { server, streams } = await apiServer(options)
  const { streamId } = await streams.create(requestOf('http://primary.example/playlist.m3u8', readConfig({})))
  return { server, streams, streamId }
}

test('a request below a stream reaches its HLS side with its path, its query and its client', async () => {
  const { server, streams, streamId } = await withStream()
  const url = `/m3u-proxy/hls/${streamId}/v/1/playlist.m3u8?client_id=player1&_HLS_msn=7&token=t&x=1&x=2`
  const answer = await server.app.inject({ url, headers: { 'user-agent': 'hls.js', 'x-username': 'anna' } })
  assert.equal(answer.statusCode, 200)
  const [request] = streams.hlsRequests
  assert.equal(request?.path, 'v/1/playlist.m3u8')
  assert.equal(request.streamId, streamId)
  assert.deepEqual(request.query, { client_id: 'player1', _HLS_msn: '7', token: 't', x: '2' })
  assert.deepEqual(request.carried, { client_id: 'player1', token: 't' })
  assert.equal(request.clientId, 'player1')
  assert.equal(request.userAgent, 'hls.js')
  assert.equal(request.username, 'anna')
})

test('a stream that is not there is not found, whatever the path', async () => {
  const { server, streams } = await withStream()
  for (const path of ['playlist.m3u8', 'segment.ts?url=http://127.0.0.1/x&client_id=a', '..%2f..%2fetc/passwd']) {
    const answer = await server.app.inject({ url: `/hls/nothing/${path}` })
    assert.equal(answer.statusCode, 404, path)
  }
  assert.deepEqual(streams.hlsRequests, [])
})

test('a URL in the query makes a stream for an operator, who is sent to where its playlist is', async () => {
  const { server, streams } = await withStream()
  const query = new URLSearchParams({ url: 'http://other.example/live.m3u8', client_id: 'a' }).toString()
  const answer = await server.app.inject({ url: `/hls/x/playlist.m3u8?${query}` })
  assert.equal(answer.statusCode, 307)
  const [made] = streams.list().filter(({ request }) => request.url.includes('other.example'))
  assert.equal(answer.headers.location, `../${made?.streamId}/playlist.m3u8?client_id=a`)
})

test('a URL in the query makes nothing for a stranger', async () => {
  const { server, streams } = await withStream({ mode: { kind: 'token', token: TOKEN } })
  const query = new URLSearchParams({ url: 'http://169.254.169.254/latest', client_id: 'a' }).toString()
  for (const path of ['playlist.m3u8', 'segment', 'segment.ts']) {
    const answer = await server.app.inject({ url: `/hls/x/${path}?${query}` })
    assert.equal(answer.statusCode, 404, path)
  }
  assert.equal(streams.list().length, 1)
  assert.deepEqual(streams.hlsRequests, [])
})

test('where viewers need a token, playlists and what they name do too', async () => {
  const { server, streamId } = await withStream({ mode: { kind: 'token', token: TOKEN }, requireViewerToken: true })
  for (const path of ['playlist.m3u8', 's/abc.ts']) {
    assert.equal((await server.app.inject({ url: `/hls/${streamId}/${path}` })).statusCode, 401, path)
  }
})
