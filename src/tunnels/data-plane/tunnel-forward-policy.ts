import { defaultForwardPolicy, defaultHedgeBudget } from '../../proxy/forward/forward-policy.ts'
import type { ForwardPolicy } from '../../proxy/forward/forward-policy.ts'
import type { TunnelConfig } from '../tunnel.ts'

/** Endpoints may be on other continents and behind TLS; yet one that is not there has to be left soon. */
const CONNECT_MS = 1_500
/** A silent endpoint has another one asked beside it after so long. */
const HEDGE_MS = 1_000

/**
 * The limits of a tunnel's requests. `timeout` is the time in all until the answer begins: what is slow may use all of it,
 * because a second endpoint is asked beside a silent one and not instead of it.
 */
export function tunnelForwardPolicy({ timeout }: TunnelConfig): ForwardPolicy {
  return {
    ...defaultForwardPolicy,
    connectMs: Math.min(CONNECT_MS, timeout / 2),
    firstByteMs: timeout,
    retry: { ...defaultForwardPolicy.retry, deadlineMs: timeout },
    hedge: { afterMs: Math.min(HEDGE_MS, timeout / 4), budget: defaultHedgeBudget },
  }
}
