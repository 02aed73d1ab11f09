import assert from 'node:assert/strict'
import { test } from 'node:test'
import { apiServer } from './api-server.fixture.ts'

/** Three streams of the playlist p1, oldest first, and one of p2; the first two of p1 are watched. */
async function withStreams() {
  const { server, streams } = await apiServer()
  const ids: string[] = []
  for (const [playlist, id] of [
    ['p1', 'a'],
    ['p1', 'b'],
    ['p1', 'c'],
    ['p2', 'd'],
  ]) {
    const payload = { url: `http://${id}.example/live/a.ts`, metadata: { playlist, id } }
    const created = await server.app.inject({ method: 'POST', url: '/streams', payload })
    ids.push(created.json<{ stream_id: string }>().stream_id)
  }
  streams.seat(ids[0] ?? '', 'one')
  streams.seat(ids[1] ?? '', 'two')
  streams.seat(ids[1] ?? '', 'three')
  const get = async (url: string) => (await server.app.inject({ url })).json<Record<string, unknown>>()
  const remove = async (url: string) =>
    (await server.app.inject({ method: 'DELETE', url })).json<Record<string, unknown>>()
  return { server, streams, ids, get, remove }
}

test('streams are found by metadata, by default only those that somebody watches', async () => {
  const { get, ids } = await withStreams()
  const active = await get('/streams/by-metadata?field=playlist&value=p1')
  assert.deepEqual(active['filter'], { field: 'playlist', value: 'p1' })
  assert.deepEqual([active['active_only'], active['total_matching'], active['total_clients']], [true, 2, 3])
  const matches = active['matching_streams'] as readonly { readonly stream_id: string }[]
  assert.deepEqual(
    matches.map(({ stream_id: streamId }) => streamId),
    ids.slice(0, 2),
  )
  const all = await get('/streams/by-metadata?field=playlist&value=p1&active_only=false')
  assert.deepEqual([all['total_matching'], all['total_clients']], [3, 3])
  assert.equal((await get('/streams/by-metadata?field=constructor&value=x'))['total_matching'], 0)
})

test('counts are given for every value that was asked for', async () => {
  const { get } = await withStreams()
  const answer = await get('/streams/counts-by-metadata?field=playlist&values=p1,%20p2,p3&active_only=false')
  assert.deepEqual(answer, { field: 'playlist', counts: { p1: 3, p2: 1, p3: 0 } })
  const active = await get('/streams/counts-by-metadata?field=playlist&values=p1,p2')
  assert.deepEqual(active['counts'], { p1: 2, p2: 0 })
})

test('a missing filter is 422 with its place in the query', async () => {
  const { server } = await withStreams()
  const answer = await server.app.inject({ url: '/streams/by-metadata?field=playlist' })
  assert.equal(answer.statusCode, 422)
  assert.deepEqual(answer.json(), { detail: [{ loc: ['query', 'value'], msg: 'Field required', type: 'missing' }] })
})

test('only the oldest matching stream ends, and not the excluded channel', async () => {
  const { remove, ids, streams } = await withStreams()
  const answer = await remove('/streams/oldest-by-metadata?field=playlist&value=p1&exclude_channel_id=a')
  assert.equal(answer['deleted_stream'], ids[1])
  assert.equal(answer['deleted_count'], 1)
  assert.equal(typeof answer['stream_age_seconds'], 'number')
  assert.equal(streams.list().length, 3)
  const none = await remove('/streams/oldest-by-metadata?field=playlist&value=nope')
  assert.deepEqual([none['deleted_stream'], none['deleted_count']], [null, 0])
})

test('every matching stream ends but the excluded channel', async () => {
  const { remove, ids, streams } = await withStreams()
  const answer = await remove('/streams/by-metadata?field=playlist&value=p1&exclude_channel_id=b')
  assert.deepEqual(answer['deleted_streams'], [ids[0], ids[2]])
  assert.deepEqual(answer['skipped_streams'], [{ stream_id: ids[1], reason: 'excluded_by_channel_id' }])
  assert.equal(answer['deleted_count'], 2)
  assert.equal(streams.list().length, 2)
})

test('without force a stream stays for those who still watch, and the client that leaves is let go', async () => {
  const { remove, ids, streams } = await withStreams()
  const answer = await remove('/streams/by-metadata?field=playlist&value=p1&force=false&client_id=two')
  assert.deepEqual(answer['deleted_streams'], [ids[2]])
  assert.deepEqual(
    streams.clients().map(({ clientId }) => clientId),
    ['one', 'three'],
  )
})
