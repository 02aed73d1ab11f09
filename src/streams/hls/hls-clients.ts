import type { Clock, Timer } from '../../lib/clock.ts'
import type { ClientSnapshot } from '../service.ts'
import { dropWhenStalled } from './drop-when-stalled.ts'
import type { HlsViewRequest } from './hls-output.ts'

/** One player: it has no connection of its own, only requests. */
export interface HlsClient {
  readonly clientId: string
  readonly userAgent: string
  readonly ipAddress: string
  readonly username: string | undefined
  readonly createdWallMs: number
  lastAccessWallMs: number
  bytesServed: number
  segmentsServed: number
  readonly skips: 0
}

export interface HlsClientsOptions {
  readonly streamId: string
  readonly clock: Clock
  /** A player that has asked for nothing for so long is gone. */
  readonly idleMs: number
  /** One that takes no byte of an answer for so long loses it. */
  readonly stallMs: number
  readonly countBytes: (bytes: number) => void
  readonly countSegment: () => void
  readonly onCame: (client: HlsClient) => void
  readonly onLeft: (client: HlsClient) => void
}

interface Presence {
  readonly client: HlsClient
  lastRequestMs: number
  readonly underWay: Set<HlsViewRequest>
}

const SWEEP_EVERY_MS = 1_000

/** Who plays a stream as HLS: a player comes with its first request and has left when it asks for nothing more. */
export class HlsClients {
  readonly #options: HlsClientsOptions
  readonly #present = new Map<string, Presence>()
  #sweepTimer: Timer | undefined

  constructor(options: HlsClientsOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#present.size
  }

  has(clientId: string): boolean {
    return this.#present.has(clientId)
  }

  get first(): HlsClient | undefined {
    const [presence] = this.#present.values()
    return presence?.client
  }

  snapshots(): readonly ClientSnapshot[] {
    const { streamId } = this.#options
    return Array.from(this.#present.values(), ({ client }) => ({ ...client, streamId, isConnected: true }))
  }

  /** A request of this player is under way, until its answer has ended. */
  asked(request: HlsViewRequest, clientId: string): void {
    const { clock, countBytes, countSegment } = this.#options
    const presence = this.#present.get(clientId) ?? this.#welcome(request, clientId)
    const { client } = presence
    presence.underWay.add(request)
    const seen = () => {
      presence.lastRequestMs = clock.nowMs()
      client.lastAccessWallMs = clock.wallMs()
    }
    seen()
    const { response, path } = request
    dropWhenStalled(response, this.#options)
    const { socket } = response
    const before = socket?.bytesWritten ?? 0
    response.once('close', () => {
      presence.underWay.delete(request)
      seen()
      const bytes = (socket?.bytesWritten ?? before) - before
      client.bytesServed += bytes
      countBytes(bytes)
      if (response.statusCode >= 300 || path.endsWith('.m3u8')) return
      client.segmentsServed += 1
      countSegment()
    })
  }

  /** Ends what a player is being sent, and forgets it. False if there is no such player. */
  disconnect(clientId: string): boolean {
    const presence = this.#present.get(clientId)
    if (presence === undefined) return false
    for (const { response } of presence.underWay) response.destroy()
    this.#leave(presence)
    return true
  }

  /** The stream has ended. */
  disconnectAll(): void {
    for (const clientId of this.#present.keys()) this.disconnect(clientId)
  }

  #welcome(request: HlsViewRequest, clientId: string): Presence {
    const { clock, onCame } = this.#options
    const { userAgent, ipAddress, username } = request
    const wallMs = clock.wallMs()
    const client: HlsClient = {
      ...{ clientId, userAgent, ipAddress, username },
      ...{ createdWallMs: wallMs, lastAccessWallMs: wallMs, bytesServed: 0, segmentsServed: 0, skips: 0 },
    }
    const presence = { client, lastRequestMs: clock.nowMs(), underWay: new Set<HlsViewRequest>() }
    this.#present.set(clientId, presence)
    this.#armSweep()
    onCame(client)
    return presence
  }

  #leave({ client }: Presence): void {
    this.#present.delete(client.clientId)
    if (this.#present.size === 0) this.#sweepTimer?.cancel()
    if (this.#present.size === 0) this.#sweepTimer = undefined
    this.#options.onLeft(client)
  }

  #armSweep(): void {
    const { clock, idleMs } = this.#options
    this.#sweepTimer ??= clock.schedule(SWEEP_EVERY_MS, () => {
      this.#sweepTimer = undefined
      for (const presence of this.#present.values()) {
        const isGone = presence.underWay.size === 0 && clock.nowMs() - presence.lastRequestMs >= idleMs
        if (isGone) this.#leave(presence)
      }
      if (this.#present.size > 0) this.#armSweep()
    })
  }
}
