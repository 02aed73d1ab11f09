import type { RetriableError } from '../../failover/retry-policy.ts'
import type { ErrorCode } from '../../lib/errors.ts'
import type { UpstreamFailureKind } from '../wire/upstream-failure.ts'

interface FailureWords {
  /** What the retry policy calls it. */
  readonly retry: RetriableError | 'other'
  /** What the client is told when nothing else is left. */
  readonly code: ErrorCode
}

/** What becomes of each way in which an attempt can fail (timeout: 504, everything else of the upstream's: 502). */
export const failureWords: Readonly<Record<UpstreamFailureKind, FailureWords>> = {
  refused: { retry: 'connection_refused', code: 'endpoint_unreachable' },
  dns: { retry: 'connection_refused', code: 'endpoint_unreachable' },
  tls: { retry: 'connection_refused', code: 'endpoint_unreachable' },
  unreachable: { retry: 'connection_refused', code: 'endpoint_unreachable' },
  connect_timeout: { retry: 'timeout', code: 'endpoint_timeout' },
  first_byte_timeout: { retry: 'timeout', code: 'endpoint_timeout' },
  idle_timeout: { retry: 'timeout', code: 'endpoint_timeout' },
  reset_before_response: { retry: 'connection_reset', code: 'endpoint_broken' },
  truncated: { retry: 'broken_pipe', code: 'endpoint_broken' },
  malformed_response: { retry: 'broken_pipe', code: 'endpoint_broken' },
  fault: { retry: 'other', code: 'internal_error' },
}
