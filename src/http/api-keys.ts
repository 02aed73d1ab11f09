import { createHash, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto'
import { z } from 'zod'
import type { Clock } from '../lib/clock.ts'
import { errorMessage, HoldfastError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { ROLES } from './access.ts'
import type { Caller, KeyDirectory, Role } from './access.ts'

/** What is known of a key; the key itself is not. */
export interface ApiKey {
  readonly id: string
  readonly owner: string
  readonly role: Role
  readonly name: string
  readonly createdWallMs: number
  readonly expiresWallMs: number | null
  readonly lastUsedWallMs: number | null
  /** SHA-256 of the secret part, in hex. It has 256 bits, so there is nothing to guess and no salt is needed. */
  readonly hash: string
}

/** Where keys are kept: a bucket of the store. */
export interface KeyShelf {
  list(): Promise<readonly { readonly key: string; readonly value: unknown }[]>
  put(key: string, value: ApiKey): Promise<unknown>
  delete(key: string): Promise<unknown>
}

export interface ApiKeysOptions {
  readonly shelf: KeyShelf
  readonly clock: Pick<Clock, 'wallMs'>
  readonly log: Log
}

export interface NewApiKey {
  readonly name: string
  /** The caller's own by default; only admins may name another. */
  readonly owner?: string | undefined
  readonly role: Role
  readonly expiresWallMs?: number | undefined
}

const storedKey = z.object({
  id: z.string(),
  owner: z.string(),
  role: z.enum(ROLES),
  name: z.string(),
  createdWallMs: z.number(),
  expiresWallMs: z.number().nullable(),
  lastUsedWallMs: z.number().nullable(),
  hash: z.string().length(64),
})

const SECRET_BYTES = 32
/** `hfk_`, the key's id without its dashes, `_`, 256 random bits in base64url. */
const KEY = /^hfk_([0-9a-f]{32})_([\w-]{43})$/
const KEYS_MAX = 10_000
const KEYS_PER_OWNER_MAX = 100
/** The time of the last use is stored at most this often for each key. */
const LAST_USE_STORED_EVERY_MS = 60_000

/** The API keys of the gateway. All are held in memory, so that telling who calls takes no wait. */
export class ApiKeys implements KeyDirectory {
  readonly #options: ApiKeysOptions
  readonly #keys = new Map<string, ApiKey>()
  readonly #lastUseStoredWallMs = new Map<string, number>()

  private constructor(options: ApiKeysOptions) {
    this.#options = options
  }

  /** Reads the keys that are kept. Throws store_unavailable. */
  static async open(options: ApiKeysOptions): Promise<ApiKeys> {
    const keys = new ApiKeys(options)
    for (const { key, value } of await options.shelf.list()) {
      const parsed = storedKey.safeParse(value)
      if (parsed.success) keys.#keys.set(parsed.data.id, parsed.data)
      else options.log.error('api_key_unreadable', 'A stored API key cannot be read and is not accepted', { key })
    }
    return keys
  }

  callerOf(text: string): Caller | undefined {
    const [, plainId, secret] = KEY.exec(text) ?? []
    if (plainId === undefined || secret === undefined) return undefined
    const key = this.#keys.get(withDashes(plainId))
    if (key === undefined || !isSecret(secret, key) || this.isExpired(key)) return undefined
    this.#used(key)
    return { owner: key.owner, role: key.role }
  }

  isExpired({ expiresWallMs }: ApiKey): boolean {
    return expiresWallMs !== null && this.#options.clock.wallMs() >= expiresWallMs
  }

  /**
   * Makes a key; `text` is what its owner sends, and it is not kept. Throws forbidden for a role above the caller's or
   * somebody else's key, quota_exceeded, store_unavailable.
   */
  async create(caller: Caller, asked: NewApiKey): Promise<{ readonly key: ApiKey; readonly text: string }> {
    const owner = asked.owner ?? caller.owner
    if (caller.role !== 'admin' && (owner !== caller.owner || asked.role === 'admin')) {
      throw new HoldfastError('forbidden', 'Only admins may make keys of other owners, or keys with the role admin')
    }
    this.#checkQuota(owner, caller)
    const id = randomUUID()
    const secret = randomBytes(SECRET_BYTES).toString('base64url')
    const key: ApiKey = {
      ...{ id, owner, role: asked.role, name: asked.name },
      createdWallMs: Math.floor(this.#options.clock.wallMs()),
      expiresWallMs: asked.expiresWallMs ?? null,
      lastUsedWallMs: null,
      hash: digest(secret).toString('hex'),
    }
    await this.#options.shelf.put(id, key)
    this.#keys.set(id, key)
    return { key, text: `hfk_${id.replaceAll('-', '')}_${secret}` }
  }

  /** Newest first: an admin sees all, others their own. */
  list(caller: Caller): readonly ApiKey[] {
    return [...this.#keys.values()]
      .filter((key) => mayTouch(caller, key))
      .toSorted((a, b) => b.createdWallMs - a.createdWallMs || (a.id < b.id ? -1 : 1))
  }

  /** Throws api_key_not_found, also for somebody else's key. */
  get(caller: Caller, id: string): ApiKey {
    const key = this.#keys.get(id.toLowerCase())
    if (key === undefined || !mayTouch(caller, key)) throw new HoldfastError('api_key_not_found', 'API key not found')
    return key
  }

  /** From now on the key is not accepted, also not after a restart. Throws api_key_not_found, store_unavailable. */
  async revoke(caller: Caller, id: string): Promise<void> {
    const key = this.get(caller, id)
    // First, so that a use in between does not write it again behind the deletion.
    this.#keys.delete(key.id)
    this.#lastUseStoredWallMs.delete(key.id)
    try {
      await this.#options.shelf.delete(key.id)
    } catch (error) {
      this.#keys.set(key.id, key)
      throw error
    }
  }

  #checkQuota(owner: string, caller: Caller): void {
    const ofOwner = [...this.#keys.values()].filter((key) => key.owner === owner).length
    if (this.#keys.size >= KEYS_MAX || (caller.role !== 'admin' && ofOwner >= KEYS_PER_OWNER_MAX)) {
      const text = `${owner} has ${ofOwner} of ${KEYS_PER_OWNER_MAX} API keys, the gateway ${this.#keys.size} of ${KEYS_MAX}`
      throw new HoldfastError('quota_exceeded', text)
    }
  }

  #used(key: ApiKey): void {
    const { clock, shelf, log } = this.#options
    const nowMs = Math.floor(clock.wallMs())
    if (key.lastUsedWallMs !== null && nowMs - key.lastUsedWallMs < 1_000) return
    const used = { ...key, lastUsedWallMs: nowMs }
    this.#keys.set(key.id, used)
    if (nowMs - (this.#lastUseStoredWallMs.get(key.id) ?? 0) < LAST_USE_STORED_EVERY_MS) return
    this.#lastUseStoredWallMs.set(key.id, nowMs)
    shelf.put(key.id, used).then(undefined, (error: unknown) => {
      log.debug('api_key_use_not_stored', 'The time of a key’s last use was not stored', { error: errorMessage(error) })
    })
  }
}

function mayTouch(caller: Caller, key: ApiKey): boolean {
  return caller.role === 'admin' || key.owner === caller.owner
}

function isSecret(secret: string, { hash }: ApiKey): boolean {
  return timingSafeEqual(digest(secret), Buffer.from(hash, 'hex'))
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

function withDashes(id: string): string {
  return id.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}
