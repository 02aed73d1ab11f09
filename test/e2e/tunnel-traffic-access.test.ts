import assert from 'node:assert/strict'
import { request } from 'node:http'
import { test } from 'node:test'
import type { Api } from '../lab/api.ts'
import { GatewayProcess } from '../lab/gateway-process.ts'
import { until } from '../lab/poll.ts'
import { ReplicaProcess } from '../lab/replica-process.ts'
import type { SeenRequest } from '../lab/replica-process.ts'
import { TrafficTunnel } from '../lab/traffic-tunnel.ts'

/** Who may send requests through a tunnel, what is taken off them, and when they are refused. */

const TOKEN = 'lab-token-0123456789'
const CHECKS = { TUNNEL_CHECK_SECONDS: '0.2' }
const NOWHERE = '00000000-0000-4000-8000-000000000000'

async function guarded(env: Readonly<Record<string, string>> = {}): Promise<GatewayProcess> {
  return GatewayProcess.start({ env: { ...CHECKS, API_TOKEN: TOKEN, ...env }, token: TOKEN })
}

async function keyOf(api: Api, owner: string, role: string): Promise<string> {
  const made = await api.call<{ data: { key: string } }>('POST', '/api/keys', { name: role, owner, role })
  assert.equal(made.status, 201, made.text)
  return made.body.data.key
}

/** The values of a field in what a replica has seen. */
function values({ fields }: SeenRequest, name: string): readonly string[] {
  return fields.filter((_, at) => at % 2 === 1 && fields[at - 1]?.toLowerCase() === name)
}

async function last(replica: ReplicaProcess): Promise<SeenRequest> {
  const seen = (await replica.seen()).at(-1)
  assert.ok(seen)
  return seen
}

async function codeOf(answer: Response): Promise<string> {
  return `${answer.status} ${((await answer.json()) as { code: string }).code}`
}

test('a key that may use the tunnel is asked for, by any of its three ways', async () => {
  await using gateway = await guarded()
  await using replica = await ReplicaProcess.start('r')
  const tunnel = await TrafficTunnel.open(gateway, [replica])
  const alice = await keyOf(gateway.api, 'alice', 'user')
  assert.equal(await codeOf(await tunnel.ask('/')), '401 AUTH_REQUIRED')
  assert.equal(await codeOf(await tunnel.ask('/', { headers: { 'x-api-token': 'wrong' } })), '401 AUTH_REQUIRED')
  assert.equal(await codeOf(await tunnel.ask('/', { headers: { 'x-api-token': alice } })), '404 TUNNEL_NOT_FOUND')
  assert.equal(await codeOf(await fetch(`${gateway.url}/t/${NOWHERE}/`)), '401 AUTH_REQUIRED')
  const share = { sharedWithUserId: 'alice', permission: 'read' }
  assert.equal((await gateway.api.call('POST', `/api/tunnels/${tunnel.id}/shares`, share)).status, 201)
  assert.equal((await tunnel.ask('/', { headers: { 'x-api-token': alice } })).status, 200)
  assert.equal((await tunnel.ask('/', { headers: { authorization: `Bearer ${alice}` } })).status, 200)
  assert.equal((await tunnel.ask(`/?api_token=${alice}`)).status, 200)
  assert.equal((await tunnel.ask('/', { headers: { 'x-api-token': TOKEN } })).status, 200)
})

test('our key is taken off, and only ours: another Authorization and another X-API-Token pass', async () => {
  await using gateway = await guarded()
  await using replica = await ReplicaProcess.start('r')
  const tunnel = await TrafficTunnel.open(gateway, [replica])
  await tunnel.ask(`/a?x=1&api_token=${TOKEN}&y=%20+2`, { headers: { authorization: 'Basic dTpw' } })
  let seen = await last(replica)
  assert.equal(seen.url, '/a?x=1&y=%20+2')
  assert.deepEqual(values(seen, 'authorization'), ['Basic dTpw'])
  await tunnel.ask('/b?api_token=theirs', { headers: { 'x-api-token': 'theirs', authorization: `Bearer ${TOKEN}` } })
  seen = await last(replica)
  assert.equal(seen.url, '/b?api_token=theirs')
  assert.deepEqual([values(seen, 'authorization'), values(seen, 'x-api-token')], [[], ['theirs']])
  await tunnel.ask('/c', { headers: { 'x-api-token': TOKEN, authorization: 'Bearer theirs' } })
  seen = await last(replica)
  assert.deepEqual([values(seen, 'authorization'), values(seen, 'x-api-token')], [['Bearer theirs'], []])
  assert.doesNotMatch(JSON.stringify(await replica.seen()), new RegExp(TOKEN))
})

test('a revoked key that goes through a public tunnel is not shown to the endpoint', async () => {
  await using gateway = await guarded()
  await using replica = await ReplicaProcess.start('r')
  const tunnel = await TrafficTunnel.open(gateway, [replica], { public: true })
  const key = await keyOf(gateway.api, 'alice', 'user')
  const keys = await gateway.api.get<{ data: readonly { id: string }[] }>('/api/keys')
  assert.equal((await gateway.api.call('DELETE', `/api/keys/${keys.data[0]?.id}`)).status, 200)
  assert.equal((await tunnel.ask('/', { headers: { 'x-api-token': key } })).status, 200)
  assert.deepEqual(values(await last(replica), 'x-api-token'), [])
})

test('a viewer may only read, and a public tunnel asks nobody for a key', async () => {
  await using gateway = await guarded()
  await using replica = await ReplicaProcess.start('r')
  const tunnel = await TrafficTunnel.open(gateway, [replica])
  const headers = { 'x-api-token': await keyOf(gateway.api, 'admin', 'viewer') }
  assert.equal((await tunnel.ask('/', { headers })).status, 200)
  assert.equal((await tunnel.ask('/', { headers, method: 'HEAD' })).status, 200)
  assert.equal(await codeOf(await tunnel.ask('/', { headers, method: 'POST', body: 'x' })), '403 FORBIDDEN')
  assert.equal((await gateway.api.call('PUT', `/api/tunnels/${tunnel.id}`, { public: true })).status, 200)
  assert.equal((await tunnel.ask('/upload', { method: 'POST', body: 'x' })).status, 200)
  assert.equal((await tunnel.ask('/', { method: 'OPTIONS' })).status, 200)
})

test('the path and query behind the tunnel follow the path of the endpoint, in which they stay', async () => {
  await using gateway = await GatewayProcess.start({ env: CHECKS })
  await using replica = await ReplicaProcess.start('r')
  const tunnel = await TrafficTunnel.open(gateway, [replica], { basePath: '/base/' })
  for (const [asked, reached] of [
    ['', '/base/'],
    ['/', '/base/'],
    ['?q=1', '/base/?q=1'],
    ['/a//b%2Fc?q=%41&q', '/base/a//b%2Fc?q=%41&q'],
  ] as const) {
    assert.equal((await tunnel.ask(asked)).status, 200)
    assert.equal((await last(replica)).url, reached)
  }
  const before = (await replica.seen()).length
  assert.equal(await rawStatus(gateway, `/t/${tunnel.id}/../secret`), 400)
  assert.equal(await rawStatus(gateway, `/t/${tunnel.id}/a/%2e%2e/%2E./secret`), 400)
  assert.equal((await replica.seen()).length, before)
  assert.equal(await rawStatus(gateway, `/m3u-proxy/t/${tunnel.id}/rooted`), 200)
  assert.equal((await last(replica)).url, '/base/rooted')
  assert.equal(await rawStatus(gateway, '/t/not-an-id/x'), 404)
})

/** As it is written: `fetch` would take dot segments away. */
async function rawStatus(gateway: GatewayProcess, path: string, host?: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port: gateway.port, path, agent: false, ...(host && { headers: { host } }) }
    request(options, (answer) => {
      answer.resume()
      answer.on('end', () => resolve(answer.statusCode))
    })
      .on('error', reject)
      .end()
  })
}

test('a tunnel answers under its own name, where every path is its own', async () => {
  await using gateway = await GatewayProcess.start({ env: { ...CHECKS, TUNNEL_DOMAIN: 'tunnels.localhost' } })
  await using replica = await ReplicaProcess.start('r')
  const tunnel = await TrafficTunnel.open(gateway, [replica])
  assert.equal(await rawStatus(gateway, '/health?x=1', `${tunnel.id}.tunnels.localhost:${gateway.port}`), 200)
  const seen = await last(replica)
  assert.equal(seen.url, '/health?x=1')
  assert.deepEqual(values(seen, 'host'), [new URL(replica.url).host])
  assert.deepEqual(values(seen, 'x-forwarded-host'), [`${tunnel.id}.tunnels.localhost:${gateway.port}`])
  await rawStatus(gateway, '/health', 'other.tunnels.localhost')
  assert.equal((await replica.seen()).length, 1)
})

test('the user and password of an endpoint’s URL go to it unless the client brings its own', async () => {
  await using gateway = await GatewayProcess.start({ env: CHECKS })
  await using replica = await ReplicaProcess.start('r')
  const url = replica.url.replace('http://', 'http://user:p%40ss@')
  const body = { name: 'with credentials', endpoints: [{ url }] }
  const made = await gateway.api.call<{ data: { id: string } }>('POST', '/api/tunnels', body)
  const at = `${gateway.url}/t/${made.body.data.id}/`
  await fetch(at)
  assert.deepEqual(values(await last(replica), 'authorization'), [`Basic ${btoa('user:p@ss')}`])
  await fetch(at, { headers: { authorization: 'Digest x' } })
  assert.deepEqual(values(await last(replica), 'authorization'), ['Digest x'])
})

test('more requests than maxConnections are refused with 503, and a stopped tunnel lets those under way end', async () => {
  await using gateway = await GatewayProcess.start({ env: CHECKS })
  await using replica = await ReplicaProcess.start('r')
  const tunnel = await TrafficTunnel.open(gateway, [replica], { config: { maxConnections: 2 } })
  const first = await tunnel.ask('/events')
  const second = await tunnel.ask('/events')
  const refused = await tunnel.ask('/')
  assert.equal(refused.headers.get('retry-after'), '1')
  assert.equal(await codeOf(refused), '503 TUNNEL_BUSY')
  await second.body?.cancel()
  await until(async () => (await tunnel.ask('/')).status === 200, { what: 'a place' })
  assert.equal((await gateway.api.call('POST', `/api/tunnels/${tunnel.id}/stop`)).status, 200)
  assert.equal(await codeOf(await tunnel.ask('/')), '503 TUNNEL_NOT_RUNNING')
  const reader = first.body?.getReader()
  for (let times = 0; times < 3; times += 1) assert.equal((await reader?.read())?.done, false)
  await reader?.cancel()
  assert.equal((await gateway.api.call('POST', `/api/tunnels/${tunnel.id}/start`)).status, 200)
  assert.equal((await tunnel.ask('/')).status, 200)
  assert.equal((await gateway.api.call('DELETE', `/api/tunnels/${tunnel.id}`)).status, 200)
  assert.equal(await codeOf(await tunnel.ask('/')), '404 TUNNEL_NOT_FOUND')
})

test('an endpoint that a user named is not reached at an address that has become private', async () => {
  const directories = { TUNNEL_PRIVATE_NETWORKS: '127.0.0.0/8' }
  await using open = await guarded(directories)
  await using replica = await ReplicaProcess.start('r')
  const alice = open.api.with({ 'x-api-token': await keyOf(open.api, 'alice', 'user') })
  const tunnel = await TrafficTunnel.open(open, [replica], { public: true }, alice)
  assert.equal((await tunnel.ask('/')).status, 200)
  await open.restart({ TUNNEL_PRIVATE_NETWORKS: '' })
  const before = (await replica.seen()).length
  const answer = await tunnel.ask('/')
  assert.equal(answer.status, 502)
  assert.doesNotMatch(await answer.text(), /127\.0\.0\.1/)
  assert.equal((await replica.seen()).length, before)
})

test('requests through tunnels are in the metrics', async () => {
  await using gateway = await GatewayProcess.start({ env: CHECKS })
  await using replica = await ReplicaProcess.start('r')
  const tunnel = await TrafficTunnel.open(gateway, [replica])
  for (let times = 0; times < 3; times += 1) await (await tunnel.ask('/')).text()
  for (const line of [
    `holdfast_tunnel_requests_total{tunnel="${tunnel.id}",status="2xx"} 3`,
    'holdfast_tunnels{status="created"} 1',
    'holdfast_tunnel_endpoints{health="healthy"} 1',
    'holdfast_tunnel_requests_in_flight 0',
  ]) {
    await until(async () => (await gateway.api.call('GET', '/metrics')).text.includes(`${line}\n`), { what: line })
  }
})
