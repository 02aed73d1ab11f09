import { createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { createServer as createTlsServer, TLSSocket } from 'node:tls'
import type { Server as TlsServer, TlsOptions } from 'node:tls'
import { FrontConnection } from './front-connection.ts'
import type { FrontShared } from './front-shared.ts'
import type { FrontOptions } from './front-options.ts'
import { WriteBatch } from './write-batch.ts'
import { Http2Connection } from './http2-connection.ts'
import { TimerWheel } from './timer-wheel.ts'

export interface ListenOptions {
  /** 0 for any free port. */
  readonly port: number
  readonly host: string
  /** Speaks TLS on this port; ALPN offers HTTP/2 where the server serves it, and HTTP/1.1. */
  readonly tls?: TlsOptions
}

/** An HTTP server that knows the wire and nothing else: what becomes of a request is `onRequest`'s business. */
export interface FrontServer {
  /** Listens on one more address; resolves with the address it got. Rejects when the address cannot be had. */
  listen(options: ListenOptions): Promise<AddressInfo>
  /** Serves a connection that was accepted elsewhere, for example a TLS socket that chose http/1.1. */
  accept(socket: Socket): void
  readonly connections: number
  /** New certificates for all its TLS listeners, for connections that come from now on. */
  setTls(tls: TlsOptions): void
  /**
   * Stops listening, ends idle connections at once and busy ones after their present response; what is left after
   * `graceMs` is cut, connections that switched protocols included. Resolves when no connection is left.
   */
  close(graceMs: number): Promise<void>
}

const KEEP_ALIVE_PROBE_MS = 60_000
const SETTINGS = { allowHalfOpen: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_PROBE_MS }

export function createFrontServer(options: FrontOptions): FrontServer {
  return new Front(options)
}

class Front implements FrontServer {
  readonly #options: FrontOptions
  readonly #shared: FrontShared
  readonly #open = new Set<FrontConnection | Http2Connection>()
  /** Those that switched protocols: their requests go on. */
  readonly #switched = new Set<Socket>()
  readonly #listeners = new Set<Server | TlsServer>()
  #isClosing = false
  #onEmpty: (() => void) | undefined

  constructor(options: FrontOptions) {
    this.#options = options
    this.#shared = {
      options,
      wheel: new TimerWheel(options.clock),
      batch: new WriteBatch(),
      isClosing: () => this.#isClosing,
      onSwitched: (socket) => this.#keep(socket),
    }
  }

  get connections(): number {
    return this.#open.size + this.#switched.size
  }

  readonly accept = (socket: Socket): void => {
    if (this.#isClosing || this.connections >= this.#options.limits.connectionsMax) {
      socket.on('error', () => undefined)
      socket.destroy()
      return
    }
    const { onHttp2Request } = this.#options
    const isHttp2 = onHttp2Request !== undefined && socket instanceof TLSSocket && socket.alpnProtocol === 'h2'
    this.#open.add(
      isHttp2
        ? new Http2Connection(socket, this.#shared, onHttp2Request, this.#onClosed)
        : new FrontConnection(socket, this.#shared, this.#onClosed),
    )
  }

  async listen({ port, host, tls }: ListenOptions): Promise<AddressInfo> {
    const { onHttp2Request, limits, timeouts } = this.#options
    const server =
      tls === undefined
        ? createServer(SETTINGS, this.accept)
        : createTlsServer(
            {
              ALPNProtocols: onHttp2Request === undefined ? ['http/1.1'] : ['h2', 'http/1.1'],
              handshakeTimeout: timeouts.headMs,
              ...tls,
              ...SETTINGS,
            },
            this.accept,
          )
    // A failed handshake is the peer's affair.
    server.on('tlsClientError', () => undefined)
    server.maxConnections = limits.connectionsMax
    this.#listeners.add(server)
    return await listening(server, port, host)
  }

  setTls(tls: TlsOptions): void {
    for (const server of this.#listeners) if ('setSecureContext' in server) server.setSecureContext(tls)
  }

  async close(graceMs: number): Promise<void> {
    this.#isClosing = true
    for (const server of this.#listeners) server.close()
    for (const connection of this.#open) connection.retire()
    if (this.connections === 0) return
    const timer = this.#options.clock.schedule(graceMs, () => {
      for (const connection of this.#open) connection.destroy()
      for (const socket of this.#switched) socket.destroy()
    })
    await new Promise<void>((resolve) => {
      this.#onEmpty = resolve
    })
    timer.cancel()
  }

  #keep(socket: Socket): void {
    this.#switched.add(socket)
    socket.once('close', () => {
      this.#switched.delete(socket)
      if (this.connections === 0) this.#onEmpty?.()
    })
  }

  readonly #onClosed = (connection: FrontConnection | Http2Connection): void => {
    this.#open.delete(connection)
    if (this.connections === 0) this.#onEmpty?.()
  }
}

function listening(server: Server, port: number, host: string): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      const address = server.address()
      if (address !== null && typeof address === 'object') resolve(address)
      else reject(new Error('a server without an address'))
    })
  })
}
