import { randomUUID } from 'node:crypto'
import { HoldfastError } from '../lib/errors.ts'
import type { Clock } from '../lib/clock.ts'
import type { Actor } from './activity.ts'
import type { TunnelService } from './service.ts'
import type { Permission, TunnelShare } from './tunnel.ts'

const SHARES_MAX = 100

interface ShareInput {
  readonly sharedWith: string
  readonly permission: Permission
  readonly expiresWallMs: number | null
}

/** Who besides its owner may use a tunnel. All of it takes the permission admin. */
export class TunnelShares {
  readonly #tunnels: TunnelService
  readonly #clock: Pick<Clock, 'wallMs'>

  constructor(tunnels: TunnelService, clock: Pick<Clock, 'wallMs'>) {
    this.#tunnels = tunnels
    this.#clock = clock
  }

  list(tunnelId: string, actor: Actor): readonly TunnelShare[] {
    return this.#tunnels.get(tunnelId, actor, 'admin').tunnel.shares
  }

  /** Shares a tunnel, or changes what it is shared for. Throws tunnel_not_found, forbidden, quota_exceeded. */
  async add(tunnelId: string, actor: Actor, input: ShareInput): Promise<TunnelShare> {
    const nowWallMs = Math.floor(this.#clock.wallMs())
    return this.#edit(tunnelId, actor, 'share', (shares) => {
      const former = shares.find(({ sharedWith }) => sharedWith === input.sharedWith)
      const others = shares.filter((share) => share !== former)
      if (others.length >= SHARES_MAX) {
        throw new HoldfastError('quota_exceeded', `The tunnel is shared with ${SHARES_MAX} users, which is the most`)
      }
      const share: TunnelShare = {
        ...{ id: former?.id ?? randomUUID(), grantedBy: actor.owner, ...input },
        ...{ createdWallMs: former?.createdWallMs ?? nowWallMs, updatedWallMs: nowWallMs },
      }
      return { shares: [...others, share], share }
    })
  }

  /** Throws share_not_found. */
  async setPermission(tunnelId: string, actor: Actor, shareId: string, permission: Permission): Promise<TunnelShare> {
    const updatedWallMs = Math.floor(this.#clock.wallMs())
    return this.#edit(tunnelId, actor, 'share_update', (shares) => {
      const share = { ...found(shares, ({ id }) => id === shareId), permission, updatedWallMs }
      return { shares: shares.map((one) => (one.id === shareId ? share : one)), share }
    })
  }

  /** Throws share_not_found. */
  async remove(tunnelId: string, actor: Actor, sharedWith: string): Promise<void> {
    await this.#edit(tunnelId, actor, 'unshare', (shares) => {
      const share = found(shares, (one) => one.sharedWith === sharedWith)
      return { shares: shares.filter((one) => one !== share), share }
    })
  }

  async #edit(
    tunnelId: string,
    actor: Actor,
    action: string,
    edit: (shares: readonly TunnelShare[]) => { readonly shares: readonly TunnelShare[]; readonly share: TunnelShare },
  ): Promise<TunnelShare> {
    let share: TunnelShare | undefined
    await this.#tunnels.change(tunnelId, actor, {
      ...{ needed: 'admin', action },
      apply: (tunnel) => {
        const edited = edit(tunnel.shares)
        share = edited.share
        return { ...tunnel, shares: [...edited.shares] }
      },
    })
    if (share === undefined) throw new HoldfastError('internal_error', 'a change of shares was not applied')
    return share
  }
}

function found(shares: readonly TunnelShare[], wanted: (share: TunnelShare) => boolean): TunnelShare {
  const share = shares.find(wanted)
  if (share === undefined) throw new HoldfastError('share_not_found', 'The tunnel is not shared so')
  return share
}
