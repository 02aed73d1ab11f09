import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { FaultOrigin } from '../lab/fault-origin.ts'
import { GatewayProcess } from '../lab/gateway-process.ts'
import { until } from '../lab/poll.ts'
import { Scene } from '../lab/scene.ts'
import { unhurried } from '../lab/unhurried.ts'
import type { Viewer } from '../lab/viewer.ts'

/** The answers of the compatible API: each field of the reference with its type, on a stream that is being watched. */

type Shape = 'string' | 'number' | 'boolean' | 'object' | 'array' | 'string or null'
type Shapes = Readonly<Record<string, Shape>>
type Fields = Readonly<Record<string, unknown>>

let gateway: GatewayProcess
let scene: Scene
let viewer: Viewer
before(async () => {
  gateway = await GatewayProcess.start({ env: unhurried })
  scene = await Scene.open({
    gateway,
    origins: [{ name: 'primary' }, { name: 'backup' }],
    stream: { metadata: { channel: 'one', number: 7, hd: true }, user_agent: 'Lab/1.0' },
  })
  viewer = scene.watch({ query: '?client_id=lab-1&username=alice', headers: { 'user-agent': 'VLC/3.0' } })
  await viewer.sees(scene.origin(0).name)
})
after(async () => {
  await scene[Symbol.asyncDispose]()
  await gateway[Symbol.asyncDispose]()
})

const STREAM: Shapes = {
  stream_id: 'string',
  original_url: 'string',
  current_url: 'string',
  user_agent: 'string',
  client_count: 'number',
  total_bytes_served: 'number',
  total_segments_served: 'number',
  error_count: 'number',
  is_active: 'boolean',
  has_failover: 'boolean',
  failover_urls: 'array',
  failover_resolver_url: 'string or null',
  current_failover_index: 'number',
  failover_attempts: 'number',
  last_failover_time: 'string or null',
  stream_type: 'string',
  created_at: 'string',
  last_access: 'string',
  metadata: 'object',
}

const CLIENT: Shapes = {
  client_id: 'string',
  stream_id: 'string',
  user_agent: 'string',
  ip_address: 'string',
  username: 'string or null',
  bytes_served: 'number',
  segments_served: 'number',
  created_at: 'string',
  last_access: 'string',
  is_connected: 'boolean',
}

const PROXY_STATS: Shapes = {
  total_streams: 'number',
  active_streams: 'number',
  total_clients: 'number',
  active_clients: 'number',
  total_bytes_served: 'number',
  total_segments_served: 'number',
  uptime_seconds: 'number',
}

const shapesOf: readonly (readonly [path: string, shape: Shapes])[] = [
  ['/', { status: 'string', message: 'string', version: 'string', uptime: 'number', stats: 'object' }],
  [
    '/health',
    {
      status: 'string',
      root_path: 'string',
      version: 'string',
      uptime_seconds: 'number',
      active_streams: 'number',
      active_clients: 'number',
      total_bytes_served: 'number',
      stats: 'object',
    },
  ],
  [
    '/info',
    {
      version: 'string',
      hardware_acceleration: 'object',
      redis: 'object',
      transcoding: 'object',
      configuration: 'object',
    },
  ],
  ['/stats', { ...PROXY_STATS, streams: 'array', clients: 'array' }],
  ['/stats/detailed', { streams: 'array' }],
  ['/streams', { streams: 'array', total: 'number' }],
  ['/clients', { clients: 'array' }],
  ['/webhooks', { webhooks: 'array' }],
]

describe('fields and types of', () => {
  for (const [path, shape] of shapesOf) {
    for (const prefix of ['', '/m3u-proxy']) {
      test(`GET ${prefix}${path}`, async () => {
        assertShape(await gateway.api.get<Fields>(`${prefix}${path}`), shape)
      })
    }
  }

  test('GET /stats/performance is answered', async () => {
    assert.equal((await gateway.api.call('GET', '/stats/performance')).status, 200)
  })

  test('the counts in /stats', async () => {
    const stats = await gateway.api.get<Fields>('/stats')
    assert.equal(stats['active_clients'], 1)
    assert.equal(stats['active_streams'], 1)
    assert.ok(Number(stats['total_bytes_served']) > 0)
  })

  test('a stream in /streams, /streams/{id}, /stats and /stats/streams', async () => {
    const { streams } = await gateway.api.get<{ streams: readonly Fields[] }>('/streams')
    const { stream, clients, client_count } = await gateway.api.get<{
      stream: Fields
      clients: readonly Fields[]
      client_count: number
    }>(`/streams/${scene.streamId}`)
    const stats = await gateway.api.get<{ streams: readonly Fields[] }>('/stats')
    for (const found of [streams[0], stream, stats.streams[0]]) assertShape(found ?? {}, STREAM)
    assert.equal(client_count, 1)
    assert.equal(clients.length, 1)
    assert.equal((await gateway.api.call('GET', '/stats/streams')).status, 200)
  })

  test('a client in /streams/{id}, /clients and /stats', async () => {
    const { clients } = await gateway.api.get<{ clients: readonly Fields[] }>(`/streams/${scene.streamId}`)
    const all = await gateway.api.get<{ clients: readonly Fields[] }>('/clients')
    const stats = await gateway.api.get<{ clients: readonly Fields[] }>('/stats')
    for (const found of [clients[0], all.clients[0], stats.clients[0]]) {
      assertShape(found ?? {}, CLIENT)
      assert.equal(found?.['client_id'], 'lab-1')
      assert.equal(found?.['username'], 'alice')
      assert.equal(found?.['user_agent'], 'VLC/3.0')
    }
    assert.equal((await gateway.api.call('GET', '/stats/clients')).status, 200)
  })

  test('the values of a stream on its primary', async () => {
    const stream = await gateway.api.streamObject(scene.streamId)
    assert.equal(stream.stream_type, 'Live Continuous')
    assert.equal(stream.current_failover_index, -1)
    assert.equal(stream.has_failover, true)
    assert.equal(stream.is_active, true)
    assert.deepEqual(stream.metadata, { channel: 'one', number: '7', hd: 'True' })
    const detailed = await gateway.api.get<{ streams: readonly Fields[] }>('/stats/detailed')
    assert.equal(detailed.streams.find(({ stream_id }) => stream_id === scene.streamId)?.['failover_index'], 0)
  })
})

test('POST /streams answers with every field of the reference', async () => {
  const created = (await gateway.api.createStream({
    url: 'http://127.0.0.1:9/live/shape.ts',
    failover_urls: ['http://127.0.0.1:9/live/other.ts'],
    metadata: { a: 1 },
  })) as unknown as Fields
  assertShape(created, {
    stream_id: 'string',
    primary_url: 'string',
    failover_urls: 'array',
    stream_type: 'string',
    stream_endpoint: 'string',
    direct_url: 'string',
    message: 'string',
    metadata: 'object',
  })
  assert.ok('user_agent' in created && 'playlist_url' in created)
  assert.match(String(created['stream_endpoint']), /\/stream\//)
  const answer = await gateway.api.call<Fields>('DELETE', `/streams/${String(created['stream_id'])}`)
  assert.equal(answer.status, 200)
  assert.equal(typeof answer.body['message'], 'string')
})

describe('metadata', () => {
  test('finds, counts and deletes streams', async () => {
    const ids = await Promise.all(
      ['a', 'b', 'c'].map((name) =>
        gateway.api.stream([`http://127.0.0.1:9/live/${name}.ts`], { metadata: { group: name === 'c' ? 'y' : 'x' } }),
      ),
    )
    const by = (query: string) => gateway.api.get<Fields>(`/streams/by-metadata?field=group&${query}`)
    const found = await by('value=x&active_only=false')
    assertShape(found, {
      filter: 'object',
      active_only: 'boolean',
      matching_streams: 'array',
      total_matching: 'number',
      total_clients: 'number',
    })
    assert.equal(found['total_matching'], 2)
    assert.equal((await by('value=x'))['total_matching'], 0)
    const counts = await gateway.api.get<Fields>(
      '/streams/counts-by-metadata?field=group&values=x,y,z&active_only=false',
    )
    assert.deepEqual(counts, { field: 'group', counts: { x: 2, y: 1, z: 0 } })
    const oldest = await gateway.api.call<Fields>('DELETE', '/streams/oldest-by-metadata?field=group&value=x')
    assert.equal(oldest.status, 200, oldest.text)
    assert.equal(oldest.body['deleted_count'], 1)
    assert.ok(ids.includes(String(oldest.body['deleted_stream'])), oldest.text)
    const rest = await gateway.api.call<Fields>('DELETE', '/streams/by-metadata?field=group&value=x')
    assert.equal(rest.body['deleted_count'], 1, rest.text)
    await gateway.api.call('DELETE', '/streams/by-metadata?field=group&value=y')
    assert.equal((await gateway.api.call('GET', '/streams/by-metadata?field=group')).status, 422)
  })
})

describe('test-connection', () => {
  test('tells a source that answers from one that does not', async () => {
    await using origin = await FaultOrigin.start({ name: 'reachable' })
    const ask = (url: string) => gateway.api.call<Fields>('POST', '/test-connection', { url })
    const good = await ask(origin.url)
    assert.equal(good.status, 200)
    assert.equal(good.body['success'], true)
    assert.equal(good.body['status_code'], 200)
    assert.equal(good.body['url_tested'], origin.url)
    origin.answer = { kind: 'status', status: 404 }
    const missing = await ask(origin.url)
    assert.deepEqual([missing.status, missing.body['success']], [200, false])
    const refused = await ask('http://127.0.0.1:9/x')
    assert.deepEqual([refused.status, refused.body['success']], [200, false])
    assert.equal(typeof refused.body['message'], 'string')
    await until(() => origin.connectionsNow === 0, { what: 'the release of the tested source' })
  })
})

test('browsers of any origin may use the API', async () => {
  const answer = await gateway.api.call('GET', '/health', undefined, { origin: 'http://player.example' })
  assert.equal(answer.headers.get('access-control-allow-origin'), '*')
  const preflight = await gateway.api.call('OPTIONS', '/streams', undefined, {
    origin: 'http://player.example',
    'access-control-request-method': 'POST',
    'access-control-request-headers': 'authorization',
  })
  assert.ok(preflight.status === 200 || preflight.status === 204, `${preflight.status}`)
})

test('the OpenAPI document lists the routes', async () => {
  const document = await gateway.api.get<{ openapi: string; paths: Fields }>('/openapi.json')
  assert.match(document.openapi, /^3\./)
  const paths = Object.keys(document.paths).map((path) => path.replace(/\{\w+\}/g, '{}'))
  for (const path of ['/streams', '/streams/{}/failover', '/stats/detailed', '/webhooks']) {
    assert.ok(paths.includes(path), `${path} is not among ${paths.join(', ')}`)
  }
  assert.equal((await gateway.api.call('GET', '/docs')).status < 400, true)
})

function assertShape(value: Fields, shapes: Shapes): void {
  for (const [field, shape] of Object.entries(shapes)) {
    const found = value[field]
    const kind = found === null ? 'null' : Array.isArray(found) ? 'array' : typeof found
    assert.ok(shape.split(' or ').includes(kind), `${field} is ${kind}, not ${shape}: ${JSON.stringify(value)}`)
  }
}
