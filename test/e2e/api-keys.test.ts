import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { GatewayProcess } from '../lab/gateway-process.ts'

const TOKEN = 'lab-token-0123456789'

interface KeyAnswer {
  readonly data: { readonly id: string; readonly key: string; readonly owner: string; readonly role: string }
}

let gateway: GatewayProcess
before(async () => {
  gateway = await GatewayProcess.start({ env: { API_TOKEN: TOKEN }, token: TOKEN })
})
after(async () => await gateway[Symbol.asyncDispose]())

async function keyOf(owner: string, role: string): Promise<KeyAnswer['data']> {
  const answer = await gateway.api.call<KeyAnswer>('POST', '/api/keys', { name: `${owner}’s`, owner, role })
  assert.equal(answer.status, 201, answer.text)
  assert.equal(answer.headers.get('cache-control'), 'no-store')
  return answer.body.data
}

function withKey(key: string) {
  return gateway.api.with({ authorization: `Bearer ${key}` })
}

describe('API keys', () => {
  test('an admin’s key does what API_TOKEN does, by header, Bearer and query', async () => {
    const { key } = await keyOf('ops', 'admin')
    for (const headers of [{ 'x-api-token': key }, { authorization: `Bearer ${key}` }]) {
      assert.equal((await gateway.api.with(headers).call('GET', '/streams')).status, 200)
    }
    assert.equal((await gateway.api.with({}).call('GET', `/streams?api_token=${key}`)).status, 200)
    assert.equal((await withKey(key).call('POST', '/api/keys', { name: 'another', role: 'admin' })).status, 201)
  })

  test('a user’s key reaches no operator route, and a viewer’s changes nothing', async () => {
    const user = await keyOf('alice', 'user')
    const viewer = await keyOf('alice', 'viewer')
    for (const path of ['/streams', '/stats', '/events', '/webhooks', '/metrics', '/info']) {
      assert.equal((await withKey(user.key).call('GET', path)).status, 403, path)
    }
    const stream = { url: 'http://127.0.0.1:9/a.ts' }
    assert.equal((await withKey(user.key).call('POST', '/streams', stream)).status, 403)
    assert.equal((await withKey(viewer.key).call('GET', '/api/tunnels')).status, 200)
    assert.equal((await withKey(viewer.key).call('POST', '/api/tunnels', { name: 'x' })).status, 403)
    assert.equal((await withKey(viewer.key).call('POST', '/api/keys', { name: 'x' })).status, 403)
  })

  test('keys of others are neither listed nor revoked, and a revoked one is refused at once', async () => {
    const alice = await keyOf('alice', 'user')
    const bob = await keyOf('bob', 'user')
    const listed = await withKey(bob.key).get<{ data: readonly { owner: string }[] }>('/api/keys')
    assert.deepEqual(new Set(listed.data.map(({ owner }) => owner)), new Set(['bob']))
    const foreign = await withKey(bob.key).call<{ code: string }>('DELETE', `/api/keys/${alice.id}`)
    assert.deepEqual([foreign.status, foreign.body.code], [404, 'API_KEY_NOT_FOUND'])
    assert.equal((await withKey(alice.key).call('DELETE', `/api/keys/${alice.id}`)).status, 200)
    const refused = await withKey(alice.key).call<{ code: string }>('GET', '/api/tunnels')
    assert.deepEqual([refused.status, refused.body.code], [401, 'AUTH_REQUIRED'])
  })

  test('keys survive kill -9, revoked ones do not, and no key stands in the data directory or the log', async () => {
    const kept = await keyOf('carol', 'user')
    const revoked = await keyOf('carol', 'user')
    await gateway.api.call('DELETE', `/api/keys/${revoked.id}`)
    await gateway.restart()
    assert.equal((await withKey(kept.key).call('GET', '/api/tunnels')).status, 200)
    assert.equal((await withKey(revoked.key).call('GET', '/api/tunnels')).status, 401)
    const secret = kept.key.slice(-43)
    for (const name of await readdir(gateway.dataDirectory)) {
      const bytes = await readFile(join(gateway.dataDirectory, name)).catch(() => Buffer.alloc(0))
      assert.equal(bytes.includes(secret), false, name)
    }
    assert.equal(JSON.stringify(gateway.logs).includes(secret), false)
  })

  test('what is asked wrongly is refused with a code', async () => {
    for (const body of [
      {},
      { name: '' },
      { name: 'x', role: 'root' },
      { name: 'x', owner: 'a b' },
      { name: 'x', expiresInDays: 0 },
    ]) {
      const answer = await gateway.api.call<{ code: string }>('POST', '/api/keys', body)
      assert.deepEqual([answer.status, answer.body.code], [400, 'INVALID_REQUEST'], JSON.stringify(body))
    }
    assert.equal((await gateway.api.call('GET', '/api/keys/nope')).status, 404)
  })
})

test('without API_TOKEN whoever reaches the loopback address is the admin, and a key says who else it may be', async () => {
  await using open = await GatewayProcess.start()
  const made = await open.api.call<KeyAnswer>('POST', '/api/keys', { name: 'mine', owner: 'alice' })
  assert.equal(made.status, 201)
  assert.equal((await open.api.call('GET', '/streams')).status, 200)
  const { key } = made.body.data
  const tunnel = await open.api.call<{ data: { user_id: string } }>(
    'POST',
    '/api/tunnels',
    { name: 'x' },
    { 'x-api-token': key },
  )
  assert.equal(tunnel.body.data.user_id, 'alice')
  assert.equal((await open.api.call('GET', '/streams', undefined, { 'x-api-token': key })).status, 403)
  assert.equal((await open.api.call('GET', '/streams', undefined, { 'x-api-token': 'of another program' })).status, 200)
})
