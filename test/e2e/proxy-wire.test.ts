import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { promisify } from 'node:util'
import type { PassThroughOptions } from '../lab/pass-through.ts'
import { until } from '../lab/poll.ts'
import { startWireLab } from '../lab/wire-lab.ts'
import type { WireLab } from '../lab/wire-lab.ts'

/** The HTTP/1.1 wire between real clients and a real upstream, with nothing but the wire between them. */

const run = promisify(execFile)
const faults: unknown[] = []
const closers: (() => unknown)[] = []

after(async () => {
  for (const close of closers) await close()
  assert.deepEqual(faults, [], 'a callback of the wire threw')
})

async function labWith(listener: RequestListener, options: Partial<PassThroughOptions> = {}): Promise<WireLab> {
  const upstream = createServer({ requireHostHeader: false }, listener)
  upstream.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    socket.on('error', () => undefined)
    const protocol = request.headers.upgrade ?? ''
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n\r\nhello `)
    socket.write(head)
    socket.pipe(socket)
  })
  const lab = await startWireLab(upstream, { onFault: (error) => faults.push(error), ...options })
  closers.push(lab.close)
  return lab
}

/** Answers with what it was sent. */
const echo: RequestListener = (request, response) => {
  const hash = createHash('sha256')
  let bytes = 0
  request.on('data', (piece: Buffer) => {
    bytes += piece.length
    hash.update(piece)
  })
  request.on('end', () => {
    const { method, url, headers, trailers } = request
    response.setHeader('Content-Type', 'application/json')
    response.end(JSON.stringify({ method, url, headers, trailers, bytes, sha256: hash.digest('hex') }))
  })
}

interface Echoed {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly trailers: Readonly<Record<string, string>>
  readonly bytes: number
  readonly sha256: string
}

/** A client that says exactly what it is told and keeps what it hears. */
class RawClient {
  readonly socket: Socket
  heard = ''
  error = ''
  isEnded = false

  constructor(port: number) {
    this.socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    this.socket.setNoDelay().setEncoding('latin1')
    this.socket.on('data', (text: string) => {
      this.heard += text
    })
    this.socket.on('end', () => {
      this.isEnded = true
      this.socket.end()
    })
    this.socket.on('error', (error: NodeJS.ErrnoException) => {
      this.error = error.code ?? error.message
    })
    closers.unshift(() => this.socket.destroy())
  }

  say(text: string): void {
    this.socket.write(text, 'latin1')
  }

  async hears(pattern: RegExp): Promise<RegExpExecArray> {
    await until(() => pattern.test(this.heard), { what: `${pattern}`, deadlineMs: 5_000 })
    return pattern.exec(this.heard) ?? assert.fail()
  }

  async closes(): Promise<void> {
    await until(() => this.socket.closed || this.isEnded, { what: 'the end', deadlineMs: 5_000 })
  }
}

const get = (path: string, fields = '') => `GET ${path} HTTP/1.1\r\nHost: lab\r\n${fields}\r\n`

test('curl gets, posts, heads and puts through the proxy', async () => {
  const { url } = await labWith(echo)
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-wire-'))
  closers.unshift(() => rm(directory, { recursive: true }))
  const file = join(directory, 'body')
  const body = randomBytes(8_000_000)
  await writeFile(file, body)
  const sha256 = createHash('sha256').update(body).digest('hex')
  const curl = async (...args: readonly string[]) => (await run('curl', ['-sS', '--max-time', '20', ...args])).stdout
  const got = JSON.parse(await curl(`${url}/a?b=c`)) as Echoed
  assert.deepEqual([got.method, got.url, got.headers['x-forwarded-for']], ['GET', '/a?b=c', '127.0.0.1'])
  // curl asks for 100-continue by itself with a body of this size.
  const sent = JSON.parse(await curl('-T', file, `${url}/put`)) as Echoed
  assert.deepEqual([sent.method, sent.bytes, sent.sha256], ['PUT', body.length, sha256])
  const chunked = JSON.parse(await curl('-H', 'Transfer-Encoding: chunked', '-T', file, url)) as Echoed
  assert.deepEqual([chunked.sha256, chunked.headers['transfer-encoding']], [sha256, 'chunked'])
  assert.match(await curl('-I', url), /^HTTP\/1\.1 200 OK\r\n/)
  assert.equal((JSON.parse(await curl('-0', url)) as Echoed).method, 'GET')
})

test('requests that arrive all at once are answered one after the other, in their order, on one connection', async () => {
  let open = 0
  let openMost = 0
  const lab = await labWith((request, response) => {
    open += 1
    openMost = Math.max(openMost, open)
    request.resume().on('end', () => {
      open -= 1
      response.end(request.url)
    })
  })
  const client = new RawClient(lab.port)
  const paths = Array.from({ length: 300 }, (_, index) => `/${index}`)
  const posts = (path: string) =>
    `POST ${path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`
  client.say(paths.map((path, index) => (index % 3 === 0 ? posts(path) : get(path))).join(''))
  await client.hears(/\/299$/)
  assert.deepEqual(
    [...client.heard.matchAll(/\r\n\r\n(\/\d+)/g)].map((match) => match[1]),
    paths,
  )
  assert.equal(openMost, 1)
  assert.equal(lab.pool.openConnections, 1)
})

test('a request that arrives byte by byte is served', async () => {
  const lab = await labWith(echo)
  const client = new RawClient(lab.port)
  for (const byte of `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello`) {
    client.say(byte)
    await new Promise(setImmediate)
  }
  await client.hears(/"bytes":5/)
})

test('100 Continue comes from the upstream', async () => {
  const lab = await labWith(echo)
  const client = new RawClient(lab.port)
  client.say('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n')
  await client.hears(/^HTTP\/1\.1 100 Continue\r\n/)
  client.say('abc')
  await client.hears(/"bytes":3/)
  assert.equal(client.heard.match(/HTTP\/1\.1 /g)?.length, 2)
})

test('interim responses and trailers pass in both directions', async () => {
  const lab = await labWith((request, response) => {
    request.resume().on('end', () => {
      response.writeEarlyHints({ link: '</a.css>; rel=preload' })
      response.writeHead(200, { Trailer: 'X-Sum' })
      response.write('some')
      response.addTrailers({ 'X-Sum': String(request.trailers['x-mine']) })
      response.end()
    })
  })
  const client = new RawClient(lab.port)
  const fields = 'Host: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-Mine\r\nTE: trailers\r\n'
  client.say(`POST / HTTP/1.1\r\n${fields}\r\n1\r\na\r\n0\r\nX-Mine: yes\r\n\r\n`)
  await client.hears(
    /^HTTP\/1\.1 103 Early Hints\r\n[^]*HTTP\/1\.1 200 OK\r\n[^]*4\r\nsome\r\n0\r\nX-Sum: yes\r\n\r\n$/,
  )
})

test('a switch of protocols hands the bytes of both sides on, those ahead of the answer too', async () => {
  const lab = await labWith(echo)
  const client = new RawClient(lab.port)
  client.say(`${get('/', 'Connection: Upgrade\r\nUpgrade: shout\r\n')}early`)
  await client.hears(/^HTTP\/1\.1 101 [^]*Upgrade: shout\r\n\r\nhello early$/)
  client.say(' late')
  await client.hears(/ late$/)
  client.socket.end()
  await client.closes()
  await until(() => lab.front.connections === 0, { what: 'the end of the connection' })
})

test('a response without a known end has chunks for HTTP/1.1 and ends with the connection for HTTP/1.0', async () => {
  const lab = await labWith((_request, response) => {
    response.useChunkedEncodingByDefault = false
    response.removeHeader('Transfer-Encoding')
    response.setHeader('Connection', 'close')
    response.write('until the end')
    response.end()
  })
  const client = new RawClient(lab.port)
  client.say(get('/'))
  await client.hears(/Transfer-Encoding: chunked\r\n\r\nd\r\nuntil the end\r\n0\r\n\r\n$/)
  const old = new RawClient(lab.port)
  old.say('GET / HTTP/1.0\r\n\r\n')
  await old.hears(/Connection: close\r\n\r\nuntil the end$/)
  await old.closes()
})

test('responses without a body keep the connection usable', async () => {
  const lab = await labWith((request, response) => {
    const status = Number(request.url?.slice(1))
    response.writeHead(status, status === 200 ? { 'Content-Length': 5 } : {})
    response.end(request.method === 'HEAD' ? undefined : status === 200 ? 'hello' : undefined)
  })
  const client = new RawClient(lab.port)
  client.say('HEAD /200 HTTP/1.1\r\nHost: a\r\n\r\n')
  await client.hears(/Content-Length: 5\r\n\r\n$/)
  client.say(get('/204'))
  await client.hears(/HTTP\/1\.1 204 [^]*\r\n\r\n$/)
  client.say(get('/304'))
  await client.hears(/HTTP\/1\.1 304 [^]*\r\n\r\n$/)
  client.say(get('/200'))
  await client.hears(/hello$/)
  assert.doesNotMatch(client.heard.split('204 No Content')[1]?.split('HTTP/')[0] ?? '', /Content-Length|Transfer/)
})

test('what is refused is answered with the reason, and the connection ends', async () => {
  const lab = await labWith(echo)
  const client = new RawClient(lab.port)
  client.say(`${get('/')}POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n`)
  await client.hears(/HTTP\/1\.1 200 [^]*HTTP\/1\.1 400 [^]*"detail":"Content-Length and Transfer-Encoding/)
  await client.closes()
})

test('a body that turns out to be malformed is refused, and nothing of it stays with the upstream', async () => {
  const aborted: string[] = []
  let asked = 0
  const lab = await labWith((request) => {
    asked += 1
    request.on('error', () => undefined)
    request.on('close', () => aborted.push(request.complete ? 'whole' : 'broken'))
    request.resume()
  })
  const client = new RawClient(lab.port)
  client.say('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n')
  await until(() => asked === 1, { what: 'the attempt', deadlineMs: 5_000 })
  client.say('zz\r\n')
  await client.hears(/^HTTP\/1\.1 400 /)
  await client.closes()
  await until(() => aborted[0] === 'broken', { what: 'the abort', deadlineMs: 5_000 })
})

test('a client that leaves takes its attempt with it', async () => {
  let [asked, closed] = [0, 0]
  const lab = await labWith((request) => {
    asked += 1
    request.on('close', () => (closed += 1))
  })
  const client = new RawClient(lab.port)
  client.say(get('/'))
  await until(() => asked === 1, { what: 'the attempt', deadlineMs: 5_000 })
  client.socket.destroy()
  await until(() => closed === 1 && lab.pool.openConnections === 0, {
    what: 'the end of the attempt',
    deadlineMs: 5_000,
  })
})

test('slow heads and bodies are ended with 408 and idle connections without a word', async () => {
  const lab = await labWith(echo, { timeouts: { headMs: 150, bodyMs: 150 } })
  // One whose head is taken in whenever the processor is ours.
  const unhurried = await labWith(echo, { timeouts: { idleMs: 100 } })
  const [head, body, idle] = [new RawClient(lab.port), new RawClient(lab.port), new RawClient(unhurried.port)]
  head.say('GET / HTTP/1.1\r\nHost:')
  body.say('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab')
  idle.say(get('/'))
  await head.hears(/^HTTP\/1\.1 408 /)
  await body.hears(/^HTTP\/1\.1 408 /)
  await idle.hears(/^HTTP\/1\.1 200 /)
  for (const client of [head, body, idle]) await client.closes()
  assert.equal(idle.heard.match(/HTTP\/1\.1/g)?.length, 1)
})

test('a closing server lets the present responses end and idle connections go', async () => {
  let answer: ServerResponse | undefined
  const lab = await labWith((_request, response) => {
    answer = response
  })
  const [busy, idle] = [new RawClient(lab.port), new RawClient(lab.port)]
  busy.say(get('/'))
  await until(() => answer !== undefined && lab.front.connections === 2, {
    what: 'both connections',
    deadlineMs: 5_000,
  })
  const closed = lab.front.close(60_000)
  await idle.closes()
  answer?.end('the end')
  await busy.hears(/Connection: close\r\n\r\n[^]*the end/)
  await closed
  assert.equal(lab.front.connections, 0)
})
