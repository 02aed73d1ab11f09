import type { LookupFunction, Socket } from 'node:net'
import { Client } from 'undici'
import { sourceConnector } from './http-connect.ts'
import { isParserError } from './http-failure.ts'

/** A source's response head may be this large. */
const HEAD_BYTES_MAX = 32_768
/** An origin that does not say otherwise may find its connection unused for so long. */
const IDLE_MS_MAX = 20_000
/** Connections that wait for the next request; the one that waited longest is closed when there are more. */
const IDLE_MAX = 4

export interface HttpWireOptions {
  /** Scheme, host and port. */
  readonly origin: string
  /** May this host be a private address? Decided anew for each connection, when its name is resolved. */
  readonly mayBePrivate: boolean
  readonly lookup: LookupFunction | undefined
  readonly caCertificates: readonly string[] | undefined
}

/** An undici client with one connection at a time, and what is known of that connection. */
export class HttpWire {
  readonly client: Client
  readonly key: string
  socket: Socket | undefined
  socketError: Error | undefined
  isPeerEnded = false
  /** It has carried a request before, so it may be dead without anybody having noticed. */
  isUsed = false
  /** Told when the TCP connection stands. */
  onTcp: (() => void) | undefined

  constructor({ origin, mayBePrivate, lookup, caCertificates }: HttpWireOptions) {
    this.key = wireKey(origin, mayBePrivate)
    this.client = new Client(origin, {
      pipelining: 1,
      allowH2: false,
      maxHeaderSize: HEAD_BYTES_MAX,
      keepAliveTimeout: IDLE_MS_MAX,
      keepAliveMaxTimeout: IDLE_MS_MAX,
      connect: sourceConnector({
        mayBePrivate,
        lookup,
        caCertificates,
        onSocket: (socket) => this.#connected(socket),
        onTcp: () => this.onTcp?.(),
      }),
    })
  }

  destroy(): void {
    this.socket?.destroy()
    void this.client.destroy()
  }

  #connected(socket: Socket): void {
    this.socket = socket
    this.socketError = undefined
    this.isPeerEnded = false
    socket.on('error', (error) => {
      if (this.socket === socket && !isParserError(error)) this.socketError ??= error
    })
    socket.on('end', () => {
      if (this.socket === socket) this.isPeerEnded = true
    })
  }
}

/**
 * Connections that requests of one source leave behind for the next ones. Only for requests that share the same
 * operator's hosts: a connection to a private address is never handed to a request that may not have one.
 */
export class HttpConnections {
  #idle: readonly HttpWire[] = []
  #isClosed = false

  take(origin: string, mayBePrivate: boolean): HttpWire | undefined {
    const key = wireKey(origin, mayBePrivate)
    const wire = this.#idle.findLast((each) => each.key === key && each.socket?.destroyed === false)
    if (wire !== undefined) this.#idle = this.#idle.filter((each) => each !== wire)
    return wire
  }

  /** Its answer was read to its end. */
  give(wire: HttpWire): void {
    if (this.#isClosed || wire.isPeerEnded || wire.socket?.destroyed !== false) {
      wire.destroy()
      return
    }
    Object.assign(wire, { isUsed: true, onTcp: undefined })
    const idle = [...this.#idle, wire]
    for (const old of idle.slice(0, -IDLE_MAX)) old.destroy()
    this.#idle = idle.slice(-IDLE_MAX)
  }

  /** Closes what is idle; what is given back from now on is closed too. */
  close(): void {
    this.#isClosed = true
    for (const wire of this.#idle) wire.destroy()
    this.#idle = []
  }
}

function wireKey(origin: string, mayBePrivate: boolean): string {
  return `${mayBePrivate ? 'any' : 'public'} ${origin}`
}
