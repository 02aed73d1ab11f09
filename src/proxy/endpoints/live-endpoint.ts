import type { CandidateId } from '../../failover/group.ts'
import type { TimerWheel } from '../wire/timer-wheel.ts'
import { defaultPoolLimits, UpstreamPool } from '../wire/upstream.ts'
import { endpointAddress, endpointCandidate, isSameOrigin } from './endpoint.ts'
import type { Endpoint, EndpointAddress } from './endpoint.ts'

/** An endpoint with its connections. */
export interface LiveEndpoint extends EndpointAddress {
  readonly id: CandidateId
  readonly endpoint: Endpoint
  readonly pool: UpstreamPool
}

export interface ConnectionOptions {
  readonly wheel: TimerWheel
  /** A mistake in our own code that surfaced in a connection. */
  readonly onFault: (error: unknown) => void
}

/**
 * The endpoints of a list with their connections; those of `former` are taken over where the address has not changed, and
 * the others close: idle ones now, busy ones after their response. Throws a RangeError for a URL that cannot be used.
 */
export function liveEndpoints(
  endpoints: readonly Endpoint[],
  former: ReadonlyMap<string, LiveEndpoint>,
  { wheel, onFault }: ConnectionOptions,
): ReadonlyMap<string, LiveEndpoint> {
  const addresses = endpoints.map((endpoint) => ({ endpoint, address: endpointAddress(endpoint) }))
  const live = new Map<string, LiveEndpoint>()
  for (const { endpoint, address } of addresses) {
    const known = former.get(endpoint.id)
    const pool =
      known !== undefined && isSameOrigin(known.origin, address.origin)
        ? known.pool
        : new UpstreamPool({ origin: address.origin, wheel, ...defaultPoolLimits, onFault })
    live.set(endpoint.id, { id: endpointCandidate(endpoint.id), endpoint, pool, ...address })
  }
  for (const { endpoint, pool } of former.values()) {
    if (live.get(endpoint.id)?.pool !== pool) pool.close()
  }
  return live
}
