import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { after, test } from 'node:test'
import { Agent } from 'undici'
import { createSimulatedClock } from '../lib/simulated-clock.ts'
import type { EventMessage } from './event-message.ts'
import type { Webhook } from './webhook.ts'
import { attemptDelivery } from './webhook-delivery.ts'
import type { Attempt } from './webhook-delivery.ts'
import { startReceiver, until } from './webhook-receiver.fixture.ts'
import { webhookSignature } from './webhook-signature.ts'

const dispatcher = new Agent()
after(() => dispatcher.destroy())

const message: EventMessage = {
  event_id: 'e-1',
  event_type: 'FAILOVER_TRIGGERED',
  stream_id: 's-1',
  timestamp: '2026-01-01T00:00:00.000Z',
  data: { reason: 'ü' },
}

function webhookTo(url: string, changes: Partial<Webhook> = {}): Webhook {
  const settings = { url, events: [], headers: {}, timeoutSeconds: 10, retryAttempts: 0 }
  return { ...settings, id: 'w', secret: 'secret', registeredWallMs: 0, ...changes }
}

async function attempt(webhook: Webhook, clock = createSimulatedClock()): Promise<Attempt> {
  const { signal } = new AbortController()
  return attemptDelivery({ webhook, message, attempt: 2, dispatcher, clock, signal })
}

test('posts the message with its signature, its id, the attempt and the custom headers', async () => {
  await using receiver = await startReceiver()
  const clock = createSimulatedClock({ startWallMs: 1_700_000_000_900 })
  const headers = { 'X-Own': 'yes', 'User-Agent': 'mine' }
  const outcome = await attempt(webhookTo(`${receiver.url}/hook?a=1`, { headers }), clock)
  assert.deepEqual(outcome, { kind: 'succeeded', status: 204, ms: 0 })
  const [received] = receiver.received
  assert.equal(received?.path, '/hook?a=1')
  assert.deepEqual(received?.message, message)
  assert.equal(received?.headers['content-type'], 'application/json')
  assert.equal(received?.headers['user-agent'], 'mine')
  assert.equal(received?.headers['x-own'], 'yes')
  assert.equal(received?.headers['x-holdfast-event-id'], 'e-1')
  assert.equal(received?.headers['x-holdfast-delivery-attempt'], '2')
  assert.equal(
    received?.headers['x-holdfast-signature'],
    webhookSignature('secret', 1_700_000_000, received?.text ?? ''),
  )
})

test('credentials in the URL are sent as basic authentication', async () => {
  await using receiver = await startReceiver()
  await attempt(webhookTo(receiver.url.replace('://', '://us%20er:p%40ss@')))
  assert.equal(receiver.received[0]?.headers.authorization, `Basic ${btoa('us er:p@ss')}`)
  assert.equal(receiver.received[0]?.headers['user-agent'], 'Holdfast-Webhook/1.0')
})

for (const [status, kind] of [
  [200, 'succeeded'],
  [302, 'succeeded'],
  [400, 'refused'],
  [500, 'refused'],
] as const) {
  test(`a status of ${status} counts as ${kind}, and a redirect is not followed`, async () => {
    await using receiver = await startReceiver((response) => response.writeHead(status, { location: '/other' }).end())
    assert.deepEqual(await attempt(webhookTo(receiver.url)), { kind, status, ms: 0 })
    assert.equal(receiver.received.length, 1)
  })
}

test('a receiver that takes the request and never answers is given up after the timeout', async () => {
  await using receiver = await startReceiver(() => undefined)
  const clock = createSimulatedClock()
  const waiting = attempt(webhookTo(receiver.url, { timeoutSeconds: 3 }), clock)
  await until('the request has arrived', () => receiver.received.length === 1)
  await clock.advance(3_000)
  assert.deepEqual(await waiting, { kind: 'failed', error: 'no answer within 3 s', ms: 3_000 })
  assert.equal(clock.pending, 0)
})

test('an answer whose body never ends is cut off and still counts', async () => {
  await using receiver = await startReceiver((response) => {
    response.writeHead(200)
    const more = () => {
      while (!response.destroyed && response.write(Buffer.alloc(16_384)));
    }
    response.on('drain', more)
    more()
  })
  assert.deepEqual(await attempt(webhookTo(receiver.url)), { kind: 'succeeded', status: 200, ms: 0 })
})

test('an answer whose body stalls counts once the time is up', async () => {
  await using receiver = await startReceiver((response) => {
    response.writeHead(200, { 'content-length': '10' })
    response.write('half')
  })
  const clock = createSimulatedClock()
  const waiting = attempt(webhookTo(receiver.url, { timeoutSeconds: 1 }), clock)
  await until('the request has arrived', () => receiver.received.length === 1)
  // The answer's head has to come back too before the time is up.
  for (let turns = 0; turns < 50; turns += 1) await clock.settle()
  await clock.advance(1_000)
  assert.deepEqual(await waiting, { kind: 'succeeded', status: 200, ms: 1_000 })
})

test('a refused connection, a reset and something that is not HTTP are failures with a reason', async () => {
  await using receiver = await startReceiver()
  const { url } = receiver
  await receiver[Symbol.asyncDispose]()
  const refused = await attempt(webhookTo(url))
  assert.match(refused.kind === 'failed' ? refused.error : refused.kind, /ECONNREFUSED/)

  const reset = await withRawServer((socket) => socket.resetAndDestroy())
  assert.match(reset.kind === 'failed' ? reset.error : reset.kind, /ECONNRESET|UND_ERR_SOCKET/)

  const gibberish = await withRawServer((socket) => void socket.end('SSH-2.0-OpenSSH_9.2\r\n\r\n'))
  assert.match(gibberish.kind === 'failed' ? gibberish.error : gibberish.kind, /HPE_|HTTP/)
})

test('an abort ends the attempt at once', async () => {
  await using receiver = await startReceiver(() => undefined)
  const stop = new AbortController()
  const clock = createSimulatedClock()
  const webhook = webhookTo(receiver.url)
  const waiting = attemptDelivery({ webhook, message, attempt: 1, dispatcher, clock, signal: stop.signal })
  await until('the request has arrived', () => receiver.received.length === 1)
  stop.abort(new Error('the gateway is stopping'))
  assert.deepEqual(await waiting, { kind: 'failed', error: 'the gateway is stopping', ms: 0 })
  assert.equal(clock.pending, 0)
})

async function withRawServer(onConnection: (socket: Socket) => void): Promise<Attempt> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', () => onConnection(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    return await attempt(webhookTo(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`))
  } finally {
    server.close()
  }
}
