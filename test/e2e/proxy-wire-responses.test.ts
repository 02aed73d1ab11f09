import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { after, test } from 'node:test'
import { systemClock } from '../../src/lib/clock.ts'
import { createFrontServer } from '../../src/proxy/wire/front.ts'
import type { FrontExchange } from '../../src/proxy/wire/front-exchange.ts'
import { defaultFrontLimits, defaultFrontTimeouts } from '../../src/proxy/wire/front-options.ts'
import type { AbortReason, FrontOptions } from '../../src/proxy/wire/front-options.ts'
import { peerHasRead } from '../lab/peer-has-read.ts'
import { until } from '../lab/poll.ts'

/** The front server by itself: what its user may do with an exchange, and what the client sees of it. */

const closers: (() => unknown)[] = []

after(async () => {
  for (const close of closers) await close()
})

interface Heard {
  text: string
  error: string
  isClosed: boolean
  say(text: string): void
  /** Ends its side; resolves when the server knows. */
  end(): Promise<void>
}

/** Serves with `onRequest` and says `text` to it. */
async function front(
  onRequest: (exchange: FrontExchange) => void,
  text: string,
  options: Partial<FrontOptions> = {},
): Promise<Heard> {
  const server = createFrontServer({
    clock: systemClock,
    limits: defaultFrontLimits,
    timeouts: { ...defaultFrontTimeouts, lingerMs: 10_000 },
    onFault: (error) => assert.fail(String(error)),
    onRequest,
    ...options,
  })
  const { port } = await server.listen({ port: 0, host: '127.0.0.1' })
  const socket = connect({ port, allowHalfOpen: true })
  const heard: Heard = {
    text: '',
    error: '',
    isClosed: false,
    say: (more) => void socket.write(more, 'latin1'),
    end: async () => {
      socket.end()
      await peerHasRead(socket)
    },
  }
  socket.setEncoding('latin1')
  socket.on('data', (piece: string) => (heard.text += piece))
  socket.on('end', () => socket.end())
  socket.on('error', (error: NodeJS.ErrnoException) => (heard.error = error.code ?? ''))
  socket.on('close', () => (heard.isClosed = true))
  closers.push(async () => {
    socket.destroy()
    await server.close(0)
  })
  await once(socket, 'connect')
  heard.say(text)
  return heard
}

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'
const OK = 'HTTP/1.1 200 OK\r\n'

function post(bytes: number, body = ''): string {
  return `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${bytes}\r\n\r\n${body}`
}

const answer = (exchange: FrontExchange): void => {
  exchange.respond(OK, { kind: 'length', bytes: 2 })
  exchange.write(Buffer.from('ok'))
  exchange.end()
}

test('a response with less than it promised is cut', async () => {
  let end: () => void = () => undefined
  const heard = await front((exchange) => {
    exchange.respond(OK, { kind: 'length', bytes: 5 })
    exchange.write(Buffer.from('abc'))
    end = () => exchange.end()
  }, GET)
  await until(() => heard.text.endsWith('abc'), { what: 'what there is' })
  end()
  await until(() => heard.isClosed, { what: 'the cut' })
  assert.equal(heard.error, 'ECONNRESET')
  assert.match(heard.text, /Content-Length: 5\r\n\r\nabc$/)
})

test('a response with more than it promised is cut, and nothing of the surplus goes out', async () => {
  let goOn: () => void = () => undefined
  const heard = await front((exchange) => {
    exchange.respond(OK, { kind: 'length', bytes: 3 })
    exchange.write(Buffer.from('abc'))
    goOn = () => exchange.write(Buffer.from('HTTP/1.1 200 Evil\r\n\r\n'))
  }, GET)
  await until(() => heard.text.endsWith('abc'), { what: 'what was promised' })
  goOn()
  await until(() => heard.isClosed, { what: 'the cut' })
  assert.equal(heard.error, 'ECONNRESET')
  assert.doesNotMatch(heard.text, /Evil/)
})

test('chunks that come with the head, and those that come later, are all there', async () => {
  const heard = await front((exchange) => {
    exchange.respond(OK, { kind: 'chunked' })
    exchange.write(Buffer.from('one'))
    exchange.write(Buffer.alloc(5_000, 'x'))
    exchange.write(Buffer.from('two'))
    setTimeout(() => {
      exchange.write(Buffer.alloc(40_000, 'y'))
      exchange.end(['X-Sum', '1'])
    }, 30)
  }, GET)
  await until(() => heard.text.endsWith('\r\n\r\n') && heard.text.includes('X-Sum'), { what: 'the end' })
  const body = heard.text.slice(heard.text.indexOf('\r\n\r\n') + 4)
  const x = `1388\r\n${'x'.repeat(5_000)}\r\n`
  assert.equal(body, `3\r\none\r\n${x}3\r\ntwo\r\n9c40\r\n${'y'.repeat(40_000)}\r\n0\r\nX-Sum: 1\r\n\r\n`)
})

test('a head whose body takes its time goes out at once', async () => {
  const heard = await front((exchange) => exchange.respond(OK, { kind: 'chunked' }), GET)
  await until(() => heard.text.endsWith('chunked\r\n\r\n'), { what: 'the head' })
})

test('the rest of a small body that nobody read does not become a request', async () => {
  let requests = 0
  const serve = (exchange: FrontExchange): void => {
    requests += 1
    answer(exchange)
  }
  const heard = await front(serve, post(GET.length + 5, 'hello'))
  await until(() => heard.text.endsWith('ok'), { what: 'the response' })
  heard.say(`${GET}${GET}`)
  await until(() => /ok[^]*ok$/.test(heard.text), { what: 'the second response' })
  assert.deepEqual([requests, heard.isClosed], [2, false])
})

test('a large body that nobody reads ends the connection after the response, which arrives whole', async () => {
  const heard = await front(answer, post(300_000, 'x'.repeat(300_000)))
  await until(() => heard.isClosed, { what: 'the end' })
  assert.match(heard.text, /\r\n\r\nok$/)
  assert.equal(heard.error, '')
})

test('a body for which 100 Continue was never sent ends the connection with the response', async () => {
  const heard = await front(answer, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n')
  await until(() => heard.isClosed, { what: 'the end' })
  assert.match(heard.text, /^HTTP\/1\.1 200 OK\r\n[^]*Connection: close\r\n/)
})

test('a body that is read has its 100 Continue', async () => {
  const serve = (exchange: FrontExchange): void => {
    exchange.readBody({ onPiece: () => true, onEnd: () => answer(exchange) })
  }
  const heard = await front(serve, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n')
  await until(() => heard.text === 'HTTP/1.1 100 Continue\r\n\r\n', { what: 'the interim response' })
  heard.say('hi')
  await until(() => heard.text.endsWith('ok'), { what: 'the response' })
})

for (const [halfClose, expected] of [
  ['abort', ['client_closed']],
  ['serve', []],
] as const) {
  test(`a client that ends its side while it waits: ${halfClose}`, async () => {
    const seen: string[] = []
    const exchanges: FrontExchange[] = []
    const serve = (exchange: FrontExchange): void => {
      exchange.listen({ onAbort: (reason: AbortReason) => void seen.push(reason), onDrain: () => undefined })
      exchanges.push(exchange)
    }
    const heard = await front(serve, GET, { halfClose })
    await until(() => exchanges.length === 1, { what: 'the request' })
    await heard.end()
    if (halfClose === 'serve') exchanges.forEach(answer)
    await until(() => heard.isClosed, { what: 'the end' })
    assert.deepEqual(seen, expected)
    assert.equal(heard.text.endsWith('ok'), halfClose === 'serve')
  })
}

test('a mistake in a callback costs its own connection and is told', async () => {
  const told: unknown[] = []
  const serve = (): void => {
    throw new Error('a mistake')
  }
  const heard = await front(serve, GET, { onFault: (error) => told.push(error) })
  await until(() => heard.isClosed, { what: 'the end' })
  assert.match(String(told[0]), /a mistake/)
  assert.equal(heard.text, '')
})
