import assert from 'node:assert/strict'
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { GatewayProcess } from '../lab/gateway-process.ts'
import { JsonReceiver } from '../lab/json-receiver.ts'
import { until } from '../lab/poll.ts'
import { Scene } from '../lab/scene.ts'
import { unhurried } from '../lab/unhurried.ts'

test('after kill -9 the same URL plays on, from the source that was on air', async () => {
  await using gateway = await GatewayProcess.start({ env: unhurried })
  await using scene = await Scene.open({
    gateway,
    origins: [{ name: 'primary' }, { name: 'backup' }, { name: 'spare' }],
    stream: { metadata: { channel: 'one' }, user_agent: 'Kept/1.0', headers: { 'X-Kept': 'yes' } },
  })
  const viewer = await scene.watching()
  scene.origin(0).inject({ kind: 'reset', aligned: true })
  await viewer.sees(scene.origin(1).name)
  const before = await gateway.api.streamObject(scene.streamId)
  await gateway.restart()
  const after = await gateway.api.streamObject(scene.streamId)
  for (const field of ['original_url', 'current_url', 'failover_attempts', 'current_failover_index'] as const) {
    assert.equal(after[field], before[field], field)
  }
  assert.deepEqual(after.failover_urls, before.failover_urls)
  assert.deepEqual(after.metadata, { channel: 'one' })
  assert.equal(after.last_failover_time, before.last_failover_time)
  const again = scene.watch()
  await again.sees(scene.origin(1).name)
  assert.deepEqual(again.sources, [scene.origin(1).name])
  const headers = scene.origin(1).requests.at(-1)?.headers ?? {}
  assert.equal(headers['user-agent'], 'Kept/1.0')
  assert.equal(headers['x-kept'], 'yes')
})

test('a manual choice of source survives kill -9', async () => {
  await using gateway = await GatewayProcess.start({ env: unhurried })
  await using scene = await Scene.open({
    gateway,
    origins: [{ name: 'primary' }, { name: 'backup' }, { name: 'spare' }],
  })
  await gateway.api.failover(scene.streamId, { target: 2 })
  await gateway.restart()
  const viewer = scene.watch()
  await viewer.sees(scene.origin(2).name)
})

test('the id of a stream is the same for the same request, also after a restart', async () => {
  await using gateway = await GatewayProcess.start({ env: unhurried })
  const url = 'http://127.0.0.1:9/live/same.ts'
  const first = await gateway.api.stream([url])
  assert.equal(await gateway.api.stream([url]), first)
  await gateway.restart()
  assert.equal(await gateway.api.stream([url]), first)
  await using other = await GatewayProcess.start()
  assert.notEqual(await other.api.stream([url]), first, 'the id is keyed: another gateway computes another')
})

test('webhooks and what they had still to deliver survive kill -9, and arrive once the receiver is back', async () => {
  await using receiver = await JsonReceiver.start(() => ({ status: 503 }))
  await using gateway = await GatewayProcess.start({ env: unhurried })
  const hook = { url: receiver.url, events: ['failover_triggered'], headers: { 'X-Kept': 'yes' } }
  assert.equal((await gateway.api.call('POST', '/webhooks', hook)).status, 200)
  await using scene = await Scene.open({ gateway, origins: [{ name: 'primary' }, { name: 'backup' }] })
  const viewer = await scene.watching()
  scene.origin(0).inject({ kind: 'end' })
  await viewer.sees(scene.origin(1).name)
  const attempt = await until(() => receiver.received[0], { what: 'a first attempt' })
  const eventId = (attempt.body as { event_id: string }).event_id
  await gateway.kill('SIGKILL')
  receiver.received.length = 0
  receiver.reply = () => ({ status: 200 })
  await gateway.restart()
  const delivered = await until(
    () => receiver.received.find(({ body }) => (body as { event_id: string }).event_id === eventId),
    { what: 'the pending delivery', deadlineMs: 20_000 },
  )
  assert.equal(delivered.headers['x-kept'], 'yes')
  const { webhooks } = await gateway.api.get<{ webhooks: readonly { url: string }[] }>('/webhooks')
  assert.deepEqual(
    webhooks.map(({ url }) => url),
    [receiver.url],
  )
})

test('deleted streams stay deleted', async () => {
  await using gateway = await GatewayProcess.start({ env: unhurried })
  const streamId = await gateway.api.stream(['http://127.0.0.1:9/live/gone.ts'])
  assert.equal((await gateway.api.call('DELETE', `/streams/${streamId}`)).status, 200)
  await gateway.restart()
  assert.equal((await gateway.api.call('GET', `/streams/${streamId}`)).status, 404)
})

test('SIGTERM ends viewers cleanly and the process with status 0', async () => {
  await using gateway = await GatewayProcess.start({ env: unhurried })
  await using scene = await Scene.open({ gateway, origins: [{ name: 'primary' }] })
  const viewer = await scene.watching()
  assert.equal(await gateway.kill('SIGTERM'), 0)
  assert.equal(await viewer.finished(), 'ended')
})

test('a damaged database is set aside, not overwritten, and the gateway starts', async () => {
  await using gateway = await GatewayProcess.start({ env: unhurried })
  await gateway.api.stream(['http://127.0.0.1:9/live/lost.ts'])
  await gateway.kill('SIGTERM')
  const files = await readdir(gateway.dataDirectory)
  const database = files.find((name) => /\.(db|sqlite3?)$/.test(name))
  assert.ok(database !== undefined, `no database among ${files.join(', ')}`)
  const damage = Buffer.from('this is not a database, but it is all that is left. '.repeat(200))
  for (const name of files.filter((name) => name.startsWith(database))) {
    await writeFile(join(gateway.dataDirectory, name), damage)
  }
  await gateway.restart()
  assert.equal((await gateway.api.call('GET', '/health')).status, 200)
  const { streams } = await gateway.api.get<{ streams: readonly unknown[] }>('/streams')
  assert.equal(streams.length, 0)
  const setAside = (await readdir(gateway.dataDirectory)).filter((name) => !files.includes(name))
  assert.ok(
    setAside.some((name) => name.startsWith(database.replace(/\.\w+$/, ''))),
    `nothing was set aside: ${(await readdir(gateway.dataDirectory)).join(', ')}`,
  )
})
