import type { PickedEndpoint } from '../endpoints/endpoint-group.ts'
import type { ReplicaGroup } from './replica-group.ts'
import type { ForwardPolicy } from './forward-policy.ts'

/** Below this a hedge would be a second request to everybody. */
const DELAY_MS_MIN = 5

/** After how many milliseconds a second endpoint is asked; Infinity when none is. */
export function hedgeDelayMs(
  { hedge, trialHedgeMs, firstByteMs }: ForwardPolicy,
  { latency }: ReplicaGroup,
  { why }: PickedEndpoint,
): number {
  let delayMs = Number.POSITIVE_INFINITY
  if (hedge !== undefined) delayMs = hedge.afterMs === 'p95' ? (latency.p95Ms ?? delayMs) : hedge.afterMs
  if (why === 'trial') delayMs = Math.min(delayMs, trialHedgeMs)
  return delayMs < firstByteMs ? Math.max(DELAY_MS_MIN, delayMs) : Number.POSITIVE_INFINITY
}
