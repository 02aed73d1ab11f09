import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createAccess, FIRST_ADMIN, ROLES } from './access.ts'
import type { AccessMode, AccessRequest, KeyDirectory } from './access.ts'

const TOKEN = 'right-token'
const token: AccessMode = { kind: 'token', token: TOKEN }

function request(headers: AccessRequest['headers'], query: unknown = {}, streamId?: string): AccessRequest {
  return { headers, query, streamId }
}

function refusalCode(mode: AccessMode, asked: AccessRequest): string | undefined {
  return createAccess({ mode, requireViewerToken: false, secret: 's' }).refusal(asked, 'operator')?.code
}

test('the token is taken from each of the three places', () => {
  for (const asked of [
    request({ 'x-api-token': TOKEN }),
    request({ authorization: `Bearer ${TOKEN}` }),
    request({ authorization: `bearer ${TOKEN}` }),
    request({}, { api_token: TOKEN }),
    request({ authorization: 'Basic Zm9vOmJhcg==', 'x-api-token': TOKEN }),
    request({ 'x-api-token': 'wrong' }, { api_token: TOKEN }),
  ]) {
    assert.equal(refusalCode(token, asked), undefined, JSON.stringify(asked))
  }
})

test('a missing token is unauthorized in the words of the peer, a wrong one is forbidden', () => {
  const access = createAccess({ mode: token, requireViewerToken: false, secret: 's' })
  const missing = access.refusal(request({}), 'operator')
  assert.equal(missing?.code, 'unauthorized')
  assert.match(
    missing.message,
    /^API token required\. Provide token via X-API-Token header or api_token query parameter\.$/,
  )
  for (const asked of [
    request({ 'x-api-token': `${TOKEN}x` }),
    request({ 'x-api-token': TOKEN.slice(0, -1) }),
    request({ authorization: `Bearer ${TOKEN.toUpperCase()}` }),
    request({}, { api_token: 'ünïcode' }),
  ]) {
    assert.equal(refusalCode(token, asked), 'forbidden', JSON.stringify(asked))
  }
  for (const asked of [
    request({}, { api_token: [TOKEN] }),
    request({ authorization: TOKEN }),
    request({ 'x-api-token': '' }),
  ]) {
    assert.equal(refusalCode(token, asked), 'unauthorized', JSON.stringify(asked))
  }
})

test('without a token only loopback names are answered, so that DNS rebinding gains nothing', () => {
  for (const host of ['localhost:8085', '127.0.0.1:8085', '127.8.9.1', '[::1]:8085', 'LOCALHOST', 'app.localhost:1']) {
    assert.equal(refusalCode({ kind: 'loopback' }, request({ host })), undefined, host)
  }
  for (const host of [
    'evil.example',
    '127.0.0.1.evil.example',
    'localhost.evil.example',
    '10.0.0.1',
    '128.0.0.1',
    '',
    'a b',
    undefined,
  ]) {
    const asked = request(host === undefined ? {} : { host })
    assert.equal(refusalCode({ kind: 'loopback' }, asked), 'host_not_allowed', host)
  }
})

test('without a token a page of another site cannot operate the gateway', () => {
  const host = 'gateway.lan:8085'
  const cases: readonly (readonly [Record<string, string>, string | undefined])[] = [
    [{}, undefined],
    [{ origin: 'http://gateway.lan:8085' }, undefined],
    [{ origin: 'http://localhost:3000' }, undefined],
    [{ origin: 'http://evil.example' }, 'host_not_allowed'],
    [{ origin: 'null' }, 'host_not_allowed'],
    [{ 'sec-fetch-site': 'same-origin' }, undefined],
    [{ 'sec-fetch-site': 'none' }, undefined],
    [{ 'sec-fetch-site': 'cross-site' }, 'host_not_allowed'],
  ]
  for (const [headers, code] of cases) {
    assert.equal(refusalCode({ kind: 'off' }, request({ host, ...headers })), code, JSON.stringify(headers))
  }
})

test('a viewer token opens the one stream that it was made for', () => {
  const access = createAccess({ mode: token, requireViewerToken: true, secret: 's' })
  const given = access.viewerToken('abc')
  assert.match(given ?? '', /^[0-9a-f]{32}$/)
  const codeOf = (query: object, streamId: string, headers = {}) =>
    access.refusal(request(headers, query, streamId), 'viewer')?.code
  assert.equal(codeOf({ token: given }, 'abc'), undefined)
  assert.equal(codeOf({ token: given }, 'abd'), 'forbidden')
  assert.equal(codeOf({}, 'abc'), 'unauthorized')
  assert.equal(codeOf({}, 'abc', { 'x-api-token': TOKEN }), undefined)
  const other = createAccess({ mode: token, requireViewerToken: true, secret: 't' })
  assert.notEqual(other.viewerToken('abc'), given)
})

test('viewers need no token unless it is asked for, and a route without a mark is for operators', () => {
  const access = createAccess({ mode: token, requireViewerToken: false, secret: 's' })
  assert.equal(access.viewerToken('abc'), undefined)
  assert.equal(access.refusal(request({}, {}, 'abc'), 'viewer'), undefined)
  assert.equal(access.refusal(request({}), 'public'), undefined)
  assert.equal(access.refusal(request({}), undefined)?.code, 'unauthorized')
})

test('where no token is asked for, a required viewer token is still required', () => {
  const access = createAccess({ mode: { kind: 'loopback' }, requireViewerToken: true, secret: 's' })
  assert.equal(access.refusal(request({ host: 'localhost' }, {}, 'abc'), 'viewer')?.code, 'unauthorized')
})

const keys: KeyDirectory = {
  callerOf: (key) => {
    const role = ROLES.find((known) => key === `key of ${known}`)
    return role && { owner: `a ${role}`, role }
  },
}

function keyed(mode: AccessMode) {
  return createAccess({ mode, requireViewerToken: false, secret: 's', keys })
}

test('operator routes are for API_TOKEN and the keys of admins', () => {
  const access = keyed(token)
  const codeOf = (key: string) => access.refusal(request({ 'x-api-token': key }), 'operator')?.code
  assert.equal(codeOf(TOKEN), undefined)
  assert.equal(codeOf('key of admin'), undefined)
  assert.deepEqual(['key of user', 'key of viewer', 'nobody'].map(codeOf), ['forbidden', 'forbidden', 'forbidden'])
  assert.equal(access.isOperator(request({ authorization: 'Bearer key of user' })), false)
})

test('account routes are for every key, and a viewer’s may only read', () => {
  const access = keyed(token)
  const codeOf = (key: string | undefined, method: string) =>
    access.refusal({ ...request({}, key === undefined ? {} : { api_token: key }), method }, 'account')?.code
  for (const key of [TOKEN, 'key of admin', 'key of user']) {
    assert.deepEqual([codeOf(key, 'GET'), codeOf(key, 'DELETE')], [undefined, undefined], key)
  }
  assert.deepEqual(
    ['GET', 'HEAD'].map((method) => codeOf('key of viewer', method)),
    [undefined, undefined],
  )
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) assert.equal(codeOf('key of viewer', method), 'forbidden')
  assert.equal(codeOf('nobody', 'GET'), 'unauthorized')
  assert.equal(codeOf(undefined, 'GET'), 'unauthorized')
})

test('who calls: the owner of the key, the first admin with API_TOKEN, and without one whoever may call', () => {
  const callerOf = (mode: AccessMode, headers: AccessRequest['headers']) =>
    keyed(mode).callerOf(request({ host: 'localhost', ...headers }))
  assert.deepEqual(callerOf(token, { 'x-api-token': TOKEN }), FIRST_ADMIN)
  assert.deepEqual(callerOf(token, { 'x-api-token': 'key of user' }), { owner: 'a user', role: 'user' })
  assert.equal(callerOf(token, {}), undefined)
  assert.deepEqual(callerOf({ kind: 'loopback' }, {}), FIRST_ADMIN)
  assert.deepEqual(callerOf({ kind: 'loopback' }, { 'x-api-token': 'key of user' }), { owner: 'a user', role: 'user' })
  assert.equal(callerOf({ kind: 'loopback' }, { host: 'evil.example' }), undefined)
  const page = { host: 'localhost', origin: 'http://evil.example' }
  assert.equal(keyed({ kind: 'off' }).refusal(request(page), 'account')?.code, 'host_not_allowed')
})

test('our own keys are known by their form, so that one that is revoked is not shown to others either', () => {
  const access = createAccess({ mode: token, requireViewerToken: false, secret: 's' })
  const key = `hfk_${'0'.repeat(32)}_${'x'.repeat(43)}`
  assert.deepEqual(
    [TOKEN, key, 'theirs', `${TOKEN}x`].map((text) => access.isOwnKey(text)),
    [true, true, false, false],
  )
})
