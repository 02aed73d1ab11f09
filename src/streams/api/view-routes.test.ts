import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AccessMode } from '../../http/access.ts'
import { apiServer, TOKEN } from './api-server.fixture.ts'

const SOURCE = 'http://primary.example/live/stream.ts'

async function withStream(options: Parameters<typeof apiServer>[0] = {}, url = SOURCE) {
  const { server, streams } = await apiServer(options)
  const headers = { 'x-api-token': TOKEN }
  const created = await server.app.inject({ method: 'POST', url: '/streams', payload: { url }, headers })
  return { server, streams, streamId: created.json<{ stream_id: string }>().stream_id }
}

test('media comes without a token, by GET and HEAD, readable by every page', async () => {
  const { server, streams, streamId } = await withStream({ mode: { kind: 'token', token: TOKEN } })
  for (const method of ['GET', 'HEAD'] as const) {
    const answer = await server.app.inject({ method, url: `/stream/${streamId}?client_id=vlc1` })
    assert.equal(answer.statusCode, 200)
    assert.equal(answer.headers['content-type'], 'video/mp2t')
    assert.equal(answer.headers['access-control-allow-origin'], '*')
  }
  assert.deepEqual(
    streams.views.map(({ streamId: id, clientId }) => [id, clientId]),
    [
      [streamId, 'vlc1'],
      [streamId, 'vlc1'],
    ],
  )
})

test('a file extension behind the id is ignored', async () => {
  const { server, streamId } = await withStream()
  assert.equal((await server.app.inject({ url: `/stream/${streamId}.ts` })).body, 'media')
  assert.equal((await server.app.inject({ url: `/m3u-proxy/stream/${streamId}.ts` })).body, 'media')
})

test('an unknown stream is 404 in the words of the peer', async () => {
  const { server } = await withStream()
  for (const id of ['nope', 'nope.ts', 'x'.repeat(500), '..%2f..%2fetc%2fpasswd']) {
    const answer = await server.app.inject({ url: `/stream/${id}` })
    assert.deepEqual([answer.statusCode, answer.json()], [404, { detail: 'Stream not found' }], id)
  }
})

test('a stream that cannot start answers with a status and without the credentials of its source', async () => {
  const { server, streamId } = await withStream({}, 'http://unreachable.example/a.ts')
  const answer = await server.app.inject({ url: `/stream/${streamId}` })
  assert.equal(answer.statusCode, 502)
  assert.doesNotMatch(answer.body, /user|pass/)
})

test('a client id of 128 characters is taken, one more is 422, none leaves it to the service', async () => {
  const { server, streams, streamId } = await withStream()
  const get = (query: string) => server.app.inject({ url: `/stream/${streamId}?${query}` })
  assert.equal((await get(`client_id=${'x'.repeat(128)}`)).statusCode, 200)
  assert.equal((await get(`client_id=${'x'.repeat(129)}`)).statusCode, 422)
  assert.equal((await get('')).statusCode, 200)
  assert.deepEqual(
    streams.views.map(({ clientId }) => clientId?.length),
    [128, undefined],
  )
})

test('the forwarded address counts only where the proxy is trusted', async () => {
  const headers = { 'x-forwarded-for': '198.51.100.7, 10.0.0.1' }
  for (const [trustProxy, expected] of [
    [false, '127.0.0.1'],
    [true, '198.51.100.7'],
  ] as const) {
    const { server, streams, streamId } = await withStream({ trustProxy })
    await server.app.inject({ url: `/stream/${streamId}`, headers })
    assert.equal(streams.views[0]?.ipAddress, expected)
  }
})

test('the user name comes from the header or from any of its query names, shortened', async () => {
  const { server, streams, streamId } = await withStream()
  const get = (query: string, headers = {}) => server.app.inject({ url: `/stream/${streamId}?${query}`, headers })
  await get('username=ann')
  await get('user=ben')
  await get('u=cat')
  await get('u=cat', { 'x-username': 'dan' })
  await get(`u=${'x'.repeat(1000)}`)
  await get('')
  assert.deepEqual(
    streams.views.map(({ username }) => (username !== undefined && username.length > 10 ? username.length : username)),
    ['ann', 'ben', 'cat', 'dan', 256, undefined],
  )
})

test('a URL in the query is fetched for operators only, for others there is no such stream', async () => {
  const path = `/stream/any?url=${encodeURIComponent('http://other.example/live/a.ts')}`
  const token: AccessMode = { kind: 'token', token: TOKEN }
  const cases: readonly (readonly [AccessMode, Record<string, string>, number])[] = [
    [token, {}, 404],
    [token, { 'x-api-token': 'wrong' }, 404],
    [token, { 'x-api-token': TOKEN }, 200],
    [{ kind: 'loopback' }, {}, 200],
    [{ kind: 'loopback' }, { host: 'evil.example' }, 404],
    [{ kind: 'loopback' }, { 'sec-fetch-site': 'cross-site' }, 404],
    [{ kind: 'off' }, { origin: 'http://evil.example' }, 404],
  ]
  for (const [mode, headers, status] of cases) {
    const { server, streams } = await withStream({ mode })
    const before = streams.list().length
    const answer = await server.app.inject({ url: path, headers })
    assert.equal(answer.statusCode, status, JSON.stringify([mode, headers]))
    if (status === 404) assert.deepEqual(answer.json(), { detail: 'Stream not found' })
    assert.equal(streams.list().length, before + (status === 200 ? 1 : 0))
  }
})

test('without a token a URL in the query is not fetched for another machine, whatever it says of itself', async () => {
  const { server, streams } = await apiServer({ mode: { kind: 'off' }, trustProxy: true })
  const url = `/stream/any?url=${encodeURIComponent(SOURCE)}`
  const headers = { 'x-forwarded-for': '127.0.0.1' }
  const answer = await server.app.inject({ url, headers, remoteAddress: '203.0.113.9' })
  assert.equal(answer.statusCode, 404)
  assert.equal(streams.list().length, 0)
})

test('a URL in the query is held to the same rules, and does not change the stream that has it', async () => {
  const { server, streams, streamId } = await withStream()
  const backup = 'http://backup.example/a.ts'
  await server.app.inject({ method: 'POST', url: '/streams', payload: { url: SOURCE, failover_urls: [backup] } })
  for (const bad of ['file:///etc/passwd', 'javascript:alert(1)', `http://a.example/${'x'.repeat(9000)}`]) {
    const answer = await server.app.inject({ url: `/stream/any?url=${encodeURIComponent(bad)}` })
    assert.equal(answer.statusCode, 422, bad.slice(0, 40))
    assert.deepEqual(answer.json<{ detail: readonly { loc: unknown }[] }>().detail[0]?.loc, ['query', 'url'])
  }
  const answer = await server.app.inject({ url: `/stream/any?url=${encodeURIComponent(SOURCE)}` })
  assert.equal(answer.statusCode, 200)
  assert.equal(streams.views.at(-1)?.streamId, streamId)
  assert.deepEqual(streams.get(streamId)?.request.failoverUrls, [backup])
})
