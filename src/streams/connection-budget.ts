import type { Account } from './service.ts'

/** What a connection is for. One that is on air takes the place of those that are not. */
export type ConnectionPurpose = 'on_air' | 'standby' | 'probe'

/** The right to hold one connection of an account. */
export interface ConnectionLease {
  /** It is on air from now on, whatever it was for: nothing takes its place any more. */
  goOnAir(): void
  /** Gives it back; again does nothing. */
  release(): void
}

interface Held {
  purpose: ConnectionPurpose
  readonly onRevoked: () => void
  readonly use: string | undefined
  /** Leases that it stands for. */
  leases: number
}

/** How many connections each provider's account has open, across all streams of the gateway. */
export class ConnectionBudget {
  readonly #accounts = new Map<string, Set<Held>>()

  /**
   * Room for one more connection; undefined when the account has none. For the air, standbys and probes of the account
   * have to make room: the least needed is told by `onRevoked`, and has to close its connection before it returns.
   * Leases for the air with the same `use` count as one: the ways in which one stream takes in one source.
   */
  lease(
    account: Account | undefined,
    purpose: ConnectionPurpose,
    onRevoked: () => void = () => {},
    use?: string,
  ): ConnectionLease | undefined {
    if (account === undefined) return { goOnAir: () => {}, release: () => {} }
    const held = this.#accounts.get(account.name) ?? new Set<Held>()
    const shared = use === undefined || purpose !== 'on_air' ? undefined : [...held].find((each) => isAir(each, use))
    if (shared !== undefined) return this.#leaseOf(account, held, shared)
    if (held.size >= account.connectionsMax && purpose === 'on_air') {
      const dispensable = leastNeeded(held)
      if (dispensable !== undefined) {
        held.delete(dispensable)
        dispensable.onRevoked()
      }
    }
    if (held.size >= account.connectionsMax) return undefined
    const own: Held = { purpose, onRevoked, use, leases: 0 }
    held.add(own)
    this.#accounts.set(account.name, held)
    return this.#leaseOf(account, held, own)
  }

  #leaseOf({ name }: Account, held: Set<Held>, own: Held): ConnectionLease {
    own.leases += 1
    let isReleased = false
    return {
      goOnAir: () => {
        own.purpose = 'on_air'
      },
      release: () => {
        if (isReleased) return
        isReleased = true
        own.leases -= 1
        if (own.leases === 0) held.delete(own)
        if (held.size === 0 && this.#accounts.get(name) === held) this.#accounts.delete(name)
      },
    }
  }

  /** Whether the account could take one more for the air without closing one that is on air. */
  hasRoomOnAir(account: Account | undefined): boolean {
    if (account === undefined) return true
    const held = this.#accounts.get(account.name)
    if (held === undefined || held.size < account.connectionsMax) return true
    return leastNeeded(held) !== undefined
  }

  /** Connections of an account that are open. */
  inUse(accountName: string): number {
    return this.#accounts.get(accountName)?.size ?? 0
  }
}

function isAir(held: Held, use: string): boolean {
  return held.purpose === 'on_air' && held.use === use
}

function leastNeeded(held: ReadonlySet<Held>): Held | undefined {
  const of = (wanted: ConnectionPurpose) => [...held].find(({ purpose }) => purpose === wanted)
  return of('probe') ?? of('standby')
}
