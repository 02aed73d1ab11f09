import { randomUUID } from 'node:crypto'
import type { Receipt } from '../../failover/group.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Arrival } from '../feed-options.ts'
import type { SessionFailure } from '../sources/session.ts'
import type { ReceiptSource, SwitchReceipt } from './receipt.ts'

export interface Circumstances {
  readonly streamId: string
  readonly clock: Clock
  readonly from: ReceiptSource
  readonly to: ReceiptSource
  /** The failure that the switch began with. */
  readonly failure: SessionFailure | undefined
  /** How the new source came on air; undefined for a stream at rest. */
  readonly entry: Arrival | undefined
  readonly viewers: number
}

/** The receipt of what the engine says has settled, with what was measured meanwhile. */
export function settledReceipt(settled: Receipt, circumstances: Circumstances): SwitchReceipt {
  const { streamId, clock, from, to, failure, entry, viewers } = circumstances
  const wallAheadMs = clock.wallMs() - clock.nowMs()
  const wasStandby = entry?.wasStandby ?? false
  return {
    receiptId: randomUUID(),
    streamId,
    epoch: settled.epoch,
    decidedWallMs: settled.decidedAtMs + wallAheadMs,
    settledWallMs: settled.settledAtMs + wallAheadMs,
    from,
    to,
    trigger: settled.trigger,
    reason: settled.reason,
    message: failure?.message,
    evidence: failure?.evidence ?? {},
    by: settled.by ?? undefined,
    attempts: settled.attempts,
    detectionMs: failure?.detectionMs,
    connectMs: wasStandby ? undefined : entry?.source?.connectMs,
    wasStandby,
    // A drill watches what it does itself.
    measured: viewers > 0 || settled.isRehearsal ? entry?.seam : undefined,
    viewers,
    isDrill: settled.isRehearsal,
  }
}
