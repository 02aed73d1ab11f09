import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { systemClock } from '../lib/clock.ts'
import { HoldfastError } from '../lib/errors.ts'
import { silentLog } from '../lib/log.ts'
import type { Log } from '../lib/log.ts'
import { createAccess } from './access.ts'
import type { AccessMode } from './access.ts'
import type { DirectTraffic } from './direct-traffic.ts'
import { createServer, rootedPath } from './server.ts'
import type { RouteGroup } from './server.ts'

const TOKEN = 'a-token-for-tests'

const routes: RouteGroup = {
  access: 'operator',
  plugin: async (app) => {
    app.get('/thing', async () => ({ ok: true }))
    app.delete('/thing', async () => ({ ok: true }))
    app.get('/watch/:streamId', { config: { access: 'viewer' } }, async () => ({ ok: true }))
    app.get('/open', { config: { access: 'public' } }, async ({ isOperator }) => ({ isOperator }))
    app.post('/thing', { schema: { body: z.object({ name: z.string() }) } }, async ({ body }) => body)
    app.get('/defect', async () => {
      throw new Error('http://user:secret@a.example/ went wrong')
    })
    app.get('/mistake', { schema: { response: { 200: z.object({ a: z.string() }) } } }, async (_request, reply) =>
      reply.send({ a: 1 } as unknown as { a: string }),
    )
  },
}

const problems: RouteGroup = {
  access: 'public',
  errors: 'problem',
  plugin: async (app) => {
    app.get('/v1/thing', async () => {
      throw new HoldfastError('stream_not_found', 'Stream not found')
    })
  },
}

const passingNothing: DirectTraffic = {
  takes: () => false,
  serve: () => undefined,
  serveUpgrade: () => undefined,
  isServing: () => false,
}

interface TestServer {
  readonly direct?: DirectTraffic
  readonly mode?: AccessMode
  readonly groups?: readonly RouteGroup[]
  readonly log?: Log
}

async function serverOf({
  mode = { kind: 'loopback' },
  groups = [routes, problems],
  log = silentLog,
  direct,
}: TestServer = {}) {
  return createServer({
    rootPath: '/m3u-proxy',
    documents: { docsUrl: '/docs', redocUrl: '/redoc', openapiUrl: '/openapi.json' },
    version: '1.2.3',
    access: createAccess({ mode, requireViewerToken: false, secret: 's' }),
    trustProxy: false,
    clock: systemClock,
    log,
    groups,
    ...(direct === undefined ? {} : { direct }),
  })
}

const token: AccessMode = { kind: 'token', token: TOKEN }

test('a route that does not say who may use it stops the start', async () => {
  const unmarked: RouteGroup = {
    plugin: async (app) => {
      app.get('/unmarked', async () => 'secret')
    },
  }
  await assert.rejects(serverOf({ groups: [unmarked] }), /route GET \/unmarked does not say who may use it/)
})

test('operators need the token, viewers and the public do not', async () => {
  const server = await serverOf({ mode: token })
  const statusOf = async (url: string, headers = {}) => (await server.app.inject({ url, headers })).statusCode
  assert.equal(await statusOf('/thing'), 401)
  assert.equal(await statusOf('/thing', { 'x-api-token': 'wrong' }), 403)
  assert.equal(await statusOf('/thing', { 'x-api-token': TOKEN }), 200)
  assert.equal(await statusOf(`/m3u-proxy/thing?api_token=${TOKEN}`), 200)
  assert.equal(await statusOf('/watch/x'), 200)
  assert.equal(await statusOf('/docs/'), 200)
  assert.equal(await statusOf('/openapi.json'), 200)
  const missing = await server.app.inject({ url: '/thing' })
  assert.equal(missing.headers['www-authenticate'], 'Bearer')
})

test('a request is refused before its body is looked at', async () => {
  const server = await serverOf({ mode: token })
  const answer = await server.app.inject({
    method: 'POST',
    url: '/thing',
    payload: '{',
    headers: { 'content-type': 'application/json' },
  })
  assert.equal(answer.statusCode, 401)
})

test('a public route knows an operator', async () => {
  const server = await serverOf({ mode: token })
  const headers = { authorization: `Bearer ${TOKEN}` }
  assert.deepEqual((await server.app.inject({ url: '/open' })).json(), { isOperator: false })
  assert.deepEqual((await server.app.inject({ url: '/open', headers })).json(), { isOperator: true })
})

test('an unknown path is 404, a known one in another method 405 with what it allows', async () => {
  const server = await serverOf()
  const unknown = await server.app.inject({ url: '/nothing' })
  assert.deepEqual([unknown.statusCode, unknown.json()], [404, { detail: 'Not Found' }])
  for (const method of ['PUT', 'PATCH', 'PURGE'] as const) {
    const other = await server.app.inject({ method: method as 'PUT', url: '/m3u-proxy/thing' })
    assert.deepEqual([other.statusCode, other.json()], [405, { detail: 'Method Not Allowed' }])
    assert.equal(other.headers['allow'], 'GET, DELETE, POST')
  }
  const malformed = await server.app.inject({ url: '/%zz?api_token=secret' })
  assert.equal(malformed.statusCode, 400)
  assert.doesNotMatch(malformed.body, /secret/)
})

test('without a token other sites may read what is for viewers, not what is for operators', async () => {
  const server = await serverOf()
  const allowed = async (url: string) => (await server.app.inject({ url })).headers['access-control-allow-origin']
  assert.equal(await allowed('/thing'), undefined)
  assert.equal(await allowed('/nothing'), undefined)
  assert.equal(await allowed('/watch/x'), '*')
  assert.equal(await allowed('/open'), '*')
})

test('with a token every answer may be read, also a refusal', async () => {
  const server = await serverOf({ mode: token })
  for (const url of ['/thing', '/watch/x', '/nothing']) {
    assert.equal((await server.app.inject({ url })).headers['access-control-allow-origin'], '*', url)
  }
})

test('a preflight needs no token and names the methods and headers', async () => {
  const server = await serverOf({ mode: token })
  const headers = { origin: 'http://page.example', 'access-control-request-method': 'DELETE' }
  const answer = await server.app.inject({ method: 'OPTIONS', url: '/m3u-proxy/thing', headers })
  assert.equal(answer.statusCode, 204)
  assert.equal(answer.headers['access-control-allow-methods'], 'GET, DELETE, POST')
  assert.match(String(answer.headers['access-control-allow-headers']), /Authorization, Content-Type, X-API-Token/)
})

test('without a token a preflight for an operator route allows nothing', async () => {
  const server = await serverOf()
  const headers = { origin: 'http://page.example', 'access-control-request-method': 'DELETE' }
  const answer = await server.app.inject({ method: 'OPTIONS', url: '/thing', headers })
  assert.equal(answer.headers['access-control-allow-origin'], undefined)
  assert.equal(answer.headers['access-control-allow-methods'], undefined)
})

test('without a token another Host is refused before anything happens', async () => {
  const server = await serverOf()
  const answer = await server.app.inject({ method: 'DELETE', url: '/thing', headers: { host: 'evil.example' } })
  assert.equal(answer.statusCode, 403)
  assert.match(answer.json<{ detail: string }>().detail, /Host "evil\.example" is not a loopback name/)
})

test('a defect is logged with its cause, without credentials, and answered without either', async () => {
  const lines: string[] = []
  const log = {
    ...silentLog,
    error: (event: string, message: string, fields?: object) =>
      lines.push(`${event} ${message} ${JSON.stringify(fields)}`),
  }
  const server = await serverOf({ log })
  const answer = await server.app.inject({ url: '/defect' })
  assert.deepEqual([answer.statusCode, answer.json()], [500, { detail: 'Internal Server Error' }])
  assert.match(lines[0] ?? '', /^request_failed The answer to GET \/defect failed .*went wrong/)
  assert.doesNotMatch(lines[0] ?? '', /secret/)
  const mistake = await server.app.inject({ url: '/mistake' })
  assert.deepEqual([mistake.statusCode, mistake.json()], [500, { detail: 'Internal Server Error' }])
})

test('groups choose the wording of their errors', async () => {
  const server = await serverOf()
  const answer = await server.app.inject({ url: '/v1/thing' })
  assert.equal(answer.headers['content-type'], 'application/problem+json')
  assert.equal(answer.json<{ code: string }>().code, 'stream_not_found')
})

test('the API page works at the root and under the root path', async () => {
  const server = await serverOf()
  for (const prefix of ['', '/m3u-proxy']) {
    for (const [from, to] of [
      ['/docs', '/docs/'],
      ['/redoc', '/docs/'],
    ]) {
      const moved = await server.app.inject({ url: `${prefix}${from}` })
      assert.equal(moved.headers.location, `${prefix}${to}`)
    }
    const page = await server.app.inject({ url: `${prefix}/docs/` })
    assert.match(page.body, /src="\.\/static\/swagger-ui-bundle\.js"/)
    assert.doesNotMatch(String(page.headers['content-security-policy']), /upgrade-insecure-requests/)
    assert.equal((await server.app.inject({ url: `${prefix}/docs/static/swagger-ui.css` })).statusCode, 200)
    assert.equal((await server.app.inject({ url: `${prefix}/docs/static/..%2f..%2fpackage.json` })).statusCode, 404)
  }
})

test('the OpenAPI document is 3.1, lists the routes and marks those that need the token', async () => {
  const server = await serverOf()
  const document = (await server.app.inject({ url: '/openapi.json' })).json<{
    openapi: string
    paths: Record<string, Record<string, { security?: readonly unknown[]; requestBody?: unknown }>>
  }>()
  assert.equal(document.openapi, '3.1.0')
  assert.deepEqual(Object.keys(document.paths).toSorted(), [
    '/defect',
    '/mistake',
    '/open',
    '/thing',
    '/v1/thing',
    '/watch/{streamId}',
  ])
  assert.equal(document.paths['/thing']?.['post']?.security?.length, 3)
  assert.equal(document.paths['/open']?.['get']?.security, undefined)
  assert.ok(document.paths['/thing']?.['post']?.requestBody !== undefined)
})

test('ROOT_PATH is taken off whole segments only', () => {
  assert.equal(rootedPath('/m3u-proxy/streams?a=1', '/m3u-proxy'), '/streams?a=1')
  assert.equal(rootedPath('/m3u-proxy', '/m3u-proxy'), '/')
  assert.equal(rootedPath('/m3u-proxy?a=1', '/m3u-proxy/'), '/?a=1')
  assert.equal(rootedPath('/m3u-proxy2/streams', '/m3u-proxy'), '/m3u-proxy2/streams')
  assert.equal(rootedPath('/streams', ''), '/streams')
  assert.equal(rootedPath('http://localhost:8085/streams?a=1', ''), '/streams?a=1')
  assert.equal(rootedPath('http://localhost:8085', ''), '/')
})

test('a body that is nested deeper than anything asks for is refused before anything walks through it', async () => {
  const server = await serverOf()
  const statusOf = async (payload: string) => {
    const headers = { 'content-type': 'application/json' }
    return (await server.app.inject({ method: 'POST', url: '/thing', headers, payload })).statusCode
  }
  const nested = (levels: number) => `{"name": "a", "more": ${'['.repeat(levels)}${']'.repeat(levels)}}`
  assert.equal(await statusOf(nested(60)), 200)
  assert.equal(await statusOf(nested(70)), 422)
  assert.equal(await statusOf(nested(200_000)), 422)
  const wide = `{"name": "a", "more": [${'[],'.repeat(100_000)}[]]}`
  assert.equal(await statusOf(wide), 200)
})

test('every route of the document says how its refusals and failures are worded', async () => {
  const server = await serverOf()
  type Answers = Readonly<Record<string, { readonly content?: Readonly<Record<string, unknown>> }>>
  const document = (await server.app.inject({ url: '/openapi.json' })).json<{
    paths: Record<string, Record<string, { responses: Answers }>>
  }>()
  for (const [path, methods] of Object.entries(document.paths)) {
    const type = path === '/v1/thing' ? 'application/problem+json' : 'application/json'
    for (const { responses } of Object.values(methods)) {
      for (const range of ['4XX', '5XX']) assert.deepEqual(Object.keys(responses[range]?.content ?? {}), [type], path)
    }
  }
})

test('what passes the routes is in the document too, and the rest of a path has a name there', async () => {
  const files: RouteGroup = {
    access: 'public',
    plugin: async (app) => {
      const params = z.object({ '*': z.string() })
      app.get('/files/*', { schema: { params } }, async ({ params: { '*': rest } }) => ({ rest }))
    },
  }
  const direct = { ...passingNothing, documentedPaths: { '/t/{id}': { get: { responses: {} } } } }
  const server = await serverOf({ groups: [files], direct })
  const document = (await server.app.inject({ url: '/openapi.json' })).json<{
    paths: Record<string, { get: { parameters?: readonly { name: string }[] } }>
  }>()
  assert.deepEqual(Object.keys(document.paths), ['/t/{id}', '/files/{path}'])
  assert.equal(document.paths['/files/{path}']?.get.parameters?.[0]?.name, 'path')
})

test('a path or method that no route has is refused in the words of the routes beside it', async () => {
  const server = await serverOf()
  for (const [method, url, status] of [
    ['GET', '/v1/nothing', 404],
    ['POST', '/v1/thing', 405],
  ] as const) {
    const answer = await server.app.inject({ method, url })
    assert.equal(answer.statusCode, status)
    assert.match(String(answer.headers['content-type']), /^application\/problem\+json/)
    assert.equal(answer.json<{ status: number }>().status, status)
  }
  const other = await server.app.inject({ url: '/nothing' })
  assert.deepEqual(other.json(), { detail: 'Not Found' })
})
