import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { RequestListener, Server } from 'node:http'
import { connect } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { test } from 'node:test'
import { systemClock } from '../../src/lib/clock.ts'
import { NodeExchange } from '../../src/proxy/wire/node-exchange.ts'
import { TimerWheel } from '../../src/proxy/wire/timer-wheel.ts'
import { ServerCarrier } from '../../src/tunnels/data-plane/server-carrier.ts'
import { serverRequestHead } from '../../src/tunnels/data-plane/server-request-head.ts'
import { until } from '../lab/poll.ts'

/** What an exchange on the main port promises to whoever answers through it, over real sockets. */

/** Of clients that are given up: an end of waiting that no client of these tests comes to by being slow. */
const PATIENT = { bodyMs: 60_000, writeMs: 60_000 }
const IMPATIENT = { bodyMs: 100, writeMs: 100 }

class Lab implements AsyncDisposable {
  readonly faults: unknown[] = []
  readonly aborts: string[] = []
  readonly wheel = new TimerWheel(systemClock)
  readonly #server: Server
  readonly #port: number

  private constructor(server: Server) {
    this.#server = server
    this.#port = (server.address() as AddressInfo).port
  }

  /** Every request is answered by `answer`. */
  static async start(answer: (exchange: NodeExchange, lab: Lab) => void, timeouts = PATIENT): Promise<Lab> {
    const server = createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const lab = new Lab(server)
    const take: RequestListener = (request, response) => {
      const head = serverRequestHead(request)
      assert.ok(typeof head !== 'string')
      const onFault = (error: unknown) => void lab.faults.push(error)
      const exchange = new NodeExchange({
        carrier: new ServerCarrier(request, response, undefined),
        ...{ head, wheel: lab.wheel, timeouts, onFault },
      })
      exchange.listen({ onAbort: (reason) => void lab.aborts.push(reason), onDrain: () => undefined })
      answer(exchange, lab)
    }
    server.on('request', take).on('checkContinue', take)
    return lab
  }

  open(): Socket {
    return connect(this.#port, '127.0.0.1')
  }

  /** What comes back until `done` fits or the connection is gone, and how that went. */
  async ask(text: string, done?: RegExp): Promise<string> {
    const socket = this.open()
    let got = ''
    socket.on('data', (piece: Buffer) => {
      got += piece.toString('latin1')
      if (done?.test(got) === true) socket.destroy()
    })
    socket.on('error', (error: NodeJS.ErrnoException) => {
      got += ` <${error.code}>`
    })
    socket.write(text)
    await until(() => socket.destroyed, { what: 'the answer', evidence: () => got })
    return got
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }
}

const get = 'GET / HTTP/1.1\r\nHost: h\r\n\r\n'
const post = (fields: string, body = '') => `POST / HTTP/1.1\r\nHost: h\r\n${fields}\r\n${body}`
const OK = 'HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n'

test('a body that is shorter or longer than its head promised ends with a reset', async () => {
  for (const [bytes, pieces] of [
    [5, ['abc']],
    [2, ['ab', 'c']],
  ] as const) {
    await using lab = await Lab.start((exchange) => {
      exchange.respond(OK, { kind: 'length', bytes })
      for (const piece of pieces) exchange.write(Buffer.from(piece))
      exchange.end()
      assert.ok(exchange.isOver)
    })
    assert.match(await lab.ask(get), /<ECONNRESET>$/)
    assert.deepEqual(lab.faults, [])
  }
})

test('fields come out as they went in, and a head goes out before there is a body', async () => {
  await using lab = await Lab.start((exchange) => exchange.respond(OK, { kind: 'chunked' }))
  const text = await lab.ask(get, /\r\n\r\n/)
  assert.match(text, /^HTTP\/1\.1 200 OK\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nTransfer-Encoding: chunked\r\n/)
  await until(() => lab.aborts.length > 0, { what: 'that the client is gone' })
  assert.deepEqual(lab.aborts, ['client_closed'])
})

test('chunks and trailers are for HTTP/1.1; an older client gets a body that ends with the connection', async () => {
  await using lab = await Lab.start((exchange) => {
    exchange.inform('HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n')
    exchange.respond(OK, { kind: 'chunked' })
    exchange.write(Buffer.from('abc'))
    exchange.end(['X-Sum', '1'])
  })
  const text = await lab.ask(get, /0\r\n.*\r\n\r\n$/s)
  assert.match(text, /^HTTP\/1\.1 103 Early Hints\r\nLink: <\/a>\r\n\r\nHTTP\/1\.1 200 OK/)
  assert.match(text, /3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n$/)
  const old = await lab.ask('GET / HTTP/1.0\r\n\r\n')
  assert.match(old, /^HTTP\/1\.1 200 OK/)
  assert.match(old, /\r\n\r\nabc$/)
  assert.doesNotMatch(old, /Transfer-Encoding|103/i)
})

test('answers to HEAD, 204 and 304 have no body', async () => {
  await using lab = await Lab.start((exchange) => {
    const [, status = ''] = exchange.head.path.split('/')
    exchange.respond(`HTTP/1.1 ${status} X\r\n`, { kind: 'length', bytes: 3 })
    exchange.write(Buffer.from('abc'))
    exchange.end()
  })
  const close = 'Host: h\r\nConnection: close\r\n\r\n'
  assert.match(await lab.ask(`HEAD /200 HTTP/1.1\r\n${close}`), /Content-Length: 3\r\n[^]*\r\n\r\n$/)
  for (const status of [204, 304]) {
    const text = await lab.ask(`GET /${status} HTTP/1.1\r\n${close}`)
    assert.match(text, /\r\n\r\n$/)
    assert.doesNotMatch(text, /Content-Length/)
  }
})

test('a client that stops in the middle of its body is let go, and so is one that takes no more of the answer', async () => {
  const sink = { onPiece: () => true, onEnd: () => undefined }
  await using reading = await Lab.start((exchange) => exchange.readBody(sink), IMPATIENT)
  await reading.ask(post('Content-Length: 9\r\n', 'abc'))
  assert.deepEqual(reading.aborts, ['body_timeout'])
  await using writing = await Lab.start((exchange) => {
    exchange.respond(OK, { kind: 'chunked' })
    // More than the system's own buffers take.
    exchange.write(Buffer.alloc(64 << 20))
  }, IMPATIENT)
  const socket = writing.open()
  socket.pause()
  socket.on('error', () => undefined)
  socket.write(get)
  await until(() => writing.aborts.length > 0, { what: 'the end of the patience' })
  assert.deepEqual(writing.aborts, ['write_timeout'])
  socket.destroy()
})

test('a reader that asks for a pause gets no more until it goes on', async () => {
  let got = 0
  let atPause = 0
  await using lab = await Lab.start((exchange) => {
    exchange.readBody({
      onPiece: (piece) => {
        got += piece.length
        if (atPause > 0) return true
        atPause = got
        systemClock.schedule(50, () => {
          // What Node.js had read already may follow.
          assert.ok(got - atPause <= 262_144, `${got - atPause} bytes came in a pause`)
          exchange.resumeBody()
        })
        return false
      },
      onEnd: () => {
        exchange.respond(OK, { kind: 'length', bytes: 0 })
        exchange.end()
      },
    })
  })
  const bytes = 8 << 20
  assert.match(await lab.ask(post(`Content-Length: ${bytes}\r\n`, 'x'.repeat(bytes)), /\r\n\r\n/), /^HTTP\/1\.1 200/)
  assert.equal(got, bytes)
  assert.deepEqual([lab.faults, lab.aborts], [[], []])
})

test('after an early answer the rest of a small body is read away, and a long one ends the connection', async () => {
  await using lab = await Lab.start((exchange) => {
    exchange.respond(OK, { kind: 'length', bytes: 2 })
    exchange.write(Buffer.from('ok'))
    exchange.end()
  })
  const next = await lab.ask(post('Content-Length: 3\r\n', 'abc') + get, /ok.*ok$/s)
  assert.equal(next.match(/HTTP\/1\.1 200/g)?.length, 2)
  const endless = lab.open()
  endless.on('error', () => undefined)
  endless.write(post('Content-Length: 999999999\r\n'))
  const goOn = () => {
    if (endless.writableLength < 1 << 20) endless.write(Buffer.alloc(65_536))
    return endless.destroyed
  }
  await until(goOn, { what: 'the end of the connection' })
})

test('a client that waits for 100 Continue and is refused keeps no connection', async () => {
  await using lab = await Lab.start((exchange) => {
    exchange.respond('HTTP/1.1 403 Forbidden\r\n', { kind: 'length', bytes: 0 })
    exchange.end()
  })
  const text = await lab.ask(post('Content-Length: 3\r\nExpect: 100-continue\r\n'))
  assert.match(text, /^HTTP\/1\.1 403 /)
  assert.match(text, /Connection: close/i)
})

test('a mistake of whoever reads the body is told and ends the connection', async () => {
  await using lab = await Lab.start((exchange) => {
    exchange.readBody({
      onPiece: () => {
        throw new Error('ours')
      },
      onEnd: () => undefined,
    })
  })
  await lab.ask(post('Content-Length: 3\r\n', 'abc'))
  assert.deepEqual([lab.faults.map(String), lab.aborts], [['Error: ours'], ['fault']])
})
