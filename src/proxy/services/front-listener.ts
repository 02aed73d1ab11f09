import { createServer } from 'node:net'
import type { AddressInfo, Server } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import type { Server as TlsServer, TlsOptions } from 'node:tls'
import type { Clock } from '../../lib/clock.ts'
import { errorMessage, HoldfastError } from '../../lib/errors.ts'
import type { FrontExchange } from '../wire/front-exchange.ts'
import { defaultFrontLimits, defaultFrontTimeouts } from '../wire/front-options.ts'
import { createFrontServer } from '../wire/front.ts'
import type { FrontServer } from '../wire/front.ts'

export interface FrontListenerOptions {
  readonly host: string
  /** 0: any free port. */
  readonly port: number
  readonly tls: TlsOptions | undefined
  readonly clock: Clock
  readonly onRequest: (exchange: FrontExchange) => void
  readonly onFault: (error: unknown) => void
}

const KEEP_ALIVE_PROBE_MS = 60_000

/** One port on which requests for services come in. Its certificates can be changed while it listens. */
export class FrontListener {
  readonly #front: FrontServer
  readonly #server: Server | TlsServer
  readonly address: AddressInfo

  private constructor(front: FrontServer, server: Server | TlsServer, address: AddressInfo) {
    this.#front = front
    this.#server = server
    this.address = address
  }

  /** Throws listener_unavailable when the address cannot be had. */
  static async open(options: FrontListenerOptions): Promise<FrontListener> {
    const { host, port, tls, clock, onRequest, onFault } = options
    const timeouts = defaultFrontTimeouts
    const front = createFrontServer({ clock, limits: defaultFrontLimits, timeouts, onRequest, onFault })
    const settings = { allowHalfOpen: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_PROBE_MS }
    const accept = front.accept.bind(front)
    const server =
      tls === undefined
        ? createServer(settings, accept)
        : createTlsServer(
            { ALPNProtocols: ['http/1.1'], handshakeTimeout: timeouts.headMs, ...tls, ...settings },
            accept,
          )
    // A failed handshake is the peer's affair.
    server.on('tlsClientError', () => undefined)
    server.maxConnections = defaultFrontLimits.connectionsMax
    try {
      return new FrontListener(front, server, await listening(server, port, host))
    } catch (error) {
      const text = `${host}:${port} cannot be listened on: ${errorMessage(error)}`
      throw new HoldfastError('listener_unavailable', text, { cause: error })
    }
  }

  /** Connections that are open. */
  get connections(): number {
    return this.#front.connections
  }

  get isEncrypted(): boolean {
    return 'setSecureContext' in this.#server
  }

  /** New certificates, for connections that come from now on. */
  setTls(tls: TlsOptions): void {
    if ('setSecureContext' in this.#server) this.#server.setSecureContext(tls)
  }

  /** Takes no more connections; requests under way have `graceMs` to end. */
  async close(graceMs: number): Promise<void> {
    this.#server.close()
    await this.#front.close(graceMs)
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
