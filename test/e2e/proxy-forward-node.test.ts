import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import { connect as connectHttp2, constants, createServer as createHttp2Server } from 'node:http2'
import { connect } from 'node:net'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { NodeExchange } from '../../src/proxy/forward/node-exchange.ts'
import { patternBytes, sha256 } from '../lab/fault-upstream.ts'
import { ask, ForwardLab } from '../lab/forward-lab.ts'
import { until } from '../lab/poll.ts'

/** Requests that come in through Node's own servers are forwarded as those of our own front are. */

async function nodeServer(lab: ForwardLab): Promise<Server & AsyncDisposable & { readonly port: number }> {
  const server = createServer((request, response) => lab.serve(new NodeExchange(request, response)))
  server.on('upgrade', (request, socket, head: Buffer) => {
    const exchange = NodeExchange.forUpgrade(request, socket, head)
    if (exchange !== undefined) lab.serve(exchange)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return Object.assign(server, {
    port,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  })
}

test('bodies go both ways and a failing replica is not seen', async () => {
  await using lab = await ForwardLab.start()
  await using server = await nodeServer(lab)
  await lab.upstream('b').become({ kind: 'reset_in_body', afterBytes: 100_000 })
  const body = patternBytes(0, 50_000)
  for (let round = 0; round < 4; round += 1) {
    const put = await ask(server.port, lab.agent, '/', { method: 'PUT', body })
    assert.equal(put.status, 200, put.error)
    const got = await ask(server.port, lab.agent, '/bytes/500000')
    assert.equal(sha256(got.body), sha256(patternBytes(0, 500_000)))
    assert.equal(got.headers['content-length'], '500000')
  }
  const whole = lab.upstreams.flatMap(({ requests }) => requests).filter(({ method }) => method === 'PUT')
  assert.ok(whole.every(({ bodySha256 }) => bodySha256 === sha256(body)))
  assert.ok(lab.access.some(({ resumptions }) => resumptions > 0))
})

test('what cannot be gone on with is cut, and a refusal is an answer', async () => {
  await using lab = await ForwardLab.start({ upstreams: [{ etag: undefined }] })
  await using server = await nodeServer(lab)
  await lab.upstream('a').become({ kind: 'fin_in_body', afterBytes: 100_000 })
  assert.equal((await ask(server.port, lab.agent, '/bytes/500000')).isWhole, false)
  await lab.upstream('a').become({ kind: 'refuse' })
  const refused = await ask(server.port, lab.agent, '/', { method: 'POST', body: 'x' })
  assert.equal(refused.status, 502)
  assert.equal(refused.headers['content-type'], 'application/problem+json')
})

test('a client that leaves cancels its request', async () => {
  await using lab = await ForwardLab.start({ upstreams: [{}], policy: { firstByteMs: 10_000 } })
  await using server = await nodeServer(lab)
  await lab.upstream('a').become({ kind: 'hang' })
  const socket = connect(server.port, '127.0.0.1')
  socket.write('GET / HTTP/1.1\r\nHost: a.example\r\n\r\n')
  await until(() => lab.upstream('a').requests.length === 1, { what: 'the request' })
  socket.destroy()
  await until(() => lab.upstream('a').cancelled === 1, { what: 'the cancelling' })
  assert.equal(lab.access[0]?.ending, 'client_gone')
})

test('a connection that changes its protocol is joined, and one that is refused is answered', async () => {
  await using lab = await ForwardLab.start({ upstreams: [{}] })
  await using server = await nodeServer(lab)
  const upgrade = 'GET / HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'
  for (const [answer, expected] of [
    ['HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello', /101[\s\S]*hello$/],
    ['HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno', /^HTTP\/1\.1 401 Unauthorized[\s\S]*no$/],
  ] as const) {
    await lab.upstream('a').become({ kind: 'custom', answer: (socket) => socket.write(answer) })
    const socket = connect(server.port, '127.0.0.1')
    let text = ''
    socket.setEncoding('latin1').on('data', (piece: string) => (text += piece))
    socket.write(upgrade)
    await until(() => expected.test(text), { what: String(expected), evidence: () => text })
    socket.destroy()
  }
})

test('HTTP/2 in front: bodies go both ways, and a broken answer breaks its stream only', async () => {
  await using lab = await ForwardLab.start({ upstreams: [{ etag: undefined }] })
  const server = createHttp2Server((request, response) => lab.serve(new NodeExchange(request, response)))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const client = connectHttp2(`http://127.0.0.1:${port}`)
  await using _ = { [Symbol.asyncDispose]: async () => void (client.destroy(), server.close()) }
  const askH2 = async (method: string, path: string, body?: Buffer) => {
    const stream = client.request({ ':method': method, ':path': path })
    const pieces: Buffer[] = []
    let status = 0
    stream.on('response', (head) => (status = head[':status'] ?? 0))
    stream.on('data', (piece: Buffer) => pieces.push(piece))
    stream.on('error', () => undefined)
    stream.end(body)
    await new Promise((resolve) => stream.on('close', resolve))
    return { status, code: stream.rstCode, body: Buffer.concat(pieces) }
  }
  const body = patternBytes(0, 200_000)
  assert.equal((await askH2('POST', '/', body)).status, 200)
  const [request] = lab.upstream('a').requests
  assert.equal(request?.bodySha256, sha256(body))
  assert.equal(request?.fields.get('host'), `127.0.0.1:${port}`)
  const whole = await askH2('GET', '/bytes/300000')
  assert.equal(sha256(whole.body), sha256(patternBytes(0, 300_000)))
  await lab.upstream('a').become({ kind: 'fin_in_body', afterBytes: 100_000 })
  assert.equal((await askH2('GET', '/bytes/300000')).code, constants.NGHTTP2_INTERNAL_ERROR)
  await lab.upstream('a').become({ kind: 'ok' })
  assert.equal((await askH2('GET', '/')).status, 200)
})
