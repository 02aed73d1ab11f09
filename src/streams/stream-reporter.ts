import type { EventSink } from '../events/event.ts'
import type { Log } from '../lib/log.ts'
import { redactUrl } from '../lib/redact.ts'
import type { Finding } from './detect/conditions.ts'
import { logNameOf } from './failures.ts'
import type { StopReason } from './service.ts'
import type { SessionFailure } from './sources/session.ts'
import type { Source } from './sources/source-list.ts'

/** What the streams hall measures; the gateway hands it to its metrics registry. */
export interface StreamMetrics {
  /** A switch settled. Durations in milliseconds; `gapMs` is undefined when nobody was watching. */
  switched(reason: string, cause: string, detectionMs: number | undefined, gapMs: number | undefined): void
  sourceFailed(reason: string): void
}

/** The receipt of a switch that has settled. */
export interface SwitchReport {
  readonly from: Source | undefined
  readonly to: Source
  readonly cause: string
  readonly reason: string
  readonly epoch: number
  readonly attempts: number
  readonly failure: SessionFailure | undefined
  readonly connectMs: number | undefined
  readonly gapMs: number | undefined
  readonly by: string | undefined
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
    metrics.sourceFailed(failure.reason)
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
    const { streamId, events, log } = this.#options
    const detectionMs = Math.round(detectedMs - sinceMs)
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

  switched(report: SwitchReport): void {
    const { streamId, events, log, metrics } = this.#options
    const { from, to, failure, gapMs, connectMs } = report
    const detectionMs = failure === undefined ? undefined : Math.round(failure.detectionMs)
    const rounded = gapMs === undefined ? undefined : Math.round(gapMs)
    metrics.switched(report.reason, report.cause, failure?.detectionMs, gapMs)
    events.emit('switch_completed', streamId, {
      old_url: from?.url ?? null,
      new_url: to.url,
      failover_index: to.index,
      cause: report.cause,
      reason: report.reason,
      epoch: report.epoch,
      attempts: report.attempts,
      detection_ms: detectionMs ?? null,
      connect_ms: connectMs === undefined ? null : Math.round(connectMs),
      gap_ms: rounded ?? null,
      evidence: failure?.evidence ?? {},
      by: report.by ?? null,
    })
    log.info('switch_completed', `Failover of stream ${streamId} to source ${to.index} completed`, {
      stream_id: streamId,
      cause: report.cause,
      reason: report.reason,
      url: redactUrl(to.url),
      detection_ms: detectionMs,
      gap_ms: rounded,
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
      client_id: viewer.clientId,
      user_agent: viewer.userAgent,
      ip_address: viewer.ipAddress,
      username: viewer.username ?? null,
      stream_client_count: clientCount,
      metadata: metadata(),
    })
  }

  clientDisconnected(
    viewer: ReportedViewer & { readonly bytesServed: number; readonly skips: number },
    clientCount: number,
  ): void {
    const { streamId, events, log, metadata } = this.#options
    events.emit('client_disconnected', streamId, {
      client_id: viewer.clientId,
      user_agent: viewer.userAgent,
      ip_address: viewer.ipAddress,
      username: viewer.username ?? null,
      stream_client_count: clientCount,
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
