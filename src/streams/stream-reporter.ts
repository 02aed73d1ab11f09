import type { EventSink } from '../events/event.ts'
import type { SwitchMeasures } from '../http/metrics.ts'
import type { Log } from '../lib/log.ts'
import { errorMessage } from '../lib/errors.ts'
import { redactUrl } from '../lib/redact.ts'
import type { Finding } from './detect/conditions.ts'
import { conditionOf } from './detect/policy.ts'
import { logNameOf } from './failures.ts'
import { receiptObject } from './receipts/receipt.ts'
import type { SwitchReceipt } from './receipts/receipt.ts'
import type { StopReason } from './service.ts'
import type { SessionFailure } from './sources/session.ts'
import type { Source } from './sources/source-list.ts'
import type { ProbeResult } from './standby/source-probe.ts'

/** What the streams hall measures; the gateway hands it to its metrics registry. */
export interface StreamMetrics {
  /** A switch settled, other than in a drill. */
  switched(measures: SwitchMeasures): void
  sourceFailed(reason: string): void
  /** A condition of a source on which something was done. */
  sourceCondition(condition: string, action: 'fail' | 'warn'): void
}

interface ReportedViewer {
  readonly clientId: string
  readonly userAgent: string
  readonly ipAddress: string
  readonly username: string | undefined
}

interface ReporterOptions {
  readonly streamId: string
  readonly events: EventSink
  readonly log: Log
  readonly metrics: StreamMetrics
  readonly metadata: () => Readonly<Record<string, string>>
}

/** Says what happens to one stream: to the journal, the log and the metrics, in the words that each of them uses. */
export class StreamReporter {
  readonly #options: ReporterOptions

  constructor(options: ReporterOptions) {
    this.#options = options
  }

  started(source: Source, clientCount: number): void {
    const { streamId, events, log } = this.#options
    events.emit('stream_started', streamId, {
      url: source.url,
      failover_index: source.index,
      client_count: clientCount,
    })
    log.info('stream_started', `Stream ${streamId} is on air`, { stream_id: streamId, url: redactUrl(source.url) })
  }

  stopped(reason: StopReason, bytesServed: number): void {
    const { streamId, events, log } = this.#options
    events.emit('stream_stopped', streamId, { reason, total_bytes_served: bytesServed })
    log.info('stream_stopped', `Stream ${streamId} stopped (${reason})`, { stream_id: streamId, reason })
  }

  sourceFailed(source: Source, failure: SessionFailure, clientId: string | undefined): void {
    const { streamId, log, metrics } = this.#options
    if (failure.isRehearsal === true) {
      log.info('failure_rehearsed', `A drill makes source ${source.index} of stream ${streamId} look failed`, {
        stream_id: streamId,
        reason: failure.reason,
        detection_ms: Math.round(failure.detectionMs),
      })
      return
    }
    metrics.sourceFailed(failure.reason)
    const condition = conditionOf(failure.reason)
    if (condition !== undefined) metrics.sourceCondition(condition, 'fail')
    log.warn('source_failed', `Stream error for client ${clientId ?? 'none'}: ${logNameOf(failure)}`, {
      stream_id: streamId,
      url: redactUrl(source.url),
      reason: failure.reason,
      detail: failure.message,
      detection_ms: Math.round(failure.detectionMs),
    })
  }

  /** Something is wrong with what the source sends, and it stays on air. */
  sourceWarned(source: Source, { condition, message, evidence, sinceMs, detectedMs }: Finding): void {
    const { streamId, events, log, metrics } = this.#options
    const detectionMs = Math.round(detectedMs - sinceMs)
    metrics.sourceCondition(condition, 'warn')
    events.emit('source_warning', streamId, {
      url: source.url,
      failover_index: source.index,
      condition,
      message,
      detection_ms: detectionMs,
      evidence,
    })
    log.warn('source_warning', `Source ${source.index} of stream ${streamId} ${message}`, {
      stream_id: streamId,
      url: redactUrl(source.url),
      condition,
      detection_ms: detectionMs,
    })
  }

  failoverTriggered(
    move: { readonly from: Source | undefined; readonly to: Source; readonly reason: string; readonly attempt: number },
    context: {
      readonly epoch: number
      readonly attemptsMax: number
      readonly clientCount: number
      readonly clientId: string | undefined
      readonly isDrill?: boolean
    },
  ): void {
    const { streamId, events, log } = this.#options
    const { from, to, reason, attempt } = move
    events.emit('failover_triggered', streamId, {
      old_url: from?.url ?? null,
      new_url: to.url,
      failover_index: to.index,
      attempt_number: attempt,
      reason,
      client_count: context.clientCount,
      epoch: context.epoch,
      drill: context.isDrill ?? false,
    })
    const fields = { stream_id: streamId, reason, to: redactUrl(to.url), failover_index: to.index }
    if (reason === 'manual') {
      log.info('failover_requested', `Manual failover of stream ${streamId} to source ${to.index}`, fields)
      return
    }
    const attempts = `attempt ${attempt}/${Math.max(context.attemptsMax, attempt)}`
    const client = context.clientId ?? 'none'
    log.info('failover_attempt', `Attempting automatic failover for client ${client} (${attempts})`, fields)
  }

  switched(receipt: SwitchReceipt): void {
    const { streamId, events, log, metrics } = this.#options
    const { reason, trigger, to, measured, detectionMs, isDrill } = receipt
    if (!isDrill) {
      const { gapMs, outageMs, seam } = measured ?? { gapMs: undefined, outageMs: undefined, seam: undefined }
      metrics.switched({ reason, cause: trigger, detectionMs, gapMs, outageMs, seam })
    }
    events.emit('switch_completed', streamId, receiptObject(receipt))
    log.info('switch_completed', `Failover of stream ${streamId} to source ${to.index} completed`, {
      stream_id: streamId,
      cause: trigger,
      reason,
      url: redactUrl(to.url),
      detection_ms: detectionMs === undefined ? undefined : Math.round(detectionMs),
      gap_ms: measured === undefined ? undefined : Math.round(measured.gapMs),
      seam: measured?.seam,
    })
  }

  /** The source that stands by, received all the time, failed. */
  standbyFailed(source: Source, failure: SessionFailure): void {
    this.#options.log.warn('standby_failed', `Standby ${source.index} of stream ${this.#options.streamId} failed`, {
      stream_id: this.#options.streamId,
      url: redactUrl(source.url),
      reason: failure.reason,
      detail: failure.message,
    })
  }

  /** Somebody looked at a source that is not on air. */
  sourceProbed(source: Source, result: ProbeResult): void {
    this.#options.log.debug(
      'source_probed',
      `Source ${source.index} of stream ${this.#options.streamId} was looked at`,
      {
        stream_id: this.#options.streamId,
        url: redactUrl(source.url),
        result: result.kind,
        reason: result.kind === 'bad' ? result.failure.reason : undefined,
      },
    )
  }

  /** A switch between two of the sources would be noticed by players. */
  incompatible(warning: string): void {
    const { streamId, events, log } = this.#options
    events.emit('source_warning', streamId, { condition: 'incompatible_sources', message: warning })
    log.warn('incompatible_sources', `Stream ${streamId}: ${warning}`, { stream_id: streamId })
  }

  slateShown(clientCount: number): void {
    const { streamId, events, log } = this.#options
    events.emit('slate_shown', streamId, { client_count: clientCount })
    log.warn('slate_shown', `No source of stream ${streamId} delivers, its viewers see a slate`, {
      stream_id: streamId,
      clients: clientCount,
    })
  }

  slateUnavailable(error: unknown): void {
    const { streamId, log } = this.#options
    log.warn('slate_unavailable', `There is no slate for stream ${streamId}`, {
      stream_id: streamId,
      detail: errorMessage(error),
    })
  }

  healthChanged(source: Source, from: string, to: string, reason: string): void {
    const { streamId, events, log } = this.#options
    events.emit('source_health_changed', streamId, { url: source.url, failover_index: source.index, from, to, reason })
    log.info('source_health_changed', `Source ${source.index} of stream ${streamId} is ${to}`, {
      stream_id: streamId,
      url: redactUrl(source.url),
      from,
      to,
      reason,
    })
  }

  /** Every source failed: the viewers that waited were refused, or those that watched were let go. */
  failed(failure: SessionFailure | undefined, clientCount: number, reason: string, hasFailover: boolean): void {
    const { streamId, events, log } = this.#options
    events.emit('stream_failed', streamId, {
      error: failure?.message ?? 'no source delivers',
      error_type: failure === undefined ? 'TimeoutException' : logNameOf(failure),
      reason,
      client_count: clientCount,
      no_failover: !hasFailover,
    })
    log.error('stream_failed', `Stream ${streamId} failed, no source delivers (failover exhausted)`, {
      stream_id: streamId,
      reason,
      detail: failure?.message,
      clients: clientCount,
    })
  }

  clientConnected(viewer: ReportedViewer, clientCount: number): void {
    const { streamId, events, metadata } = this.#options
    events.emit('client_connected', streamId, {
      ...clientFields(viewer, clientCount),
      metadata: metadata(),
    })
  }

  clientDisconnected(
    viewer: ReportedViewer & { readonly bytesServed: number; readonly skips: number },
    clientCount: number,
  ): void {
    const { streamId, events, log, metadata } = this.#options
    events.emit('client_disconnected', streamId, {
      ...clientFields(viewer, clientCount),
      bytes_served: viewer.bytesServed,
      metadata: metadata(),
    })
    log.debug('client_disconnected', `Client ${viewer.clientId} left stream ${streamId}`, {
      stream_id: streamId,
      bytes_served: viewer.bytesServed,
      skips: viewer.skips,
    })
  }

  viewerDropped(viewer: ReportedViewer, reason: string): void {
    this.#options.log.warn('viewer_dropped', `Client ${viewer.clientId} took nothing for too long and was dropped`, {
      stream_id: this.#options.streamId,
      reason,
    })
  }
}

/** What events tell of a viewer. */
function clientFields(viewer: ReportedViewer, clientCount: number) {
  return {
    client_id: viewer.clientId,
    user_agent: viewer.userAgent,
    ip_address: viewer.ipAddress,
    username: viewer.username ?? null,
    stream_client_count: clientCount,
  }
}
