import { HoldfastError } from '../lib/errors.ts'
import type { ErrorCode } from '../lib/errors.ts'
import { conditionOf } from './detect/policy.ts'
import type { SessionFailure } from './sources/session.ts'

/** What a waiting viewer is told when the last source failed for this reason. */
const CODE_OF_REASON: Readonly<Record<string, ErrorCode>> = {
  refused: 'upstream_unreachable',
  dns: 'upstream_unreachable',
  tls: 'upstream_unreachable',
  reset: 'upstream_unreachable',
  process_unavailable: 'upstream_unreachable',
  process_failed: 'upstream_unreachable',
  connect_timeout: 'upstream_timeout',
  answer_timeout: 'upstream_timeout',
  no_media: 'upstream_timeout',
  stalled: 'upstream_timeout',
  not_media: 'upstream_not_media',
  empty_body: 'upstream_not_media',
  container_mismatch: 'upstream_not_media',
  ended: 'upstream_ended',
  incomplete_body: 'upstream_ended',
  address_forbidden: 'upstream_address_forbidden',
}

/** A source that cannot even be asked. */
export const NO_CONNECTION_LEFT: SessionFailure = {
  reason: 'no_connection_left',
  message: 'its account has as many connections open as it allows',
  status: undefined,
  detectionMs: 0,
  evidence: {},
}

/**
 * The error for viewers of a stream that cannot start; names each source by its place, never by its URL, and its reason
 * without what it sent, because viewers need not be trusted. `waitingIndex` is the source that was being tried.
 */
export function cannotStart(
  failures: ReadonlyMap<number, Pick<SessionFailure, 'reason'>>,
  waitingIndex: number,
): HoldfastError {
  const last = [...failures.values()].at(-1)
  if (last === undefined) {
    return new HoldfastError(
      'upstream_timeout',
      `The stream did not start in time (${labelOf(waitingIndex)}: no answer yet)`,
    )
  }
  const tried = [...failures]
    .toSorted(([left], [right]) => left - right)
    .map(([index, failure]) => `${labelOf(index)}: ${failure.reason.replaceAll('_', ' ')}`)
    .join('; ')
  return new HoldfastError(
    CODE_OF_REASON[last.reason] ?? (conditionOf(last.reason) === undefined ? 'upstream_refused' : 'upstream_not_media'),
    `The stream cannot start, no source delivers (${tried})`,
  )
}

/** Words for the failure as m3u-proxy's logs have them, so that searches for them still find something. */
export function logNameOf(failure: SessionFailure): string {
  if (conditionOf(failure.reason) !== undefined) return 'StreamError'
  if (/timeout|stalled|no_media/.test(failure.reason)) return 'TimeoutException'
  if (failure.status !== undefined && failure.status >= 400) return 'HTTPStatusError'
  if (/refused|dns|tls/.test(failure.reason)) return 'ConnectError'
  return /reset|incomplete/.test(failure.reason) ? 'ReadError' : 'StreamError'
}

function labelOf(index: number): string {
  return index === 0 ? 'primary' : `failover ${index}`
}
