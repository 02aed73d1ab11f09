import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../../lib/random.ts'
import { fieldList, fieldValue } from './fields.ts'
import { clientFraming, clientResponseHead, clientUpgradeHead, upstreamRequestHead } from './forward-head.ts'
import type { RequestForwarding } from './forward-head.ts'
import { defaultHeadLimits, parseRequestHead, parseResponseHead } from './head.ts'
import type { RequestHead, ResponseHead } from './head.ts'
import { NameSet } from './name-set.ts'

function request(text: string): RequestHead {
  const bytes = Buffer.from(text, 'latin1')
  const parsed = parseRequestHead(bytes, 0, bytes.length, defaultHeadLimits)
  return parsed.kind === 'head' ? parsed.head : assert.fail(JSON.stringify(parsed))
}

function response(text: string, method = 'GET'): ResponseHead {
  const bytes = Buffer.from(text, 'latin1')
  const parsed = parseResponseHead(bytes, 0, bytes.length, defaultHeadLimits, method)
  return parsed.kind === 'head' ? parsed.head : assert.fail(JSON.stringify(parsed))
}

const forwarding: RequestForwarding = {
  host: 'keep',
  client: { address: '192.0.2.1', port: 5_000, isEncrypted: true },
  isForwardedTrusted: false,
  pseudonym: 'edge',
  framing: { kind: 'none' },
  isUpgrade: false,
  isExpectPassed: true,
  random: seededRandom(1),
}

/** What an upstream reads of the forwarded request. It must be a request that we would take ourselves. */
function forwarded(fields: string, changes: Partial<RequestForwarding> = {}, method = 'GET'): RequestHead {
  const head = request(`${method} /a?b HTTP/1.1\r\nHost: example.org\r\n${fields}\r\n`)
  return request(upstreamRequestHead(head, { ...forwarding, framing: framingOf(head), ...changes }))
}

function framingOf(head: RequestHead): RequestForwarding['framing'] {
  return head.framing.kind === 'close' ? { kind: 'none' } : head.framing
}

test('fields that end at this hop are taken off, and those that Connection names', () => {
  const { fields } = forwarded(
    'Connection: close, X-Mine\r\nX-Mine: 1\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\nProxy-Authorization: x\r\n' +
      'TE: gzip\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\nAccept: */*\r\nTrailer: X\r\n',
  )
  for (const name of [
    'connection',
    'x-mine',
    'keep-alive',
    'proxy-connection',
    'proxy-authorization',
    'te',
    'upgrade',
  ]) {
    assert.equal(fieldValue(fields, name), undefined, name)
  }
  assert.equal(fieldValue(fields, 'trailer'), undefined)
  assert.equal(fieldValue(fields, 'http2-settings'), undefined)
  assert.equal(fieldValue(fields, 'accept'), '*/*')
})

test('a client cannot take fields off by naming them in Connection', () => {
  const { fields, host } = forwarded(
    'Connection: Authorization, Host, X-Forwarded-For, Content-Length, Cookie\r\nAuthorization: a\r\nCookie: b\r\n' +
      'Content-Length: 3\r\n',
  )
  assert.equal(fieldValue(fields, 'authorization'), 'a')
  assert.equal(fieldValue(fields, 'cookie'), 'b')
  assert.equal(fieldValue(fields, 'x-forwarded-for'), '192.0.2.1')
  assert.equal(fieldValue(fields, 'content-length'), '3')
  assert.equal(host, 'example.org')
})

test('forwarded fields of a client that is not trusted are replaced', () => {
  const { fields } = forwarded(
    'X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-Host: evil\r\nX-Forwarded-Proto: http\r\nForwarded: for=1.1.1.1\r\n' +
      'X-Real-IP: 1.1.1.1\r\nX-Forwarded-Prefix: /x\r\n',
  )
  assert.equal(fieldList(fields, 'x-forwarded-for'), '192.0.2.1')
  assert.equal(fieldList(fields, 'x-forwarded-host'), 'example.org')
  assert.equal(fieldList(fields, 'x-forwarded-proto'), 'https')
  assert.equal(fieldList(fields, 'forwarded'), 'for=192.0.2.1;proto=https;host="example.org"')
  assert.equal(fieldValue(fields, 'x-real-ip'), undefined)
  assert.equal(fieldValue(fields, 'x-forwarded-prefix'), undefined)
})

test('forwarded fields of a trusted proxy are added to', () => {
  const { fields } = forwarded(
    'X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 2.2.2.2\r\nX-Forwarded-Host: shop\r\nForwarded: for=1.1.1.1\r\n' +
      'X-Forwarded-Proto: http\r\nX-Forwarded-Prefix: /x\r\n',
    { isForwardedTrusted: true, client: { address: '2001:db8::1', port: 1, isEncrypted: false } },
  )
  assert.equal(fieldList(fields, 'x-forwarded-for'), '1.1.1.1, 2.2.2.2, 2001:db8::1')
  assert.equal(fieldList(fields, 'x-forwarded-host'), 'shop')
  assert.equal(fieldList(fields, 'x-forwarded-proto'), 'http')
  assert.equal(fieldList(fields, 'x-forwarded-prefix'), '/x')
  assert.equal(fieldList(fields, 'forwarded'), 'for=1.1.1.1, for="[2001:db8::1]";proto=http;host="example.org"')
})

test('Via names this hop behind the others', () => {
  assert.equal(fieldList(forwarded('Via: 1.0 a\r\nVia: 1.1 b\r\n').fields, 'via'), '1.0 a, 1.1 b, 1.1 edge')
})

test('a valid trace goes on and an invalid or missing one is made', () => {
  const valid = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
  assert.equal(fieldList(forwarded(`traceparent: ${valid}\r\n`).fields, 'traceparent'), valid)
  for (const field of ['', `traceparent: 00-${'0'.repeat(32)}-00f067aa0ba902b7-01\r\n`, 'traceparent: x\r\n']) {
    const made = fieldList(forwarded(field).fields, 'traceparent') ?? ''
    assert.match(made, /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/)
  }
})

test('the framing is that of the body that is sent, and nothing else', () => {
  const chunked = forwarded('Transfer-Encoding: chunked\r\nTrailer: X\r\nTE: trailers, gzip\r\n', {}, 'POST')
  assert.deepEqual(chunked.framing, { kind: 'chunked' })
  assert.equal(fieldValue(chunked.fields, 'trailer'), 'X')
  assert.equal(fieldValue(chunked.fields, 'te'), 'trailers')
  assert.deepEqual(chunked.connection, ['te'])
  const held = forwarded('Transfer-Encoding: chunked\r\n', { framing: { kind: 'length', bytes: 7 } }, 'POST')
  assert.deepEqual(held.framing, { kind: 'length', bytes: 7 })
  assert.equal(fieldValue(forwarded('', {}, 'POST').fields, 'content-length'), '0')
  assert.equal(fieldValue(forwarded('').fields, 'content-length'), undefined)
})

test('the host, the path and named fields are as the policy says', () => {
  const head = forwarded('X-API-Token: secret\r\n', {
    host: { name: 'backend:81' },
    path: '/other',
    without: new NameSet(['x-api-token']),
  })
  assert.deepEqual([head.host, head.path, fieldValue(head.fields, 'x-api-token')], ['backend:81', '/other', undefined])
})

test('Upgrade and Expect are passed on where they are wanted', () => {
  const fields = 'Upgrade: websocket\r\nConnection: Upgrade\r\nExpect: 100-continue\r\nContent-Length: 1\r\n'
  const passed = forwarded(fields, { isUpgrade: true })
  assert.deepEqual([passed.upgrade, passed.expectsContinue], ['websocket', true])
  const kept = forwarded(fields, { isExpectPassed: false })
  assert.deepEqual([kept.upgrade, kept.expectsContinue], [undefined, false])
})

test('a response loses the fields of its connection and gains Via', () => {
  const text = clientResponseHead(
    response(
      'HTTP/1.1 200 Fine\r\nConnection: X-Inner\r\nX-Inner: 1\r\nKeep-Alive: timeout=5\r\nContent-Length: 3\r\n' +
        'Set-Cookie: a\r\nSet-Cookie: b\r\nVia: 1.1 origin\r\n\r\n',
    ),
    { pseudonym: 'edge', added: 'X-Added: 1\r\n' },
  )
  const expected = 'HTTP/1.1 200 Fine\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nVia: 1.1 origin, 1.1 edge\r\nX-Added: 1\r\n'
  assert.equal(text, expected)
})

test('a switch of protocols keeps the protocol that was chosen', () => {
  const head = response('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n')
  const text = clientUpgradeHead(head, { pseudonym: 'edge' })
  assert.match(text, /\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n$/)
})

test('a response is framed for the client so that its end can be told', () => {
  assert.deepEqual(clientFraming(response('HTTP/1.1 200 OK\r\n\r\n')), { kind: 'chunked' })
  assert.deepEqual(clientFraming(response('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')), {
    kind: 'length',
    bytes: 0,
  })
  assert.deepEqual(clientFraming(response('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n', 'HEAD')), {
    kind: 'length',
    bytes: 9,
  })
  assert.deepEqual(clientFraming(response('HTTP/1.1 200 OK\r\n\r\n', 'HEAD')), { kind: 'chunked' })
})

test('names are found whatever their case, and no others', () => {
  const names = new NameSet(['te', 'x-forwarded-for'])
  for (const name of ['te', 'TE', 'X-Forwarded-For', 'x-forwarded-for']) assert.equal(names.has(name), true, name)
  for (const name of ['', 't', 'tf', 'x-forwarded-fox', '4e', 'x'.repeat(500)])
    assert.equal(names.has(name), false, name)
})
