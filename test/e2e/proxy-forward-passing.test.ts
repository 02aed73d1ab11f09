import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import { patternBytes, sha256 } from '../lab/fault-upstream.ts'
import { ForwardLab } from '../lab/forward-lab.ts'
import { until } from '../lab/poll.ts'

/** What goes through unchanged, and what ends when one side does. */

/** A client that writes and reads bytes. */
class RawClient implements Disposable {
  readonly socket: Socket
  text = ''
  isClosed = false

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1')
    this.socket.setEncoding('latin1')
    this.socket.on('data', (text: string) => (this.text += text))
    this.socket.on('error', () => undefined)
    this.socket.on('close', () => (this.isClosed = true))
  }

  send(text: string): void {
    this.socket.write(text, 'latin1')
  }

  async reads(pattern: RegExp | string): Promise<string> {
    const found = () => (typeof pattern === 'string' ? this.text.includes(pattern) : pattern.test(this.text))
    await until(found, { what: `reading ${String(pattern)}`, evidence: () => this.text })
    return this.text
  }

  [Symbol.dispose](): void {
    this.socket.destroy()
  }
}

const get = (path: string, more = '') => `GET ${path} HTTP/1.1\r\nHost: shop.example\r\n${more}\r\n`

test('a client that leaves takes its request with it, and the endpoint is not blamed', async () => {
  await using lab = await ForwardLab.start({ upstreams: [{}], policy: { firstByteMs: 10_000 } })
  const upstream = lab.upstream('a')
  await upstream.become({ kind: 'hang' })
  using client = new RawClient(lab.port)
  client.send(get('/'))
  await until(() => upstream.requests.length === 1, { what: 'the request' })
  client.socket.destroy()
  await until(() => upstream.cancelled === 1, { what: 'the cancelling' })
  await lab.hasTold(1)
  await lab.isQuiet()
  assert.equal(lab.access[0]?.ending, 'client_gone')
  const [endpoint] = lab.group.endpoints
  assert.equal(endpoint?.failures, 0)
})

test('requests that a client sends at once are answered in their order, though one fails over', async () => {
  await using lab = await ForwardLab.start()
  lab.upstream('a').nextModes.push({ kind: 'reset_before_response' })
  lab.upstream('b').nextModes.push({ kind: 'ok' }, { kind: 'status', status: 503 })
  using client = new RawClient(lab.port)
  client.send(get('/bytes/1') + get('/bytes/2') + get('/bytes/3') + get('/bytes/4', 'Connection: close\r\n'))
  const text = await client.reads(/Content-Length: 4[\s\S]*\r\n\r\n.{4}$/)
  assert.deepEqual(
    [...text.matchAll(/HTTP\/1\.1 (\d+) /g)].map(([, status]) => status),
    ['200', '200', '200', '200'],
  )
  assert.deepEqual(
    [...text.matchAll(/^Content-Length: (\d+)/gm)].map(([, length]) => length),
    ['1', '2', '3', '4'],
  )
})

test('a connection that the upstream closed while it was idle costs no retry and no blame', async () => {
  await using lab = await ForwardLab.start({ upstreams: [{}] })
  const upstream = lab.upstream('a')
  for (let round = 0; round < 5; round += 1) {
    assert.equal((await lab.ask('/')).status, 200)
    // The next request on this connection is answered by a reset, as one is that crosses the upstream's close.
    upstream.nextModes.push({ kind: 'reset_before_response' })
    assert.equal((await lab.ask('/')).status, 200)
  }
  assert.equal(upstream.requests.length, 15, 'no connection was stale')
  assert.ok(lab.access.every(({ retries }) => retries === 0))
  assert.equal(lab.group.endpoints[0]?.failures, 0)
})

test('a POST is not risked on a connection that was used before', async () => {
  await using lab = await ForwardLab.start({ upstreams: [{}] })
  await lab.ask('/')
  assert.equal((await lab.ask('/', { method: 'POST', body: 'x' })).status, 200)
  assert.equal(lab.upstream('a').connections, 2)
})

test('interim responses, trailers and repeated fields go through', async () => {
  await using lab = await ForwardLab.start({ upstreams: [{}] })
  await lab.upstream('a').become({
    kind: 'custom',
    answer: (socket) =>
      socket.write(
        'HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n' +
          'HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n' +
          '5\r\nhello\r\n0\r\nX-Sum: 42\r\n\r\n',
      ),
  })
  using client = new RawClient(lab.port)
  client.send(get('/', 'TE: trailers\r\nConnection: TE\r\n'))
  const text = await client.reads('X-Sum: 42')
  assert.match(text, /^HTTP\/1\.1 103 Early Hints\r\nLink: <\/style\.css>; rel=preload\r\n/)
  assert.match(text, /Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n/)
  assert.match(text, /5\r\nhello\r\n0\r\nX-Sum: 42\r\n\r\n$/)
})

test('server-sent events come as they are sent', async () => {
  await using lab = await ForwardLab.start({
    upstreams: [{}],
    policy: { holdBack: { bytesMax: 65_536, knownLengthMs: 60_000, unknownLengthMs: 60_000 } },
  })
  let send: (text: string) => void = () => undefined
  await lab.upstream('a').become({
    kind: 'custom',
    answer: (socket) => {
      send = (text) => socket.write(`${text.length.toString(16)}\r\n${text}\r\n`)
      socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n')
    },
  })
  using client = new RawClient(lab.port)
  client.send(get('/events'))
  await client.reads('text/event-stream')
  for (const event of ['data: one\n\n', 'data: two\n\n']) {
    send(event)
    await client.reads(event)
  }
})

test('an answer of unknown length is passed on when its beginning has waited long enough', async () => {
  await using lab = await ForwardLab.start({ upstreams: [{}] })
  await lab.upstream('a').become({
    kind: 'custom',
    answer: (socket) => socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n'),
  })
  using client = new RawClient(lab.port)
  client.send(get('/watch'))
  await client.reads('one')
})

test('a connection that changes its protocol is joined both ways', async () => {
  await using lab = await ForwardLab.start()
  await lab.upstream('b').become({ kind: 'refuse' })
  await lab.upstream('a').become({
    kind: 'custom',
    answer: (socket) => {
      socket.removeAllListeners('data')
      socket.on('data', (bytes: Buffer) => socket.write(`echo ${bytes.toString()}`))
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello')
    },
  })
  for (let round = 0; round < 2; round += 1) {
    using client = new RawClient(lab.port)
    client.send(get('/chat', 'Connection: Upgrade\r\nUpgrade: websocket\r\n'))
    await client.reads(/^HTTP\/1\.1 101 [\s\S]*hello$/)
    client.send('there')
    await client.reads('echo there')
    client.socket.end()
    await until(() => client.isClosed, { what: 'the end of both sides' })
  }
  await lab.hasTold(2)
  assert.deepEqual([lab.access[0]?.ending, lab.access[0]?.status], ['upgraded', 101])
  await lab.isQuiet()
})

test('a client that waits for 100 Continue sends its body to the replica that takes it', async () => {
  await using lab = await ForwardLab.start({ endpoint: (id) => ({ weight: id === 'b' ? 1 : 0 }) })
  await lab.upstream('b').become({ kind: 'reset_before_response' })
  const body = patternBytes(0, 2_000)
  using client = new RawClient(lab.port)
  client.send(
    `PUT /file HTTP/1.1\r\nHost: shop.example\r\nContent-Length: ${body.length}\r\nExpect: 100-continue\r\n\r\n`,
  )
  await client.reads('HTTP/1.1 100 Continue\r\n\r\n')
  client.socket.write(body)
  await client.reads('HTTP/1.1 200 OK')
  assert.equal(lab.upstream('a').requests[0]?.bodySha256, sha256(body))
})

test('an upstream that says nothing to Expect is sent the body after a while', async () => {
  await using lab = await ForwardLab.start({ upstreams: [{}], policy: { continueMs: 40 } })
  // What `status` writes comes only when the whole request is there, and no 100 before it.
  lab.upstream('a').saysContinue = false
  using client = new RawClient(lab.port)
  client.send('PUT /file HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n')
  await client.reads('HTTP/1.1 100 Continue\r\n\r\n')
  client.send('hello')
  await client.reads('HTTP/1.1 200 OK')
})

test('HEAD has the length of the GET and no body; the path goes behind the endpoint’s own', async () => {
  await using lab = await ForwardLab.start({ upstreams: [{}], facts: { path: '/bytes/77', host: 'endpoint' } })
  const [endpoint] = lab.group.endpoints
  assert.ok(endpoint !== undefined)
  lab.group.setEndpoints([{ ...endpoint.endpoint, url: `${lab.upstream('a').url}/bytes/12/` }])
  const answer = await lab.ask('/', { method: 'HEAD' })
  assert.equal(answer.headers['content-length'], '12')
  assert.equal(answer.body.length, 0)
  const [request] = lab.upstream('a').requests
  assert.equal(request?.target, '/bytes/12/bytes/77')
  assert.equal(`http://${request?.fields.get('host')}`, lab.upstream('a').url)
  assert.equal(request?.fields.get('x-forwarded-for'), '127.0.0.1')
})

test('a slow reader holds the upstream back, and memory with it', async () => {
  await using lab = await ForwardLab.start({ upstreams: [{}], policy: { idleMs: 10_000 } })
  const bytes = 20_000_000
  using client = new RawClient(lab.port)
  client.socket.pause()
  await once(client.socket, 'connect')
  client.send(get(`/bytes/${bytes}`))
  const upstream = lab.upstream('a')
  await until(() => upstream.requests.length === 1, { what: 'the request' })
  const before = process.memoryUsage().arrayBuffers
  let quiet = 0
  let last = 0
  await until(
    () => {
      const written = lab.access.length + process.memoryUsage().arrayBuffers
      quiet = Math.abs(written - last) < 100_000 ? quiet + 1 : 0
      last = written
      return quiet > 5
    },
    { what: 'the standstill' },
  )
  // The upstream's own copy of the body is counted before; what is between the two is a few buffers.
  assert.ok(process.memoryUsage().arrayBuffers - before < 4_000_000, 'the body is piling up')
  assert.equal(lab.access.length, 0)
  client.socket.resume()
  await until(() => lab.access.length === 1, { what: 'the end', deadlineMs: 20_000 })
  assert.equal(lab.access[0]?.responseBytes, bytes)
})
