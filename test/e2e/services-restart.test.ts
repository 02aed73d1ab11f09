import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { createCertificates } from '../lab/certificates.ts'
import { FaultUpstream } from '../lab/fault-upstream.ts'
import { GatewayProcess } from '../lab/gateway-process.ts'
import { until } from '../lab/poll.ts'
import { ask, ServiceLoad } from '../lab/service-load.ts'
import { steadyPort } from '../lab/steady-port.ts'

interface StatusAnswer {
  readonly addresses: readonly string[]
  readonly pin: { readonly endpointId: string } | null
  readonly endpoints: readonly { readonly id: string; readonly health: string; readonly drain: boolean }[]
}

const API_TOKEN = 'operator-token'

test('after kill -9 services are there with health, pins and drained endpoints, and none is stuck', async () => {
  await using gateway = await GatewayProcess.start({ env: { PROXY_PORT: '0' } })
  await using a = await FaultUpstream.start('a')
  await using b = await FaultUpstream.start('b')
  const endpoints = [
    { id: 'a', url: a.url },
    { id: 'b', url: b.url },
  ]
  const healthCheck = { kind: 'http', path: '/', intervalMs: 100 }
  for (const id of ['one', 'two']) {
    const body = { id, routes: [{ pathPrefix: `/${id}` }], endpoints, healthCheck }
    assert.equal((await gateway.api.call('POST', '/api/services', body)).status, 201)
  }
  const status = async (id: string) => gateway.api.get<StatusAnswer>(`/api/services/${id}/status`)
  const healthOf = async (id: string, endpointId: string) =>
    (await status(id)).endpoints.find((endpoint) => endpoint.id === endpointId)?.health
  await a.become({ kind: 'refuse' })
  await until(async () => (await healthOf('one', 'a')) === 'unhealthy', { what: 'a to be unhealthy' })
  await gateway.api.call('POST', '/api/services/two/pin', { endpointId: 'b' })
  await gateway.api.call('POST', '/api/services/one/endpoints/b/drain')
  await gateway.api.call('DELETE', '/api/services/one/endpoints/b/drain')
  await gateway.api.call('PATCH', '/api/services/two', {
    endpoints: [...endpoints, { id: 'c', url: a.url, drain: true }],
  })
  await gateway.restart()
  const [one, two] = [await status('one'), await status('two')]
  assert.equal(one.endpoints.find(({ id }) => id === 'a')?.health, 'unhealthy')
  assert.deepEqual(two.pin?.endpointId, 'b')
  assert.equal(two.endpoints.find(({ id }) => id === 'c')?.drain, true)
  const url = `http://${one.addresses[0]}`
  assert.equal((await ask(`${url}/one/x`)).headers['x-upstream'], 'b')
  await a.become({ kind: 'ok' })
  await until(async () => (await healthOf('one', 'a')) === 'healthy', { what: 'a to come back' })
})

test('a gateway that dies in the middle of load and failures serves again, and answers nothing wrong', async () => {
  const port = await steadyPort()
  await using gateway = await GatewayProcess.start({ env: { PROXY_PORT: String(port) } })
  await using a = await FaultUpstream.start('a')
  await using b = await FaultUpstream.start('b')
  const endpoints = [a, b].map(({ name, url }) => ({ id: name, url }))
  const healthCheck = { kind: 'tcp', intervalMs: 100 }
  const body = { id: 'shop', routes: [{}], endpoints, healthCheck, breaker: { openMs: 500 } }
  assert.equal((await gateway.api.call('POST', '/api/services', body)).status, 201)
  await using load = new ServiceLoad(`http://127.0.0.1:${port}/bytes/20000`, 4)
  const moreAnswers = async () => {
    const from = load.answers.filter(({ status }) => status === 200).length
    await until(() => load.answers.filter(({ status }) => status === 200).length > from + 40, {
      what: 'more answers',
      evidence: () => [
        load.answers.length,
        load.answers.slice(-3),
        gateway.logs.slice(-10),
        gateway.otherOutput.slice(-5),
      ],
    })
  }
  for (const failing of [a, b]) {
    await moreAnswers()
    await failing.become({ kind: 'reset_in_body', afterBytes: 1_000 })
    await moreAnswers()
    await gateway.restart()
    await moreAnswers()
    await failing.become({ kind: 'ok' })
    const served = failing.requests.length
    await until(() => failing.requests.length > served + 5, { what: `requests for ${failing.name} again` })
  }
  await load.stop()
  const wrong = load.answers.filter(
    ({ status, body: text }) => status > 200 || (status === 200 && text.length !== 20_000),
  )
  assert.deepEqual(wrong, [], 'only connections that died with the process may have failed')
})

test('a service that is not public takes our keys, and keeps them from its endpoints', async () => {
  await using gateway = await GatewayProcess.start({ env: { API_TOKEN, HOST: '127.0.0.1' }, token: API_TOKEN })
  await using a = await FaultUpstream.start('a')
  const seen: string[] = []
  await a.become({
    kind: 'custom',
    answer: (socket, record) => {
      seen.push(`${record.target} ${record.head}`)
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
    },
  })
  const made = await gateway.api.call<{ addresses: readonly string[] }>('POST', '/api/services', {
    ...{ id: 'closed', public: false, listeners: [{ port: 0 }], endpoints: [{ url: a.url }] },
  })
  assert.equal(made.status, 201, made.text)
  const url = `http://${made.body.addresses[0]}/x`
  const refused = await ask(url)
  assert.equal(refused.status, 401)
  assert.equal(refused.headers['www-authenticate'], 'Bearer')
  assert.equal((await ask(url, { 'x-api-token': 'wrong' })).status, 401)
  assert.equal(seen.length, 0)
  assert.equal((await ask(url, { 'x-api-token': API_TOKEN, authorization: 'Basic eDp5' })).status, 200)
  assert.equal((await ask(url, { authorization: `Bearer ${API_TOKEN}` })).status, 200)
  assert.equal((await ask(`${url}?a=%20b&api_token=${API_TOKEN}&c`)).status, 200)
  assert.ok(!seen.join('\n').includes(API_TOKEN), 'an endpoint was shown our key')
  assert.match(seen[0] ?? '', /Basic eDp5/, 'what is not ours passes')
  assert.match(seen[2] ?? '', /^\/x\?a=%20b&c /)
})

test('a listener with certificates of its own, which can be changed while it listens', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-lab-tls-'))
  const [first, second] = [await createCertificates(), await createCertificates()]
  const paths = { certFile: join(directory, 'server.crt'), keyFile: join(directory, 'server.key') }
  const use = async ({ server }: typeof first) => {
    await writeFile(paths.certFile, server.cert)
    await writeFile(paths.keyFile, server.key)
  }
  await use(first)
  await using gateway = await GatewayProcess.start()
  await using a = await FaultUpstream.start('a')
  const body = { listeners: [{ port: 0, tls: paths }], endpoints: [{ url: a.url }] }
  const made = await gateway.api.call<{ addresses: readonly string[] }>('PUT', '/api/services/secure', body)
  assert.equal(made.status, 201, made.text)
  const port = Number(made.body.addresses[0]?.split(':').at(-1))
  const statusWith = async (ca: Buffer): Promise<number> =>
    new Promise((resolve) => {
      const options = { host: '127.0.0.1', port, path: '/', ca, agent: false, servername: 'origin.test' } as const
      const asked = request(options, (response) => {
        response.resume()
        resolve(response.statusCode ?? 0)
      })
      asked.on('error', () => resolve(0))
      asked.end()
    })
  assert.equal(await statusWith(first.ca), 200)
  assert.equal(await statusWith(second.ca), 0)
  await use(second)
  assert.equal((await gateway.api.call('PUT', '/api/services/secure', body)).status, 200)
  assert.equal(await statusWith(second.ca), 200)
  const missing = { ...body, listeners: [{ port: 0, tls: { ...paths, keyFile: '/nowhere/key' } }] }
  const wrong = await gateway.api.call('PUT', '/api/services/secure', missing)
  assert.equal(wrong.status, 422, wrong.text)
  assert.match(wrong.text, /listeners\[0\]\.tls\.keyFile.*cannot be read/)
  assert.equal(await statusWith(second.ca), 200)
  await rm(directory, { recursive: true, force: true })
})
