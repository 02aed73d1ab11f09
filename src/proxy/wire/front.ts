import { createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import type { TlsOptions } from 'node:tls'
import { FrontConnection } from './front-connection.ts'
import type { FrontShared } from './front-shared.ts'
import type { FrontOptions } from './front-options.ts'
import { GatherBuffer } from './gather.ts'
import { TimerWheel } from './timer-wheel.ts'

export interface ListenOptions {
  /** 0 for any free port. */
  readonly port: number
  readonly host: string
  /** Speaks TLS on this port. HTTP/1.1 is the only protocol that is offered by ALPN. */
  readonly tls?: TlsOptions
}

/** An HTTP/1.1 server that knows the wire and nothing else: what becomes of a request is `onRequest`'s business. */
export interface FrontServer {
  /** Listens on one more address; resolves with the address it got. Rejects when the address cannot be had. */
  listen(options: ListenOptions): Promise<AddressInfo>
  /** Serves a connection that was accepted elsewhere, for example a TLS socket that chose http/1.1. */
  accept(socket: Socket): void
  readonly connections: number
  /**
   * Stops listening, ends idle connections at once and busy ones after their present response; what is left after
   * `graceMs` is cut. Resolves when no connection is left.
   */
  close(graceMs: number): Promise<void>
}

const KEEP_ALIVE_PROBE_MS = 60_000

export function createFrontServer(options: FrontOptions): FrontServer {
  const connections = new Set<FrontConnection>()
  const listeners = new Set<ReturnType<typeof createServer>>()
  const { connectionsMax } = options.limits
  const { headMs } = options.timeouts
  let isClosing = false
  let onEmpty: (() => void) | undefined
  const shared: FrontShared = {
    options,
    wheel: new TimerWheel(options.clock),
    gather: new GatherBuffer(),
    isClosing: () => isClosing,
  }
  const onClosed = (connection: FrontConnection): void => {
    connections.delete(connection)
    if (connections.size === 0) onEmpty?.()
  }

  const accept = (socket: Socket): void => {
    if (isClosing || connections.size >= connectionsMax) {
      socket.on('error', () => undefined)
      socket.destroy()
      return
    }
    connections.add(new FrontConnection(socket, shared, onClosed))
  }

  return {
    accept,
    listen: async ({ port, host, tls }) => {
      const settings = {
        allowHalfOpen: true,
        noDelay: true,
        keepAlive: true,
        keepAliveInitialDelay: KEEP_ALIVE_PROBE_MS,
      }
      const server =
        tls === undefined
          ? createServer(settings, accept)
          : createTlsServer({ ALPNProtocols: ['http/1.1'], handshakeTimeout: headMs, ...tls, ...settings }, accept)
      // A failed handshake is the peer's affair.
      server.on('tlsClientError', () => undefined)
      server.maxConnections = connectionsMax
      listeners.add(server)
      return await listening(server, port, host)
    },
    get connections() {
      return connections.size
    },
    close: async (graceMs) => {
      isClosing = true
      for (const server of listeners) server.close()
      for (const connection of connections) connection.retire()
      if (connections.size === 0) return
      const timer = options.clock.schedule(graceMs, () => {
        for (const connection of connections) connection.destroy()
      })
      await new Promise<void>((resolve) => {
        onEmpty = resolve
      })
      timer.cancel()
    },
  }
}

function listening(server: ReturnType<typeof createServer>, port: number, host: string): Promise<AddressInfo> {
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
