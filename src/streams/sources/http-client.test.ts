import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import type { AddressInfo, LookupFunction } from 'node:net'
import { test } from 'node:test'
import { peerHasRead } from '../../../test/lab/peer-has-read.ts'
import { systemClock } from '../../lib/clock.ts'
import { openHttpSource } from './http-client.ts'
import type { SourceFailure, SourceHead, SourceNetwork, SourceReader, SourceRequest } from './http-client.ts'
import { RawOrigin } from './raw-origin.fixture.ts'

interface Outcome {
  readonly heads: SourceHead[]
  readonly body: Buffer
  readonly failure: SourceFailure | undefined
  readonly terminalCalls: number
}

interface Trial extends Partial<SourceRequest> {
  readonly url: string
  readonly network?: Partial<SourceNetwork>
  readonly verdict?: 'accept' | 'reject'
  readonly onData?: (chunk: Buffer, reader: SourceReader) => boolean
}

const LOOPBACK: ReadonlySet<string> = new Set(['127.0.0.1', 'localhost', 'origin.test'])

/** Asks, and resolves with everything that was told once the source has ended and a further turn has passed. */
async function ask({ network, verdict = 'accept', onData, ...request }: Trial): Promise<Outcome> {
  const heads: SourceHead[] = []
  const chunks: Buffer[] = []
  let failure: SourceFailure | undefined
  let terminalCalls = 0
  await new Promise<void>((resolve) => {
    const ended = (): void => {
      terminalCalls += 1
      setImmediate(resolve)
    }
    const reader = openHttpSource(
      {
        method: 'GET',
        headers: {},
        userAgent: 'Holdfast',
        connectTimeoutMs: 30_000,
        answerTimeoutMs: 30_000,
        operatorHosts: LOOPBACK,
        signal: new AbortController().signal,
        ...request,
      },
      {
        onHead: (head) => {
          heads.push(head)
          return verdict
        },
        onData: (chunk) => {
          chunks.push(chunk)
          return onData?.(chunk, reader) ?? true
        },
        onEnd: ended,
        onFailure: (found) => {
          failure = found
          ended()
        },
      },
      { clock: systemClock, ...network },
    )
  })
  return { heads, body: Buffer.concat(chunks), failure, terminalCalls }
}

/** An origin that answers every request with these bytes and then does `after` to its socket. */
function answering(text: string, after: 'fin' | 'rst' | 'stay' = 'fin'): Promise<RawOrigin> {
  return RawOrigin.listen(({ socket }) => {
    socket.write(text, () => {
      if (after === 'fin') socket.end()
      // A reset discards what the peer has not read yet.
      else if (after === 'rst') void peerHasRead(socket).then(() => socket.resetAndDestroy())
    })
  })
}

test('a body with a length, with chunks and delimited by its close all end in order', async () => {
  const framings = [
    'Content-Length: 5\r\n\r\nhello',
    'Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n',
    '\r\nhello',
  ]
  for (const framing of framings) {
    await using origin = await answering(`HTTP/1.1 200 OK\r\nX-A: b\r\n${framing}`)
    const { heads, body, failure, terminalCalls } = await ask({ url: `${origin.url}/x?y=1` })
    assert.equal(failure, undefined, framing)
    assert.equal(body.toString(), 'hello', framing)
    assert.equal(heads[0]?.status, 200)
    assert.equal(heads[0]?.headers['x-a'], 'b')
    assert.equal(terminalCalls, 1)
    assert.equal(origin.requests[0]?.path, '/x?y=1')
  }
})

test('names each way in which an origin can fail', async () => {
  const closed = await RawOrigin.listen(() => {})
  const refusedUrl = closed.url
  await closed[Symbol.asyncDispose]()
  assert.equal((await ask({ url: refusedUrl })).failure?.kind, 'refused')

  const cases: readonly [expected: string, text: string, after: 'fin' | 'rst' | 'stay'][] = [
    ['incomplete_body', 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello', 'fin'],
    ['incomplete_body', 'HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 9\r\n\r\nhello', 'fin'],
    ['incomplete_body', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n', 'fin'],
    ['incomplete_body', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhello', 'fin'],
    [
      'incomplete_body',
      'HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n',
      'fin',
    ],
    ['incomplete_body', 'HTTP/1.0 200 OK\r\nContent-Length: 9\r\n\r\nhello', 'fin'],
    ['reset', 'HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n', 'rst'],
    ['reset', 'HTTP/1.0 200 OK\r\n\r\nhello', 'rst'],
    ['reset', 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello', 'rst'],
    ['reset', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n', 'rst'],
    ['reset', 'HTTP/1.1 200 OK\r\n\r\nhello', 'rst'],
    ['reset', 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n', 'rst'],
    ['reset', '', 'fin'],
    ['reset', 'HTTP/1.1 200 OK\r\nContent-Le', 'fin'],
    ['protocol', 'SSH-2.0-OpenSSH_9.2\r\n\r\n', 'stay'],
    ['protocol', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n', 'stay'],
    ['protocol', `HTTP/1.1 200 OK\r\nX: ${'a'.repeat(40_000)}\r\n\r\n`, 'stay'],
    ['protocol', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello', 'stay'],
    ['answer_timeout', '', 'stay'],
    ['answer_timeout', 'HTTP/1.1 200 OK\r\nX-Slow: ', 'stay'],
  ]
  for (const [expected, text, after] of cases) {
    await using origin = await answering(text, after)
    const limits = expected === 'answer_timeout' ? { answerTimeoutMs: 300 } : {}
    const { failure, terminalCalls } = await ask({ url: origin.url, ...limits })
    assert.equal(failure?.kind, expected, `${after} after ${JSON.stringify(text.slice(0, 90))}: ${failure?.message}`)
    assert.equal(terminalCalls, 1)
    await origin.until(() => origin.connectionCount === 0)
  }
})

test('a mistake of ours on what came is not called one of the source', async () => {
  await using origin = await answering('HTTP/1.1 200 OK\r\n\r\nhello', 'stay')
  const onData = () => {
    throw new TypeError('a defect')
  }
  const { failure, terminalCalls } = await ask({ url: origin.url, onData })
  assert.equal(failure?.kind, 'internal')
  assert.match(failure?.message ?? '', /a defect at /)
  assert.equal(terminalCalls, 1)
  await origin.until(() => origin.connectionCount === 0)
})

test('bytes that came before the failure are delivered', async () => {
  for (const after of ['fin', 'rst'] as const) {
    await using origin = await answering('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello', after)
    assert.equal((await ask({ url: origin.url })).body.toString(), 'hello')
  }
})

test('a name that does not resolve, a listener that is not TLS, and a connection that never stands', async () => {
  const nowhere: LookupFunction = (_hostname, _options, callback) => {
    callback(Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND' }), '', 0)
  }
  assert.equal((await ask({ url: 'http://origin.test/', network: { lookup: nowhere } })).failure?.kind, 'dns')

  const plain = createServer((socket) => {
    socket.on('error', () => {})
    socket.on('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
  })
  await new Promise<void>((resolve) => {
    plain.listen(0, '127.0.0.1', resolve)
  })
  const tls = await ask({ url: `https://127.0.0.1:${(plain.address() as AddressInfo).port}/` })
  assert.equal(tls.failure?.kind, 'tls', tls.failure?.message)
  plain.close()

  const silent: LookupFunction = () => {}
  const late = await ask({ url: 'http://origin.test/', network: { lookup: silent }, connectTimeoutMs: 30 })
  assert.equal(late.failure?.kind, 'connect_timeout')

  await using mute = await RawOrigin.listen(() => {})
  const handshake = await ask({ url: `https://127.0.0.1:${mute.port}/`, connectTimeoutMs: 50 })
  assert.equal(handshake.failure?.kind, 'connect_timeout')
  await mute.until(() => mute.connectionCount === 0)
})

test('asks for plain bytes, with the operator headers and without those that change the framing', async () => {
  await using origin = await answering('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
  const headers = {
    'X-Mine': 'yes',
    'Accept-Encoding': 'br',
    'Transfer-Encoding': 'chunked',
    Range: 'bytes=5-',
    'Icy-MetaData': '1',
    Connection: 'upgrade',
    Referer: 'http://portal.example/',
  }
  await ask({ url: origin.url.replace('//', '//us%40er:p%25w@'), headers, range: 'bytes=7-' })
  const sent = origin.requests[0]?.headers ?? {}
  assert.equal(sent['accept-encoding'], 'identity')
  assert.equal(sent['accept'], '*/*')
  assert.equal(sent['x-mine'], 'yes')
  assert.equal(sent['referer'], 'http://portal.example/')
  assert.equal(sent['range'], 'bytes=7-')
  assert.equal(sent['user-agent'], 'Holdfast')
  assert.equal(sent['connection'], 'close')
  assert.equal(sent['icy-metadata'], undefined)
  assert.equal(sent['transfer-encoding'], undefined)
  assert.equal(sent['authorization'], `Basic ${Buffer.from('us@er:p%w').toString('base64')}`)
})

test('a header that could inject another one fails the request instead of being sent', async () => {
  await using origin = await answering('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
  const { failure } = await ask({ url: origin.url, headers: { 'X-Bad': 'a\r\nX-Injected: b' } })
  assert.equal(failure?.kind, 'protocol')
  assert.equal(origin.requests.length, 0)
})

test('follows redirects, and keeps credentials and secret headers with the origin they belong to', async () => {
  await using other = await answering('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
  await using first = await RawOrigin.listen(({ socket, path }) => {
    const location = path === '/a' ? '/b' : `${other.url}/c`
    socket.end(`HTTP/1.1 302 Found\r\nLocation: ${location}\r\nContent-Length: 0\r\n\r\n`)
  })
  const { heads, body } = await ask({
    url: first.url.replace('//', '//user:secret@').concat('/a'),
    headers: { Authorization: 'Bearer abc', Cookie: 'session=1', 'X-Api-Key': 'k', 'X-Plain': 'v' },
  })
  assert.equal(body.toString(), 'ok')
  assert.equal(heads.length, 1)
  assert.equal(heads[0]?.finalUrl, `${other.url}/c`)
  for (const request of first.requests) assert.equal(request.headers['authorization'], 'Bearer abc')
  assert.equal(first.requests.length, 2)
  const leaked = JSON.stringify(other.requests[0]?.headers)
  assert.doesNotMatch(leaked, /abc|session|secret|x-api-key|authorization/i)
  assert.match(leaked, /x-plain/)
})

test('gives up redirects that run in a circle, too long, nowhere, or to something else than http', async () => {
  const cases: readonly [expected: string, location: (path: string) => string][] = [
    ['too_many_redirects', () => 'Location: /\r\n'],
    ['too_many_redirects', (path) => `Location: ${path}x\r\n`],
    ['bad_redirect', () => ''],
    ['bad_redirect', () => 'Location: file:///etc/passwd\r\n'],
  ]
  for (const [expected, location] of cases) {
    await using origin = await RawOrigin.listen(({ socket, path }) => {
      socket.end(`HTTP/1.1 302 Found\r\n${location(path)}Content-Length: 0\r\n\r\n`)
    })
    const { failure } = await ask({ url: origin.url })
    assert.equal(failure?.kind, expected)
    assert.equal(failure?.status, 302)
    assert.ok(origin.requests.length <= 6)
  }
})

test('a redirect to a private address of a host that the operator did not name is refused', async () => {
  await using inside = await answering('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret')
  // Both by address and by a name that resolves to one.
  const toLoopback: LookupFunction = (_hostname, _options, callback) => {
    callback(null, [{ address: '127.0.0.1', family: 4 }])
  }
  for (const target of [`127.0.0.1:${inside.port}`, `[::ffff:127.0.0.1]:${inside.port}`, `evil.test:${inside.port}`]) {
    await using outside = await answering(
      `HTTP/1.1 302 Found\r\nLocation: http://${target}/\r\nContent-Length: 0\r\n\r\n`,
    )
    const { failure, body } = await ask({
      url: `http://origin.test:${outside.port}/`,
      operatorHosts: new Set(['origin.test']),
      network: { lookup: toLoopback },
    })
    assert.equal(failure?.kind, 'address_forbidden', target)
    assert.equal(body.length, 0)
  }
  assert.equal(inside.requests.length, 0)
})

test('rejecting the head ends with its status; closing ends with nothing', async () => {
  await using origin = await answering('HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy', 'stay')
  const { failure, body } = await ask({ url: origin.url, verdict: 'reject' })
  assert.equal(failure?.kind, 'http_status')
  assert.equal(failure?.status, 503)
  assert.equal(body.length, 0)

  let calls = 0
  const reader = openHttpSource(
    {
      url: origin.url,
      method: 'GET',
      headers: {},
      userAgent: '',
      connectTimeoutMs: 30_000,
      answerTimeoutMs: 30_000,
      operatorHosts: LOOPBACK,
      signal: new AbortController().signal,
    },
    {
      onHead: () => {
        reader.close()
        return 'accept'
      },
      onData: () => Boolean((calls += 1)),
      onEnd: () => (calls += 1),
      onFailure: () => (calls += 1),
    },
    { clock: systemClock },
  )
  await origin.until(() => origin.requests.length === 2)
  await origin.until(() => origin.connectionCount === 0)
  assert.equal(calls, 0)
})

test('an aborted signal ends the request once, before and during the connection', async () => {
  assert.equal((await ask({ url: 'http://127.0.0.1:9/', signal: AbortSignal.abort() })).failure?.kind, 'aborted')
  const abort = new AbortController()
  await using origin = await RawOrigin.listen(() => abort.abort())
  const { failure, terminalCalls } = await ask({ url: origin.url, signal: abort.signal })
  assert.equal(failure?.kind, 'aborted')
  assert.equal(terminalCalls, 1)
  await origin.until(() => origin.connectionCount === 0)
})

test('a paused reader stops the source, bounded, and goes on where it was', async () => {
  const total = 32 * 1024 * 1024
  const piece = Buffer.alloc(65_536, 0x47)
  let sentBytes = 0
  await using origin = await RawOrigin.listen(({ socket }) => {
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${total}\r\n\r\n`)
    const fill = (): void => {
      while (sentBytes < total) {
        sentBytes += piece.length
        if (!socket.write(piece)) {
          socket.once('drain', fill)
          return
        }
      }
    }
    fill()
  })
  let receivedBytes = 0
  let pausedAtBytes = 0
  const { body, failure } = await ask({
    url: origin.url,
    onData: (chunk, reader) => {
      receivedBytes += chunk.length
      if (pausedAtBytes !== 0) return true
      pausedAtBytes = receivedBytes
      systemClock.schedule(150, () => {
        assert.ok(receivedBytes - pausedAtBytes <= 65_536, `${receivedBytes - pausedAtBytes} bytes came while paused`)
        // What is under way fits in the two kernel buffers; the rest waits at the origin.
        assert.ok(sentBytes < total, 'the origin was not held back')
        reader.resume()
      })
      return false
    },
  })
  assert.equal(failure, undefined)
  assert.equal(body.length, total)
})

test('a redirect, a HEAD and a hundred sources at once leave no connection behind', async () => {
  await using origin = await answering('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n', 'stay')
  const head = await ask({ url: origin.url, method: 'HEAD' })
  assert.equal(head.heads[0]?.headers['content-length'], '5')
  assert.equal(head.failure, undefined)
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.resume()
    socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  const outcomes = await Promise.all(Array.from({ length: 100 }, () => ask({ url: `http://127.0.0.1:${port}/` })))
  assert.ok(outcomes.every(({ body, failure }) => failure === undefined && body.toString() === 'ok'))
  await new Promise<void>((resolve) => {
    server.close(() => resolve())
  })
  await origin.until(() => origin.connectionCount === 0)
})
