import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { systemClock } from '../lib/clock.ts'
import { silentLog } from '../lib/log.ts'
import { createAccess } from './access.ts'
import { createServer } from './server.ts'
import type { HttpLimits, HttpServer } from './server.ts'

/** What only a real socket can do to a server. */

async function listening(
  t: TestContext,
  limits: Partial<HttpLimits> = {},
): Promise<{ server: HttpServer; port: number }> {
  const server = await createServer({
    rootPath: '',
    documents: { docsUrl: '', redocUrl: '', openapiUrl: '' },
    version: '1',
    access: createAccess({ mode: { kind: 'loopback' }, requireViewerToken: false, secret: 's' }),
    trustProxy: false,
    clock: systemClock,
    log: silentLog,
    limits,
    groups: [
      {
        access: 'public',
        plugin: async (app) => {
          app.get('/thing', async () => ({ ok: true }))
          app.post('/thing', async () => ({ ok: true }))
          app.get('/endless', async (_request, reply) => {
            reply.raw.writeHead(200, { 'content-type': 'video/mp2t' })
            reply.raw.write('first')
            return reply.hijack()
          })
        },
      },
    ],
  })
  t.after(() => server[Symbol.asyncDispose]())
  const url = await server.listen({ host: '127.0.0.1', port: 0 })
  return { server, port: Number(new URL(url).port) }
}

/** Everything that the server says until it closes the connection. */
async function conversation(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(text))
    let said = ''
    socket.setEncoding('utf8')
    socket.on('data', (chunk: string) => {
      said += chunk
    })
    socket.on('close', () => resolve(said))
    socket.on('error', reject)
  })
}

const HOST = 'Host: localhost\r\n'

test('a client that never finishes its head is answered 408 and closed', async (t) => {
  const { port } = await listening(t, { headersTimeoutMs: 50, requestTimeoutMs: 100, checkEveryMs: 20 })
  const said = await conversation(port, `GET /thing HTTP/1.1\r\n${HOST}X-Slow: `)
  assert.match(said, /^HTTP\/1\.1 408 Request Timeout\r\n/)
  assert.match(said, /\{"detail":"Request Timeout"\}$/)
})

test('a client that never finishes its body is answered 408 and closed', async (t) => {
  const { port } = await listening(t, { headersTimeoutMs: 50, requestTimeoutMs: 100, checkEveryMs: 20 })
  const head = `POST /thing HTTP/1.1\r\n${HOST}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{`
  assert.match(await conversation(port, head), /^HTTP\/1\.1 408 Request Timeout\r\n/)
})

test('a response that goes on is not cut by the time allowed for requests', async (t) => {
  const { server, port } = await listening(t, {
    // A head that is sent at once is read within it also where this process is held up.
    headersTimeoutMs: 1_000,
    requestTimeoutMs: 1_000,
    checkEveryMs: 10,
    closeGraceMs: 20,
  })
  const socket = connect(port, '127.0.0.1', () => socket.write(`GET /endless HTTP/1.1\r\n${HOST}\r\n`))
  t.after(() => socket.destroy())
  let isClosed = false
  socket.on('close', () => {
    isClosed = true
  })
  await new Promise((resolve) => socket.once('data', resolve))
  // Another connection runs into the limit meanwhile, so the check has run.
  await conversation(port, 'GET /thing HTTP/1.1\r\n')
  assert.equal(isClosed, false)
  assert.equal(server.node.listening, true)
})

test('a head over the limit is 431', async (t) => {
  const { port } = await listening(t, { headerBytesMax: 4096 })
  const said = await conversation(port, `GET /thing HTTP/1.1\r\n${HOST}X-Long: ${'x'.repeat(5000)}\r\n\r\n`)
  assert.match(said, /^HTTP\/1\.1 431 /)
})

test('what is not HTTP, or says its length twice, is 400', async (t) => {
  const { port } = await listening(t)
  for (const text of [
    'nonsense\r\n\r\n',
    `GET /thing HTTP/1.1\r\n${HOST}X-Bad : a\r\n\r\n`,
    `GET /thing HTTP/1.1\r\nX-No-Host: 1\r\nConnection: close\r\n\r\n`,
    `POST /thing HTTP/1.1\r\n${HOST}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    `POST /thing HTTP/1.1\r\n${HOST}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}`,
    `POST /thing HTTP/1.1\r\n${HOST}Content-Length: -2\r\n\r\n{}`,
  ]) {
    assert.match(await conversation(port, text), /^HTTP\/1\.1 400 /, JSON.stringify(text))
  }
})

test('a connection over the limit is closed at once, those before it are not disturbed', async (t) => {
  const { port } = await listening(t, { connectionsMax: 1 })
  const first = connect(port, '127.0.0.1')
  t.after(() => first.destroy())
  await new Promise((resolve) => first.once('connect', resolve))
  const request = `GET /thing HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`
  assert.equal(await conversation(port, request).catch(() => ''), '')
  const answered = new Promise<string>((resolve) => first.once('data', (chunk) => resolve(chunk.toString())))
  first.write(request)
  assert.match(await answered, /^HTTP\/1\.1 200 /)
})

test('closing waits for a request under way, but not for ever', async (t) => {
  const { server, port } = await listening(t, { closeGraceMs: 50 })
  const socket = connect(port, '127.0.0.1', () => socket.write(`GET /endless HTTP/1.1\r\n${HOST}\r\n`))
  await new Promise((resolve) => socket.once('data', resolve))
  const closed = new Promise((resolve) => socket.once('close', resolve))
  socket.on('error', () => {})
  await server[Symbol.asyncDispose]()
  await closed
  assert.equal(server.node.listening, false)
})

test('the absolute form of a request line is understood', async (t) => {
  const { port } = await listening(t)
  const said = await conversation(port, `GET http://localhost/thing HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`)
  assert.match(said, /^HTTP\/1\.1 200 /)
})
