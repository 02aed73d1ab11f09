import type { AddressInfo } from 'node:net'
import type { TlsOptions } from 'node:tls'
import type { Clock } from '../../lib/clock.ts'
import { errorMessage, HoldfastError } from '../../lib/errors.ts'
import type { ClientExchange } from '../forward/client-exchange.ts'
import { defaultFrontLimits, defaultFrontTimeouts } from '../wire/front-options.ts'
import { createFrontServer } from '../wire/front.ts'
import type { FrontServer } from '../wire/front.ts'

export interface FrontListenerOptions {
  readonly host: string
  /** 0: any free port. */
  readonly port: number
  readonly tls: TlsOptions | undefined
  readonly clock: Clock
  /** Called for every request, whatever version of HTTP it came by. */
  readonly onRequest: (exchange: ClientExchange) => void
  readonly onFault: (error: unknown) => void
}

/** One port on which requests for services come in. Its certificates can be changed while it listens. */
export class FrontListener {
  readonly #front: FrontServer
  readonly address: AddressInfo
  readonly isEncrypted: boolean

  private constructor(front: FrontServer, address: AddressInfo, isEncrypted: boolean) {
    this.#front = front
    this.address = address
    this.isEncrypted = isEncrypted
  }

  /** Throws listener_unavailable when the address cannot be had. */
  static async open(options: FrontListenerOptions): Promise<FrontListener> {
    const { host, port, tls, clock, onRequest, onFault } = options
    const front = createFrontServer({
      ...{ clock, limits: defaultFrontLimits, timeouts: defaultFrontTimeouts },
      ...{ onRequest, onHttp2Request: onRequest, onFault },
    })
    try {
      const address = await front.listen({ host, port, ...(tls === undefined ? {} : { tls }) })
      return new FrontListener(front, address, tls !== undefined)
    } catch (error) {
      const text = `${host}:${port} cannot be listened on: ${errorMessage(error)}`
      throw new HoldfastError('listener_unavailable', text, { cause: error })
    }
  }

  /** Connections that are open. */
  get connections(): number {
    return this.#front.connections
  }

  /** New certificates, for connections that come from now on. */
  setTls(tls: TlsOptions): void {
    this.#front.setTls(tls)
  }

  /** Takes no more connections; requests under way have `graceMs` to end. */
  close(graceMs: number): Promise<void> {
    return this.#front.close(graceMs)
  }
}
