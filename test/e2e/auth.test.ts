import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { GatewayProcess } from '../lab/gateway-process.ts'
import { Scene } from '../lab/scene.ts'

const TOKEN = 'lab-token-0123456789'
let gateway: GatewayProcess
before(async () => {
  gateway = await GatewayProcess.start({ env: { API_TOKEN: TOKEN }, token: TOKEN })
})
after(async () => await gateway[Symbol.asyncDispose]())

describe('with API_TOKEN set', () => {
  test('no route opens a URL or a file that a request without a token names', async () => {
    await using scene = await Scene.open({ gateway, origins: [{ name: 'private' }] })
    const target = encodeURIComponent(scene.origin(0).url)
    for (const path of [
      `/stream/x?url=${target}`,
      `/hls/x/playlist.m3u8?url=${target}`,
      `/hls/x/segment?client_id=a&url=${target}`,
      '/hls/x/segment?client_id=a&url=/etc/passwd',
      '/hls/x/segment.ts?client_id=a&url=file:///etc/passwd',
    ]) {
      const answer = await gateway.api.with({}).call('GET', path)
      assert.ok(answer.status >= 400, `${path} was answered ${answer.status}`)
      assert.doesNotMatch(answer.text, /root:/)
    }
    assert.equal(scene.origin(0).connectionsEver, 0)
  })

  const ways: readonly (readonly [string, string, Readonly<Record<string, string>>])[] = [
    ['X-API-Token', '/streams', { 'x-api-token': TOKEN }],
    ['Authorization: Bearer', '/streams', { authorization: `Bearer ${TOKEN}` }],
    ['?api_token=', `/streams?api_token=${TOKEN}`, {}],
  ]
  for (const [name, path, headers] of ways) {
    test(`${name} is accepted`, async () => {
      assert.equal((await gateway.api.with(headers).call('GET', path)).status, 200)
    })
  }

  const wrongs: readonly (readonly [string, string, Readonly<Record<string, string>>])[] = [
    ['X-API-Token', '/streams', { 'x-api-token': 'wrong' }],
    ['Authorization: Bearer', '/streams', { authorization: 'Bearer wrong' }],
    ['?api_token=', '/streams?api_token=wrong', {}],
    ['a token with one more character', '/streams', { 'x-api-token': `${TOKEN}x` }],
  ]
  for (const [name, path, headers] of wrongs) {
    test(`a wrong token by ${name} is 403`, async () => {
      const answer = await gateway.api.with(headers).call<{ detail: string }>('GET', path)
      assert.equal(answer.status, 403)
      assert.equal(answer.body.detail, 'Invalid API token')
    })
  }

  const guarded: readonly (readonly [string, string])[] = [
    ['GET', '/'],
    ['GET', '/info'],
    ['GET', '/streams'],
    ['POST', '/streams'],
    ['GET', '/streams/x'],
    ['DELETE', '/streams/x'],
    ['POST', '/streams/x/failover'],
    ['GET', '/stats'],
    ['GET', '/stats/detailed'],
    ['GET', '/clients'],
    ['GET', '/webhooks'],
    ['POST', '/webhooks'],
    ['POST', '/test-connection'],
    ['GET', '/events'],
    ['GET', '/events/live'],
    ['GET', '/m3u-proxy/streams'],
  ]
  for (const [method, path] of guarded) {
    test(`${method} ${path} without a token is 401 and says how to send one`, async () => {
      const answer = await gateway.api.with({}).call<{ detail: string }>(method, path)
      assert.equal(answer.status, 401)
      assert.match(answer.body.detail, /API token required/)
      assert.match(String(answer.headers.get('www-authenticate')), /Bearer/)
    })
  }

  test('a health check needs none and learns nothing but the health', async () => {
    const answer = await gateway.api.with({}).call('GET', '/health')
    assert.deepEqual([answer.status, answer.body], [200, { status: 'healthy' }])
  })

  test('viewers need none', async () => {
    await using scene = await Scene.open({ gateway, origins: [{ name: 'primary' }] })
    const viewer = scene.watch()
    await viewer.sees(scene.origin(0).name)
  })

  test('no answer and no log line shows the token', async () => {
    for (const path of ['/info', '/health', '/', '/stats']) {
      assert.ok(!(await gateway.api.call('GET', path)).text.includes(TOKEN), path)
    }
    await gateway.api.with({}).call('GET', `/streams?api_token=${TOKEN}`)
    assert.ok(!JSON.stringify(gateway.logs).includes(TOKEN))
    assert.ok(!gateway.otherOutput.join('\n').includes(TOKEN))
  })
})

test('without API_TOKEN on loopback the API is open', async () => {
  await using open = await GatewayProcess.start()
  assert.equal((await open.api.call('GET', '/streams')).status, 200)
})

test('API_AUTH=off asks nobody', async () => {
  await using open = await GatewayProcess.start({ env: { API_AUTH: 'off', API_TOKEN: TOKEN } })
  assert.equal((await open.api.call('GET', '/streams')).status, 200)
})

test('REQUIRE_VIEWER_TOKEN closes the streams to those without the token of theirs', async () => {
  await using closed = await GatewayProcess.start({ env: { REQUIRE_VIEWER_TOKEN: 'true' } })
  await using scene = await Scene.open({ gateway: closed, origins: [{ name: 'primary' }] })
  const without = await scene.watch().answered()
  assert.ok(without.status === 401 || without.status === 403, `${without.status}`)
  const created = await closed.api.createStream({ url: scene.origin(0).url })
  const url = new URL(created.direct_url ?? created.stream_endpoint, closed.url)
  assert.notEqual(url.search, '', 'the URL for viewers carries the token')
  const viewer = await scene.watching({ query: url.search })
  assert.equal(viewer.status, 200)
})
