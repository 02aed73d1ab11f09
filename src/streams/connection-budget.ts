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
  /** Of each of its leases. */
  readonly onRevoked: Set<() => void>
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
   * Leases for the air, and for a standby, with the same `use` count as one: the ways in which one stream takes in one
   * source. What one way goes on air with is not on standby for the other any more.
   */
  lease(
    account: Account | undefined,
    purpose: ConnectionPurpose,
    onRevoked: () => void = () => {},
    use?: string,
  ): ConnectionLease | undefined {
    if (account === undefined) return { goOnAir: () => {}, release: () => {} }
    const held = this.#accounts.get(account.name) ?? new Set<Held>()
    const shared = use === undefined ? undefined : [...held].find((each) => each.use === use && mayJoin(purpose, each))
    if (shared !== undefined) {
      shared.purpose = purpose
      return this.#leaseOf(account, held, shared, onRevoked)
    }
    if (held.size >= account.connectionsMax && purpose === 'on_air') {
      const dispensable = leastNeeded(held)
      if (dispensable !== undefined) {
        held.delete(dispensable)
        for (const tell of [...dispensable.onRevoked]) tell()
      }
    }
    if (held.size >= account.connectionsMax) return undefined
    const own: Held = { purpose, onRevoked: new Set(), use, leases: 0 }
    held.add(own)
    this.#accounts.set(account.name, held)
    return this.#leaseOf(account, held, own, onRevoked)
  }

  #leaseOf({ name }: Account, held: Set<Held>, own: Held, onRevoked: () => void): ConnectionLease {
    own.leases += 1
    // Each has its own, also where two were given the same function.
    const tell = (): void => onRevoked()
    own.onRevoked.add(tell)
    let isReleased = false
    return {
      goOnAir: () => {
        own.purpose = 'on_air'
      },
      release: () => {
        if (isReleased) return
        isReleased = true
        own.onRevoked.delete(tell)
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

/** A standby beside what is on air would be another connection to the same source. */
function mayJoin(purpose: ConnectionPurpose, held: Held): boolean {
  return purpose !== 'probe' && (held.purpose === purpose || (purpose === 'on_air' && held.purpose === 'standby'))
}

function leastNeeded(held: ReadonlySet<Held>): Held | undefined {
  const of = (wanted: ConnectionPurpose) => [...held].find(({ purpose }) => purpose === wanted)
  return of('probe') ?? of('standby')
}
