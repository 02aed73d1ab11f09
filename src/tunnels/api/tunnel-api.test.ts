import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { describe, test } from 'node:test'
import { createAccess } from '../../http/access.ts'
import type { Caller, KeyDirectory } from '../../http/access.ts'
import { createServer } from '../../http/server.ts'
import { silentLog } from '../../lib/log.ts'
import type { Log } from '../../lib/log.ts'
import type { TunnelService } from '../service.ts'
import { TunnelLab } from '../tunnel-lab.fixture.ts'
import { tunnelApi } from './tunnel-api.ts'

const TOKEN = 'first-admin'
const NOWHERE = '00000000-0000-4000-8000-000000000000'

/** A key is the name of its owner; `reader` may only read what is alice's. */
const keys: KeyDirectory = {
  callerOf: (key): Caller | undefined => {
    if (key === 'reader') return { owner: 'alice', role: 'viewer' }
    return ['alice', 'bob'].includes(key) ? { owner: key, role: 'user' } : undefined
  },
}

interface Answer {
  readonly status: number
  readonly body: Readonly<Record<string, unknown>>
}

class ApiLab implements AsyncDisposable {
  readonly lab: TunnelLab
  readonly #ask: (method: string, path: string, key: string | undefined, body: unknown) => Promise<Answer>
  readonly #server: AsyncDisposable

  private constructor(lab: TunnelLab, server: Awaited<ReturnType<typeof createServer>>) {
    this.lab = lab
    this.#server = server
    this.#ask = async (method, url, key, body) => {
      const headers = { host: 'localhost', ...(key === undefined ? {} : { 'x-api-token': key }) }
      const options = {
        url,
        headers,
        method: method as 'GET',
        ...(body === undefined ? {} : { payload: body as object }),
      }
      const answer = await server.app.inject(options)
      return { status: answer.statusCode, body: answer.json() }
    }
  }

  static async open(change: (service: TunnelService) => TunnelService = (same) => same, log: Log = silentLog) {
    const lab = await TunnelLab.open()
    const { clock } = lab
    const server = await createServer({
      ...{ rootPath: '/m3u-proxy', version: '1.2.3', trustProxy: false, clock, log },
      documents: { docsUrl: '', redocUrl: '', openapiUrl: '/openapi.json' },
      access: createAccess({ mode: { kind: 'token', token: TOKEN }, requireViewerToken: false, secret: 's', keys }),
      groups: [tunnelApi({ tunnels: change(lab.service), clock })],
    })
    return new ApiLab(lab, server)
  }

  async ask(method: string, path: string, body?: unknown, key: string | undefined = TOKEN): Promise<Answer> {
    return this.#ask(method, path, key, body)
  }

  async askWithoutKey(method: string, path: string, body?: unknown): Promise<Answer> {
    return this.#ask(method, path, undefined, body)
  }

  /** A tunnel with two endpoints, and their ids. */
  async tunnel(key = TOKEN) {
    const endpoints = [
      { url: 'http://primary.example:8000', priority: 2, weight: 1 },
      { url: 'http://secondary.example:8001', priority: 1, weight: 2 },
    ]
    const { body } = await this.ask('POST', '/api/tunnels', { name: 'My Tunnel', endpoints }, key)
    const data = body['data'] as { id: string; endpoints: { id: string }[] }
    return { id: data.id, first: data.endpoints[0]?.id ?? '', second: data.endpoints[1]?.id ?? '' }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server[Symbol.asyncDispose]()
    await this.lab[Symbol.asyncDispose]()
  }
}

function codeOf({ body }: Answer): unknown {
  assert.deepEqual(Object.keys(body), ['error', 'code', 'message'])
  return body['code']
}

const FAILOVER_ROUTES = [
  ['GET', 'endpoint'],
  ['GET', 'status'],
  ['POST', 'manual'],
  ['POST', 'record-failure'],
  ['POST', 'record-success'],
  ['POST', 'reset-failures'],
] as const

for (const mount of ['/api/tunnels', '/api/tunnel-failover', '/tunnel-failover', '/m3u-proxy/api/tunnels']) {
  test(`the service is there from the start: all six routes answer under ${mount}`, async () => {
    await using api = await ApiLab.open()
    const { id, first } = await api.tunnel()
    for (const [method, name] of FAILOVER_ROUTES) {
      const body = method === 'GET' ? undefined : { endpointId: first }
      assert.equal((await api.ask(method, `${mount}/${id}/failover/${name}`, body)).status, 200, name)
    }
  })
}

test('the failover routes answer bare objects of the documented shapes', async () => {
  await using api = await ApiLab.open()
  const { id, first, second } = await api.tunnel()
  const at = `/api/tunnels/${id}/failover`
  const endpoint = { id: first, url: 'http://primary.example:8000', priority: 2, weight: 1, healthStatus: 'unknown' }
  const picked = await api.ask('GET', `${at}/endpoint`)
  assert.deepEqual(picked.body, { endpoint: { ...endpoint, lastHealthCheck: null } })
  const lastFailure = new Date(api.lab.clock.wallMs()).toISOString()
  const failure = await api.ask('POST', `${at}/record-failure`, { endpointId: first, error: 'Connection timeout' })
  const state = { endpointId: first, failureCount: 1, lastFailure, isUnhealthy: false }
  assert.deepEqual(failure.body, { message: 'Endpoint failure recorded', state })
  const manual = await api.ask('POST', `${at}/manual`, { endpointId: first })
  assert.deepEqual(manual.body, { message: 'Manual failover triggered', endpoint })
  const success = await api.ask('POST', `${at}/record-success`, { endpointId: second })
  assert.deepEqual(success.body, { message: 'Endpoint success recorded', endpointId: second })
  const reset = await api.ask('POST', `${at}/reset-failures`, { endpointId: second })
  assert.deepEqual(reset.body, { message: 'Endpoint failure count reset', endpointId: second })
  for (let more = 0; more < 2; more += 1) await api.ask('POST', `${at}/record-failure`, { endpointId: first })
  const { healthStatus: _unknown, ...primary } = endpoint
  assert.deepEqual((await api.ask('GET', `${at}/status`)).body, {
    tunnelId: id,
    endpoints: [
      {
        ...{ ...primary, healthStatus: 'unhealthy', lastHealthCheck: lastFailure, failureCount: 3, lastFailure },
        ...{ isUnhealthy: true, isRecovering: true },
      },
      {
        ...{ id: second, url: 'http://secondary.example:8001', priority: 1, weight: 2, healthStatus: 'healthy' },
        ...{ lastHealthCheck: null, failureCount: 0, lastFailure: null, isUnhealthy: false, isRecovering: false },
      },
    ],
    summary: { total: 2, healthy: 1, unhealthy: 1, recovering: 1 },
  })
})

test('manual failover pins for ttlSeconds, and auto releases it', async () => {
  await using api = await ApiLab.open()
  const { id, first, second } = await api.tunnel()
  const at = `/api/tunnels/${id}`
  const chosen = async () => ((await api.ask('GET', `${at}/failover/endpoint`)).body['endpoint'] as { id: string }).id
  await api.ask('POST', `${at}/failover/manual`, { endpointId: second, ttlSeconds: 30 })
  assert.equal(await chosen(), second)
  const { pin } = (await api.ask('GET', at)).body['data'] as { pin: { endpoint_id: string; until: string; by: string } }
  const until = new Date(api.lab.clock.wallMs() + 30_000).toISOString()
  assert.deepEqual(pin, { endpoint_id: second, until, by: 'admin' })
  const released = await api.ask('POST', `${at}/failover/manual`, { auto: true })
  assert.equal(released.body['message'], 'Automatic failover resumed')
  assert.equal(await chosen(), first)
  await api.ask('POST', `${at}/failover/manual`, { endpointId: second, ttlSeconds: 30 })
  await api.lab.clock.advance(30_000)
  assert.equal(await chosen(), first)
})

describe('what is refused, with which status and code', () => {
  const cases: readonly (readonly [string, string, string, unknown, number, string])[] = [
    ['no endpointId', 'POST', '/failover/manual', {}, 400, 'MISSING_ENDPOINT_ID'],
    ['an empty endpointId', 'POST', '/failover/record-failure', { endpointId: '' }, 400, 'MISSING_ENDPOINT_ID'],
    ['no body at all', 'POST', '/failover/record-success', undefined, 400, 'MISSING_ENDPOINT_ID'],
    ['a null body', 'POST', '/failover/reset-failures', 'null', 400, 'MISSING_ENDPOINT_ID'],
    ['a body that is a list', 'POST', '/failover/reset-failures', [], 400, 'INVALID_REQUEST'],
    ['a body that is not JSON', 'POST', '/failover/manual', '{', 400, 'INVALID_REQUEST'],
    ['an endpointId that is no UUID', 'POST', '/failover/manual', { endpointId: 'a' }, 400, 'INVALID_ENDPOINT_ID'],
    ['an unknown endpoint', 'POST', '/failover/manual', { endpointId: NOWHERE }, 404, 'ENDPOINT_NOT_FOUND'],
    ['a failure of another’s', 'POST', '/failover/record-failure', { endpointId: NOWHERE }, 404, 'ENDPOINT_NOT_FOUND'],
    ['a success of another’s', 'POST', '/failover/record-success', { endpointId: NOWHERE }, 404, 'ENDPOINT_NOT_FOUND'],
    ['a reset of another’s', 'POST', '/failover/reset-failures', { endpointId: NOWHERE }, 404, 'ENDPOINT_NOT_FOUND'],
    ['a pin for no time', 'POST', '/failover/manual', { endpointId: NOWHERE, ttlSeconds: 0 }, 400, 'INVALID_REQUEST'],
    ['maxConnections 0', 'PUT', '/config', { maxConnections: 0 }, 400, 'INVALID_CONFIG'],
    ['a timeout of 300,001', 'PUT', '/config', { timeout: 300_001 }, 400, 'INVALID_CONFIG'],
    ['a compression of "yes"', 'PUT', '/config', { compression: 'yes' }, 400, 'INVALID_CONFIG'],
    ['a field that no configuration has', 'PUT', '/config', { maxConnection: 5 }, 400, 'INVALID_CONFIG'],
    ['a config inside that is wrong', 'PUT', '', { config: { timeout: 1 } }, 400, 'INVALID_CONFIG'],
    ['a negative weight', 'PUT', '', { endpoints: [{ url: 'http://a.example', weight: -1 }] }, 400, 'INVALID_REQUEST'],
    [
      'a priority of 1.5',
      'PUT',
      '',
      { endpoints: [{ url: 'http://a.example', priority: 1.5 }] },
      400,
      'INVALID_REQUEST',
    ],
    ['a URL that is not HTTP', 'PUT', '', { endpoints: [{ url: 'ftp://a.example' }] }, 400, 'INVALID_REQUEST'],
    ['an empty name', 'PUT', '', { name: ' ' }, 400, 'INVALID_REQUEST'],
    [
      'a share for everything',
      'POST',
      '/shares',
      { sharedWithUserId: 'b', permission: 'all' },
      400,
      'INVALID_PERMISSION',
    ],
    ['a share with nobody', 'POST', '/shares', {}, 400, 'INVALID_REQUEST'],
    ['a share that is not there', 'DELETE', '/shares/bob', undefined, 404, 'SHARE_NOT_FOUND'],
  ]
  for (const [what, method, path, body, status, code] of cases) {
    test(what, async () => {
      await using api = await ApiLab.open()
      const { id } = await api.tunnel()
      const answer = await api.ask(method, `/api/tunnels/${id}${path}`, body)
      assert.deepEqual([answer.status, codeOf(answer)], [status, code])
    })
  }

  test('a tunnel that is not there, an id that is none, and a tunnel without endpoints', async () => {
    await using api = await ApiLab.open()
    const empty = await api.ask('POST', '/api/tunnels', { name: 'empty' })
    const { id } = empty.body['data'] as { id: string }
    assert.equal(codeOf(await api.ask('GET', `/api/tunnels/${id}/failover/endpoint`)), 'NO_ENDPOINTS')
    assert.equal(codeOf(await api.ask('GET', `/api/tunnels/${NOWHERE}/failover/endpoint`)), 'TUNNEL_NOT_FOUND')
    for (const path of ['', '/failover/status', '/config', '/shares', '/activity']) {
      const answer = await api.ask('GET', `/api/tunnels/not-a-uuid${path}`)
      assert.deepEqual([answer.status, codeOf(answer)], [400, 'INVALID_TUNNEL_ID'], path)
    }
    assert.equal(codeOf(await api.ask('POST', '/api/tunnels', { name: 'empty' })), 'TUNNEL_EXISTS')
  })
})

test('ownership on every route: a stranger learns nothing and changes nothing', async () => {
  await using api = await ApiLab.open()
  const { id, first } = await api.tunnel('alice')
  const body = { endpointId: first, name: 'mine', sharedWithUserId: 'bob' }
  const at = `/api/tunnels/${id}`
  const routes = [
    ...FAILOVER_ROUTES.map(([method, name]) => [method, `${at}/failover/${name}`] as const),
    ...FAILOVER_ROUTES.map(([method, name]) => [method, `/tunnel-failover/${id}/failover/${name}`] as const),
    ...['', '/metrics', '/activity', '/config', '/shares'].map((path) => ['GET', `${at}${path}`] as const),
    ...['/start', '/stop', '/config/reset', '/shares'].map((path) => ['POST', `${at}${path}`] as const),
    ...([
      ['PUT', at],
      ['DELETE', at],
      ['DELETE', `${at}/shares/bob`],
    ] as const),
  ] as const
  for (const [method, path] of routes) {
    const sent = method === 'GET' || method === 'DELETE' ? undefined : body
    assert.equal(codeOf(await api.ask(method, path, sent, 'bob')), 'TUNNEL_NOT_FOUND', `${method} ${path}`)
    const anonymous = await api.askWithoutKey(method, path, sent)
    assert.deepEqual([anonymous.status, codeOf(anonymous)], [401, 'AUTH_REQUIRED'], `${method} ${path}`)
  }
  const status = await api.ask('GET', `${at}/failover/status`, undefined, 'alice')
  assert.equal(JSON.stringify(status.body).includes('"failureCount":1'), false)
})

test('a key with the role viewer reads what is its owner’s and changes nothing', async () => {
  await using api = await ApiLab.open()
  const { id, first } = await api.tunnel('alice')
  for (const path of ['', '/failover/endpoint', '/failover/status', '/metrics', '/config']) {
    assert.equal((await api.ask('GET', `/api/tunnels/${id}${path}`, undefined, 'reader')).status, 200, path)
  }
  const refused = await api.ask('POST', `/api/tunnels/${id}/failover/manual`, { endpointId: first }, 'reader')
  assert.deepEqual([refused.status, codeOf(refused)], [403, 'FORBIDDEN'])
  assert.equal((await api.ask('POST', '/api/tunnels', { name: 'x' }, 'reader')).status, 403)
})

test('shares are consulted on every route: read reads, write changes, admin shares and deletes', async () => {
  await using api = await ApiLab.open()
  const { id, first } = await api.tunnel('alice')
  const at = `/api/tunnels/${id}`
  const shared = await api.ask('POST', `${at}/shares`, { sharedWithUserId: 'bob' }, 'alice')
  assert.equal(shared.status, 201)
  const share = shared.body['data'] as { id: string; permission: string }
  assert.equal(share.permission, 'read')
  const statusOf = async (method: string, path: string, body?: unknown) =>
    (await api.ask(method, `${at}${path}`, body, 'bob')).status
  assert.equal(await statusOf('GET', '/failover/status'), 200)
  assert.equal(await statusOf('POST', '/failover/record-failure', { endpointId: first }), 403)
  assert.equal(await statusOf('GET', '/activity'), 403)
  const listed = await api.ask('GET', '/api/tunnels/shared-with-me', undefined, 'bob')
  assert.equal((listed.body['data'] as { permission: string }[])[0]?.permission, 'read')
  await api.ask('PUT', `${at}/shares/${share.id}/permission`, { permission: 'write' }, 'alice')
  assert.equal(await statusOf('POST', '/failover/record-failure', { endpointId: first }), 200)
  assert.equal(await statusOf('DELETE', ''), 403)
  await api.ask('PUT', `${at}/shares/${share.id}/permission`, { permission: 'admin' }, 'alice')
  assert.equal(await statusOf('GET', '/shares'), 200)
  assert.equal(await statusOf('DELETE', ''), 200)
})

test('the tunnel routes answer in the envelope, in pages, with the peer’s messages', async () => {
  await using api = await ApiLab.open()
  const timestamp = new Date(api.lab.clock.wallMs()).toISOString()
  const created = await api.ask('POST', '/api/tunnels', { name: 'one' })
  assert.equal(created.status, 201)
  const data = created.body['data'] as { id: string; metrics: object }
  assert.deepEqual(Object.keys(created.body), ['success', 'data', 'timestamp'])
  assert.deepEqual(data.metrics, {
    ...{ requestCount: 0, successCount: 0, errorCount: 0, successRate: 100 },
    ...{ averageLatency: 0, minLatency: 0, maxLatency: 0 },
  })
  await api.lab.clock.advance(1)
  await api.ask('POST', '/api/tunnels', { name: 'two' })
  const page = await api.ask('GET', '/api/tunnels?limit=1&offset=1')
  assert.deepEqual(page.body['pagination'], { limit: 1, offset: 1, total: 2 })
  assert.deepEqual(
    (page.body['data'] as { name: string }[]).map(({ name }) => name),
    ['one'],
  )
  assert.equal((await api.ask('GET', '/api/tunnels?limit=1001')).status, 400)
  const started = await api.ask('POST', `/api/tunnels/${data.id}/start`)
  assert.equal(started.body['message'], 'Tunnel start initiated')
  const config = await api.ask('GET', `/api/tunnels/${data.id}/config`)
  assert.deepEqual(config.body['data'], { maxConnections: 100, timeout: 30_000, compression: true })
  const removed = await api.ask('DELETE', `/api/tunnels/${data.id}`)
  assert.deepEqual(Object.keys(removed.body), ['success', 'message', 'timestamp'])
  assert.equal(removed.body['message'], 'Tunnel deleted successfully')
  assert.ok(String(removed.body['timestamp']) > timestamp)
})

test('no raw error messages in 500s: the route’s own code, and the cause in the log alone', async () => {
  const logged: string[] = []
  const log: Log = { ...silentLog, error: (_event, _message, fields) => void logged.push(JSON.stringify(fields)) }
  const broken = (service: TunnelService): TunnelService =>
    Object.assign(Object.create(service) as TunnelService, {
      get: () => {
        throw new Error('SELECT secret FROM tunnels')
      },
    })
  await using api = await ApiLab.open(broken, log)
  const codes = {
    ...{ endpoint: 'ENDPOINT_SELECTION_FAILED', status: 'FAILOVER_STATUS_FAILED', manual: 'MANUAL_FAILOVER_FAILED' },
    'record-failure': 'RECORD_FAILURE_FAILED',
    'record-success': 'RECORD_SUCCESS_FAILED',
    'reset-failures': 'RESET_FAILURES_FAILED',
  }
  for (const [method, name] of FAILOVER_ROUTES) {
    const body = method === 'GET' ? undefined : { endpointId: NOWHERE }
    const answer = await api.ask(method, `/api/tunnels/${NOWHERE}/failover/${name}`, body)
    assert.deepEqual([answer.status, codeOf(answer)], [500, codes[name]])
    assert.doesNotMatch(JSON.stringify(answer.body), /secret/)
  }
  const other = await api.ask('GET', `/api/tunnels/${NOWHERE}`)
  assert.deepEqual([other.status, codeOf(other)], [500, 'INTERNAL_ERROR'])
  assert.match(logged.join(), /SELECT secret/)
})

test('a store that does not write is a 503, and says so in the peer’s words', async () => {
  await using api = await ApiLab.open()
  api.lab.isStoreFailing = true
  const answer = await api.ask('POST', '/api/tunnels', { name: 'one' })
  assert.deepEqual([answer.status, codeOf(answer)], [503, 'SERVICE_UNAVAILABLE'])
})

test('docs/TUNNELS.md lists every route, and no other', async () => {
  await using api = await ApiLab.open()
  const documented = (await api.ask('GET', '/openapi.json')).body['paths'] as Record<string, object>
  const routes = Object.entries(documented).flatMap(([path, methods]) =>
    Object.keys(methods).map(
      (method) => `${method.toUpperCase()} ${path.replace('/api/tunnels/{tunnelId}/failover', '')}`,
    ),
  )
  const page = await readFile(new URL('../../../docs/TUNNELS.md', import.meta.url), 'utf8')
  const listed = [...page.matchAll(/^\| `((?:GET|POST|PUT|DELETE) [^`]+)`/gm)].map((match) => match[1] ?? '')
  const tunnels = listed.filter((route) => !route.includes(' /api/keys'))
  assert.equal(listed.length - tunnels.length, 4, 'the routes of keys')
  assert.deepEqual(tunnels.toSorted(), routes.toSorted())
})
