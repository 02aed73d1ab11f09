import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import { FaultUpstream } from '../lab/fault-upstream.ts'
import { GatewayProcess } from '../lab/gateway-process.ts'
import { until } from '../lab/poll.ts'
import { ask } from '../lab/service-load.ts'

interface ServiceAnswer {
  readonly addresses: readonly string[]
}

interface StatusAnswer {
  readonly inFlight: number
  readonly endpoints: readonly { readonly inFlight: number }[]
}

/** The status of the answer to a request line that no client would send. */
async function statusOfTarget(address: string, target: string): Promise<number> {
  const { hostname, port } = new URL(`http://${address}`)
  const socket = connect(Number(port), hostname)
  socket.end(`GET ${target} HTTP/1.1\r\nHost: x.test\r\nConnection: close\r\n\r\n`)
  let text = ''
  socket.on('data', (piece: Buffer) => {
    text += piece.toString('latin1')
  })
  await once(socket, 'close')
  return Number(text.slice(9, 12))
}

test('what no service takes, what a disabled one would take, and an ambiguous path are told apart', async () => {
  await using gateway = await GatewayProcess.start({ env: { PROXY_PORT: '0' } })
  await using a = await FaultUpstream.start('a')
  const definition = { id: 'shop', routes: [{ host: 'shop.test', pathPrefix: '/in' }], endpoints: [{ url: a.url }] }
  const made = await gateway.api.call<ServiceAnswer>('POST', '/api/services', definition)
  assert.equal(made.status, 201, made.text)
  const [address = ''] = made.body.addresses
  const asked = async (path: string, host = 'shop.test') => ask(`http://${address}${path}`, { host })
  const codeOf = ({ body }: { readonly body: string }) => (JSON.parse(body) as { code: string }).code
  assert.equal((await asked('/in/x')).status, 200)
  for (const answer of [await asked('/out'), await asked('/in', 'other.test')]) {
    assert.deepEqual([answer.status, codeOf(answer)], [404, 'route_not_found'])
    assert.match(String(answer.headers['content-type']), /^application\/problem\+json/)
  }
  for (const target of ['/in/../out', '/in/%2e%2E/out', '/in/.', '/in/..?x', '/in/..%2fout', '/in\\..\\out']) {
    assert.equal(await statusOfTarget(address, target), 400, target)
  }
  assert.equal(await statusOfTarget(address, '/in/..x/.well-known'), 404, 'dots in a name are no dot segments')
  assert.equal(await statusOfTarget(address, '/in/?to=/../out'), 404, 'a query may hold any path')
  await gateway.api.call('POST', '/api/services/shop/disable')
  const disabled = await asked('/in')
  assert.deepEqual([disabled.status, codeOf(disabled)], [503, 'service_disabled'])
  await gateway.api.call('POST', '/api/services/shop/enable')
  assert.equal((await asked('/in')).status, 200)
  await gateway.api.call('DELETE', '/api/services/shop')
  assert.equal((await asked('/in')).status, 404)
})

test('a service takes no more requests than it may, and a client that leaves gives its place back', async () => {
  await using gateway = await GatewayProcess.start()
  await using a = await FaultUpstream.start('a')
  const made = await gateway.api.call<ServiceAnswer>('POST', '/api/services', {
    ...{ id: 'small', listeners: [{ port: 0 }], maxConcurrency: 2, endpoints: [{ url: a.url }] },
  })
  const [address = ''] = made.body.addresses
  await a.become({ kind: 'hang' })
  const { hostname, port } = new URL(`http://${address}`)
  const clients = [1, 2].map(() => {
    const socket = connect(Number(port), hostname)
    socket.on('error', () => undefined)
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    return socket
  })
  const status = async () => gateway.api.get<StatusAnswer>('/api/services/small/status')
  await until(async () => (await status()).inFlight === 2, { what: 'two requests under way' })
  const third = await ask(`http://${address}/`)
  assert.equal(third.status, 503)
  assert.match(third.body, /endpoints_busy/)
  for (const client of clients) client.destroy()
  await until(async () => (await status()).inFlight === 0, { what: 'their places being free' })
  assert.equal((await status()).endpoints[0]?.inFlight, 0)
  await a.become({ kind: 'ok' })
  assert.equal((await ask(`http://${address}/`)).status, 200)
})

test('a port that is taken is said, and nothing of the service has happened', async () => {
  await using gateway = await GatewayProcess.start()
  await using a = await FaultUpstream.start('a')
  const taken = Number(new URL(a.url).port)
  const body = { id: 'late', listeners: [{ port: taken }], endpoints: [{ url: a.url }] }
  const answer = await gateway.api.call<{ code: string }>('POST', '/api/services', body)
  assert.deepEqual([answer.status, answer.body.code], [409, 'listener_unavailable'])
  assert.equal((await gateway.api.call('GET', '/api/services/late')).status, 404)
})

test('every problem of a body is told with its place, its value and what is allowed', async () => {
  await using gateway = await GatewayProcess.start()
  const answer = await gateway.api.call<{ errors: readonly { loc: readonly unknown[]; msg: string }[] }>(
    ...([
      'POST',
      '/api/services',
      { id: 'A', routes: [{}], endpoints: [{ url: 'x', weight: -1 }], colour: 1 },
    ] as const),
  )
  assert.equal(answer.status, 422)
  const told = answer.body.errors.map(({ loc, msg }) => `${loc.join('.')}: ${msg}`)
  for (const pattern of [
    /^body\.id: .*"A"/,
    /^body\.endpoints\.0\.url: /,
    /weight: .*0 to 1000000; it is -1/,
    /colour/,
  ]) {
    assert.ok(
      told.some((text) => pattern.test(text)),
      `${String(pattern)} is not in ${told.join('\n')}`,
    )
  }
})

test('an endpoint that leads back to its own service is noticed after a few rounds', async () => {
  await using gateway = await GatewayProcess.start({ env: { PROXY_PORT: '0' } })
  const service = (url: string) => ({ routes: [{ host: 'round.test' }], endpoints: [{ id: 'self', url }] })
  const made = await gateway.api.call<ServiceAnswer>('PUT', '/api/services/round', service('http://127.0.0.1:9'))
  const [address = ''] = made.body.addresses
  await gateway.api.call('PUT', '/api/services/round', service(`http://${address}`))
  const answer = await ask(`http://${address}/`, { host: 'round.test' })
  assert.equal(answer.status, 508)
  assert.equal((JSON.parse(answer.body) as { code: string }).code, 'loop_detected')
  const { counters } = await gateway.api.get<{ counters: { attempts: number } }>('/api/services/round/status')
  assert.equal(counters.attempts, 8)
})

test('a changed endpoint is answered with what was changed', async () => {
  await using gateway = await GatewayProcess.start()
  await gateway.api.call('PUT', '/api/services/s', {
    listeners: [{ port: 0 }],
    endpoints: [{ id: 'a', url: 'http://a' }],
  })
  const change = { priority: 2, weight: 3, region: 'eu', maxConcurrency: 5, drain: true }
  const { body } = await gateway.api.call<object>('PATCH', '/api/services/s/endpoints/a', change)
  assert.deepEqual({ ...body, ...change }, body)
})
