import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import { systemClock } from '../../../lib/clock.ts'
import type { HlsSession } from './hls-session.ts'
import { ScriptedOrigin, testSession } from './upstream.fixture.ts'

const signal = new AbortController().signal
const fetch = (session: HlsSession, url: string) => session.fetch(url, { bytesMax: 1_000, signal })

async function bodyOf(session: HlsSession, url: string): Promise<string> {
  const answer = await fetch(session, url)
  return answer.kind === 'answered' ? answer.resource.body.toString() : answer.failure.kind
}

const socketsOf = (requests: readonly IncomingMessage[]) => new Set<Socket>(requests.map(({ socket }) => socket)).size

test('requests one after another share a connection, and those at the same time do not wait for each other', async () => {
  await using origin = await ScriptedOrigin.start()
  origin.answer = (_request, response) => void response.end('ok')
  using session = testSession(origin.url('/'), systemClock)
  for (let index = 0; index < 5; index += 1) assert.equal(await bodyOf(session, origin.url('/x')), 'ok')
  assert.equal(socketsOf(origin.requests), 1)
  await Promise.all([1, 2, 3].map(() => bodyOf(session, origin.url('/x'))))
  assert.equal(socketsOf(origin.requests), 3)
})

test('a connection that the origin has closed meanwhile is replaced without anybody noticing', async () => {
  await using origin = await ScriptedOrigin.start()
  const sockets = new Set<Socket>()
  origin.answer = (request, response) => {
    // The second request on a connection finds it dying.
    if (sockets.has(request.socket)) request.socket.resetAndDestroy()
    else response.end('ok')
    sockets.add(request.socket)
  }
  using session = testSession(origin.url('/'), systemClock)
  for (let index = 0; index < 4; index += 1) assert.equal(await bodyOf(session, origin.url('/x')), 'ok')
  assert.equal(origin.requests.length, 7)
})

test('a new connection that dies is a failure, not a reason to ask again', async () => {
  await using origin = await ScriptedOrigin.start()
  origin.answer = (request) => void request.socket.resetAndDestroy()
  using session = testSession(origin.url('/'), systemClock)
  assert.equal(await bodyOf(session, origin.url('/x')), 'reset')
  assert.equal(origin.requests.length, 1)
})

test('secrets go to the origin of the source, cookies to whom they came from, and neither anywhere else', async () => {
  await using origin = await ScriptedOrigin.start()
  await using other = await ScriptedOrigin.start()
  origin.answer = (_request, response) => void response.setHeader('set-cookie', 'a=1; Path=/').end('ok')
  other.answer = (_request, response) => void response.end('ok')
  const url = origin.url('/live.m3u8').replace('//', '//name:pass%20word@')
  using session = testSession(url, systemClock, { headers: { 'X-Api-Key': 'k', 'X-Region': 'eu', Cookie: 'own=1' } })
  await fetch(session, url)
  await fetch(session, origin.url('/seg.ts'))
  await fetch(session, other.url('/seg.ts'))
  const [entry, own, foreign] = [...origin.requests, ...other.requests].map(({ headers }) => headers)
  const basic = `Basic ${Buffer.from('name:pass word').toString('base64')}`
  assert.deepEqual([entry?.authorization, entry?.cookie], [basic, 'own=1'])
  assert.deepEqual([own?.authorization, own?.cookie, own?.['x-api-key']], [basic, 'own=1; a=1', 'k'])
  // Cookies know no ports (RFC 6265 §8.5): the jar's goes to the same host.
  assert.deepEqual(
    [foreign?.authorization, foreign?.['x-api-key'], foreign?.['x-region']],
    [undefined, undefined, 'eu'],
  )
  assert.equal(foreign?.cookie, 'a=1')
})

test('a cookie that a redirect sets is there at its end', async () => {
  await using origin = await ScriptedOrigin.start()
  origin.answer = (request, response) => {
    if (request.url === '/entry') {
      response.writeHead(302, { Location: '/live', 'Set-Cookie': ['s=1; Path=/', 't=2; Path=/live'] }).end()
    } else response.end(request.headers.cookie ?? 'none')
  }
  using session = testSession(origin.url('/entry'), systemClock)
  assert.equal(await bodyOf(session, origin.url('/entry')), 't=2; s=1')
})

test('a sticky session goes on where the entry led to, and back to the entry when that fails', () => {
  const entry = 'http://a.test/entry'
  using loose = testSession(entry, systemClock)
  loose.entryAnswered('http://b.test/live')
  assert.equal(loose.entryUrl, entry)
  using sticky = testSession(entry, systemClock, { useStickySession: true })
  sticky.entryAnswered('http://b.test/live')
  assert.equal(sticky.entryUrl, 'http://b.test/live')
  assert.deepEqual([sticky.entryFailed(), sticky.entryUrl, sticky.entryFailed()], [true, entry, false])
})

test('a host that the operator did not name may not be private, over an open connection neither', async () => {
  await using origin = await ScriptedOrigin.start()
  origin.answer = (_request, response) => void response.end('ok')
  using session = testSession(origin.url('/'), systemClock)
  assert.equal(await bodyOf(session, origin.url('/x')), 'ok')
  const before = origin.requests.length
  assert.equal(await bodyOf(session, origin.url('/x').replace('127.0.0.1', 'localhost')), 'address_forbidden')
  assert.equal(await bodyOf(session, 'file:///etc/passwd'), 'protocol')
  assert.equal(origin.requests.length, before)
})

test('a body that is too long, or that stops coming, is a failure', async () => {
  await using origin = await ScriptedOrigin.start()
  using session = testSession(origin.url('/'), systemClock)
  origin.answer = (_request, response) => void response.end('x'.repeat(2_000))
  assert.equal(await bodyOf(session, origin.url('/x')), 'protocol')
  using impatient = testSession(origin.url('/'), systemClock, {
    timeouts: { connectMs: 30_000, answerMs: 30_000, silenceMs: 50, totalMs: 60_000 },
  })
  origin.answer = (_request, response) => void response.write('x')
  assert.equal(await bodyOf(impatient, origin.url('/x')), 'answer_timeout')
  origin.answer = (_request, response) => void response.writeHead(404).end()
  assert.equal(await bodyOf(session, origin.url('/x')), 'http_status')
})
