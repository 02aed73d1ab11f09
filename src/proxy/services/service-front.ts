import type { TlsOptions } from 'node:tls'
import type { AccessControl } from '../../http/access.ts'
import type { Clock } from '../../lib/clock.ts'
import { HoldfastError } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import type { ClientExchange } from '../forward/client-exchange.ts'
import { refuse } from '../forward/refuse.ts'
import { hasDotSegment } from '../wire/dot-segment.ts'
import { fieldList } from '../wire/fields.ts'
import type { NameSet } from '../wire/name-set.ts'
import { FrontListener } from './front-listener.ts'
import type { LiveService } from './live-service.ts'
import { Router, strippedPath } from './router.ts'
import { admit } from './service-access.ts'
import { placeOf } from './service-set.ts'
import type { ReadyListener } from './service-tls.ts'

export interface ServiceFrontOptions {
  readonly clock: Clock
  readonly log: Log
  readonly access: Pick<AccessControl, 'callerOf' | 'isOwnKey'>
  /** Where listeners without a host listen. */
  readonly defaultHost: string
  /** The port of services without listeners of their own; undefined: there is none. */
  readonly proxyPort: number | undefined
  readonly onFault: (error: unknown) => void
}

/** What a service needs to listen on. */
export interface ListenerNeed {
  readonly serviceId: string
  readonly listeners: readonly ReadyListener[]
}

/** Listeners that are open and wait for their services. */
export interface PreparedFront {
  /** Requests go to these services from now on; listeners that nobody needs any more are closed in peace. */
  commit(services: readonly LiveService[]): void
  /** Closes what was opened for it. */
  abandon(): Promise<void>
}

interface OpenPlace {
  readonly listener: FrontListener
  router: Router<LiveService>
}

interface Need {
  readonly host: string
  readonly port: number
  readonly tls: TlsOptions | undefined
}

const PROXY_PLACE = 'proxy_port'
/** Requests under way on a listener that is closed, or at the end of the process. */
const CLOSE_GRACE_MS = 3_000

/** Where requests for services come in: one router for each port, and the way from there to the service. */
export class ServiceFront implements AsyncDisposable {
  readonly #options: ServiceFrontOptions
  readonly #places = new Map<string, OpenPlace>()
  readonly #closing = new Set<Promise<void>>()

  constructor(options: ServiceFrontOptions) {
    this.#options = options
  }

  get defaultHost(): string {
    return this.#options.defaultHost
  }

  /** Addresses of a service as `host:port`; empty when it is not reached. */
  addressesOf(service: LiveService): readonly string[] {
    return this.#placesOf(service).flatMap((place) => {
      const address = this.#places.get(place)?.listener.address
      if (address === undefined) return []
      return [address.family === 'IPv6' ? `[${address.address}]:${address.port}` : `${address.address}:${address.port}`]
    })
  }

  /** Opens what these services need and is not open. Throws listener_unavailable; nothing has changed then. */
  async prepare(needs: readonly ListenerNeed[]): Promise<PreparedFront> {
    const wanted = this.#wanted(needs)
    const opened = new Map<string, OpenPlace>()
    const abandon = async () => {
      await Promise.all([...opened.values()].map(async ({ listener }) => listener.close(0)))
    }
    try {
      for (const [place, need] of wanted) {
        const present = this.#places.get(place)
        if (present !== undefined && present.listener.isEncrypted === (need.tls !== undefined)) continue
        if (present !== undefined) {
          const text = `${place} is open with other tls: take the listener away first, then add it again`
          throw new HoldfastError('listener_unavailable', text)
        }
        opened.set(place, await this.#open(need))
      }
    } catch (error) {
      await abandon()
      throw error
    }
    return { abandon, commit: (services) => this.#commit(wanted, opened, services) }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const open = [...this.#places.values()]
    this.#places.clear()
    await Promise.all([...this.#closing, ...open.map(async ({ listener }) => listener.close(CLOSE_GRACE_MS))])
  }

  #wanted(needs: readonly ListenerNeed[]): ReadonlyMap<string, Need> {
    const { defaultHost, proxyPort } = this.#options
    const wanted = new Map<string, Need>()
    if (proxyPort !== undefined) wanted.set(PROXY_PLACE, { host: defaultHost, port: proxyPort, tls: undefined })
    for (const { serviceId, listeners } of needs) {
      for (const [index, { definition, tls }] of listeners.entries()) {
        const { host = defaultHost, port } = definition
        wanted.set(port === 0 ? ownPlace(serviceId, index) : placeOf(definition, defaultHost), { host, port, tls })
      }
    }
    return wanted
  }

  async #open({ host, port, tls }: Need): Promise<OpenPlace> {
    const { clock, onFault } = this.#options
    const onRequest = (exchange: ClientExchange) => this.#serve(exchange, place.router)
    const listener = await FrontListener.open({ host, port, tls, clock, onFault, onRequest })
    const place: OpenPlace = { listener, router: new Router<LiveService>([]) }
    return place
  }

  #commit(
    wanted: ReadonlyMap<string, Need>,
    opened: ReadonlyMap<string, OpenPlace>,
    services: readonly LiveService[],
  ): void {
    const { log } = this.#options
    for (const [place, open] of opened) {
      this.#places.set(place, open)
      const { address, port } = open.listener.address
      log.info('proxy_listening', `Services are listening on ${address}:${port}`, { address, port })
    }
    for (const [place, { tls }] of wanted) {
      if (tls !== undefined) this.#places.get(place)?.listener.setTls(tls)
    }
    const byPlace = new Map<string, LiveService[]>()
    for (const service of services) {
      for (const place of this.#placesOf(service)) byPlace.set(place, [...(byPlace.get(place) ?? []), service])
    }
    for (const [place, open] of this.#places) {
      const present = byPlace.get(place) ?? []
      open.router = new Router(
        present.map((service) => {
          const { id, enabled, routes } = service.definition
          return { id, enabled, routes, target: service }
        }),
      )
      if (!wanted.has(place)) this.#close(place, open)
    }
  }

  #close(place: string, { listener }: OpenPlace): void {
    this.#places.delete(place)
    const closing = listener.close(CLOSE_GRACE_MS).finally(() => this.#closing.delete(closing))
    this.#closing.add(closing)
  }

  #placesOf({ definition: { id, listeners } }: LiveService): readonly string[] {
    if (listeners.length === 0) return [PROXY_PLACE]
    return listeners.map((listener, index) =>
      listener.port === 0 ? ownPlace(id, index) : placeOf(listener, this.#options.defaultHost),
    )
  }

  #serve(exchange: ClientExchange, router: Router<LiveService>): void {
    const { head, peer } = exchange
    if (hasDotSegment(head.path)) {
      return refuse(exchange, new HoldfastError('ambiguous_path', 'A path may not have dot segments'))
    }
    const match = router.match(head)
    if (match === undefined) {
      return refuse(exchange, new HoldfastError('route_not_found', 'No service takes this request'))
    }
    const service = match.target
    const refusal = service.refusal()
    if (refusal !== undefined) return refuse(exchange, refusal)
    const { public: isPublic, stripPrefix, trustForwarded } = service.definition
    let { path } = head
    let without: NameSet | undefined
    if (!isPublic) {
      const judged = admit(this.#options.access, head)
      if (judged.kind === 'refused') return refuse(exchange, judged.error)
      path = judged.path ?? path
      without = judged.without
    }
    if (stripPrefix) path = strippedPath(path, match.pathPrefix)
    const clientAddress = trustForwarded ? forwardedAddress(exchange) : peer.address
    const isAsItCame = path === head.path && without === undefined
    service.forward(exchange, isAsItCame ? undefined : { path, without }, clientAddress)
  }
}

function ownPlace(serviceId: string, index: number): string {
  return `${serviceId}#${index}`
}

/** The last address of X-Forwarded-For: whom the proxy in front saw. Those before it anybody can write. */
function forwardedAddress({ head, peer }: ClientExchange): string {
  const last = (fieldList(head.fields, 'x-forwarded-for') ?? '').split(',').at(-1)?.trim() ?? ''
  return last === '' ? peer.address : last.replace(/^\[(.*)\]$/, '$1')
}
