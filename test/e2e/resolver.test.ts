import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { FaultOrigin } from '../lab/fault-origin.ts'
import { GatewayProcess } from '../lab/gateway-process.ts'
import { JsonReceiver } from '../lab/json-receiver.ts'
import { Scene } from '../lab/scene.ts'
import { unhurried } from '../lab/unhurried.ts'

let gateway: GatewayProcess
before(async () => {
  gateway = await GatewayProcess.start({ env: unhurried })
})
after(async () => await gateway[Symbol.asyncDispose]())

test('the resolver is asked with the URL, the place, the reason and the metadata, and its answer is played', async () => {
  await using named = await FaultOrigin.start({ name: 'named-by-resolver' })
  await using resolver = await JsonReceiver.start(() => ({ status: 200, body: { next_url: named.url } }))
  await using scene = await Scene.open({
    gateway,
    origins: [{ name: 'primary' }],
    stream: { failover_resolver_url: resolver.url, metadata: { channel: 'one' } },
  })
  const viewer = await scene.watching()
  scene.origin(0).inject({ kind: 'end' })
  await viewer.sees('named-by-resolver')
  const question = resolver.received[0]?.body as Readonly<Record<string, unknown>>
  assert.equal(question['current_url'], scene.origin(0).url)
  assert.equal(question['current_failover_index'], -1)
  assert.deepEqual(question['metadata'], { channel: 'one' })
  assert.equal(typeof question['reason'], 'string')
  assert.ok('status_code' in question)
  assert.equal((await gateway.api.streamObject(scene.streamId)).current_url, named.url)
})

test('a resolver that names nobody leaves the static list', async () => {
  await using resolver = await JsonReceiver.start(() => ({ status: 200, body: { next_url: null } }))
  await using scene = await Scene.open({
    gateway,
    origins: [{ name: 'primary' }, { name: 'backup' }],
    stream: { failover_resolver_url: resolver.url },
  })
  const viewer = await scene.watching()
  scene.origin(0).inject({ kind: 'end' })
  await viewer.sees(scene.origin(1).name)
  assert.ok(resolver.received.length >= 1)
})

for (const [name, status] of [
  ['answers 500', 500],
  ['answers something else', 200],
] as const) {
  test(`a resolver that ${name} leaves the static list`, async () => {
    await using resolver = await JsonReceiver.start(() => ({ status, body: ['what?'] }))
    await using scene = await Scene.open({
      gateway,
      origins: [{ name: 'primary' }, { name: 'backup' }],
      stream: { failover_resolver_url: resolver.url },
    })
    const viewer = await scene.watching()
    scene.origin(0).inject({ kind: 'reset', aligned: true })
    await viewer.sees(scene.origin(1).name)
  })
}

test('a resolver that never answers holds the static list up for a few seconds at most', async () => {
  await using resolver = await JsonReceiver.start(() => 'never')
  await using scene = await Scene.open({
    gateway,
    origins: [{ name: 'primary' }, { name: 'backup' }],
    stream: { failover_resolver_url: resolver.url },
  })
  const viewer = await scene.watching()
  scene.origin(0).inject({ kind: 'end' })
  await viewer.sees(scene.origin(1).name, { deadlineMs: 8_000 })
})

test('a manual failover asks the resolver too', async () => {
  await using named = await FaultOrigin.start({ name: 'named-by-hand' })
  await using resolver = await JsonReceiver.start(() => ({ status: 200, body: { next_url: named.url } }))
  await using scene = await Scene.open({
    gateway,
    origins: [{ name: 'primary' }],
    stream: { failover_resolver_url: resolver.url },
  })
  const viewer = await scene.watching()
  const answer = await gateway.api.failover(scene.streamId)
  assert.equal(answer.new_url, named.url)
  await viewer.sees('named-by-hand')
  assert.equal((resolver.received[0]?.body as { reason?: unknown } | undefined)?.reason, 'manual')
})
