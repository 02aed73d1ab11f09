import type { Caller } from '../http/access.ts'
import type { Clock } from '../lib/clock.ts'
import { errorMessage } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { READ_LIMIT_MAX } from '../store/limits.ts'
import type { Json, LogRecord, Store } from '../store/store.ts'

/** Who asks for something, and from where. */
export interface Actor extends Caller {
  readonly ip?: string | undefined
  readonly userAgent?: string | undefined
}

interface Activity {
  readonly action: string
  readonly status: string
  readonly details?: { readonly [key: string]: Json }
  /** Nobody: the gateway itself. */
  readonly actor?: Actor
}

export interface ActivityRecord {
  /** Rises by the order of what happened. */
  readonly sequence: number
  readonly action: string
  readonly status: string
  readonly owner: string | null
  readonly details: Json
  readonly ip: string | null
  readonly userAgent: string | null
  readonly atWallMs: number
}

interface ActivityLogOptions {
  readonly store: Store
  readonly clock: Pick<Clock, 'wallMs'>
  readonly log: Log
}

/** Newest records kept, of all tunnels together. */
const KEEP = 100_000
const TRIM_EVERY = 1_000
/** Records that wait for the store; past that further ones are dropped and counted. */
const WAITING_MAX = 10_000
const USER_AGENT_CHARACTERS_MAX = 256

/** Who did what to which tunnel. It is written behind what happens: a store that fails costs records, not requests. */
export class ActivityLog {
  readonly #options: ActivityLogOptions
  #waiting = 0
  #addedSinceTrim = TRIM_EVERY

  constructor(options: ActivityLogOptions) {
    this.#options = options
  }

  add(tunnelId: string, { action, status, details, actor }: Activity): void {
    const { store, clock, log } = this.#options
    if (this.#waiting >= WAITING_MAX) {
      log.warn('tunnel_activity_lost', 'A tunnel’s activity was not stored: too much waits', { tunnel_id: tunnelId })
      return
    }
    this.#waiting += 1
    const value = {
      ...{ status, details: details ?? {}, owner: actor?.owner ?? null, ip: actor?.ip ?? null },
      userAgent: actor?.userAgent?.slice(0, USER_AGENT_CHARACTERS_MAX) ?? null,
    }
    store
      .append('tunnel_activity', { subject: tunnelId, type: action, atWallMs: Math.floor(clock.wallMs()), value })
      .then(async () => this.#trim())
      .catch((error: unknown) => {
        const fields = { tunnel_id: tunnelId, error: errorMessage(error) }
        log.warn('tunnel_activity_lost', 'A tunnel’s activity was not stored: the store failed', fields)
      })
      .finally(() => {
        this.#waiting -= 1
      })
  }

  /** Newest first, at most 1,000, after leaving out the `offset` newest. Throws store_unavailable. */
  async list(tunnelId: string, { limit, offset }: { readonly limit: number; readonly offset: number }) {
    let left = offset
    let before = Number.MAX_SAFE_INTEGER
    while (left > 0) {
      const skipped = await this.#read(tunnelId, Math.min(left, READ_LIMIT_MAX), before)
      const last = skipped.at(-1)
      if (last === undefined) return []
      before = last.sequence
      left -= skipped.length
    }
    return (await this.#read(tunnelId, limit, before)).map(toActivity)
  }

  async #read(subject: string, limit: number, before: number): Promise<readonly LogRecord[]> {
    return this.#options.store.read('tunnel_activity', { subject, limit, before, order: 'newest' })
  }

  async #trim(): Promise<void> {
    this.#addedSinceTrim += 1
    if (this.#addedSinceTrim < TRIM_EVERY) return
    this.#addedSinceTrim = 0
    await this.#options.store.trim('tunnel_activity', KEEP)
  }
}

function toActivity({ sequence, type, atWallMs, value }: LogRecord): ActivityRecord {
  const known = typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {}
  const field = (name: string): Json => Reflect.get(known, name) as Json
  const text = (name: string): string | null => {
    const found = field(name)
    return typeof found === 'string' ? found : null
  }
  return {
    ...{ sequence, atWallMs, action: type, status: text('status') ?? '' },
    ...{ owner: text('owner'), details: field('details') ?? {}, ip: text('ip'), userAgent: text('userAgent') },
  }
}
