import type { EventType, GatewayEvent } from '../events/event.ts'
import { tunnelPolicy } from '../failover/group.ts'
import type { Caller } from '../http/access.ts'
import { HoldfastError } from '../lib/errors.ts'
import { silentLog } from '../lib/log.ts'
import { seededRandom } from '../lib/random.ts'
import { createSimulatedClock } from '../lib/simulated-clock.ts'
import type { SimulatedClock } from '../lib/simulated-clock.ts'
import { createMemoryStore } from '../store/memory.ts'
import type { Store } from '../store/store.ts'
import type { LiveTunnel } from './live-tunnel.ts'
import type { AddressGuard, ProbeOutcome, ProbeTarget } from './probe.ts'
import { TunnelService } from './service.ts'
import type { EndpointInput } from './tunnel-changes.ts'
import type { EndpointSnapshot } from './tunnel.ts'

export const ADMIN: Caller = { owner: 'admin', role: 'admin' }
export const ALICE: Caller = { owner: 'alice', role: 'user' }
export const BOB: Caller = { owner: 'bob', role: 'user' }

export const PROBE_MS = tunnelPolicy.probe.intervalMs

/** Loopback is private here, 203.0.113.* is not. */
const guard: AddressGuard = {
  allows: (ip) => ip.startsWith('203.0.113.'),
  lookup: (_hostname, _options, callback) => callback(null, '203.0.113.1', 4),
}

/** One process of the gateway: what it holds in memory, and its hand on the store. */
interface Life {
  readonly service: TunnelService
  readonly clock: SimulatedClock
  readonly hand: { isDead: boolean }
}

/** A tunnel service on a simulated clock, with endpoints that are up or down as a test says. */
export class TunnelLab implements AsyncDisposable {
  readonly store: Store = createMemoryStore()
  readonly events: { readonly type: EventType; readonly data: GatewayEvent['data'] }[] = []
  /** URLs in the order in which they were checked. */
  readonly probed: string[] = []
  /** URLs of endpoints that answer no check. */
  readonly down = new Set<string>()
  /** Writes are refused while this is set. */
  isStoreFailing = false
  #life: Life

  private constructor(life: (lab: TunnelLab) => Life) {
    this.#life = life(this)
  }

  static async open(): Promise<TunnelLab> {
    const lab = new TunnelLab((self) => self.#begin(createSimulatedClock()))
    await lab.service.restore()
    return lab
  }

  get service(): TunnelService {
    return this.#life.service
  }

  get clock(): SimulatedClock {
    return this.#life.clock
  }

  /** A tunnel of an admin with endpoints `http://a` (priority 2), `http://b` (1) and so on, or as given. */
  async tunnel(endpoints: readonly Partial<EndpointInput>[] | number, caller: Caller = ADMIN): Promise<LiveTunnel> {
    const list =
      typeof endpoints === 'number'
        ? Array.from({ length: endpoints }, (_, index) => ({ priority: endpoints - index }))
        : endpoints
    const asked = list.map((endpoint, index) => ({
      ...{ url: `http://${'abcdefgh'[index] ?? 'z'}.example/`, priority: 0, weight: 1 },
      ...endpoint,
    }))
    return this.service.create(caller, { name: `tunnel ${this.service.list(ADMIN).length}`, endpoints: asked })
  }

  /** The process dies without a word and another one takes its place, `afterMs` later. */
  async killAndRestart(afterMs = 0): Promise<void> {
    this.#life.hand.isDead = true
    this.#life = this.#begin(createSimulatedClock({ startWallMs: this.clock.wallMs() + afterMs }))
    await this.service.restore()
  }

  ofType(type: EventType): readonly GatewayEvent['data'][] {
    return this.events.filter((event) => event.type === type).map(({ data }) => data)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.service[Symbol.asyncDispose]()
  }

  #begin(clock: SimulatedClock): Life {
    const hand = { isDead: false }
    const service = new TunnelService({
      ...{ clock, guard, random: seededRandom(7), log: silentLog, policy: tunnelPolicy, tunnelsMax: 120 },
      store: this.#held(hand),
      events: { emit: (type, _streamId, data) => void this.events.push({ type, data }) },
      probe: async (target) => this.#probe(target),
    })
    return { service, clock, hand }
  }

  async #probe({ url }: ProbeTarget): Promise<ProbeOutcome> {
    this.probed.push(url)
    return this.down.has(url) ? { kind: 'bad', reason: 'refused' } : { kind: 'good' }
  }

  /** The store as one process sees it. */
  #held(hand: { readonly isDead: boolean }): Store {
    const { store } = this
    const mayWrite = (): void => {
      if (hand.isDead || this.isStoreFailing) throw new HoldfastError('store_unavailable', 'disk full')
    }
    return {
      get: async (bucket, key) => store.get(bucket, key),
      list: async (bucket) => store.list(bucket),
      read: async (log, query) => store.read(log, query),
      put: async (bucket, key, value, options) => {
        mayWrite()
        return store.put(bucket, key, value, options)
      },
      delete: async (bucket, key) => {
        mayWrite()
        return store.delete(bucket, key)
      },
      append: async (log, record) => {
        mayWrite()
        return store.append(log, record)
      },
      trim: async (log, keep) => store.trim(log, keep),
      [Symbol.asyncDispose]: async () => store[Symbol.asyncDispose](),
    }
  }
}

/** The endpoint at a place in the list as it was configured. */
export function endpointAt(live: LiveTunnel, index: number): EndpointSnapshot {
  const found = live.snapshot().endpoints[index]
  if (found === undefined) throw new Error(`the tunnel has no endpoint ${index}`)
  return found
}

export function idAt(live: LiveTunnel, index: number): string {
  return endpointAt(live, index).endpoint.id
}

/** Reports `count` failures of the endpoint at a place in the list. */
export function fail(live: LiveTunnel, index: number, count = 1): void {
  for (let times = 0; times < count; times += 1) live.report(idAt(live, index), { kind: 'failed', reason: 'refused' })
}

export function succeed(live: LiveTunnel, index: number, count = 1): void {
  for (let times = 0; times < count; times += 1) live.report(idAt(live, index), { kind: 'succeeded' })
}

/** Where the next `count` requests go, as places in the list: '010'. */
export function chosen(live: LiveTunnel, count = 1): string {
  const places = live.snapshot().endpoints.map(({ endpoint }) => endpoint.id)
  return Array.from({ length: count }, () => places.indexOf(live.advise()?.endpoint.id ?? '')).join('')
}
