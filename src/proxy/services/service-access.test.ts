import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createAccess } from '../../http/access.ts'
import type { AccessMode, Caller } from '../../http/access.ts'
import { defaultHeadLimits, parseRequestHead } from '../wire/head.ts'
import type { RequestHead } from '../wire/head.ts'
import { admit, withoutKey } from './service-access.ts'

const keys = {
  callerOf: (key: string): Caller | undefined =>
    key === 'ann-key'
      ? { owner: 'ann', role: 'user' }
      : key === 'vic-key'
        ? { owner: 'vic', role: 'viewer' }
        : undefined,
}

function headOf(requestLine: string, ...fields: readonly string[]): RequestHead {
  const bytes = Buffer.from(`${[`${requestLine} HTTP/1.1`, 'Host: localhost', ...fields].join('\r\n')}\r\n\r\n`)
  const parsed = parseRequestHead(bytes, 0, bytes.length, defaultHeadLimits)
  assert.ok(parsed.kind === 'head', JSON.stringify(parsed))
  return parsed.head
}

function judged(mode: AccessMode, ...request: Parameters<typeof headOf>) {
  return admit(createAccess({ mode, requireViewerToken: false, secret: 's', keys }), headOf(...request))
}

const withToken: AccessMode = { kind: 'token', token: 'secret' }

test('a key in any of its three places lets a request in, and is taken off it', () => {
  const byHeader = judged(withToken, 'GET /x', 'X-API-Token: ann-key', 'Authorization: Basic eDp5')
  assert.ok(byHeader.kind === 'admitted')
  assert.equal(byHeader.without?.has('X-Api-Token'), true)
  assert.equal(byHeader.without?.has('Authorization'), false, 'what is not ours passes')
  const byBearer = judged(withToken, 'GET /x', 'Authorization: Bearer secret')
  assert.ok(byBearer.kind === 'admitted' && byBearer.without?.has('authorization') === true)
  const byQuery = judged(withToken, 'GET /x?a=1&api_token=ann-key&b')
  assert.ok(byQuery.kind === 'admitted')
  assert.equal(byQuery.path, '/x?a=1&b')
})

test('without a valid key a request is refused, and a key that may only read sends nothing else', () => {
  const none = judged(withToken, 'GET /x')
  assert.ok(none.kind === 'refused' && none.error.code === 'unauthorized')
  const wrong = judged(withToken, 'GET /x', 'X-API-Token: guess')
  assert.ok(wrong.kind === 'refused' && wrong.error.code === 'unauthorized')
  assert.equal(judged(withToken, 'GET /x', 'X-API-Token: vic-key').kind, 'admitted')
  const posts = judged(withToken, 'POST /x', 'X-API-Token: vic-key')
  assert.ok(posts.kind === 'refused' && posts.error.code === 'forbidden')
})

test('on loopback without a token a Bearer of somebody else’s passes, and a key of ours does not', () => {
  const others = judged({ kind: 'loopback' }, 'GET /x', 'Authorization: Bearer theirs')
  assert.ok(others.kind === 'admitted' && others.without === undefined)
  const ours = judged({ kind: 'loopback' }, 'GET /x', `Authorization: Bearer hfk_${'0'.repeat(32)}_key`)
  assert.ok(ours.kind === 'admitted' && ours.without?.has('authorization') === true)
})

test('the other parameters of a query stay exactly as they are', () => {
  assert.equal(withoutKey('/x?api_token=k'), '/x')
  assert.equal(withoutKey('/x?a=%20+&api%5Ftoken=k&&b=c=d'), '/x?a=%20+&&b=c=d')
  assert.equal(withoutKey('/x'), '/x')
})
