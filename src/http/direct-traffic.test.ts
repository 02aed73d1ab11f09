import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { systemClock } from '../lib/clock.ts'
import { silentLog } from '../lib/log.ts'
import { createAccess } from './access.ts'
import type { DirectTraffic } from './direct-traffic.ts'
import { createServer } from './server.ts'
import type { HttpLimits, HttpServer } from './server.ts'

/** Serves what begins with /direct, and says what it was given. */
class Traffic implements DirectTraffic {
  readonly given: string[] = []
  readonly #sockets = new Set<Socket>()

  takes({ url }: IncomingMessage): boolean {
    return url?.startsWith('/direct') === true
  }

  isServing(socket: Socket): boolean {
    return this.#sockets.has(socket)
  }

  serve(request: IncomingMessage, response: ServerResponse): void {
    this.given.push(`serve ${request.method}`)
    const { socket } = request
    this.#sockets.add(socket)
    response.on('close', () => this.#sockets.delete(socket))
    if (request.headers.expect !== undefined) response.writeContinue()
    request.on('error', () => response.destroy())
    void text(request).then(
      (body) => response.end(`direct ${body}`),
      () => undefined,
    )
  }

  serveUpgrade(_request: IncomingMessage, socket: Socket, early: Buffer): void {
    this.given.push('upgrade')
    socket.end(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n${String(early)}`)
  }
}

async function serverWith(direct: Traffic, limits: Partial<HttpLimits> = {}): Promise<HttpServer> {
  return createServer({
    ...{ direct, clock: systemClock, log: silentLog, version: '0', trustProxy: false, rootPath: '' },
    documents: { docsUrl: '', redocUrl: '', openapiUrl: '' },
    access: createAccess({ mode: { kind: 'loopback' }, requireViewerToken: false, secret: 's' }),
    limits,
    groups: [
      {
        access: 'public',
        plugin: async (app) => {
          app.post('/route', async ({ body }) => ({ body }))
        },
      },
    ],
  })
}

/** Everything that comes back for text that is sent in pieces, each after the one before was seen to be under way. */
async function sent(server: HttpServer, ...pieces: readonly string[]): Promise<string> {
  const address = server.node.address()
  assert.ok(address !== null && typeof address === 'object')
  const socket = connect(address.port, '127.0.0.1')
  socket.setNoDelay(true)
  const answer = text(socket)
  for (const piece of pieces) {
    socket.write(piece)
    if (piece !== pieces.at(-1)) await once(server.node, 'clientError').catch(() => undefined)
  }
  return answer
}

const head = (line: string, ...fields: readonly string[]) =>
  `${line} HTTP/1.1\r\nHost: localhost\r\n${['Connection: close', ...fields].map((field) => `${field}\r\n`).join('')}\r\n`

test('direct traffic gets its requests with their bodies, and the routes all others', async () => {
  const traffic = new Traffic()
  await using server = await serverWith(traffic)
  await server.listen({ host: '127.0.0.1', port: 0 })
  const odd = await sent(server, `${head('PUT /direct', 'Content-Type: a/b', 'Content-Length: 2')}hi`)
  assert.match(odd, /^HTTP\/1\.1 200 .*direct hi$/s)
  const route = await sent(server, `${head('POST /route', 'Content-Length: 2')}{}`)
  assert.match(route, /\{"body":\{\}\}$/)
  const waiting = head('POST /route', 'Content-Length: 2', 'Expect: 100-continue')
  assert.match(await sent(server, `${waiting}{}`), /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 /)
  assert.deepEqual(traffic.given, ['serve PUT'])
})

test('only direct traffic without a body is asked for another protocol', async () => {
  const traffic = new Traffic()
  await using server = await serverWith(traffic)
  await server.listen({ host: '127.0.0.1', port: 0 })
  const upgrade = (line: string, ...fields: readonly string[]) =>
    head(line, ...fields, 'Upgrade: x').replace('Connection: close', 'Connection: close, Upgrade')
  assert.match(await sent(server, `${upgrade('GET /direct')}early`), /^HTTP\/1\.1 101 .*early$/s)
  assert.match(await sent(server, `${upgrade('POST /direct', 'Content-Length: 2')}hi`), /direct hi$/)
  assert.match(await sent(server, `${upgrade('POST /route', 'Content-Length: 2')}{}`), /\{"body":\{\}\}$/)
  assert.deepEqual(traffic.given, ['upgrade', 'serve POST'])
})

test('the time of a request of the API does not hold for a body that direct traffic reads', async () => {
  const traffic = new Traffic()
  // A head that is sent at once is read within it also where this process is held up.
  await using server = await serverWith(traffic, { requestTimeoutMs: 1_000, headersTimeoutMs: 1_000, checkEveryMs: 20 })
  await server.listen({ host: '127.0.0.1', port: 0 })
  // The second piece follows when the first request is found to have taken too long.
  assert.match(await sent(server, `${head('PUT /direct', 'Content-Length: 2')}h`, 'i'), /direct hi$/)
  assert.match(await sent(server, `${head('POST /route', 'Content-Length: 2')}{`), /^HTTP\/1\.1 408 /)
})
