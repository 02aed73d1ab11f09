import { isIP } from 'node:net'
import { HoldfastError } from '../lib/errors.ts'
import type { AddressGuard } from './probe.ts'
import type { Tunnel, TunnelConfig, TunnelEndpoint } from './tunnel.ts'

/** An endpoint as it is asked for. */
export interface EndpointInput {
  /** Of an endpoint that is there, to keep it under another URL. */
  readonly id?: string | undefined
  readonly url: string
  readonly priority: number
  readonly weight: number
}

export interface TunnelInput {
  readonly name: string
  readonly isPublic?: boolean | undefined
  readonly config?: Partial<TunnelConfig> | undefined
  readonly endpoints?: readonly EndpointInput[] | undefined
}

export const ENDPOINTS_MAX = 64

interface EndpointContext {
  readonly isAdmin: boolean
  readonly guard: AddressGuard
  readonly nowWallMs: number
  readonly newId: () => string
}

/**
 * The list of endpoints after an edit. One that stays (by its id, or by its URL) keeps id and age, and with them its
 * health. Throws endpoint_not_found, invalid_request, endpoint_address_forbidden.
 */
export function editedEndpoints(
  former: readonly TunnelEndpoint[],
  asked: readonly EndpointInput[],
  { isAdmin, guard, nowWallMs, newId }: EndpointContext,
): readonly TunnelEndpoint[] {
  const urls = new Set<string>()
  for (const { url } of asked) {
    const key = new URL(url).href
    if (urls.has(key)) throw new HoldfastError('invalid_request', `endpoints: ${url} is listed twice`)
    urls.add(key)
  }
  const taken = new Set<string>()
  return asked.map(({ id, url, priority, weight }) => {
    const kept = former.find((one) => (id === undefined ? one.url === url : one.id === id) && !taken.has(one.id))
    if (id !== undefined && kept === undefined) {
      throw new HoldfastError('endpoint_not_found', `endpoints: the tunnel has no endpoint ${id}`)
    }
    if (kept !== undefined) taken.add(kept.id)
    const isSameUrl = kept?.url === url
    // What an admin named stays named while its address stays, whoever edits the rest of the list.
    const namedByAdmin = isAdmin || (isSameUrl && kept.namedByAdmin)
    if (!namedByAdmin) checkAddress(url, guard)
    if (isSameUrl && kept.priority === priority && kept.weight === weight && kept.namedByAdmin === namedByAdmin) {
      return kept
    }
    return {
      id: kept?.id ?? newId(),
      ...{ url, priority, weight, namedByAdmin },
      createdWallMs: kept?.createdWallMs ?? nowWallMs,
      updatedWallMs: nowWallMs,
    }
  })
}

/** A name is looked up when it is connected to; an address can be judged now. */
function checkAddress(url: string, guard: AddressGuard): void {
  const hostname = new URL(url).hostname.replace(/^\[(.*)\]$/, '$1')
  const isLocalName = /^(?:.*\.)?localhost\.?$/.test(hostname)
  if (!isLocalName && (isIP(hostname) === 0 || guard.allows(hostname))) return
  if (isLocalName && guard.allows('127.0.0.1')) return
  throw new HoldfastError(
    'endpoint_address_forbidden',
    `endpoints: ${hostname} is a private address, which only admins may name (TUNNEL_PRIVATE_NETWORKS opens networks to all)`,
  )
}

/** What of a tunnel an edit changed, for the events. */
export function changedFields(before: Tunnel, after: Tunnel): readonly string[] {
  const fields = ['name', 'isPublic', 'config', 'endpoints', 'shares', 'lifecycle'] as const
  const names: Partial<Record<(typeof fields)[number], string>> = { isPublic: 'public', lifecycle: 'status' }
  return fields
    .filter((field) => JSON.stringify(before[field]) !== JSON.stringify(after[field]))
    .map((field) => names[field] ?? field)
}
