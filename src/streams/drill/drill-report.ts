import type { Json } from '../../store/store.ts'
import { receiptObject } from '../receipts/receipt.ts'
import type { SwitchReceipt } from '../receipts/receipt.ts'
import type { DrillMode } from './drill-mode.ts'
import type { MediaVerdict } from './media-verdict.ts'

/**
 * `seamless`: one connection, one legal programme, no pause that a player's buffer does not cover. `visible`: the channel
 * stayed on air, and viewers may have noticed. `failed`: it did not do what a failover is there for.
 */
export type DrillVerdict = 'seamless' | 'visible' | 'failed'

export interface DrillStep {
  readonly name: 'out' | 'back'
  readonly receipt: SwitchReceipt
}

/** How the source that the drill leads to was found to be good. Durations in milliseconds. */
export type Verification =
  | { readonly kind: 'received' }
  | {
      readonly kind: 'probed'
      readonly connectMs: number
      readonly firstMediaMs: number
      readonly firstJoinMs: number | undefined
    }

export interface DrillReport {
  /** UUID. */
  readonly drillId: string
  readonly streamId: string
  readonly mode: DrillMode
  readonly by: string
  readonly beganWallMs: number
  readonly endedWallMs: number
  readonly verified: Verification
  readonly steps: readonly DrillStep[]
  /** Viewers connected at the begin, at the end, and of the former those that still were at the end. */
  readonly viewers: { readonly before: number; readonly after: number; readonly kept: number }
  /** Undefined where the media cannot be looked into. */
  readonly media: MediaVerdict | undefined
  readonly verdict: DrillVerdict
  /** What speaks against `seamless`, in words. */
  readonly findings: readonly string[]
}

/** A report as the API, the journal and the store have it. */
export function drillObject(report: DrillReport): { readonly [key: string]: Json } {
  const { verified, media, viewers } = report
  return {
    drill_id: report.drillId,
    stream_id: report.streamId,
    mode: report.mode,
    by: report.by,
    began_at: new Date(report.beganWallMs).toISOString(),
    ended_at: new Date(report.endedWallMs).toISOString(),
    verdict: report.verdict,
    findings: report.findings,
    target:
      verified.kind === 'received'
        ? { verified: 'received' }
        : {
            verified: 'probed',
            connect_ms: Math.round(verified.connectMs),
            first_media_ms: Math.round(verified.firstMediaMs),
            first_keyframe_ms: verified.firstJoinMs === undefined ? null : Math.round(verified.firstJoinMs),
          },
    steps: report.steps.map(({ name, receipt }) => ({ step: name, ...receiptObject(receipt) })),
    viewers: { ...viewers },
    media: media === undefined ? null : mediaObject(media),
  }
}

function mediaObject(media: MediaVerdict): Json {
  return {
    watched_ms: media.watchedMs === undefined ? null : Math.round(media.watchedMs),
    packets: media.packets,
    continuity_errors: media.continuityErrors,
    dts_step_max_ms: media.dtsStepMaxMs === undefined ? null : Number(media.dtsStepMaxMs.toFixed(1)),
    clock_errors: media.clockErrors,
    timestamp_errors: media.timestampErrors,
    table_changes: media.tableChanges,
    findings: media.findings.map(({ code, name, severity, pid, count, before, worst, unit, detail }) => ({
      ...{ code, name, severity, count, before },
      pid: pid ?? null,
      worst: worst ?? null,
      unit: unit ?? null,
      detail: detail ?? null,
    })),
  }
}
