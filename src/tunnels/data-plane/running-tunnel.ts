import type { AccessRecord } from '../../proxy/forward/access-record.ts'
import type { ClientExchange } from '../../proxy/forward/client-exchange.ts'
import { Forwarder } from '../../proxy/forward/forwarder.ts'
import type { ForwarderOptions } from '../../proxy/forward/forwarder.ts'
import type { ForwardPolicy } from '../../proxy/forward/forward-policy.ts'
import { ServiceCounters } from '../../proxy/services/service-counters.ts'
import type { OriginGuard } from '../../proxy/wire/upstream-socket.ts'
import type { LiveTunnel } from '../live-tunnel.ts'
import type { TunnelConfig } from '../tunnel.ts'
import { tunnelForwardPolicy } from './tunnel-forward-policy.ts'
import { TunnelReplicas } from './tunnel-replicas.ts'

interface RunningTunnelOptions extends Omit<ForwarderOptions, 'onAccess'> {
  readonly live: LiveTunnel
  readonly guard: OriginGuard
  readonly isForwardedTrusted: boolean
}

/** The requests of one tunnel. */
export class RunningTunnel {
  readonly live: LiveTunnel
  readonly counters = new ServiceCounters()
  readonly #replicas: TunnelReplicas
  readonly #forwarder: Forwarder
  readonly #isForwardedTrusted: boolean
  #config: TunnelConfig
  #policy: ForwardPolicy
  #inFlight = 0

  constructor(options: RunningTunnelOptions) {
    const { live, isForwardedTrusted } = options
    this.live = live
    this.#isForwardedTrusted = isForwardedTrusted
    this.#replicas = new TunnelReplicas(options)
    this.#forwarder = new Forwarder({ ...options, onAccess: (record) => this.#served(record) })
    this.#config = live.tunnel.config
    this.#policy = tunnelForwardPolicy(this.#config)
  }

  /** Requests under way, connections with another protocol included. */
  get inFlight(): number {
    return this.#inFlight
  }

  /** Whether it has as many requests under way as its `maxConnections` allows. */
  get isFull(): boolean {
    return this.#inFlight >= this.live.tunnel.config.maxConnections
  }

  /** Serves one request to its end; `path` is what the endpoint is asked for, without its own path. */
  forward(exchange: ClientExchange, path: string): void {
    const { config } = this.live.tunnel
    if (config !== this.#config) {
      this.#config = config
      this.#policy = tunnelForwardPolicy(config)
    }
    this.#inFlight += 1
    this.#forwarder.forward(exchange, this.#replicas, this.#policy, {
      ...{ path, host: 'endpoint', isForwardedTrusted: this.#isForwardedTrusted },
    })
  }

  /** Closes unused connections to endpoints now and the others after their response. */
  close(): void {
    this.#replicas.close()
  }

  #served(record: AccessRecord): void {
    this.#inFlight -= 1
    this.counters.count(record)
    const { ending, status, headMs } = record
    // Who left before there was an answer says nothing about the tunnel.
    if (ending === 'client_gone' && status === 0) return
    const isFailure = ending === 'refused' || ending === 'cut' || status >= 500
    this.live.served(isFailure ? 'failure' : 'success', headMs)
  }
}
