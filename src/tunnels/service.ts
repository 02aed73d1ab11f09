import { randomUUID } from 'node:crypto'
import type { EventSink, EventType } from '../events/event.ts'
import type { GroupPolicy } from '../failover/group.ts'
import type { Caller } from '../http/access.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import { HoldfastError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import type { Random } from '../lib/random.ts'
import type { Store } from '../store/store.ts'
import { ActivityLog } from './activity.ts'
import type { Actor } from './activity.ts'
import { LiveTunnel, readMemory } from './live-tunnel.ts'
import type { TunnelMemory } from './live-tunnel.ts'
import { checkPermission, permissionOf, tunnelNotFound } from './permissions.ts'
import { CheckSchedule } from '../proxy/health/check-schedule.ts'
import type { AddressGuard, Probe } from './probe.ts'
import { changedFields, editedEndpoints } from './tunnel-changes.ts'
import type { TunnelInput } from './tunnel-changes.ts'
import { TunnelReporter } from './tunnel-reporter.ts'
import { defaultTunnelConfig, storedTunnel } from './tunnel.ts'
import type { Permission, Tunnel, TunnelConfig } from './tunnel.ts'

export interface TunnelServiceOptions {
  readonly store: Store
  readonly events: EventSink
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly policy: GroupPolicy
  readonly probe: Probe
  readonly guard: AddressGuard
  readonly tunnelsMax: number
}

/** So that no user takes the places of all others; admins are bound by MAX_TUNNELS alone. */
const TUNNELS_PER_OWNER_MAX = 100
const COUNTERS_SAVED_EVERY_MS = 10_000
/** Methods that a caller who may only read may send (RFC 9110 §9.2.1). */
const READING: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE'])

/** All tunnels of the gateway. Held in memory, kept in the store. */
export class TunnelService implements AsyncDisposable {
  readonly activity: ActivityLog
  readonly #options: TunnelServiceOptions
  readonly #checks: CheckSchedule
  readonly #live = new Map<string, LiveTunnel>()
  /** Changes of what is configured run one after the other, so that none undoes another. */
  #changes: Promise<unknown> = Promise.resolve()
  #timer: Timer | undefined

  constructor(options: TunnelServiceOptions) {
    this.#options = options
    this.activity = new ActivityLog(options)
    this.#checks = new CheckSchedule(options)
  }

  /** Brings back what the store has; checks of endpoints go on. Once, before anything else. Throws store_unavailable. */
  async restore(): Promise<void> {
    const { store, log } = this.#options
    const [tunnels, states] = await Promise.all([store.list('tunnels'), store.list('tunnel_state')])
    const memories = new Map(states.map(({ key, value }) => [key, value]))
    for (const { key, value } of tunnels) {
      const parsed = storedTunnel.safeParse(value)
      if (!parsed.success) {
        log.error('tunnel_unreadable', 'A stored tunnel cannot be read and is left out', { tunnel_id: key })
        continue
      }
      const memory = memories.get(key)
      this.#add(parsed.data, memory === undefined ? undefined : readMemory(memory))
    }
    // A tunnel that was deleted just before the gateway died has left its state behind.
    const orphans = states.filter(({ key }) => !this.#live.has(key) && !tunnels.some((tunnel) => tunnel.key === key))
    await Promise.all(orphans.map(async ({ key }) => store.delete('tunnel_state', key)))
    this.#planSave()
  }

  /** Makes a tunnel. Throws tunnel_exists, quota_exceeded, endpoint_address_forbidden, store_unavailable. */
  async create(actor: Actor, input: TunnelInput): Promise<LiveTunnel> {
    return this.#exclusively(async () => {
      const { store, tunnelsMax } = this.#options
      const owned = [...this.#live.values()].filter(({ tunnel }) => tunnel.owner === actor.owner).length
      if (actor.role !== 'admin' && owned >= TUNNELS_PER_OWNER_MAX) {
        throw new HoldfastError('quota_exceeded', `${actor.owner} has ${owned} tunnels, which is the most for a user`)
      }
      if (this.#live.size >= tunnelsMax) {
        throw new HoldfastError(
          'quota_exceeded',
          `There are ${this.#live.size} tunnels and MAX_TUNNELS is ${tunnelsMax}`,
        )
      }
      this.#checkName(actor.owner, input.name, undefined)
      const nowWallMs = this.#nowWallMs()
      const tunnel: Tunnel = {
        ...{ id: randomUUID(), owner: actor.owner, name: input.name, isPublic: input.isPublic ?? false },
        lifecycle: 'created',
        config: { ...defaultTunnelConfig, ...input.config },
        endpoints: [...editedEndpoints([], input.endpoints ?? [], this.#endpointContext(actor))],
        shares: [],
        createdWallMs: nowWallMs,
        updatedWallMs: nowWallMs,
      }
      await store.put('tunnels', tunnel.id, tunnel)
      const live = this.#add(tunnel, undefined)
      live.reporter.asked('tunnel_created', actor, { endpoints: tunnel.endpoints.length })
      this.activity.add(tunnel.id, { action: 'create', status: 'success', actor })
      return live
    })
  }

  /** Newest first: admins all, others their own. */
  list(caller: Caller): readonly LiveTunnel[] {
    return this.#sorted(({ tunnel }) => caller.role === 'admin' || tunnel.owner === caller.owner)
  }

  /** Tunnels of others that are shared with the caller. */
  sharedWith(caller: Caller): readonly LiveTunnel[] {
    const asUser = { owner: caller.owner, role: 'user' } as const
    return this.#sorted(
      ({ tunnel }) => tunnel.owner !== caller.owner && permissionOf(tunnel, asUser, this.#nowWallMs()) !== undefined,
    )
  }

  /** Throws tunnel_not_found, forbidden. */
  get(tunnelId: string, caller: Caller, needed: Permission): LiveTunnel {
    const live = this.#live.get(tunnelId.toLowerCase())
    if (live === undefined) throw tunnelNotFound()
    checkPermission(live.tunnel, caller, needed, this.#nowWallMs())
    return live
  }

  permission(live: LiveTunnel, caller: Caller): Permission {
    return permissionOf(live.tunnel, caller, this.#nowWallMs()) ?? 'read'
  }

  /** Changes what is given. Throws tunnel_not_found, forbidden, tunnel_exists, and what `editedEndpoints` throws. */
  async update(tunnelId: string, actor: Actor, input: Partial<TunnelInput>): Promise<LiveTunnel> {
    return this.change(tunnelId, actor, {
      needed: 'write',
      action: 'update',
      apply: (tunnel) => {
        if (input.name !== undefined) this.#checkName(tunnel.owner, input.name, tunnel.id)
        const endpoints =
          input.endpoints && editedEndpoints(tunnel.endpoints, input.endpoints, this.#endpointContext(actor))
        return {
          ...tunnel,
          name: input.name ?? tunnel.name,
          isPublic: input.isPublic ?? tunnel.isPublic,
          config: { ...tunnel.config, ...input.config },
          endpoints: endpoints === undefined ? tunnel.endpoints : [...endpoints],
        }
      },
    })
  }

  async setConfig(tunnelId: string, actor: Actor, config: Partial<TunnelConfig>, from: 'present' | 'default') {
    return this.change(tunnelId, actor, {
      needed: 'write',
      action: from === 'present' ? 'config_update' : 'config_reset',
      apply: (tunnel) => ({
        ...tunnel,
        config: { ...(from === 'present' ? tunnel.config : defaultTunnelConfig), ...config },
      }),
    })
  }

  async setRunning(tunnelId: string, actor: Actor, isRunning: boolean): Promise<LiveTunnel> {
    return this.change(tunnelId, actor, {
      needed: 'write',
      action: isRunning ? 'start' : 'stop',
      type: isRunning ? 'tunnel_started' : 'tunnel_stopped',
      apply: (tunnel) => ({ ...tunnel, lifecycle: isRunning ? 'started' : 'stopped' }),
    })
  }

  /** Applies one change to what is configured: stored first, then in force. Nothing happens when nothing changes. */
  async change(tunnelId: string, actor: Actor, change: TunnelChange): Promise<LiveTunnel> {
    return this.#exclusively(async () => {
      const { needed, action, type = 'tunnel_updated', apply } = change
      const live = this.get(tunnelId, actor, needed)
      const before = live.tunnel
      const after = { ...apply(before), updatedWallMs: this.#nowWallMs() }
      const changed = changedFields(before, after)
      if (changed.length > 0) {
        await this.#options.store.put('tunnels', after.id, after)
        // Told first: a change of status follows from it.
        live.reporter.asked(type, actor, { name: after.name, changed })
        live.update(after)
      }
      this.activity.add(before.id, { action, status: 'success', actor, details: { changed } })
      return live
    })
  }

  /** Throws tunnel_not_found, forbidden, store_unavailable. */
  async remove(tunnelId: string, actor: Actor): Promise<void> {
    await this.#exclusively(async () => {
      const live = this.get(tunnelId, actor, 'admin')
      const { id } = live.tunnel
      await this.#options.store.delete('tunnels', id)
      this.#live.delete(id)
      await live[Symbol.asyncDispose]()
      await this.#options.store.delete('tunnel_state', id).catch(() => undefined)
      live.reporter.asked('tunnel_deleted', actor)
      this.activity.add(id, { action: 'delete', status: 'success', actor })
    })
  }

  /**
   * Whether a request may go through a tunnel: a public one, or one that the caller may use. A caller with the role
   * `viewer` may send what only reads. Throws tunnel_not_found, unauthorized, forbidden, tunnel_not_running.
   */
  authorise(tunnelId: string, caller: Caller | undefined, method = 'GET'): Tunnel {
    const live = this.#live.get(tunnelId.toLowerCase())
    if (live?.tunnel.isPublic !== true) {
      // First, so that ids cannot be probed without a key.
      if (caller === undefined) throw new HoldfastError('unauthorized', 'The tunnel takes an API key')
      if (live === undefined) throw tunnelNotFound()
      checkPermission(live.tunnel, caller, 'read', this.#nowWallMs())
      if (caller.role === 'viewer' && !READING.has(method)) {
        throw new HoldfastError('forbidden', `A key with the role viewer may not send ${method}`)
      }
    }
    if (live.tunnel.lifecycle === 'stopped') throw new HoldfastError('tunnel_not_running', 'The tunnel is stopped')
    return live.tunnel
  }

  /** The tunnel of this id at work; undefined when there is none. For who has been authorised. */
  live(tunnelId: string): LiveTunnel | undefined {
    return this.#live.get(tunnelId.toLowerCase())
  }

  /** All tunnels, in the order in which they were made or restored. */
  all(): Iterable<LiveTunnel> {
    return this.#live.values()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#timer?.cancel()
    this.#checks[Symbol.dispose]()
    await this.#changes
    for (const live of this.#live.values()) {
      await live[Symbol.asyncDispose]()
      await live.saveAtEnd()
    }
    this.#live.clear()
  }

  #add(tunnel: Tunnel, memory: TunnelMemory | undefined): LiveTunnel {
    const { events } = this.#options
    const reporter = (of: () => Tunnel) => new TunnelReporter({ events, activity: this.activity, tunnel: of })
    const live = new LiveTunnel({ ...this.#options, checks: this.#checks, tunnel, memory, reporter })
    this.#live.set(tunnel.id, live)
    return live
  }

  #sorted(wanted: (live: LiveTunnel) => boolean): readonly LiveTunnel[] {
    const order = (a: LiveTunnel, b: LiveTunnel) =>
      b.tunnel.createdWallMs - a.tunnel.createdWallMs || (a.tunnel.id < b.tunnel.id ? -1 : 1)
    return [...this.#live.values()].filter(wanted).toSorted(order)
  }

  #checkName(owner: string, name: string, ownId: string | undefined): void {
    const isTaken = [...this.#live.values()].some(
      ({ tunnel }) => tunnel.owner === owner && tunnel.name === name && tunnel.id !== ownId,
    )
    if (isTaken) throw new HoldfastError('tunnel_exists', 'Tunnel with this name already exists for this user')
  }

  #endpointContext(actor: Actor) {
    const { guard } = this.#options
    return { isAdmin: actor.role === 'admin', guard, nowWallMs: this.#nowWallMs(), newId: () => randomUUID() }
  }

  async #exclusively<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#changes.then(work)
    this.#changes = result.catch(() => undefined)
    return result
  }

  #planSave(): void {
    this.#timer = this.#options.clock.schedule(COUNTERS_SAVED_EVERY_MS, () => {
      for (const live of this.#live.values()) live.saveCounters()
      this.#planSave()
    })
  }

  #nowWallMs(): number {
    return Math.floor(this.#options.clock.wallMs())
  }
}

interface TunnelChange {
  readonly needed: Permission
  /** In the activity log. */
  readonly action: string
  readonly type?: Extract<EventType, `tunnel_${string}`>
  readonly apply: (tunnel: Tunnel) => Tunnel
}
