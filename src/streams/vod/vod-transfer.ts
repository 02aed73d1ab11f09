import type { ServerResponse } from 'node:http'
import { backoffMs, defaultBackoff } from '../../failover/backoff.ts'
import type { Timer } from '../../lib/clock.ts'
import { resetSocket } from '../../lib/reset-socket.ts'
import type { SourceHead } from '../sources/http-client.ts'
import { rangeFrom } from './byte-range.ts'
import { isRecognisable, judgeResumption, strongTag } from './entity.ts'
import type { Entity, Part } from './entity.ts'
import { sourcesFrom } from './source-order.ts'
import type { ServeVodOptions, VodSource } from './vod-options.ts'
import { VodUpstream } from './vod-upstream.ts'
import type { HeadVerdict, VodFailure } from './vod-upstream.ts'

/** Attempts to go on after a source failed in the middle, before the viewer is cut. */
const RESUME_ATTEMPTS_MAX = 5
/** So many bytes after a failure the next one counts as another incident, with attempts of its own. */
const INCIDENT_PROGRESS_BYTES = 262_144

export interface VodTransferOptions extends ServeVodOptions {
  /** The source that `upstream` is connected to, and the piece that it delivers. */
  readonly source: VodSource
  readonly part: Part
  readonly upstream: VodUpstream
}

/**
 * The body of one answer on its way to one viewer. It holds exactly one upstream at a time; when that breaks it goes on
 * at the same byte, on the same URL and then on the others, only where the entity is provably the same. What cannot be
 * completed is cut, so that the viewer knows: it never ends short as if it were whole.
 */
export class VodTransfer {
  readonly #options: VodTransferOptions
  readonly #response: ServerResponse
  readonly #abort = new AbortController()
  /** URLs that turned out to hold something else, by index. */
  readonly #mismatched = new Set<number>()
  #entity: Entity
  #source: VodSource
  #upstream: VodUpstream | undefined
  /** The next byte of the entity that the viewer has not been given. */
  #position: number
  /** Past the last byte that the viewer was promised. */
  #endByte: number | undefined
  /** A failure that waits until the viewer reads again: nobody needs a source meanwhile. */
  #pendingFailure: VodFailure | undefined
  #attempts = 0
  #incidentAtByte = -Infinity
  #isViewerFull = false
  #viewerTimer: Timer | undefined
  #isDone = false
  readonly #onDrain = () => this.#viewerReads()
  readonly #onClose = () => this.#stop()
  readonly #onAbort = () => this.#cut('the stream was closed')

  constructor(options: VodTransferOptions) {
    const { part, source, upstream, viewRequest } = options
    this.#options = options
    this.#response = viewRequest.response
    this.#entity = part.entity
    this.#source = source
    this.#upstream = upstream
    this.#position = part.startByte
    this.#endByte = part.endByte
  }

  begin(): void {
    const { signal } = this.#options
    if (signal.aborted || this.#response.destroyed) {
      this.#cut('the stream was closed')
      return
    }
    signal.addEventListener('abort', this.#onAbort, { once: true })
    this.#response.on('drain', this.#onDrain)
    this.#response.once('close', this.#onClose)
    // A connection that breaks under a write says so here; 'close' follows.
    this.#response.on('error', () => this.#stop())
    this.#flow()
  }

  #flow(): void {
    this.#upstream?.flow({
      data: (chunk) => this.#deliver(chunk),
      end: () => this.#ended(),
      failed: (failure) => this.#failed(failure),
    })
  }

  #deliver(chunk: Buffer): boolean {
    if (this.#isDone || this.#response.destroyed) return false
    const leftBytes = (this.#endByte ?? Infinity) - this.#position
    const wanted = chunk.length > leftBytes ? chunk.subarray(0, leftBytes) : chunk
    this.#position += wanted.length
    const hasRoom = this.#response.write(wanted)
    this.#options.onBytes(wanted.length)
    if (this.#position === this.#endByte) {
      this.#complete()
      return false
    }
    if (hasRoom) return true
    this.#isViewerFull = true
    const { network, limits } = this.#options
    this.#viewerTimer?.cancel()
    this.#viewerTimer = network.clock.schedule(limits.vodViewerStallMs, () =>
      this.#cut(`the viewer took no byte for ${limits.vodViewerStallMs} ms`),
    )
    return false
  }

  #viewerReads(): void {
    this.#isViewerFull = false
    this.#viewerTimer?.cancel()
    const failure = this.#pendingFailure
    this.#pendingFailure = undefined
    if (failure !== undefined) void this.#resume(failure)
    else this.#upstream?.resume()
  }

  #ended(): void {
    // Without an announced length an orderly end is the end.
    if (this.#endByte === undefined) this.#complete()
    else this.#failed({ reason: 'incomplete_body', message: 'ended its body too early', status: undefined })
  }

  #complete(): void {
    this.#stop()
    this.#response.end()
  }

  #failed(failure: VodFailure): void {
    this.#upstream = undefined
    if (this.#isDone) return
    if (this.#options.signal.aborted) this.#onAbort()
    else if (this.#isViewerFull) this.#pendingFailure = failure
    else void this.#resume(failure)
  }

  /** Never rejects: it ends with a source that delivers, or with the viewer cut. */
  async #resume(cause: VodFailure): Promise<void> {
    if (!this.#options.part.isResumable || !isRecognisable(this.#entity)) {
      this.#cut(`${cause.message}, and nothing tells where to go on`)
      return
    }
    if (this.#position - this.#incidentAtByte >= INCIDENT_PROGRESS_BYTES) this.#attempts = 0
    this.#incidentAtByte = this.#position
    let last = cause
    for (const candidate of this.#candidates()) {
      if (this.#attempts > 0 && !(await this.#backOff())) return
      this.#attempts += 1
      const failure = await this.#attempt(candidate, cause)
      if (failure === undefined || this.#isDone) return
      last = failure
      if (failure.reason !== 'entity_mismatch') continue
      this.#mismatched.add(candidate.index)
      this.#attempts -= 1
    }
    this.#cut(`${cause.message}, and no source could go on (last: ${last.message})`)
  }

  /**
   * The same URL first, then the others in turn; each turn uses up an attempt or strikes a source out. One that broke
   * again within the same incident gives way at once, or it would use up every attempt by delivering a little each time.
   */
  *#candidates(): Generator<VodSource> {
    const order = sourcesFrom(this.#options.sources, this.#source.index)
    const attemptsMax = Math.max(RESUME_ATTEMPTS_MAX, order.length + 1)
    const firstTurn = this.#attempts > 0 ? 1 : 0
    for (let turn = firstTurn; this.#attempts < attemptsMax && this.#mismatched.size < order.length; turn += 1) {
      const source = order[turn % order.length]
      if (source !== undefined && !this.#mismatched.has(source.index)) yield source
    }
  }

  async #backOff(): Promise<boolean> {
    const { network, random } = this.#options
    try {
      await network.clock.sleep(backoffMs(defaultBackoff, this.#attempts - 1, random), this.#abort.signal)
      return true
    } catch {
      // The viewer went away meanwhile.
      return false
    }
  }

  /** Undefined when the rest flows again. */
  async #attempt(candidate: VodSource, cause: VodFailure): Promise<VodFailure | undefined> {
    const { sources, headers, userAgent, operatorHosts, limits, network } = this.#options
    const isSameSource = candidate.index === this.#source.index
    const etag = isSameSource ? strongTag(this.#entity.etag) : undefined
    const startTimeoutMs = sources.length > 1 ? limits.firstByteTimeoutMs : limits.readTimeoutMs
    let part: Part | undefined
    const upstream = new VodUpstream({
      request: {
        url: candidate.url,
        method: 'GET',
        headers: etag === undefined ? headers : { ...headers, 'if-range': etag },
        userAgent,
        range: rangeFrom(this.#position, this.#endByte),
        connectTimeoutMs: Math.min(limits.connectTimeoutMs, startTimeoutMs),
        operatorHosts,
        signal: this.#abort.signal,
      },
      startTimeoutMs,
      stallTimeoutMs: limits.vodReadTimeoutMs,
      network,
      judge: (head) => {
        const verdict = this.#judge(head, isSameSource)
        if (verdict.kind === 'same') part = verdict.part
        return verdict.kind === 'same' ? { kind: 'body' } : verdict
      },
    })
    this.#upstream = upstream
    const start = await upstream.started
    if (start.kind === 'failed' || part === undefined || this.#isDone) {
      upstream.close()
      this.#upstream = undefined
      return start.kind === 'failed' ? start.failure : { reason: 'aborted', message: 'was closed', status: undefined }
    }
    this.#arrived(candidate, part, cause)
    this.#flow()
    return undefined
  }

  #judge(
    head: SourceHead,
    isSameSource: boolean,
  ): { readonly kind: 'same'; readonly part: Part } | Extract<HeadVerdict, { kind: 'failed' }> {
    const { status } = head
    if (status !== 200 && status !== 206 && status !== 416) {
      return { kind: 'failed', failure: { reason: `http_${status}`, message: `answered ${status}`, status } }
    }
    const verdict = judgeResumption(this.#entity, this.#position, head, isSameSource)
    if (verdict.kind === 'same') return verdict
    return { kind: 'failed', failure: { reason: 'entity_mismatch', message: verdict.why, status } }
  }

  #arrived(to: VodSource, part: Part, cause: VodFailure): void {
    const { log, onFailover, viewRequest } = this.#options
    const from = this.#source
    this.#source = to
    // The rest may say what the beginning did not.
    this.#endByte ??= part.entity.totalBytes
    this.#entity = { ...this.#entity, totalBytes: this.#entity.totalBytes ?? part.entity.totalBytes }
    const atByte = this.#position
    log.info('vod_resumed', `VOD goes on at byte ${atByte} after: ${cause.message}`, {
      stream_id: viewRequest.streamId,
      from: from.index,
      to: to.index,
      reason: cause.reason,
      at_byte: atByte,
    })
    if (to.index !== from.index) {
      onFailover({ fromIndex: from.index, toIndex: to.index, reason: cause.reason, atByte })
    }
  }

  /** Ends the viewer's connection so that it shows that something is missing. */
  #cut(why: string): void {
    if (this.#isDone) return
    this.#stop()
    const { log, viewRequest } = this.#options
    log.warn('vod_viewer_cut', `VOD viewer cut at byte ${this.#position}: ${why}`, {
      stream_id: viewRequest.streamId,
      at_byte: this.#position,
    })
    // A body that only its close delimits (HTTP/1.0) would look whole after an orderly one.
    if (!this.#response.hasHeader('content-length') && !this.#response.chunkedEncoding) {
      resetSocket(this.#response.socket)
    }
    this.#response.destroy()
  }

  #stop(): void {
    if (this.#isDone) return
    this.#isDone = true
    this.#viewerTimer?.cancel()
    this.#upstream?.close()
    this.#upstream = undefined
    this.#abort.abort()
    this.#options.signal.removeEventListener('abort', this.#onAbort)
    this.#response.off('drain', this.#onDrain)
    this.#response.off('close', this.#onClose)
  }
}
