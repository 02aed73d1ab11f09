import type { Caller } from '../http/access.ts'
import { HoldfastError } from '../lib/errors.ts'
import { PERMISSIONS } from './tunnel.ts'
import type { Permission, Tunnel } from './tunnel.ts'

/** What a caller may do with a tunnel; undefined when it should not even learn that there is one. */
export function permissionOf(tunnel: Tunnel, caller: Caller, nowWallMs: number): Permission | undefined {
  if (caller.role === 'admin' || tunnel.owner === caller.owner) return 'admin'
  return tunnel.shares.find(
    ({ sharedWith, expiresWallMs }) =>
      sharedWith === caller.owner && (expiresWallMs === null || nowWallMs < expiresWallMs),
  )?.permission
}

/** Throws tunnel_not_found where there is no permission at all, forbidden where it does not suffice. */
export function checkPermission(tunnel: Tunnel, caller: Caller, needed: Permission, nowWallMs: number): void {
  const granted = permissionOf(tunnel, caller, nowWallMs)
  if (granted === undefined) throw tunnelNotFound()
  if (PERMISSIONS.indexOf(granted) >= PERMISSIONS.indexOf(needed)) return
  throw new HoldfastError('forbidden', `This takes the permission ${needed} for the tunnel; yours is ${granted}`)
}

/** The same for a tunnel that is not there and for somebody else's, so that ids cannot be probed. */
export function tunnelNotFound(): HoldfastError {
  return new HoldfastError('tunnel_not_found', 'The specified tunnel does not exist')
}
