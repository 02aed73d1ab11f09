import type { Json } from '../../store/store.ts'
import type { SeamMeasure } from '../seam-meter.ts'

/**
 * The record of one switch of the source on air, or of an outage that the same source ended by itself (`trigger`
 * `retry`): why, how long, what viewers missed, who asked. Durations in milliseconds, times in milliseconds since
 * 1970-01-01 UTC; undefined where there was nothing to measure.
 */
export interface SwitchReceipt {
  /** UUID. */
  readonly receiptId: string
  readonly streamId: string
  /** The epoch that began with the switch. */
  readonly epoch: number
  readonly decidedWallMs: number
  readonly settledWallMs: number
  readonly from: ReceiptSource | undefined
  readonly to: ReceiptSource
  /** failover, retry, manual, failback, revert, pin, priority. */
  readonly trigger: string
  /** The failure or wish that it began with. */
  readonly reason: string
  readonly message: string | undefined
  readonly evidence: { readonly [key: string]: Json }
  /** Who asked, for a switch by hand. */
  readonly by: string | undefined
  readonly attempts: number
  /** From the last sign of life of the old source to the decision that it had failed. */
  readonly detectionMs: number | undefined
  /** From opening the new source to the head of its answer; undefined when it was connected before. */
  readonly connectMs: number | undefined
  /** The new source was received before it was needed. */
  readonly wasStandby: boolean
  /** Undefined when nobody was watching, or nothing went before. */
  readonly measured: SeamMeasure | undefined
  readonly viewers: number
  /** It was part of a rehearsal. */
  readonly isDrill: boolean
}

export interface ReceiptSource {
  readonly url: string
  /** 0 is the primary, 1 the first failover URL. */
  readonly index: number
}

/** A receipt as events, webhooks and the API show it. */
export function receiptObject(receipt: SwitchReceipt): { readonly [key: string]: Json } {
  const { measured } = receipt
  return {
    receipt_id: receipt.receiptId,
    old_url: receipt.from?.url ?? null,
    new_url: receipt.to.url,
    old_index: receipt.from?.index ?? null,
    failover_index: receipt.to.index,
    cause: receipt.trigger,
    reason: receipt.reason,
    message: receipt.message ?? null,
    evidence: receipt.evidence,
    epoch: receipt.epoch,
    attempts: receipt.attempts,
    decided_at: new Date(receipt.decidedWallMs).toISOString(),
    settled_at: new Date(receipt.settledWallMs).toISOString(),
    detection_ms: rounded(receipt.detectionMs),
    connect_ms: rounded(receipt.connectMs),
    was_standby: receipt.wasStandby,
    gap_ms: rounded(measured?.gapMs),
    outage_ms: rounded(measured?.outageMs),
    slate_ms: rounded(measured?.slateMs),
    media_jump_ms: rounded(measured?.mediaJumpMs),
    units_dropped: measured?.unitsDropped ?? null,
    audio_hole_ms: rounded(measured?.audioHoleMs),
    audio_filled_ms: rounded(measured?.audioFilledMs),
    seam: measured?.seam ?? null,
    viewers: receipt.viewers,
    by: receipt.by ?? null,
    drill: receipt.isDrill,
  }
}

function rounded(durationMs: number | undefined): number | null {
  return durationMs === undefined ? null : Math.round(durationMs)
}
