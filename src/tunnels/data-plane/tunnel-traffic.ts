import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { AccessControl } from '../../http/access.ts'
import type { DirectTraffic } from '../../http/direct-traffic.ts'
import { errorAnswer } from '../../http/error-body.ts'
import type { Clock } from '../../lib/clock.ts'
import { errorMessage, HoldfastError } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import type { Random } from '../../lib/random.ts'
import { queryOf, withoutKeyFields, withoutKeyParameter } from '../../proxy/forward/own-keys.ts'
import { defaultFrontTimeouts } from '../../proxy/wire/front-options.ts'
import { hasDotSegment } from '../../proxy/wire/dot-segment.ts'
import { NodeExchange } from '../../proxy/wire/node-exchange.ts'
import { refusals } from '../../proxy/wire/refusal.ts'
import type { RequestHead } from '../../proxy/wire/head.ts'
import { TimerWheel } from '../../proxy/wire/timer-wheel.ts'
import type { OriginGuard } from '../../proxy/wire/upstream-socket.ts'
import type { LiveTunnel } from '../live-tunnel.ts'
import type { TunnelService } from '../service.ts'
import { RunningTunnel } from './running-tunnel.ts'
import { ServerCarrier } from './server-carrier.ts'
import { serverRequestHead } from './server-request-head.ts'
import { tunnelTrafficPaths } from './tunnel-document.ts'
import { tunnelTarget } from './tunnel-target.ts'
import type { TunnelPlaces, TunnelTarget } from './tunnel-target.ts'
import { WaitingUpgrade } from './waiting-upgrade.ts'

export interface TunnelTrafficOptions {
  readonly tunnels: TunnelService
  readonly access: Pick<AccessControl, 'callerOf' | 'isOwnKey'>
  /** For endpoints that no admin named. */
  readonly guard: OriginGuard
  readonly places: TunnelPlaces
  /** Whether X-Forwarded-* of clients is believed. */
  readonly isForwardedTrusted: boolean
  /** What we are called in Via. */
  readonly pseudonym: string
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

/**
 * The requests that go through tunnels: whose they are, which tunnel they are for, and what is taken off them. What is
 * refused here is answered as the tunnel API does; what no endpoint answered, as the proxy does.
 */
export class TunnelTraffic implements DirectTraffic, Disposable {
  readonly documentedPaths = tunnelTrafficPaths
  readonly #options: TunnelTrafficOptions
  readonly #wheel: TimerWheel
  readonly #running = new Map<LiveTunnel, RunningTunnel>()
  readonly #serving = new Set<Socket>()
  /** Connections that the server has let go of: nobody else ends them. */
  readonly #upgraded = new Set<Socket>()

  constructor(options: TunnelTrafficOptions) {
    this.#options = options
    this.#wheel = new TimerWheel(options.clock)
  }

  /** Those that have had a request. */
  get running(): Iterable<RunningTunnel> {
    return this.#running.values()
  }

  takes(request: IncomingMessage): boolean {
    return this.#targetOf(request) !== undefined
  }

  isServing(socket: Socket): boolean {
    return this.#serving.has(socket)
  }

  serve(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request
    this.#serving.add(socket)
    response.once('close', () => this.#serving.delete(socket))
    this.#accept(request, response, undefined)
  }

  serveUpgrade(request: IncomingMessage, socket: Socket, early: Buffer): void {
    this.#upgraded.add(socket)
    socket.once('close', () => this.#upgraded.delete(socket))
    const upgrade = new WaitingUpgrade(request, socket, early)
    this.#accept(request, upgrade.response, upgrade)
  }

  /** Ends what the server does not end itself: switched connections, and those to endpoints that nobody uses. */
  [Symbol.dispose](): void {
    for (const socket of this.#upgraded) socket.destroy()
    for (const running of this.#running.values()) running.close()
  }

  #accept(request: IncomingMessage, response: ServerResponse, upgrade: WaitingUpgrade | undefined): void {
    try {
      const head = serverRequestHead(request)
      if (typeof head === 'string') throw new HoldfastError('malformed_body', refusals[head].detail)
      const target = this.#targetOf(request)
      if (target === undefined) throw new HoldfastError('route_not_found', 'No tunnel is named')
      const running = this.#admit(request, head, target)
      const { access } = this.#options
      const withoutSwitch = upgrade === undefined ? { upgrade: undefined } : {}
      const exchange = new NodeExchange({
        carrier: new ServerCarrier(request, response, upgrade),
        head: { ...head, ...withoutSwitch, fields: withoutKeyFields(head.fields, access) },
        ...{ wheel: this.#wheel, timeouts: defaultFrontTimeouts, onFault: this.#onFault },
      })
      running.forward(exchange, withoutKeyParameter(target.path, access))
    } catch (error) {
      this.#refuse(response, error)
    }
  }

  /** Throws what `authorise` throws, tunnel_busy, ambiguous_path. */
  #admit({ headers }: IncomingMessage, { method }: RequestHead, { tunnelId, path }: TunnelTarget): RunningTunnel {
    const { tunnels, access } = this.#options
    const caller = access.callerOf({ headers, method, query: queryOf(path), streamId: undefined })
    tunnels.authorise(tunnelId, caller, method)
    const live = tunnels.live(tunnelId)
    if (live === undefined) throw new HoldfastError('tunnel_not_found', 'The specified tunnel does not exist')
    if (hasDotSegment(path)) throw new HoldfastError('ambiguous_path', 'A path may not have segments . and ..')
    const running = this.#runningOf(live)
    if (running.isFull) {
      const { maxConnections } = live.tunnel.config
      throw new HoldfastError('tunnel_busy', `${maxConnections} requests are under way, the most that the tunnel takes`)
    }
    return running
  }

  #runningOf(live: LiveTunnel): RunningTunnel {
    const known = this.#running.get(live)
    if (known !== undefined) return known
    this.#forgetDeleted()
    const running = new RunningTunnel({ ...this.#options, live, wheel: this.#wheel, onFault: this.#onFault })
    this.#running.set(live, running)
    return running
  }

  #forgetDeleted(): void {
    for (const [live, running] of this.#running) {
      if (this.#options.tunnels.live(live.tunnel.id) === live) continue
      running.close()
      this.#running.delete(live)
    }
  }

  #targetOf({ url = '/', headers }: IncomingMessage): TunnelTarget | undefined {
    return tunnelTarget(url, headers.host, this.#options.places)
  }

  #refuse(response: ServerResponse, error: unknown): void {
    const { status, headers, contentType, body, isDefect } = errorAnswer(error, 'coded')
    if (isDefect) this.#onFault(error)
    if (response.headersSent) {
      response.destroy()
      return
    }
    const text = JSON.stringify(body)
    const retry = status === 503 ? { 'retry-after': '1' } : {}
    const facts = {
      'content-type': contentType,
      'content-length': Buffer.byteLength(text),
      'cache-control': 'no-store',
    }
    response.writeHead(status, { ...headers, ...retry, ...facts }).end(text)
  }

  readonly #onFault = (error: unknown): void => {
    const detail = error instanceof Error ? (error.stack ?? error.message) : errorMessage(error)
    this.#options.log.error('tunnel_request_failed', 'A request through a tunnel failed by a mistake of ours', {
      detail,
    })
  }
}
