import assert from 'node:assert/strict'
import { test } from 'node:test'
import { apiServer } from './api-server.fixture.ts'
import { FAKE_WALL_MS } from './fake-stream-service.fixture.ts'

async function withFailedOverStream() {
  const { server, streams } = await apiServer()
  const payload = { url: 'http://a.example/live/a.ts', failover_urls: ['http://b.example/live/a.ts'] }
  const created = await server.app.inject({ method: 'POST', url: '/streams', payload })
  const { stream_id: streamId } = created.json<{ stream_id: string }>()
  streams.seat(streamId, 'one')
  streams.seat(streamId, 'two')
  await server.app.inject({ method: 'POST', url: `/streams/${streamId}/failover` })
  const [primary, backup] = streams.get(streamId)?.sources ?? []
  assert.ok(primary !== undefined && backup !== undefined)
  streams.change(streamId, {
    lastFailoverWallMs: FAKE_WALL_MS,
    errorCount: 2,
    sources: [{ ...primary, health: 'unhealthy', lastFailureReason: 'refused' }, backup],
  })
  const get = async (url: string) => (await server.app.inject({ url })).json<Record<string, unknown>>()
  return { server, streamId, get }
}

test('detailed stats carry every field that the quick reference reads with jq', async () => {
  const { get, streamId } = await withFailedOverStream()
  const detailed = await get('/stats/detailed')
  const [stream] = detailed['streams'] as readonly Record<string, unknown>[]
  const wanted = {
    stream_id: streamId,
    original_url: 'http://a.example/live/a.ts',
    current_url: 'http://b.example/live/a.ts',
    has_failover: true,
    failover_urls: ['http://b.example/live/a.ts'],
    failover_attempts: 1,
    failover_index: 1,
    last_failover_time: '2026-01-02T03:04:05.678Z',
  }
  assert.deepEqual(Object.fromEntries(Object.keys(wanted).map((name) => [name, stream?.[name]])), wanted)
  assert.deepEqual([detailed['stream_count'], detailed['client_count']], [1, 2])
})

test('detailed stats are numbers of this gateway, not empty objects', async () => {
  const { get } = await withFailedOverStream()
  const detailed = await get('/stats/detailed')
  assert.deepEqual(detailed['connection_pool_stats'], {
    upstream_connections: 1,
    bytes_received: 500,
    viewers_per_upstream: 2,
  })
  assert.deepEqual(detailed['failover_stats'], {
    total_switches: 3,
    total_failover_attempts: 1,
    streams_with_failover: 1,
    streams_on_backup: 1,
    last_failover_time: '2026-01-02T03:04:05.678Z',
  })
  assert.deepEqual(detailed['error_stats'], {
    total_errors: 2,
    streams_with_errors: 1,
    unhealthy_sources: 1,
    recovering_streams: 0,
    failures_by_reason: { refused: 1 },
  })
  const performance = (await get('/stats/performance'))['performance_metrics'] as Record<string, number>
  assert.ok((performance['memory_rss_bytes'] ?? 0) > 1e6)
  assert.equal(performance['bytes_served'], 1000)
})

test('a stream on its primary is not on a backup', async () => {
  const { server, get, streamId } = await withFailedOverStream()
  await server.app.inject({ method: 'POST', url: `/streams/${streamId}/failover?target=0` })
  const stats = (await get('/stats/detailed'))['failover_stats'] as Record<string, number>
  assert.deepEqual([stats['streams_with_failover'], stats['streams_on_backup']], [1, 0])
})

test('the lists of stats, streams and clients have the shapes of the peer', async () => {
  const { get } = await withFailedOverStream()
  const stats = await get('/stats')
  assert.deepEqual(
    [stats['total_streams'], stats['active_clients'], stats['total_clients'], stats['total_bytes_served']],
    [1, 2, 7, 1000],
  )
  assert.equal((await get('/stats/streams'))['total_streams'], 1)
  assert.equal((await get('/streams'))['total'], 1)
  for (const path of ['/clients', '/stats/clients']) {
    const answer = await get(path)
    assert.equal(answer['total_clients'], 2)
    assert.equal((answer['clients'] as readonly unknown[]).length, 2)
  }
})

test('one client is read and disconnected by its id', async () => {
  const { server, get, streamId } = await withFailedOverStream()
  assert.equal((await get('/clients/one'))['stream_id'], streamId)
  const url = `/hls/${streamId}/clients/one`
  const first = await server.app.inject({ method: 'DELETE', url })
  assert.deepEqual([first.statusCode, first.json()], [200, { message: 'Client one disconnected' }])
  const gone = await server.app.inject({ url: '/clients/one' })
  assert.deepEqual([gone.statusCode, gone.json()], [404, { detail: 'Client not found' }])
  assert.equal((await server.app.inject({ method: 'DELETE', url })).statusCode, 200)
})
