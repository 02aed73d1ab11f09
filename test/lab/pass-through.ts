import { STATUS_CODES } from 'node:http'
import type { Clock } from '../../src/lib/clock.ts'
import type { Random } from '../../src/lib/random.ts'
import type { Fields } from '../../src/proxy/wire/fields.ts'
import {
  clientFraming,
  clientResponseHead,
  clientUpgradeHead,
  upstreamRequestHead,
} from '../../src/proxy/wire/forward-head.ts'
import { createFrontServer } from '../../src/proxy/wire/front.ts'
import type { FrontServer } from '../../src/proxy/wire/front.ts'
import type {
  ExchangeListener,
  FrontExchange,
  RawSocket,
  RequestBodySink,
} from '../../src/proxy/wire/front-exchange.ts'
import { defaultFrontLimits, defaultFrontTimeouts } from '../../src/proxy/wire/front-options.ts'
import type { FrontTimeouts } from '../../src/proxy/wire/front-options.ts'
import type { ResponseHead } from '../../src/proxy/wire/head.ts'
import { joinSockets } from '../../src/proxy/wire/raw-join.ts'
import { TimerWheel } from '../../src/proxy/wire/timer-wheel.ts'
import { defaultPoolLimits, UpstreamPool } from '../../src/proxy/wire/upstream.ts'
import type { UpstreamDeadlines, UpstreamExchange, UpstreamListener } from '../../src/proxy/wire/upstream-exchange.ts'
import type { UpstreamFailure } from '../../src/proxy/wire/upstream-failure.ts'
import type { Origin } from '../../src/proxy/wire/upstream-socket.ts'

/**
 * A proxy of the wire alone, without any policy: one upstream, one attempt, nothing held back. It is what the wire is
 * measured and tested with.
 */

const PSEUDONYM = 'lab'
const JOIN_IDLE_MS = 60_000

export interface PassThroughOptions {
  readonly clock: Clock
  readonly random: Random
  readonly origin: Origin
  readonly timeouts?: Partial<FrontTimeouts>
  readonly deadlines?: Partial<UpstreamDeadlines>
  readonly onFault: (error: unknown) => void
  readonly onFailure?: (failure: UpstreamFailure) => void
}

export interface PassThroughProxy {
  readonly front: FrontServer
  readonly pool: UpstreamPool
}

interface Shared extends PassThroughOptions {
  readonly wheel: TimerWheel
  readonly pool: UpstreamPool
  readonly allDeadlines: UpstreamDeadlines
}

export function createPassThrough(options: PassThroughOptions): PassThroughProxy {
  const { clock, origin, onFault } = options
  const wheel = new TimerWheel(clock)
  const pool = new UpstreamPool({ origin, wheel, ...defaultPoolLimits, onFault })
  const allDeadlines = { connectMs: 1_000, firstByteMs: 15_000, idleMs: 30_000, ...options.deadlines }
  const shared: Shared = { ...options, wheel, pool, allDeadlines }
  const front = createFrontServer({
    clock,
    limits: defaultFrontLimits,
    timeouts: { ...defaultFrontTimeouts, ...options.timeouts },
    onFault,
    onRequest: (exchange) => passThrough(exchange, shared),
  })
  return { front, pool }
}

function passThrough(front: FrontExchange, shared: Shared): void {
  const { head } = front
  if (head.form === 'authority') {
    answer(front, 501)
    return
  }
  const framing = head.framing.kind === 'close' ? ({ kind: 'none' } as const) : head.framing
  const text = upstreamRequestHead(head, {
    host: 'keep',
    client: front.peer,
    isForwardedTrusted: false,
    pseudonym: PSEUDONYM,
    framing,
    isUpgrade: true,
    isExpectPassed: true,
    random: shared.random,
  })
  const client = new ClientSide(front)
  const listener = head.upgrade === undefined ? new UpstreamSide(client, shared) : new UpgradeSide(client, shared)
  front.listen(client)
  client.upstream = shared.pool.exchange({
    head: text,
    method: head.method,
    framing,
    deadlines: shared.allDeadlines,
    listener,
  })
  if (framing.kind !== 'none' && !head.expectsContinue) front.readBody(client)
}

/** What the client does: its body goes to the upstream. */
class ClientSide implements ExchangeListener, RequestBodySink {
  readonly front: FrontExchange
  upstream: UpstreamExchange | undefined

  constructor(front: FrontExchange) {
    this.front = front
  }

  onPiece(piece: Buffer): boolean {
    return this.upstream?.write(piece) ?? true
  }

  onEnd(trailers: Fields): void {
    this.upstream?.end(trailers)
  }

  onDrain(): void {
    this.upstream?.resume()
  }

  onAbort(): void {
    this.upstream?.abort()
  }
}

/** What the upstream does: its response goes to the client. */
class UpstreamSide implements UpstreamListener {
  readonly client: ClientSide
  readonly shared: Shared

  constructor(client: ClientSide, shared: Shared) {
    this.client = client
    this.shared = shared
  }

  onInformational(head: ResponseHead): void {
    this.client.front.inform(clientResponseHead(head, { pseudonym: PSEUDONYM }))
    if (head.status === 100) this.client.front.readBody(this.client)
  }

  onHead(head: ResponseHead): void {
    this.client.front.respond(clientResponseHead(head, { pseudonym: PSEUDONYM }), clientFraming(head))
  }

  onPiece(piece: Buffer): boolean {
    const { front, upstream } = this.client
    const isTaken = front.write(piece)
    if (front.pendingBytes > 0) upstream?.keep()
    return isTaken
  }

  onEnd(trailers: Fields): void {
    this.client.front.end(trailers)
  }

  onDrain(): void {
    this.client.front.resumeBody()
  }

  onFailure(failure: UpstreamFailure): void {
    const { front } = this.client
    this.shared.onFailure?.(failure)
    if (front.hasResponded) front.cut()
    else answer(front, failure.kind.endsWith('timeout') ? 504 : 502)
  }
}

/** As `UpstreamSide`, for a request that asks for another protocol. */
class UpgradeSide extends UpstreamSide {
  onUpgrade(head: ResponseHead, raw: RawSocket): void {
    const ours = this.client.front.upgrade(clientUpgradeHead(head, { pseudonym: PSEUDONYM }))
    if (ours === undefined) raw.socket.destroy()
    else joinSockets(ours, raw, { wheel: this.shared.wheel, idleMs: JOIN_IDLE_MS })
  }
}

function answer(front: FrontExchange, status: number): void {
  front.respond(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n`, { kind: 'length', bytes: 0 })
  front.end()
}
