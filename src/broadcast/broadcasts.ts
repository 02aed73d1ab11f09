import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Timer } from '../lib/clock.ts'
import { HoldfastError } from '../lib/errors.ts'
import type { Store } from '../store/store.ts'
import type { SourceNetwork, SourceTransport } from '../streams/sources/http-client.ts'
import { Broadcast } from './broadcast.ts'
import type { BroadcastContext } from './broadcast.ts'
import { fromJson, toJson } from './broadcast-memory.ts'
import type { BroadcastRequest } from './broadcast-request.ts'
import { InputRelay } from './input-relay.ts'

export interface BroadcastsOptions extends Omit<BroadcastContext, 'relay'> {
  readonly store: Store
  /** Each network has a directory of its own in it. */
  readonly directory: string
  readonly network: SourceNetwork
  readonly connectTimeoutMs: number
  readonly answerTimeoutMs: number
  /** How a source is read. */
  readonly transportOf: (url: string) => SourceTransport
}

const BUCKET = 'broadcasts'
const NETWORKS_MAX = 10_000
const GARBAGE_EVERY_MS = 60_000
const IDLE_MS = 3_600_000
/** A burst of changes is written once. */
const SAVE_DELAY_MS = 200

/** All networks of the gateway, over restarts. */
export class Broadcasts implements AsyncDisposable {
  readonly #options: BroadcastsOptions
  readonly #relay: InputRelay
  readonly #networks = new Map<string, Broadcast>()
  readonly #unsaved = new Set<string>()
  #saveTimer: Timer | undefined
  #garbageTimer: Timer | undefined
  #saving: Promise<void> = Promise.resolve()

  private constructor(options: BroadcastsOptions, relay: InputRelay) {
    this.#options = options
    this.#relay = relay
  }

  /** Restores every network; those that were on air go on. */
  static async open(options: BroadcastsOptions): Promise<Broadcasts> {
    const { network, connectTimeoutMs, answerTimeoutMs, transportOf, store, directory } = options
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    const relay = await InputRelay.open({ network, connectTimeoutMs, answerTimeoutMs, transportOf })
    const all = new Broadcasts(options, relay)
    for (const { value } of await store.list(BUCKET)) {
      const memory = fromJson(value)
      if (memory !== undefined) all.#networks.set(memory.networkId, all.#newNetwork(memory.networkId, memory))
    }
    all.#removeUnknownDirectories()
    for (const broadcast of all.#networks.values()) broadcast.resume()
    all.#scheduleGarbage()
    return all
  }

  list(): readonly Broadcast[] {
    return [...this.#networks.values()]
  }

  /** Throws broadcast_not_found. */
  get(networkId: string): Broadcast {
    const broadcast = this.#networks.get(networkId)
    if (broadcast === undefined) throw new HoldfastError('broadcast_not_found', 'Broadcast not found')
    return broadcast
  }

  /** Plays a programme on a network, made if need be. Throws broadcast_limit, broadcast_failed. */
  async start(networkId: string, request: BroadcastRequest): Promise<Broadcast> {
    const { processes } = this.#options
    const known = this.#networks.get(networkId)
    if (known?.isOnAir !== true && !processes.hasRoom('broadcast')) {
      throw new HoldfastError(
        'broadcast_limit',
        `${processes.running('broadcast')} broadcasts run already, no more may`,
      )
    }
    if (known === undefined && this.#networks.size >= NETWORKS_MAX) {
      throw new HoldfastError(
        'broadcast_limit',
        `There are ${NETWORKS_MAX} networks already; delete those that have ended`,
      )
    }
    if (!processes.isInstalled('ffmpeg')) throw new HoldfastError('broadcast_failed', 'ffmpeg is not installed')
    const broadcast = known ?? this.#newNetwork(networkId, undefined)
    this.#networks.set(networkId, broadcast)
    await broadcast.start(request)
    await this.#save()
    if (broadcast.status === 'failed') {
      throw new HoldfastError(
        'broadcast_failed',
        `The broadcast could not be started: ${broadcast.errorMessage ?? 'it failed'}`,
      )
    }
    return broadcast
  }

  /** Throws broadcast_not_found. */
  async stop(networkId: string): Promise<Broadcast> {
    const broadcast = this.get(networkId)
    await broadcast.stop()
    await this.#save()
    return broadcast
  }

  /** Ends a network and removes everything of it; its numbers begin anew. True when there was one. */
  async delete(networkId: string): Promise<boolean> {
    const broadcast = this.#networks.get(networkId)
    if (broadcast === undefined) return false
    await broadcast.stop()
    await broadcast[Symbol.asyncDispose]()
    this.#networks.delete(networkId)
    this.#unsaved.delete(networkId)
    broadcast.removeFiles()
    await this.#saving
    return this.#options.store.delete(BUCKET, keyOf(networkId))
  }

  /** What is on air is noted as that, and goes on after the next start. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#garbageTimer?.cancel()
    await Promise.all(this.list().map(async (broadcast) => broadcast[Symbol.asyncDispose]()))
    await this.#save()
    await this.#relay[Symbol.asyncDispose]()
  }

  #newNetwork(networkId: string, memory: Broadcast['memory']): Broadcast {
    const { processes, clock, log, userAgent, limits, directory } = this.#options
    return new Broadcast({
      ...{ processes, clock, log, userAgent, limits, relay: this.#relay, networkId, memory },
      directory: join(directory, keyOf(networkId)),
      onChanged: () => this.#saveSoon(networkId),
    })
  }

  #saveSoon(networkId: string): void {
    this.#unsaved.add(networkId)
    this.#saveTimer ??= this.#options.clock.schedule(SAVE_DELAY_MS, () => void this.#save())
  }

  /** Writes what has changed, after what is being written. */
  async #save(): Promise<void> {
    this.#saveTimer?.cancel()
    this.#saveTimer = undefined
    this.#saving = this.#saving.then(async () => {
      const changed = [...this.#unsaved]
      this.#unsaved.clear()
      for (const networkId of changed) await this.#write(networkId)
    })
    return this.#saving
  }

  async #write(networkId: string): Promise<void> {
    const { store, log } = this.#options
    const memory = this.#networks.get(networkId)?.memory
    if (memory === undefined) return
    try {
      await store.put(BUCKET, keyOf(networkId), toJson(memory))
    } catch {
      // The next segment is the next occasion.
      this.#unsaved.add(networkId)
      log.warn('broadcast_not_saved', 'What is known of a broadcast could not be written', { network_id: networkId })
    }
  }

  #scheduleGarbage(): void {
    this.#garbageTimer = this.#options.clock.schedule(GARBAGE_EVERY_MS, () => {
      for (const broadcast of this.#networks.values()) broadcast.collectGarbage(IDLE_MS)
      this.#scheduleGarbage()
    })
  }

  #removeUnknownDirectories(): void {
    const { directory } = this.#options
    const known = new Set([...this.#networks.keys()].map(keyOf))
    for (const name of readdirSync(directory)) {
      if (/^[\da-f]{32}$/.test(name) && !known.has(name))
        rmSync(join(directory, name), { recursive: true, force: true })
    }
  }
}

/** Of a network in the store and on disk, where not every name is possible and some are the same. */
function keyOf(networkId: string): string {
  return createHash('sha256').update(networkId).digest('hex').slice(0, 32)
}
