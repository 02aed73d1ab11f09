import assert from 'node:assert/strict'
import { once } from 'node:events'
import { constants } from 'node:http2'
import type { IncomingHttpHeaders } from 'node:http2'
import { get } from 'node:https'
import type { IncomingMessage } from 'node:http'
import { test } from 'node:test'
import { connect } from 'node:tls'
import { candidateId } from '../../src/failover/group.ts'
import { createCertificates } from '../lab/certificates.ts'
import { patternBytes } from '../lab/fault-upstream.ts'
import { ForwardLab } from '../lab/forward-lab.ts'
import type { ForwardLabOptions } from '../lab/forward-lab.ts'
import { answerOf, Http2Client } from '../lab/http2-client.ts'
import { until } from '../lab/poll.ts'

/** HTTP/2 in front of the forwarder: what a client sees, and what reaches the upstreams. */

const { ca, server: tls } = await createCertificates()

const start = (options: ForwardLabOptions = {}) => ForwardLab.start({ ...options, tls: { ...tls } })

test('a GET goes through, and the upstream sees an ordinary request', async () => {
  await using lab = await start({ upstreams: [{}] })
  using client = await Http2Client.open(lab.port, ca)
  assert.equal(client.session.alpnProtocol, 'h2')
  const answer = await client.ask({
    ':path': '/bytes/5000?x=1',
    ':authority': 'shop.test',
    cookie: ['a=1', 'b=2'],
    te: 'trailers',
    'x-own': ['one', 'two'],
  })
  assert.equal(answer.status, 200)
  assert.equal(answer.headers['content-length'], '5000')
  assert.equal(answer.headers['via'], '1.1 lab')
  assert.ok(answer.body.equals(patternBytes(0, 5_000)))
  const [request] = lab.upstream('a').requests
  assert.equal(request?.target, '/bytes/5000?x=1')
  const fields = request?.head.toLowerCase() ?? ''
  for (const line of [
    'host: shop.test',
    'cookie: a=1; b=2',
    'via: 2.0 lab',
    'x-forwarded-proto: https',
    'te: trailers',
  ]) {
    assert.ok(fields.includes(`${line}\r\n`), `${line} in ${fields}`)
  }
  assert.deepEqual(lab.faults, [])
})

test('bodies go up with a length and without, and trailers both ways', async () => {
  await using lab = await start({ upstreams: [{}] })
  await lab.upstream('a').become({
    kind: 'custom',
    answer: (socket) =>
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\n\r\n'),
  })
  using client = await Http2Client.open(lab.port, ca)
  const known = await client.ask({ ':method': 'PUT', ':path': '/a', 'content-length': 300_000 }, Buffer.alloc(300_000))
  assert.deepEqual([known.status, String(known.body), known.trailers['x-sum']], [200, 'ok', '7'])
  const stream = client.session.request({ ':method': 'PUT', ':path': '/b' }, { waitForTrailers: true })
  stream.on('wantTrailers', () => stream.sendTrailers({ 'x-up': '1' }))
  stream.end(Buffer.alloc(70_000))
  assert.equal((await answerOf(stream)).status, 200)
  const [first, second] = lab.upstream('a').requests
  assert.match(first?.head ?? '', /content-length: 300000/i)
  assert.match(second?.head ?? '', /transfer-encoding: chunked/i)
  assert.deepEqual([first?.bodyBytes, second?.bodyBytes], [300_000, 70_000])
})

test('a hundred streams at once are all served while one upstream resets, and their bodies are whole', async () => {
  await using lab = await start()
  await lab.upstream('a').become({ kind: 'reset_in_body', afterBytes: 500 })
  using client = await Http2Client.open(lab.port, ca)
  const answers = await Promise.all(
    Array.from({ length: 100 }, (_, index) => client.ask({ ':path': `/bytes/${4_000 + index}` })),
  )
  for (const [index, { status, body }] of answers.entries()) {
    assert.equal(status, 200)
    assert.ok(body.equals(patternBytes(0, 4_000 + index)), `body ${index}`)
  }
  assert.ok(lab.upstream('a').requests.length > 0, 'nobody met the fault')
})

test('a large body that breaks off and cannot be had elsewhere ends with a reset, never as if it were whole', async () => {
  for (const framing of ['length', 'chunked'] as const) {
    await using lab = await start({ upstreams: [{ framing, etag: undefined }] })
    using client = await Http2Client.open(lab.port, ca)
    for (const afterBytes of [70_000, 200_000, 899_999]) {
      await lab.upstream('a').become({ kind: 'reset_in_body', afterBytes })
      const answer = await client.ask({ ':path': '/bytes/900000' })
      assert.equal(answer.status, 200)
      assert.ok(answer.body.length < 900_000)
      assert.equal(answer.resetCode, constants.NGHTTP2_INTERNAL_ERROR, `${framing}, ${afterBytes} bytes`)
      // The connection goes on.
      await lab.upstream('a').become({ kind: 'ok' })
      lab.group.dispatch({ kind: 'failures_reset', id: candidateId('a') })
      assert.equal((await client.ask({ ':path': '/bytes/10' })).status, 200)
    }
  }
})

test('a client that cancels a stream has its request at the upstream cancelled, and its other streams go on', async () => {
  await using lab = await start({ upstreams: [{}], policy: { firstByteMs: 10_000 } })
  const upstream = lab.upstream('a')
  upstream.nextModes.push({ kind: 'hang' })
  using client = await Http2Client.open(lab.port, ca)
  const stream = client.open({ ':path': '/hang' })
  await until(() => upstream.requests.length === 1, { what: 'the request at the upstream' })
  stream.close(constants.NGHTTP2_CANCEL)
  await until(() => upstream.cancelled === 1, { what: 'its end at the upstream' })
  assert.equal((await client.ask({ ':path': '/bytes/10' })).status, 200)
  await until(() => lab.access.length === 2, { what: 'the records' })
  assert.deepEqual(
    lab.access.map(({ ending }) => ending),
    ['client_gone', 'served'],
  )
})

test('a client that reads slowly holds the upstream back, and gets every byte', async () => {
  const bytes = 24_000_000
  await using lab = await start({ upstreams: [{}] })
  using client = await Http2Client.open(lab.port, ca)
  const stream = client.open({ ':path': `/bytes/${bytes}` })
  stream.pause()
  await once(stream, 'response')
  // Nothing moves any more: what is under way is what the windows and buffers hold.
  let before = -1
  const passed = () => lab.access.length === 0 && lab.front.connections === 1
  await until(
    async () => {
      const { rss } = process.memoryUsage()
      const isStill = Math.abs(rss - before) < 100_000
      before = rss
      return isStill
    },
    { what: 'a standstill' },
  )
  assert.ok(passed(), 'the answer went on without a reader')
  const { body } = await answerOf(stream)
  assert.equal(body.length, bytes)
  assert.ok(body.equals(patternBytes(0, bytes)))
})

test('interim responses arrive, and 100 Continue when the upstream asks for the body', async () => {
  await using lab = await start({ upstreams: [{}] })
  await lab.upstream('a').become({
    kind: 'custom',
    answer: (socket) =>
      socket.write('HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'),
  })
  using client = await Http2Client.open(lab.port, ca)
  const hinted = client.open({ ':path': '/hints' })
  const early = once(hinted, 'headers') as Promise<[IncomingHttpHeaders]>
  assert.equal((await answerOf(hinted)).status, 200)
  const [hints] = await early
  assert.deepEqual([hints[':status'], hints['link']], [103, '</a.css>'])
  const waiting = client.open({ ':path': '/up', ':method': 'PUT', expect: '100-continue', 'content-length': 4 }, true)
  await once(waiting, 'continue')
  waiting.end('body')
  assert.equal((await answerOf(waiting)).status, 200)
})

test('answers to HEAD, 204 and 304 have no body', async () => {
  await using lab = await start({ upstreams: [{}] })
  using client = await Http2Client.open(lab.port, ca)
  const head = await client.ask({ ':method': 'HEAD', ':path': '/bytes/77' })
  assert.deepEqual([head.status, head.headers['content-length'], head.body.length], [200, '77', 0])
  for (const status of [204, 304]) {
    lab.upstream('a').nextModes.push({
      kind: 'custom',
      answer: (socket) => socket.write(`HTTP/1.1 ${status} X\r\n\r\n`),
    })
    const answer = await client.ask({ ':path': '/' })
    assert.deepEqual([answer.status, answer.body.length, answer.resetCode], [status, 0, 0])
  }
})

test('what HTTP/1.1 would refuse is refused here too, and the connection goes on', async () => {
  await using lab = await start({ upstreams: [{}] })
  using client = await Http2Client.open(lab.port, ca)
  const refused = [
    [400, { ':path': '/', ':authority': 'a.test', host: 'b.test' }],
    [417, { ':path': '/', expect: 'miracles' }],
    [414, { ':path': `/${'x'.repeat(17_000)}` }],
  ] as const
  for (const [status, headers] of refused)
    assert.equal((await client.ask(headers)).status, status, JSON.stringify(headers))
  // These do not even come to us.
  for (const path of ['/a b', 'http://a.test/']) assert.equal((await client.ask({ ':path': path })).status, 0, path)
  assert.equal(lab.received, 0)
  assert.equal((await client.ask({ ':path': '/' })).status, 200)
})

test('a head that is too large ends its stream', async () => {
  await using lab = await start({ upstreams: [{}] })
  using client = await Http2Client.open(lab.port, ca)
  const many = Object.fromEntries(Array.from({ length: 200 }, (_, index) => [`x-${index}`, 'y']))
  assert.notEqual((await client.ask({ ':path': '/', ...many })).status, 200)
  using second = await Http2Client.open(lab.port, ca)
  assert.notEqual((await second.ask({ ':path': '/', 'x-big': 'y'.repeat(40_000) })).status, 200)
  assert.equal(lab.received, 0)
  using third = await Http2Client.open(lab.port, ca)
  assert.equal((await third.ask({ ':path': '/' })).status, 200)
})

/** The server takes 500 resets at once and 50 a second, and has not counted those of the streams that are open. */
const STORM_STREAMS_MAX = 5_000

test('a client that opens streams only to reset them is sent away, and others do not notice', async () => {
  await using lab = await start({ upstreams: [{}], policy: { firstByteMs: 20_000 } })
  using quiet = await Http2Client.open(lab.port, ca)
  using storm = await Http2Client.open(lab.port, ca)
  await until(() => lab.front.connections === 2, { what: 'both connections' })
  // Its connection ends with a reset, which may overtake the word of it: only the server is sure to know.
  await until(
    () => {
      if (lab.front.connections === 1) return true
      for (let index = 0; index < 100 && !storm.session.closed; index += 1) {
        storm.open({ ':path': '/bytes/10' }).close(constants.NGHTTP2_CANCEL)
      }
      return false
    },
    { what: 'the end of the storm' },
  )
  // Had it been kept, it could have gone on.
  assert.ok(lab.access.length < STORM_STREAMS_MAX, `${lab.access.length} streams were taken from it`)
  assert.equal((await quiet.ask({ ':path': '/bytes/10' })).status, 200)
  assert.deepEqual(lab.faults, [])
})

test('a server that closes lets open streams end and takes no more', async () => {
  await using lab = await start({ upstreams: [{}] })
  await lab.upstream('a').become({ kind: 'drip', bytes: 40, everyMs: 20 })
  using client = await Http2Client.open(lab.port, ca)
  const stream = client.open({ ':path': '/bytes/400' })
  const answered = answerOf(stream)
  await once(stream, 'response')
  const closing = lab.front.close(60_000)
  const { status, body } = await answered
  assert.deepEqual([status, body.length], [200, 400])
  await closing
  await until(() => client.session.destroyed, { what: 'the end of the connection' })
  assert.equal(client.goawayCode, 0)
})

test('a client without HTTP/2 gets HTTP/1.1 on the same port', async () => {
  await using lab = await start({ upstreams: [{}] })
  const [response] = (await once(
    get({ host: '127.0.0.1', port: lab.port, ca, path: '/bytes/9', agent: false }),
    'response',
  )) as [IncomingMessage]
  assert.deepEqual([response.statusCode, response.httpVersion], [200, '1.1'])
  response.resume()
  const socket = connect({ port: lab.port, host: '127.0.0.1', ca, ALPNProtocols: ['http/1.1'] })
  await once(socket, 'secureConnect')
  assert.equal(socket.alpnProtocol, 'http/1.1')
  socket.destroy()
})
