import { WriteBatch } from './write-batch.ts'
import { ResponseMemory } from './head-memory.ts'
import type { TimerWheel } from './timer-wheel.ts'
import { UpstreamConnection } from './upstream-connection.ts'
import type { UpstreamShared } from './upstream-connection.ts'
import { UpstreamExchange } from './upstream-exchange.ts'
import type { UpstreamRequest } from './upstream-exchange.ts'
import type { Origin } from './upstream-socket.ts'

export interface UpstreamPoolOptions {
  readonly origin: Origin
  /** May be shared by all pools of the process. */
  readonly wheel: TimerWheel
  /** Connections kept for later requests. What is above it is closed after its response. */
  readonly idleConnectionsMax: number
  /** How long an unused connection is kept. Shorter than the upstream keeps it, so that few requests meet a closed one. */
  readonly idleMs: number
  /** A mistake in our own code that surfaced in a connection; that connection has been closed. */
  readonly onFault: (error: unknown) => void
}

export const defaultPoolLimits = { idleConnectionsMax: 256, idleMs: 4_000 } as const

/** The connections to one origin. How many requests may be open at once is the caller's decision. */
export class UpstreamPool {
  readonly #shared: UpstreamShared
  /** The last one used is the first to be used again: the others grow old and are closed. */
  readonly #idle: UpstreamConnection[] = []
  readonly #open = new Set<UpstreamConnection>()
  #isClosed = false

  constructor({ origin, wheel, idleConnectionsMax, idleMs, onFault }: UpstreamPoolOptions) {
    this.#shared = {
      origin,
      wheel,
      batch: new WriteBatch(),
      memory: new ResponseMemory(),
      idleMs,
      onFault,
      session: undefined,
      onIdle: (connection) => {
        if (this.#isClosed || this.#idle.length >= idleConnectionsMax) return false
        this.#idle.push(connection)
        return true
      },
      onClosed: (connection) => {
        this.#open.delete(connection)
        const at = this.#idle.indexOf(connection)
        if (at >= 0) this.#idle.splice(at, 1)
      },
    }
  }

  get openConnections(): number {
    return this.#open.size
  }

  get idleConnections(): number {
    return this.#idle.length
  }

  /** Begins a request on an idle connection or a new one. */
  exchange(request: UpstreamRequest): UpstreamExchange {
    const isForUpgrade = request.listener.onUpgrade !== undefined
    const reused = isForUpgrade || request.isFreshConnection === true ? undefined : this.#takeIdle()
    const connection = reused ?? new UpstreamConnection(this.#shared, isForUpgrade)
    if (reused === undefined) this.#open.add(connection)
    const exchange = new UpstreamExchange(request, connection, reused !== undefined)
    connection.begin(exchange)
    return exchange
  }

  #takeIdle(): UpstreamConnection | undefined {
    for (let connection = this.#idle.pop(); connection !== undefined; connection = this.#idle.pop()) {
      if (connection.isUsable) return connection
    }
    return undefined
  }

  /** Closes idle connections now and the others after their response. */
  close(): void {
    this.#isClosed = true
    for (const connection of this.#idle.splice(0)) connection.close()
  }
}
