import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { after, describe, test } from 'node:test'
import type { UpstreamDeadlines, UpstreamExchange } from '../../src/proxy/wire/upstream-exchange.ts'
import type { UpstreamFailure } from '../../src/proxy/wire/upstream-failure.ts'
import { peerHasRead } from '../lab/peer-has-read.ts'
import { until } from '../lab/poll.ts'
import { steadyPort } from '../lab/steady-port.ts'
import {
  atTheEnd,
  begin,
  closeUpstreamLab,
  deadlines,
  finished,
  HEAD,
  outcome,
  poolFor,
  Result,
  upstream,
} from '../lab/upstream-attempt.ts'

/** What the upstream client tells of upstreams that break in every way that a peer can. */

after(async () => {
  await closeUpstreamLab()
})

const OK = 'HTTP/1.1 200 OK\r\n'

interface BrokenCase {
  readonly name: string
  readonly script: (socket: Socket) => void
  readonly expected: Partial<UpstreamFailure>
  readonly content?: string
  /** How long is waited; only for those that say nothing: the others have their answer whenever the processor is ours. */
  readonly within?: Partial<UpstreamDeadlines>
}

const broken: readonly BrokenCase[] = [
  {
    name: 'a reset ahead of the response',
    script: (socket) => socket.resetAndDestroy(),
    expected: { kind: 'reset_before_response', wasSent: true, wasAnswered: false, wasReused: false },
  },
  {
    name: 'an end ahead of the response',
    script: (socket) => socket.end(),
    expected: { kind: 'reset_before_response', wasAnswered: false },
  },
  {
    name: 'an end within the head',
    script: (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-'),
    expected: { kind: 'reset_before_response', wasAnswered: true },
  },
  {
    name: 'an end within a body of a known length',
    script: (socket) => socket.end(`${OK}Content-Length: 9\r\n\r\nabc`),
    expected: { kind: 'truncated', wasAnswered: true },
    content: 'abc',
  },
  {
    name: 'an end within chunks',
    script: (socket) => socket.end(`${OK}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n`),
    expected: { kind: 'truncated' },
    content: 'abc',
  },
  {
    name: 'an end ahead of the trailers',
    script: (socket) => socket.end(`${OK}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n`),
    expected: { kind: 'truncated' },
    content: 'abc',
  },
  {
    name: 'a reset within a body that ends with the connection',
    script: (socket) =>
      socket.write(`${OK}\r\nabc`, () => void peerHasRead(socket).then(() => socket.resetAndDestroy())),
    expected: { kind: 'truncated', detail: 'ECONNRESET' },
    content: 'abc',
  },
  {
    name: 'silence ahead of the response',
    script: () => undefined,
    expected: { kind: 'first_byte_timeout', wasSent: true, wasAnswered: false },
    within: { firstByteMs: 150 },
  },
  {
    name: 'silence within the head',
    script: (socket) => socket.write('HTTP/1.1 200 OK\r\nX'),
    expected: { kind: 'first_byte_timeout', wasAnswered: true },
    within: { firstByteMs: 1_000 },
  },
  {
    name: 'silence within the body',
    script: (socket) => socket.write(`${OK}Content-Length: 9\r\n\r\nabc`),
    expected: { kind: 'idle_timeout' },
    content: 'abc',
    within: { idleMs: 150 },
  },
  {
    name: 'something else than HTTP',
    script: (socket) => socket.write('SSH-2.0-OpenSSH_9.2\r\n'),
    expected: { kind: 'malformed_response' },
  },
  {
    name: 'a length and a coding',
    script: (socket) => socket.write(`${OK}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`),
    expected: { kind: 'malformed_response' },
  },
  {
    name: 'a chunk that is none',
    script: (socket) => socket.write(`${OK}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nxyz\r\n`),
    expected: { kind: 'malformed_response' },
    content: 'abc',
  },
  {
    name: 'interim responses without an end',
    script: (socket) => socket.write('HTTP/1.1 102 Processing\r\n\r\n'.repeat(40)),
    expected: { kind: 'malformed_response' },
  },
  {
    name: 'a switch of protocols that nobody asked for',
    script: (socket) => socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n'),
    expected: { kind: 'malformed_response' },
  },
]

describe('an attempt fails by', () => {
  for (const { name, script, expected, content = '', within } of broken) {
    test(name, async () => {
      const pool = poolFor(await upstream(script))
      const { failure, content: got } = await outcome(pool, {
        deadlines: { ...deadlines, ...within },
      })
      assert.deepEqual({ ...failure, ...expected }, failure, JSON.stringify(failure))
      assert.equal(got, content)
      await until(() => pool.openConnections === 0, { what: 'the connection to be gone' })
    })
  }

  test('a port where nobody listens', async () => {
    const { failure } = await outcome(poolFor(await steadyPort()))
    assert.deepEqual([failure?.kind, failure?.wasSent], ['refused', false])
  })

  test('a name that does not resolve', async () => {
    const { failure } = await outcome(poolFor(80, { host: 'nowhere.invalid' }))
    assert.deepEqual([failure?.kind, failure?.wasSent], ['dns', false])
  })

  test('an upstream that takes nothing of a body', async () => {
    let connected = 0
    const server = createServer((socket) => {
      connected += 1
      socket.on('error', () => undefined).pause()
      atTheEnd(() => socket.destroy())
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    atTheEnd(() => server.close())
    const pool = poolFor((server.address() as AddressInfo).port)
    const attempt = begin(pool, {
      method: 'POST',
      framing: { kind: 'chunked' },
      deadlines: { ...deadlines, idleMs: 200 },
    })
    const piece = Buffer.alloc(1_000_000)
    attempt.exchange.write(piece)
    await until(() => connected === 1, { what: 'the connection' })
    // All at once: what is not taken for a moment ends the attempt.
    for (let pieces = 0; pieces < 60; pieces += 1) attempt.exchange.write(piece)
    assert.ok(attempt.exchange.pendingBytes > 8_000_000, 'the pipe is not full')
    const { failure } = await finished(attempt)
    assert.deepEqual([failure?.kind, failure?.wasBodySent], ['idle_timeout', true])
  })
})

const answered = `${OK}Content-Length: 2\r\n\r\nok`

test('a connection is used again as long as nothing is in doubt', async () => {
  const pool = poolFor(await upstream((socket) => socket.write(answered)))
  assert.equal((await outcome(pool)).content, 'ok')
  const second = begin(pool)
  assert.equal(second.exchange.wasReused, true)
  await finished(second)
  const fresh = begin(pool, { isFreshConnection: true })
  assert.equal(fresh.exchange.wasReused, false)
  await finished(fresh)
  assert.deepEqual([pool.openConnections, pool.idleConnections], [2, 2])
})

const doubtful: readonly (readonly [string, string])[] = [
  ['bytes behind its response', `${answered}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil`],
  ['Connection: close', `${OK}Connection: close\r\nContent-Length: 2\r\n\r\nok`],
  ['HTTP/1.0', 'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok'],
]

describe('a connection is not used again after', () => {
  for (const [name, text] of doubtful) {
    test(name, async () => {
      const pool = poolFor(await upstream((socket) => socket.write(text)))
      assert.equal((await outcome(pool)).content, 'ok')
      assert.equal(pool.idleConnections, 0)
      assert.equal((await outcome(pool)).content, 'ok')
    })
  }

  test('bytes that come while nobody asked', async () => {
    let poison: Socket | undefined
    const pool = poolFor(
      await upstream((socket) => {
        poison = socket
        socket.write(answered)
      }),
    )
    await outcome(pool)
    poison?.write(`${OK}Content-Length: 4\r\n\r\nevil`)
    await until(() => pool.idleConnections === 0, { what: 'the connection to be dropped' })
    assert.equal((await outcome(pool)).content, 'ok')
  })

  test('a response that came ahead of the end of the request', async () => {
    const pool = poolFor(await upstream((socket) => socket.write(answered)))
    const attempt = begin(pool, { method: 'POST', framing: { kind: 'chunked' } })
    const result = await finished(attempt)
    assert.deepEqual([result.content, pool.idleConnections], ['ok', 0])
    assert.equal(attempt.exchange.write(Buffer.from('late')), true)
  })
})

test('a kept connection that ends when it is used again is told as such', async () => {
  const pool = poolFor(
    await upstream((socket, nth) => {
      if (nth === 0) socket.write(answered)
      else socket.resetAndDestroy()
    }),
  )
  await outcome(pool)
  const { failure } = await outcome(pool)
  assert.deepEqual(
    [failure?.kind, failure?.wasReused, failure?.wasAnswered, failure?.wasBodySent],
    ['reset_before_response', true, false, false],
  )
})

test('an aborted attempt is silent and its connection gone at once', async () => {
  let closed = 0
  const port = await upstream((socket) => {
    socket.on('close', () => (closed += 1))
    socket.write(`${OK}Content-Length: 9\r\n\r\nabc`)
  })
  const pool = poolFor(port)
  const attempt = begin(pool)
  await until(() => attempt.result.content === 'abc', { what: 'a part of the body' })
  attempt.exchange.abort()
  await until(() => closed === 1 && pool.openConnections === 0, { what: 'the end of the connection' })
  assert.deepEqual([attempt.result.isEnded, attempt.result.failure], [false, undefined])
})

test('pieces that are kept stay as they were while the connection reads on', async () => {
  const blocks = Array.from({ length: 40 }, (_, index) => Buffer.alloc(50_000, index + 1))
  const pool = poolFor(
    await upstream((socket) => {
      socket.write(`${OK}Content-Length: ${blocks.length * 50_000}\r\n\r\n`)
      for (const block of blocks) socket.write(block)
    }),
  )
  const kept: Buffer[] = []
  const result = new Result()
  const exchange: UpstreamExchange = pool.exchange({
    head: HEAD,
    method: 'GET',
    framing: { kind: 'none' },
    deadlines,
    listener: Object.assign(result, {
      onPiece: (piece: Buffer) => {
        kept.push(piece)
        exchange.keep()
        return true
      },
    }),
  })
  await until(() => result.isEnded, { what: 'the end' })
  assert.ok(Buffer.concat(kept).equals(Buffer.concat(blocks)), 'a kept piece was overwritten')
})
