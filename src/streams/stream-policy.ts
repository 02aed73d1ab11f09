import { defaultFailback } from '../failover/group.ts'
import type { GroupPolicy } from '../failover/group.ts'
import type { StreamLimits } from './stream-context.ts'
import type { StreamRequest } from './service.ts'

/** The gateway's policy, with what one stream asks for. */
export function streamPolicyOf(
  gateway: GroupPolicy,
  { failback, standby }: StreamRequest,
  { probeIntervalMs, standbyCheckMs }: Pick<StreamLimits, 'probeIntervalMs' | 'standbyCheckMs'>,
): GroupPolicy {
  const { kind, probationMs, holdDownMs } = failback
  return {
    ...gateway,
    failback:
      kind === 'auto'
        ? {
            ...defaultFailback,
            probationMs,
            holdDownMs,
            holdDownMsMax: Math.max(defaultFailback.holdDownMsMax, holdDownMs),
          }
        : { kind },
    probe: {
      intervalMs: probeIntervalMs,
      standbyIntervalMs: standbyCheckMs,
      watch: standby === 'cold' ? 'none' : 'all',
    },
  }
}
