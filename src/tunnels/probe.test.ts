import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { until } from '../../test/lab/poll.ts'
import { systemClock } from '../lib/clock.ts'
import { createSimulatedClock } from '../lib/simulated-clock.ts'
import { createHttpProbe, networksMatcher } from './probe.ts'
import type { AddressGuard, ProbeOutcome } from './probe.ts'

const signal = new AbortController().signal

const nothingPrivate: AddressGuard = {
  allows: () => false,
  lookup: (hostname, _options, callback) => {
    callback(Object.assign(new Error(`${hostname} is private`), { code: 'ADDRESS_FORBIDDEN' }), '', 0)
  },
}

async function origin(listener: RequestListener) {
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url} ${request.headers.authorization ?? ''}`.trim())
    listener(request, response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    asked,
    url: `http://127.0.0.1:${port}/path?q=1`,
    port,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

async function outcomeOf(url: string, namedByAdmin = true): Promise<ProbeOutcome> {
  await using probe = createHttpProbe({ clock: systemClock, guard: nothingPrivate })
  return await probe({ url, namedByAdmin }, signal)
}

for (const [status, expected] of [
  [200, { kind: 'good' }],
  [204, { kind: 'good' }],
  [302, { kind: 'good' }],
  [399, { kind: 'good' }],
  [404, { kind: 'bad', reason: 'http_status', status: 404 }],
  [500, { kind: 'bad', reason: 'http_status', status: 500 }],
] as const) {
  test(`an answer of ${status} to HEAD is ${expected.kind}, and where it leads is not followed`, async () => {
    await using server = await origin((_request, response) => response.writeHead(status, { location: '/else' }).end())
    assert.deepEqual(await outcomeOf(server.url), expected)
    assert.deepEqual(server.asked, ['HEAD /path?q=1'])
  })
}

for (const status of [405, 501]) {
  test(`a server that answers ${status} to HEAD is asked with GET, and its endless body is not read`, async () => {
    await using server = await origin((request, response) => {
      if (request.method === 'HEAD') response.writeHead(status).end()
      else response.writeHead(200).write('for ever')
    })
    assert.deepEqual(await outcomeOf(server.url), { kind: 'good' })
    assert.deepEqual(server.asked, ['HEAD /path?q=1', 'GET /path?q=1'])
  })
}

test('credentials in the URL go into a header', async () => {
  await using server = await origin((_request, response) => response.end())
  assert.deepEqual(await outcomeOf(`http://us%40er:pass@127.0.0.1:${server.port}/`), { kind: 'good' })
  assert.deepEqual(server.asked, [`HEAD / Basic ${Buffer.from('us@er:pass').toString('base64')}`])
})

test('a server that does not answer within 5 s is bad, and no timer is left', async () => {
  await using server = await origin(() => undefined)
  const clock = createSimulatedClock()
  await using probe = createHttpProbe({ clock, guard: nothingPrivate })
  const outcome = probe({ url: server.url, namedByAdmin: true }, signal)
  await until(() => server.asked.length > 0, { what: 'the request' })
  await clock.advance(5_000)
  assert.deepEqual(await outcome, { kind: 'bad', reason: 'timeout' })
  assert.equal(clock.pending, 0)
})

test('a server that is not there is bad, and no timer is left', async () => {
  const clock = createSimulatedClock()
  await using probe = createHttpProbe({ clock, guard: nothingPrivate })
  let url: string
  {
    await using server = await origin(() => undefined)
    ;({ url } = server)
  }
  assert.deepEqual(await probe({ url, namedByAdmin: true }, signal), { kind: 'bad', reason: 'refused' })
  assert.equal(clock.pending, 0)
})

test('a private address that no admin named is not connected to, by address or by name', async () => {
  await using server = await origin((_request, response) => response.end())
  const forbidden = { kind: 'bad', reason: 'address_forbidden' }
  assert.deepEqual(await outcomeOf(server.url, false), forbidden)
  assert.deepEqual(await outcomeOf(`http://[::1]:${server.port}/`, false), forbidden)
  assert.deepEqual(await outcomeOf(`http://localhost:${server.port}/`, false), forbidden)
  assert.deepEqual(server.asked, [])
})

test('networks are matched by their prefix, in both families', () => {
  const matches = networksMatcher(['10.1.0.0/16', 'fd00:1::/64', '192.0.2.7'])
  for (const ip of ['10.1.2.3', 'fd00:1::5', '192.0.2.7']) assert.equal(matches(ip), true, ip)
  for (const ip of ['10.2.0.1', 'fd00:2::5', '192.0.2.8', '::1']) assert.equal(matches(ip), false, ip)
})
