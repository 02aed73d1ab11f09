import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import type { TlsOptions } from 'node:tls'
import { systemClock } from '../../src/lib/clock.ts'
import type { Fields } from '../../src/proxy/wire/fields.ts'
import type { ResponseHead } from '../../src/proxy/wire/head.ts'
import { TimerWheel } from '../../src/proxy/wire/timer-wheel.ts'
import { UpstreamPool } from '../../src/proxy/wire/upstream.ts'
import type { UpstreamExchange, UpstreamListener, UpstreamRequest } from '../../src/proxy/wire/upstream-exchange.ts'
import type { UpstreamFailure } from '../../src/proxy/wire/upstream-failure.ts'
import type { Origin } from '../../src/proxy/wire/upstream-socket.ts'
import { until } from './poll.ts'

/** Upstreams that follow a script, and attempts at them that keep what they were told. */

const wheel = new TimerWheel(systemClock)
const faults: unknown[] = []
const closers: (() => unknown)[] = []

/** To be called behind the last test: closes everything, and fails when a callback of the wire threw. */
export async function closeUpstreamLab(): Promise<void> {
  for (const close of closers) await close()
  assert.deepEqual(faults, [], 'a callback of the wire threw')
}

/** Called at the end, the last one first. */
export function atTheEnd(close: () => unknown): void {
  closers.unshift(close)
}

/** A server whose connections do as the script says when a request head is there; `nth` counts them from 0. */
export async function upstream(script: (socket: Socket, nth: number) => void, tls?: TlsOptions): Promise<number> {
  const sockets = new Set<Socket>()
  let requests = 0
  const serve = (socket: Socket): void => {
    sockets.add(socket)
    let held = ''
    socket.on('error', () => undefined)
    socket.on('data', (bytes: Buffer) => {
      held += bytes.toString('latin1')
      for (let end = held.indexOf('\r\n\r\n'); end >= 0; end = held.indexOf('\r\n\r\n')) {
        held = held.slice(end + 4)
        script(socket, requests)
        requests += 1
      }
    })
  }
  const server = tls === undefined ? createServer(serve) : createTlsServer(tls, serve)
  server.on('tlsClientError', () => undefined)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closers.push(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

export function poolFor(port: number, changes: Partial<Origin> = {}): UpstreamPool {
  const pool = new UpstreamPool({
    origin: { host: '127.0.0.1', port, ...changes },
    wheel,
    idleConnectionsMax: 8,
    idleMs: 5_000,
    onFault: (error) => faults.push(error),
  })
  closers.unshift(() => pool.close())
  return pool
}

export const deadlines = { connectMs: 10_000, firstByteMs: 10_000, idleMs: 10_000 }
export const shortDeadlines = { connectMs: 150, firstByteMs: 150, idleMs: 150 }
export const HEAD = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'

export class Result implements UpstreamListener {
  status = 0
  informational: number[] = []
  content = ''
  failure: UpstreamFailure | undefined
  isEnded = false
  drains = 0

  onInformational(head: ResponseHead): void {
    this.informational.push(head.status)
  }

  onHead(head: ResponseHead): void {
    this.status = head.status
  }

  onPiece(piece: Buffer): boolean {
    this.content += piece.toString('latin1')
    return true
  }

  onEnd(_trailers: Fields): void {
    this.isEnded = true
  }

  onDrain(): void {
    this.drains += 1
  }

  onFailure(failure: UpstreamFailure): void {
    this.failure = failure
  }
}

export interface Attempt {
  readonly result: Result
  readonly exchange: UpstreamExchange
}

export function begin(pool: UpstreamPool, changes: Partial<UpstreamRequest> = {}): Attempt {
  const result = new Result()
  const exchange = pool.exchange({
    head: HEAD,
    method: 'GET',
    framing: { kind: 'none' },
    deadlines,
    listener: result,
    ...changes,
  })
  return { result, exchange }
}

export async function finished({ result }: Attempt): Promise<Result> {
  await until(() => result.isEnded || result.failure !== undefined, {
    what: 'the end of an attempt',
    evidence: () => result,
  })
  return result
}

export async function outcome(pool: UpstreamPool, changes: Partial<UpstreamRequest> = {}): Promise<Result> {
  return await finished(begin(pool, changes))
}
