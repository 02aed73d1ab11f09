import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { fieldValue } from './fields.ts'
import { defaultHeadLimits, parseRequestHead, parseResponseHead } from './head.ts'
import type { Parsed, RequestHead, ResponseHead } from './head.ts'
import type { RefusalReason } from './refusal.ts'

const limits = { headBytesMax: 2_048, targetBytesMax: 512, fieldsMax: 16 }

function parse(text: string): Parsed<RequestHead> {
  const bytes = Buffer.from(text, 'latin1')
  return parseRequestHead(bytes, 0, bytes.length, limits)
}

function accepted(text: string): RequestHead {
  const parsed = parse(text)
  assert.equal(parsed.kind, 'head', `${JSON.stringify(text)} gave ${JSON.stringify(parsed)}`)
  return parsed.kind === 'head' ? parsed.head : assert.fail()
}

function response(text: string, method = 'GET'): Parsed<ResponseHead> {
  const bytes = Buffer.from(text, 'latin1')
  return parseResponseHead(bytes, 0, bytes.length, defaultHeadLimits, method)
}

function acceptedResponse(text: string, method = 'GET'): ResponseHead {
  const parsed = response(text, method)
  return parsed.kind === 'head' ? parsed.head : assert.fail(JSON.stringify(parsed))
}

const refusedRequests: readonly (readonly [string, RefusalReason, string])[] = [
  ['a bare LF at the end of the request line', 'bare_line_break', 'GET / HTTP/1.1\nHost: a\r\n\r\n'],
  ['a bare LF between fields', 'bare_line_break', 'GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n'],
  ['a head of bare LFs', 'bare_line_break', 'GET / HTTP/1.1\nHost: a\n\n'],
  ['a bare CR in a value', 'bare_line_break', 'GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n'],
  ['a NUL in a value', 'control_character', 'GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n'],
  ['a DEL in a value', 'control_character', 'GET / HTTP/1.1\r\nHost: a\r\nX: a\x7fb\r\n\r\n'],
  ['a vertical tab in a name', 'control_character', 'GET / HTTP/1.1\r\nHost: a\r\nX\x0b: b\r\n\r\n'],
  ['a folded field', 'folded_field', 'GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n'],
  ['a fold right behind the request line', 'folded_field', 'GET / HTTP/1.1\r\n Host: a\r\n\r\n'],
  ['a space before the colon', 'space_before_colon', 'GET / HTTP/1.1\r\nHost : a\r\n\r\n'],
  ['a tab before the colon', 'space_before_colon', 'GET / HTTP/1.1\r\nHost: a\r\nContent-Length\t: 3\r\n\r\nabc'],
  ['an empty name', 'invalid_field_name', 'GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n'],
  ['a line without a colon', 'invalid_field_name', 'GET / HTTP/1.1\r\nHost: a\r\nnonsense\r\n\r\n'],
  ['a name with a quote', 'invalid_field_name', 'GET / HTTP/1.1\r\nHost: a\r\nX"Y: b\r\n\r\n'],
  ['a name with a letter beyond ASCII', 'invalid_field_name', 'GET / HTTP/1.1\r\nHost: a\r\nX\xe4: b\r\n\r\n'],
  ['a length and a coding', 'length_and_coding', post('Content-Length: 3\r\nTransfer-Encoding: chunked')],
  ['a coding and a length', 'length_and_coding', post('Transfer-Encoding: chunked\r\nContent-Length: 3')],
  ['two lengths', 'repeated_content_length', post('Content-Length: 3\r\nContent-Length: 4')],
  ['the same length twice', 'repeated_content_length', post('Content-Length: 3\r\nContent-Length: 3')],
  ['a list of lengths', 'invalid_content_length', post('Content-Length: 3, 3')],
  ['a length with a sign', 'invalid_content_length', post('Content-Length: +3')],
  ['a negative length', 'invalid_content_length', post('Content-Length: -3')],
  ['a hexadecimal length', 'invalid_content_length', post('Content-Length: 0x3')],
  ['an empty length', 'invalid_content_length', post('Content-Length:')],
  ['a length with a space in it', 'invalid_content_length', post('Content-Length: 1 0')],
  ['a length beyond what a number holds', 'invalid_content_length', post('Content-Length: 99999999999999999999')],
  ['chunked that is not last', 'invalid_transfer_encoding', post('Transfer-Encoding: chunked, gzip')],
  ['chunked twice', 'invalid_transfer_encoding', post('Transfer-Encoding: chunked, chunked')],
  [
    'chunked in two fields',
    'invalid_transfer_encoding',
    post('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked'),
  ],
  ['an empty coding', 'invalid_transfer_encoding', post('Transfer-Encoding:')],
  ['a quoted coding', 'invalid_transfer_encoding', post('Transfer-Encoding: "chunked"')],
  ['a coding behind a comma', 'invalid_transfer_encoding', post('Transfer-Encoding: , chunked')],
  ['a coding with a vertical tab', 'control_character', post('Transfer-Encoding: \x0bchunked')],
  [
    'a coding on HTTP/1.0',
    'invalid_transfer_encoding',
    'POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  ],
  ['an unknown coding', 'unsupported_transfer_encoding', post('Transfer-Encoding: xchunked')],
  ['a coding ahead of chunked', 'unsupported_transfer_encoding', post('Transfer-Encoding: gzip, chunked')],
  ['identity', 'unsupported_transfer_encoding', post('Transfer-Encoding: identity')],
  ['HTTP/0.9', 'invalid_request_line', 'GET /\r\n\r\n'],
  ['the preface of HTTP/2', 'unsupported_version', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ['HTTP/1.2', 'unsupported_version', 'GET / HTTP/1.2\r\nHost: a\r\n\r\n'],
  ['a version in lower case', 'invalid_request_line', 'GET / http/1.1\r\nHost: a\r\n\r\n'],
  ['two blanks in the request line', 'invalid_request_line', 'GET  / HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['a blank at the end of the request line', 'invalid_request_line', 'GET / HTTP/1.1 \r\nHost: a\r\n\r\n'],
  ['a blank ahead of the method', 'invalid_request_line', ' GET / HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['two empty lines ahead', 'invalid_request_line', '\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['a method that is no token', 'invalid_method', 'G(T / HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['a target that is relative', 'invalid_target', 'GET a HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['a target with a fragment', 'invalid_target', 'GET /#a HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['a target beyond ASCII', 'invalid_target', 'GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['an asterisk for GET', 'invalid_target', 'GET * HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['CONNECT with a path', 'invalid_target', 'CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['an authority for GET', 'invalid_target', 'GET a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n'],
  ['user information in the target', 'invalid_target', 'GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['no Host', 'missing_host', 'GET / HTTP/1.1\r\n\r\n'],
  ['two Hosts', 'repeated_host', 'GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n'],
  ['an empty Host', 'invalid_host', 'GET / HTTP/1.1\r\nHost:\r\n\r\n'],
  ['a Host with a path', 'invalid_host', 'GET / HTTP/1.1\r\nHost: a/b\r\n\r\n'],
  ['a Host with user information', 'invalid_host', 'GET / HTTP/1.1\r\nHost: u@a\r\n\r\n'],
  ['a list of Hosts', 'invalid_host', 'GET / HTTP/1.1\r\nHost: a, b\r\n\r\n'],
  ['another Host than the target names', 'host_mismatch', 'GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n'],
  ['an unknown expectation', 'unsupported_expectation', 'GET / HTTP/1.1\r\nHost: a\r\nExpect: magic\r\n\r\n'],
  ['more fields than allowed', 'too_many_fields', `GET / HTTP/1.1\r\n${'A: b\r\n'.repeat(17)}\r\n`],
  ['a head that is too large', 'head_too_large', `GET / HTTP/1.1\r\nHost: a\r\nX: ${'y'.repeat(3_000)}\r\n\r\n`],
  ['a target that is too long', 'target_too_long', `GET /${'y'.repeat(600)} HTTP/1.1\r\nHost: a\r\n\r\n`],
  ['a target without an end', 'target_too_long', `GET /${'y'.repeat(3_000)}`],
]

function post(fields: string): string {
  return `POST / HTTP/1.1\r\nHost: a\r\n${fields}\r\n\r\n`
}

describe('a request is refused for', () => {
  for (const [name, reason, text] of refusedRequests) {
    test(name, () => {
      assert.deepEqual(parse(text), { kind: 'refused', reason })
    })
  }
})

test('a request is read as it stands, with what follows left alone', () => {
  const text =
    'POST /a?b=c HTTP/1.1\r\nHost: example.org:8080\r\nX-Y:  \t some value \t\r\nContent-Length: 3\r\n\r\nabcGET'
  const parsed = parse(text)
  assert.ok(parsed.kind === 'head')
  assert.equal(parsed.end, text.length - 'abcGET'.length)
  const { head } = parsed
  assert.deepEqual([head.method, head.path, head.host, head.form], ['POST', '/a?b=c', 'example.org:8080', 'origin'])
  assert.deepEqual(head.fields.slice(2, 4), ['X-Y', 'some value'])
  assert.equal(fieldValue(head.fields, 'x-y'), 'some value')
  assert.deepEqual(head.framing, { kind: 'length', bytes: 3 })
  assert.equal(head.keepAlive, true)
})

test('one empty line ahead of a request is skipped', () => {
  assert.equal(accepted('\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n').method, 'GET')
})

test('the four forms of a target give the path that is passed on', () => {
  assert.equal(accepted('GET http://a:81?x HTTP/1.1\r\nHost: A:81\r\n\r\n').path, '/?x')
  assert.equal(accepted('GET http://a/b HTTP/1.1\r\nHost: a\r\n\r\n').path, '/b')
  assert.equal(accepted('OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n').path, '*')
  assert.equal(accepted('OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n').form, 'asterisk')
  assert.equal(accepted('CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n\r\n').authority, '[::1]:443')
  assert.equal(accepted('GET http://a/ HTTP/1.0\r\n\r\n').host, 'a')
})

test('a connection lives on by the rules of its version', () => {
  const lives = (version: string, connection: string) =>
    accepted(`GET / HTTP/${version}\r\nHost: a\r\n${connection}\r\n`).keepAlive
  assert.equal(lives('1.1', ''), true)
  assert.equal(lives('1.1', 'Connection: x, Close\r\n'), false)
  assert.equal(lives('1.0', ''), false)
  assert.equal(lives('1.0', 'Connection: Keep-Alive\r\n'), true)
  assert.equal(lives('1.0', 'Connection: keep-alive\r\nConnection: close\r\n'), false)
})

test('Upgrade counts only where Connection names it', () => {
  const upgrade = (fields: string) => accepted(`GET / HTTP/1.1\r\nHost: a\r\n${fields}\r\n`).upgrade
  assert.equal(upgrade('Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n'), 'websocket')
  assert.equal(upgrade('Upgrade: websocket\r\n'), undefined)
  assert.equal(upgrade('Upgrade: h2c, WebSocket\r\nConnection: Upgrade\r\n'), 'WebSocket')
  for (const carrier of ['h2c', 'H2C', 'h2', 'HTTP/2.0', 'TLS/1.2', 'tls/1.0, h2c', ',']) {
    assert.equal(upgrade(`Upgrade: ${carrier}\r\nConnection: Upgrade\r\n`), undefined, carrier)
  }
})

test('whether a response has a body depends on the request and the status', () => {
  const framing = (text: string, method?: string) => acceptedResponse(text, method).framing.kind
  assert.equal(framing('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n'), 'length')
  assert.equal(framing('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n', 'HEAD'), 'none')
  assert.equal(framing('HTTP/1.1 204 No Content\r\n\r\n'), 'none')
  assert.equal(framing('HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n'), 'none')
  assert.equal(framing('HTTP/1.1 103 Early Hints\r\n\r\n'), 'none')
  assert.equal(framing('HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n'), 'chunked')
  assert.equal(framing('HTTP/1.1 200\r\n\r\n'), 'close')
  assert.equal(acceptedResponse('HTTP/1.1 200 OK\r\n\r\n').keepAlive, false)
  assert.equal(acceptedResponse('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n', 'HEAD').contentLength, 5)
})

test('a response is refused where two readers could see another end of it, and where it is no response', () => {
  const reason = (text: string) => {
    const parsed = response(text)
    return parsed.kind === 'refused' ? parsed.reason : parsed.kind
  }
  assert.equal(
    reason('HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n'),
    'length_and_coding',
  )
  assert.equal(reason('HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n'), 'repeated_content_length')
  assert.equal(reason('HTTP/1.1 200 OK\nContent-Length: 5\n\n'), 'bare_line_break')
  assert.equal(reason('HTTP/1.1 099 Low\r\n\r\n'), 'invalid_status_line')
  assert.equal(reason('<html>'), 'invalid_status_line')
  assert.equal(reason('HTTP/1.'), 'incomplete')
})

/** Feeds `text` as a connection would: each piece is put behind the earlier ones and all are parsed again. */
function parseInPieces(text: string, cuts: readonly number[]): Parsed<RequestHead> {
  const bytes = Buffer.from(text, 'latin1')
  const ends = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].toSorted((left, right) => left - right)
  for (const end of ends) {
    const parsed = parseRequestHead(bytes.subarray(0, end), 0, end, limits)
    if (parsed.kind !== 'incomplete') return parsed
  }
  return parseRequestHead(bytes, 0, bytes.length, limits)
}

/** Requests with something wrong in them more often than not. */
const brokenRequests = fc
  .array(
    fc.constantFrom(
      ...['GET / HTTP/1.1\r\n', 'Host: a\r\n', '\r\n', '\n', '\r', ' ', '\t', ':', 'Content-Length: 3\r\n'],
      ...['Transfer-Encoding: chunked\r\n', 'POST', ' /', ' HTTP/1.1', 'x'.repeat(300), 'X: y\r\n', '\0', '\x80', ','],
    ),
    { maxLength: 14 },
  )
  .map((parts) => parts.join(''))

test('the pieces in which a head arrives never change what becomes of it', () => {
  fc.assert(
    fc.property(brokenRequests, fc.array(fc.nat(5_000), { maxLength: 20 }), (text, cuts) => {
      assert.deepEqual(parseInPieces(text, cuts), parse(text))
    }),
    { numRuns: 3_000 },
  )
})

test('no bytes at all make the parsers throw, and what they accept ends within the bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (array) => {
      const bytes = Buffer.from(array)
      for (const parsed of [
        parseRequestHead(bytes, 0, bytes.length, limits),
        parseResponseHead(bytes, 0, bytes.length, limits, 'GET'),
      ]) {
        assert.ok(parsed.kind !== 'head' || parsed.end <= bytes.length)
      }
    }),
    { numRuns: 3_000 },
  )
})

test('bytes behind the given end are not looked at', () => {
  const bytes = Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n')
  const parsed = parseResponseHead(bytes, 0, bytes.length - 1, defaultHeadLimits, 'GET')
  assert.equal(parsed.kind, 'incomplete')
})
