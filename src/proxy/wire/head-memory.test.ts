import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { seededRandom } from '../../lib/random.ts'
import { clientResponseHead, upstreamRequestHead } from './forward-head.ts'
import type { RequestForwarding } from './forward-head.ts'
import { RequestMemory, ResponseMemory } from './head-memory.ts'
import { defaultHeadLimits, parseRequestHead, parseResponseHead } from './head.ts'
import type { Parsed, RequestHead, ResponseHead } from './head.ts'
import { NameSet } from './name-set.ts'
import { requestCorpus, responseCorpus } from './smuggling-corpus.fixture.ts'

const SEED = 20_261

const usual =
  'GET /a?b HTTP/1.1\r\nHost: example.org\r\nUser-Agent: x/1\r\nX-Forwarded-For: 1.2.3.4\r\n' +
  'Connection: keep-alive\r\nTE: trailers\r\nTrailer: X-Sum\r\nX-Api-Token: k\r\n\r\n'
const usualAnswer =
  'HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 3\r\nETag: "a"\r\nX-Mine: 1\r\n\r\n'

function readRequest(text: string, memory?: RequestMemory): Parsed<RequestHead> {
  const bytes = Buffer.from(text, 'latin1')
  return parseRequestHead(bytes, 0, bytes.length, defaultHeadLimits, memory)
}

function readResponse(text: string, method: string, memory?: ResponseMemory): Parsed<ResponseHead> {
  const bytes = Buffer.from(text, 'latin1')
  return parseResponseHead(bytes, 0, bytes.length, defaultHeadLimits, method, memory)
}

/** Without what forwarding has noted, which has no meaning of its own. */
function plain(parsed: Parsed<RequestHead | ResponseHead>): unknown {
  return parsed.kind === 'head' ? { ...parsed, head: { ...parsed.head, notes: undefined } } : parsed
}

function requestOf(parsed: Parsed<RequestHead>): RequestHead {
  return parsed.kind === 'head' ? parsed.head : assert.fail(JSON.stringify(parsed))
}

function mutated(text: string, at: number, change: string, cut: number): string {
  const place = at % text.length
  return text.slice(0, place) + change + text.slice(place + cut)
}

test('the same fields again are not read again, another line with them is', () => {
  const memory = new RequestMemory()
  const first = requestOf(readRequest(usual, memory))
  const second = requestOf(readRequest(usual.replace('/a?b', '/other'), memory))
  assert.equal(second.fields, first.fields)
  assert.equal(second.path, '/other')
  const post = requestOf(readRequest(usual.replace('GET', 'POST').replace('TE:', 'Te:'), memory))
  assert.notEqual(post.fields, first.fields)
})

test('whatever came before on a connection, a request is read as it would be alone', () => {
  const texts = requestCorpus.map(({ text }) => text)
  // The same fields are refused in a request of HTTP/1.0.
  const chunked = 'POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n'
  const all = [usual, chunked, chunked.replace('1.1', '1.0'), ...texts]
  for (const before of all) {
    for (const text of all) {
      const memory = new RequestMemory()
      readRequest(before, memory)
      assert.deepEqual(plain(readRequest(text, memory)), plain(readRequest(text)), JSON.stringify([before, text]))
    }
  }
})

test('a byte more, less or different than the last time is seen', () => {
  const change = fc.constantFrom('', ' ', '\r', '\n', '\0', '\r\n', ':', 'x', '\t', '\x7f', '1.0', 'Host: b\r\n')
  fc.assert(
    fc.property(fc.nat(usual.length - 1), change, fc.nat(2), (at, text, cut) => {
      const memory = new RequestMemory()
      readRequest(usual, memory)
      const next = mutated(usual, at, text, cut)
      assert.deepEqual(plain(readRequest(next, memory)), plain(readRequest(next)))
      const answers = new ResponseMemory()
      readResponse(usualAnswer, 'GET', answers)
      const answer = mutated(usualAnswer, at, text, cut)
      assert.deepEqual(plain(readResponse(answer, 'GET', answers)), plain(readResponse(answer, 'GET')))
    }),
    { seed: SEED, numRuns: 2_000 },
  )
})

test('a remembered answer is that of the same text to the same kind of question', () => {
  const memory = new ResponseMemory()
  const texts = [usualAnswer, ...responseCorpus.map(({ text }) => text)]
  for (let round = 0; round < 2; round += 1) {
    for (const text of texts) {
      for (const method of ['GET', 'HEAD']) {
        assert.deepEqual(plain(readResponse(text, method, memory)), plain(readResponse(text, method)))
      }
    }
  }
})

const forwarding: RequestForwarding = {
  ...{ host: 'keep', isForwardedTrusted: false, pseudonym: 'edge', isUpgrade: true, isExpectPassed: true },
  client: { address: '192.0.2.1', port: 5_000, isEncrypted: true },
  framing: { kind: 'none' },
  random: seededRandom(1),
}

test('what was noted of a head is not used for a request that is forwarded in another way', () => {
  const changes: readonly Partial<RequestForwarding>[] = [
    {},
    { isForwardedTrusted: true },
    { without: new NameSet(['x-api-token']) },
    { pseudonym: 'other' },
    { framing: { kind: 'chunked' } },
    { host: { name: 'inside' } },
    { path: '/base/a' },
  ]
  const memory = new RequestMemory()
  readRequest(usual, memory)
  for (const first of changes) {
    for (const second of changes) {
      const head = requestOf(readRequest(usual, memory))
      upstreamRequestHead(head, { ...forwarding, ...first, random: seededRandom(1) })
      const options = { ...forwarding, ...second }
      const noted = upstreamRequestHead(head, { ...options, random: seededRandom(2) })
      const alone = upstreamRequestHead(requestOf(readRequest(usual)), { ...options, random: seededRandom(2) })
      assert.equal(noted, alone)
      const more = { ...head, fields: [...head.fields, 'Range', 'bytes=3-'] }
      assert.match(upstreamRequestHead(more, options), /\r\nRange: bytes=3-\r\n/)
    }
  }
  upstreamRequestHead(requestOf(readRequest(usual, memory)), forwarding)
  const absolute = requestOf(readRequest(usual.replace('/a?b', 'http://EXAMPLE.org/a'), memory))
  assert.match(upstreamRequestHead(absolute, forwarding), /\r\nX-Forwarded-Host: EXAMPLE\.org\r\n/)
})

test('what was noted of an answer is not used where other fields are added or taken off', () => {
  const memory = new ResponseMemory()
  const read = () => {
    const parsed = readResponse(usualAnswer, 'GET', memory)
    return parsed.kind === 'head' ? parsed.head : assert.fail(JSON.stringify(parsed))
  }
  const plainText = clientResponseHead(read(), { pseudonym: 'a' })
  assert.equal(clientResponseHead(read(), { pseudonym: 'a' }), plainText)
  assert.match(clientResponseHead(read(), { pseudonym: 'b' }), /Via: 1\.1 b\r\n/)
  assert.match(clientResponseHead(read(), { pseudonym: 'a', added: 'X-More: 1\r\n' }), /X-More: 1\r\n/)
  assert.doesNotMatch(clientResponseHead(read(), { pseudonym: 'a', without: new NameSet(['x-mine']) }), /X-Mine/)
  assert.equal(clientResponseHead(read(), { pseudonym: 'a' }), plainText)
})
