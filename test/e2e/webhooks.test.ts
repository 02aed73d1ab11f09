import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { after, before, test } from 'node:test'
import { GatewayProcess } from '../lab/gateway-process.ts'
import { JsonReceiver } from '../lab/json-receiver.ts'
import type { ReceivedJson } from '../lab/json-receiver.ts'
import { until } from '../lab/poll.ts'
import { Scene } from '../lab/scene.ts'
import { unhurried } from '../lab/unhurried.ts'

let gateway: GatewayProcess
before(async () => {
  gateway = await GatewayProcess.start({ env: unhurried })
})
after(async () => await gateway[Symbol.asyncDispose]())

interface Payload {
  readonly event_id: string
  readonly event_type: string
  readonly stream_id: string
  readonly timestamp: string
  readonly data: Readonly<Record<string, unknown>>
}

const payloadsOf = (receiver: JsonReceiver) => receiver.received.map(({ body }) => body as Payload)

async function register(receiver: JsonReceiver, more: Readonly<Record<string, unknown>>): Promise<void> {
  const answer = await gateway.api.call('POST', '/webhooks', { url: receiver.url, ...more })
  assert.equal(answer.status, 200, answer.text)
}

async function failOver(): Promise<Scene> {
  const scene = await Scene.open({ gateway, origins: [{ name: 'primary' }, { name: 'backup' }] })
  const viewer = await scene.watching()
  scene.origin(0).inject({ kind: 'end' })
  await viewer.sees(scene.origin(1).name)
  return scene
}

for (const name of ['failover_triggered', 'FAILOVER_TRIGGERED']) {
  test(`a webhook registered for ${name} gets it under that name`, async () => {
    await using receiver = await JsonReceiver.start()
    await register(receiver, { events: [name], headers: { 'X-Mine': 'yes' } })
    await using scene = await failOver()
    const received = await until(() => receiver.received[0], { what: 'the delivery' })
    const payload = received.body as Payload
    assert.equal(payload.event_type, name)
    assert.equal(payload.stream_id, scene.streamId)
    assert.match(payload.event_id, /^[0-9a-f-]{36}$/)
    assert.match(payload.timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/)
    assert.equal(payload.data['old_url'], scene.origin(0).url)
    assert.equal(payload.data['new_url'], scene.origin(1).url)
    assert.equal(payload.data['failover_index'], 1)
    assert.equal(payload.data['attempt_number'], 1)
    assert.equal(typeof payload.data['reason'], 'string')
    assert.equal(payload.data['client_count'], 1)
    assert.equal(received.headers['x-mine'], 'yes')
    assert.match(String(received.headers['content-type']), /^application\/json/)
    await gateway.api.call('DELETE', `/webhooks?webhook_url=${encodeURIComponent(receiver.url)}`)
  })
}

test('a webhook without events gets the six of the reference, in order of a stream’s life', async () => {
  await using receiver = await JsonReceiver.start()
  await register(receiver, {})
  await using scene = await failOver()
  await gateway.api.call('DELETE', `/streams/${scene.streamId}`)
  const types = () => new Set(payloadsOf(receiver).map(({ event_type }) => event_type))
  for (const type of ['client_connected', 'stream_started', 'failover_triggered', 'stream_stopped']) {
    await until(() => types().has(type), { what: type, evidence: () => [...types()] })
  }
  const ids = payloadsOf(receiver).map(({ event_id }) => event_id)
  assert.equal(new Set(ids).size, ids.length, 'each event once')
  await gateway.api.call('DELETE', `/webhooks?webhook_url=${encodeURIComponent(receiver.url)}`)
})

test('a dead webhook delays no other', async () => {
  await using dead = await JsonReceiver.start(() => 'never')
  await using alive = await JsonReceiver.start()
  // It waits longer for its answer than the test does for the deliveries.
  await register(dead, { events: ['failover_triggered'], timeout: 300 })
  await register(alive, { events: ['failover_triggered'] })
  await using first = await failOver()
  await using second = await failOver()
  const streams = () => payloadsOf(alive).map(({ stream_id }) => stream_id)
  await until(() => streams().includes(first.streamId) && streams().includes(second.streamId), {
    what: 'both deliveries to the live webhook',
  })
  for (const { url } of [dead, alive]) {
    await gateway.api.call('DELETE', `/webhooks?webhook_url=${encodeURIComponent(url)}`)
  }
})

test('a refused delivery is tried again with the same event id', async () => {
  let refusals = 2
  await using receiver = await JsonReceiver.start(() => {
    refusals -= 1
    return { status: refusals >= 0 ? 500 : 200 }
  })
  await register(receiver, { events: ['failover_triggered'], retry_attempts: 3 })
  await using scene = await failOver()
  assert.ok(scene.streamId)
  await until(() => receiver.received.length >= 3, { what: 'two retries', deadlineMs: 15_000 })
  assert.equal(new Set(payloadsOf(receiver).map(({ event_id }) => event_id)).size, 1)
  await gateway.api.call('DELETE', `/webhooks?webhook_url=${encodeURIComponent(receiver.url)}`)
})

test('the signature can be checked with the secret of the webhook', async () => {
  await using receiver = await JsonReceiver.start()
  const secret = 'a-secret-of-the-lab-0123456789'
  await register(receiver, { events: ['failover_triggered'], secret })
  await using scene = await failOver()
  assert.ok(scene.streamId)
  const received = await until(() => receiver.received[0], { what: 'the delivery' })
  assert.ok(isSigned(received, secret), JSON.stringify(received.headers))
  assert.ok(!isSigned(received, `${secret}x`))
  await gateway.api.call('DELETE', `/webhooks?webhook_url=${encodeURIComponent(receiver.url)}`)
})

test('the test of a webhook tells the truth', async () => {
  await using receiver = await JsonReceiver.start()
  await register(receiver, { events: ['stream_failed'] })
  const path = `/webhooks/test?webhook_url=${encodeURIComponent(receiver.url)}`
  const good = await gateway.api.call<Readonly<Record<string, unknown>>>('POST', path)
  assert.equal(good.status, 200)
  assert.equal(typeof good.body['event_id'], 'string')
  await until(() => receiver.received.length === 1, { what: 'the test delivery' })
  receiver.reply = () => ({ status: 500 })
  const bad = await gateway.api.call<Readonly<Record<string, unknown>>>('POST', path)
  assert.ok(bad.status !== 200 || bad.body['success'] === false, bad.text)
  const unknown = await gateway.api.call('POST', '/webhooks/test?webhook_url=http%3A%2F%2Fnobody.example%2F')
  assert.equal(unknown.status, 404)
  await gateway.api.call('DELETE', `/webhooks?webhook_url=${encodeURIComponent(receiver.url)}`)
})

test('unknown events, bad URLs and negative numbers are refused', async () => {
  for (const input of [
    { url: 'http://127.0.0.1:9/', events: ['no_such_event'] },
    { url: 'ftp://127.0.0.1/', events: ['stream_failed'] },
    { url: 'http://127.0.0.1:9/', retry_attempts: -1 },
    { url: 'http://127.0.0.1:9/', timeout: 0 },
    {},
  ]) {
    const answer = await gateway.api.call('POST', '/webhooks', input)
    assert.equal(answer.status, 422, `${JSON.stringify(input)}: ${answer.text}`)
  }
})

/** `t=<seconds>,v1=<hex>` or a bare or `sha256=` hex digest, over the body alone or `timestamp.body`. */
function isSigned({ headers, text }: ReceivedJson, secret: string): boolean {
  const all = Object.entries(headers).filter(([name]) => /signature|timestamp/i.test(name))
  const values = all.map(([, value]) => String(value)).join(',')
  const stamps = values.match(/\d{10,13}/g) ?? []
  const inputs = [text, ...stamps.map((stamp) => `${stamp}.${text}`)]
  return inputs.some((input) => values.includes(createHmac('sha256', secret).update(input).digest('hex')))
}
