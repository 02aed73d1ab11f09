import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, get as httpGet, request as httpRequest } from 'node:http'
import type { IncomingMessage, RequestListener } from 'node:http'
import { connect } from 'node:net'
import { fileURLToPath } from 'node:url'
import { after, test } from 'node:test'
import { systemClock } from '../../src/lib/clock.ts'
import type { Clock, Timer } from '../../src/lib/clock.ts'
import { createFrontServer } from '../../src/proxy/wire/front.ts'
import type { FrontServer } from '../../src/proxy/wire/front.ts'
import { defaultFrontLimits, defaultFrontTimeouts } from '../../src/proxy/wire/front-options.ts'
import type { PassThroughOptions } from '../lab/pass-through.ts'
import { until } from '../lab/poll.ts'
import { startWireLab } from '../lab/wire-lab.ts'
import type { WireLab } from '../lab/wire-lab.ts'

/** The wire under bodies that are larger than any buffer, readers that stall, and very many connections. */

const MiB = 2 ** 20
const BLOCK = Buffer.alloc(64 * 1_024, 'holdfast ')
/** Far more than two sockets and their kernel buffers hold, on any Linux. */
const BODY_BLOCKS = 1_600
const BODY_BYTES = BODY_BLOCKS * BLOCK.length
/** What may be on its way: the buffers of three sockets' kernels on each side and ours. */
const IN_FLIGHT_BYTES_MAX = 40 * MiB

/** Silence of the upstream that is waited for; a reader stalls for longer than that. */
const IDLE_MS = 60_000

/** Real time, which may be let leap ahead, and how often somebody has looked at what is due. */
class LeapingClock implements Clock {
  #leapMs = 0
  ticks = 0

  /** Resolves when deadlines have been looked at behind the leap. */
  async leap(ms: number): Promise<void> {
    this.#leapMs += ms
    const before = this.ticks
    await until(() => this.ticks > before + 2, { what: 'a look at what is due' })
  }

  nowMs(): number {
    return systemClock.nowMs() + this.#leapMs
  }

  wallMs(): number {
    return systemClock.wallMs()
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    await systemClock.sleep(ms, signal)
  }

  schedule(ms: number, task: () => void): Timer {
    return systemClock.schedule(ms, () => {
      this.ticks += 1
      task()
    })
  }
}

const faults: unknown[] = []
const closers: (() => unknown)[] = []

after(async () => {
  for (const close of closers) await close()
  assert.deepEqual(faults, [], 'a callback of the wire threw')
})

async function labWith(listener: RequestListener, options: Partial<PassThroughOptions> = {}): Promise<WireLab> {
  const lab = await startWireLab(createServer(listener), { onFault: (error) => faults.push(error), ...options })
  closers.push(lab.close)
  return lab
}

const expectedHash = (() => {
  const hash = createHash('sha256')
  for (let index = 0; index < BODY_BLOCKS; index += 1) hash.update(BLOCK)
  return hash.digest('hex')
})()

/** Writes the large body as fast as it is taken and counts what was handed over. */
function writeBody(stream: NodeJS.WritableStream, onBytes: (bytes: number) => void): void {
  let left = BODY_BLOCKS
  const more = (): void => {
    while (left > 0) {
      left -= 1
      onBytes(BLOCK.length)
      if (!stream.write(BLOCK)) {
        stream.once('drain', more)
        return
      }
    }
    stream.end()
  }
  more()
}

/** Waits until a count has not grown for a while. */
async function settled(count: () => number): Promise<number> {
  let before = -1
  let since = systemClock.nowMs()
  return await until(
    () => {
      const now = systemClock.nowMs()
      if (count() !== before) {
        before = count()
        since = now
      }
      return now - since > 300 ? before : undefined
    },
    { what: 'a standstill' },
  )
}

async function hashOf(stream: NodeJS.ReadableStream): Promise<string> {
  const hash = createHash('sha256')
  for await (const piece of stream) hash.update(piece as Buffer)
  return hash.digest('hex')
}

for (const framing of ['length', 'chunked'] as const) {
  test(`a reader that stalls stalls the upstream instead of filling memory, and misses nothing (${framing})`, async () => {
    let sent = 0
    const clock = new LeapingClock()
    const serve: RequestListener = (_request, response) => {
      if (framing === 'length') response.setHeader('Content-Length', BODY_BYTES)
      writeBody(response, (bytes) => (sent += bytes))
    }
    const lab = await labWith(serve, { clock, timeouts: { writeMs: 10 * IDLE_MS }, deadlines: { idleMs: IDLE_MS } })
    const [response] = (await once(httpGet({ port: lab.port, agent: false }), 'response')) as [IncomingMessage]
    response.pause()
    const standstill = await settled(() => sent)
    assert.ok(standstill < IN_FLIGHT_BYTES_MAX, `${standstill} bytes were taken from the upstream`)
    // Silence that we cause ourselves is not the upstream's.
    await clock.leap(3 * IDLE_MS)
    assert.equal(await hashOf(response), expectedHash)
  })

  test(`an upstream that stalls stalls the client, and misses nothing (${framing})`, async () => {
    let sent = 0
    let release: (() => void) | undefined
    const lab = await labWith((request, response) => {
      release = () => void hashOf(request).then((hash) => response.end(hash))
    })
    const headers = framing === 'length' ? { 'Content-Length': BODY_BYTES } : { 'Transfer-Encoding': 'chunked' }
    const request = httpRequest({ port: lab.port, method: 'POST', headers, agent: false })
    const answered = once(request, 'response')
    writeBody(request, (bytes) => (sent += bytes))
    const standstill = await settled(() => sent)
    assert.ok(standstill < IN_FLIGHT_BYTES_MAX, `${standstill} bytes were taken from the client`)
    release?.()
    const [response] = (await answered) as [IncomingMessage]
    assert.equal(Buffer.concat(await response.toArray()).toString(), expectedHash)
  })
}

test('a response that breaks off never looks complete to the client, whatever its framing', async () => {
  let breakOff: () => void = () => undefined
  const lab = await labWith((request, response) => {
    if (request.url === '/length') response.setHeader('Content-Length', 1_000_000)
    response.write('a part of it')
    breakOff = () => response.socket?.resetAndDestroy()
  })
  for (const [path, version] of [
    ['/length', '1.1'],
    ['/chunked', '1.1'],
    ['/chunked', '1.0'],
  ] as const) {
    const socket = connect({ port: lab.port })
    let heard = ''
    let error = ''
    socket.on('data', (bytes: Buffer) => (heard += bytes.toString()))
    socket.on('error', (cause: NodeJS.ErrnoException) => (error = cause.code ?? ''))
    socket.write(`GET ${path} HTTP/${version}\r\nHost: a\r\n\r\n`)
    await until(() => heard.includes('a part of it'), { what: `the part of ${path} ${version}`, evidence: () => heard })
    breakOff()
    await until(() => socket.closed, { what: `the end of ${path} ${version}` })
    assert.doesNotMatch(heard, /\r\n0\r\n\r\n$/)
    assert.equal(error, 'ECONNRESET', `${path} with HTTP/${version} ended cleanly`)
  }
})

test('a client that takes nothing is cut after the write timeout, and its attempt with it', async () => {
  let asked = 0
  const serve: RequestListener = (_request, response) => {
    asked += 1
    writeBody(response, () => undefined)
  }
  const lab = await labWith(serve, { timeouts: { writeMs: 300 } })
  const socket = connect({ port: lab.port })
  socket.on('error', () => undefined).pause()
  socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await until(() => asked === 1, { what: 'the attempt' })
  await until(() => lab.pool.openConnections === 0 && lab.front.connections === 0, { what: 'the cut' })
  socket.destroy()
})

test('a client that sends requests and reads no responses is not served ahead, and gets every byte later', async () => {
  const requests = 8_000
  const letterOf = (index: number) => String.fromCharCode(97 + (index % 26))
  let served = 0
  const lab = await labWith((request, response) => {
    response.sendDate = false
    response.end(Buffer.alloc(12_000, request.url?.slice(1)))
    served += 1
  })
  const socket = connect({ port: lab.port })
  socket.on('error', () => undefined).pause()
  closers.unshift(() => socket.destroy())
  for (let index = 0; index < requests; index += 1) {
    socket.write(`GET /${letterOf(index)} HTTP/1.1\r\nHost: a\r\n\r\n`)
  }
  const standstill = await settled(() => served)
  assert.ok(standstill * 12_000 < 20 * MiB, `${standstill} of ${requests} requests were served`)
  // Others are served meanwhile, out of the same memory, and harm nothing that waits.
  const [other] = (await once(httpGet({ port: lab.port, path: '/z', agent: false }), 'response')) as [IncomingMessage]
  assert.ok(Buffer.concat(await other.toArray()).equals(Buffer.alloc(12_000, 'z')))
  const heard = createHash('sha256')
  let heardBytes = 0
  const wanted = createHash('sha256')
  let wantedBytes = 0
  let head = ''
  socket.on('data', (piece: Buffer) => {
    if (head === '') head = piece.toString('latin1', 0, piece.indexOf('\r\n\r\n') + 4)
    heard.update(piece)
    heardBytes += piece.length
  })
  socket.resume()
  await until(() => served === requests + 1, { what: 'the rest of the responses', deadlineMs: 20_000 })
  for (let index = 0; index < requests; index += 1) {
    wanted.update(head).update(Buffer.alloc(12_000, letterOf(index)))
    wantedBytes += head.length + 12_000
  }
  await until(() => heardBytes === wantedBytes, { what: 'the last byte', evidence: () => [heardBytes, wantedBytes] })
  assert.equal(heard.digest('hex'), wanted.digest('hex'))
})

const LINGER_MS = 100

/** Resolves when it has closed without a delay; throws when a connection stays. */
async function closes(front: FrontServer): Promise<void> {
  let isClosed = false
  const closing = front.close(0).then(() => (isClosed = true))
  await until(() => isClosed, { what: 'the end of the last connection', evidence: () => front.connections })
  await closing
}

test('a server that closes ends connections whose last bytes nobody takes', async () => {
  const clock = new LeapingClock()
  const front = createFrontServer({
    clock,
    limits: defaultFrontLimits,
    timeouts: { ...defaultFrontTimeouts, lingerMs: LINGER_MS },
    onFault: (error) => faults.push(error),
    onRequest: (exchange) => {
      exchange.respond('HTTP/1.1 200 OK\r\n', { kind: 'close' })
      exchange.write(Buffer.alloc(32 * MiB))
      exchange.end()
    },
  })
  const { port } = await front.listen({ port: 0, host: '127.0.0.1' })
  const socket = connect({ port })
  socket.on('error', () => undefined).pause()
  closers.unshift(() => socket.destroy())
  socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await until(() => front.connections === 1, { what: 'the connection' })
  await clock.leap(3 * LINGER_MS)
  assert.equal(front.connections, 1, 'the client is given time to take what it was sent')
  await closes(front)
  assert.equal(front.connections, 0)
})

test('a server that closes without a delay cuts connections whose end has just begun', async () => {
  // The delay of nothing ends at once, while the kernel has not yet been told of the end.
  const hasty: Clock = {
    ...systemClock,
    schedule: (ms, task) => {
      if (ms > 0) return systemClock.schedule(ms, task)
      process.nextTick(task)
      return { cancel: () => undefined }
    },
  }
  const front = createFrontServer({
    clock: hasty,
    limits: defaultFrontLimits,
    timeouts: defaultFrontTimeouts,
    onFault: (error) => faults.push(error),
    onRequest: () => undefined,
  })
  const { port } = await front.listen({ port: 0, host: '127.0.0.1' })
  const socket = connect({ port })
  socket.on('error', () => undefined)
  await until(() => front.connections === 1, { what: 'the connection' })
  await closes(front)
  assert.equal(front.connections, 0)
})

/** The processor may be busy with others; what counts is that nothing grows with the connections. */
const IDLE_CPU_SHARE_MAX = 0.25
const IDLE_BYTES_PER_CONNECTION_MAX = 24 * 1_024

test('ten thousand idle connections cost little memory, next to no processor time, and delay nobody', async (context) => {
  const lab = await labWith((_request, response) => response.end('quick'))
  const child = fork(fileURLToPath(new URL('../lab/idle-connections-child.ts', import.meta.url)), [
    String(lab.port),
    '10000',
  ])
  closers.unshift(() => child.kill('SIGKILL'))
  const rssBefore = process.memoryUsage().rss
  const [opened] = (await once(child, 'message')) as [number]
  await until(() => lab.front.connections === opened, { what: `${opened} connections`, deadlineMs: 30_000 })
  context.diagnostic(`${opened} connections`)
  assert.ok(opened >= 1_000, `only ${opened} connections could be opened here`)
  const perConnection = (process.memoryUsage().rss - rssBefore) / opened
  const before = process.cpuUsage()
  await systemClock.sleep(2_000)
  const { user, system } = process.cpuUsage(before)
  const share = (user + system) / 2_000_000
  context.diagnostic(`${Math.round(perConnection)} bytes a connection, ${(share * 100).toFixed(1)} % of a processor`)
  assert.ok(share < IDLE_CPU_SHARE_MAX, `${share} of a processor while idle`)
  assert.ok(perConnection < IDLE_BYTES_PER_CONNECTION_MAX, `${perConnection} bytes a connection`)
  const [response] = (await once(httpGet({ port: lab.port, agent: false }), 'response')) as [IncomingMessage]
  assert.equal(Buffer.concat(await response.toArray()).toString(), 'quick')
  await lab.front.close(10_000)
  assert.equal(lab.front.connections, 0)
})
