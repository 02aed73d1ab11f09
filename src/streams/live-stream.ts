import type { CandidateId, Receipt } from '../failover/group.ts'
import type { Timer } from '../lib/clock.ts'
import { HoldfastError } from '../lib/errors.ts'
import type { Audience } from './audience.ts'
import { LiveChannel } from './drill/live-channel.ts'
import { cannotStart } from './failures.ts'
import { Feed } from './feed.ts'
import type { Entry } from './feed-options.ts'
import { LiveOutput } from './live-output.ts'
import { LiveSources } from './live-sources.ts'
import { Outage } from './outage.ts'
import { settledReceipt } from './receipts/settled-receipt.ts'
import type {
  ClientSnapshot,
  FailoverResult,
  StopReason,
  StreamRequest,
  StreamSnapshot,
  ViewRequest,
} from './service.ts'
import type { SessionFailure } from './sources/session.ts'
import { createSeamlessSplice, createUnitAlignedSplice } from './splice.ts'
import { StreamGroup } from './stream-group.ts'
import type { StreamEffect } from './stream-group.ts'
import type { StreamOptions } from './stream-context.ts'
import { StreamCounters } from './stream-counters.ts'
import type { StreamMemory } from './stream-counters.ts'
import { StreamReporter } from './stream-reporter.ts'
import type { Stream } from './stream.ts'
import { Viewer } from './viewer.ts'

/** Media waits so long for packets that were lost and may come from a twin; with a delay for viewers, up to half of it. */
const TWIN_HOLD_MS = 500

/**
 * One live stream: a failover group, the feed that acts on what the group decides, the ring, and the audience.
 */
export class LiveStream implements Stream {
  readonly #options: StreamOptions
  readonly #group: StreamGroup
  readonly #output: LiveOutput
  readonly #audience: Audience
  readonly #feed: Feed
  readonly #sources: LiveSources
  readonly #outage: Outage
  readonly #reporter: StreamReporter
  /** The stream as a drill works on it. */
  readonly drillChannel: LiveChannel
  readonly #abort = new AbortController()
  #request: StreamRequest
  #graceTimer: Timer | undefined
  #startTimer: Timer | undefined
  #phase: StreamSnapshot['phase'] = 'idle'
  readonly #counters: StreamCounters
  /** How the source on air came there, and after which failure. */
  #arrival: { readonly entry: Entry; readonly failure: SessionFailure | undefined } | undefined
  /** The failure that the present incident began with. */
  #incidentFailure: SessionFailure | undefined

  constructor(options: StreamOptions) {
    const { request, memory, limits, clock } = options
    this.#options = options
    this.#request = request
    this.#counters = new StreamCounters(memory, options.createdWallMs)
    this.#reporter = new StreamReporter({ ...options, metadata: () => this.#request.metadata })
    this.#output = new LiveOutput({
      ...options,
      delayMs: () => this.#request.outputDelayMs,
      isCaptured: () => this.#request.capture,
      source: () => this.#feed.source ?? this.#feed.incoming,
      countBytes: (bytes) => {
        this.#counters.bytesServed += bytes
        options.countBytes(bytes)
      },
      onDropped: (viewer, reason) => this.#reporter.viewerDropped(viewer, reason),
    })
    this.#audience = this.#output.audience
    this.#feed = new Feed({
      output: this.#output.way,
      createSplice: (container) =>
        container === 'mpegts' && this.#request.seamless ? createSeamlessSplice() : createUnitAlignedSplice(),
      clock,
      keyframeWaitMs: limits.keyframeWaitMs,
      twinHoldMs: () => Math.max(TWIN_HOLD_MS, this.#request.outputDelayMs / 2),
      openSession: (...wanted) => this.#sources.open(...wanted),
      standbyTakesOver: (source) => this.#sources.wentOnAir(source),
      listener: {
        onAir: (id, epoch, entry) => this.#sourceOnAir(id, epoch, entry),
        failed: (id, epoch, failure) => this.#sourceFailed(id, epoch, failure),
        standbyFailed: (id, failure) => this.#sources.standbyFailed(id, failure),
        flushed: () => this.#output.way.settle(true),
        shouldHoldBack: (isHeldBack) => this.#audience.shouldHoldBack(isHeldBack),
      },
    })
    this.#group = new StreamGroup({
      ...options,
      memory: memory?.group,
      signal: this.#abort.signal,
      act: (effect) => this.#act(effect),
      onSettled: () => this.#sources.arrange(),
    })
    this.#sources = new LiveSources({
      ...options,
      group: this.#group,
      feed: this.#feed,
      request: () => this.#request,
      isLive: () => this.#phase === 'live',
      expectedContainer: () => (this.#audience.isOpen ? this.#feed.container : undefined),
      reporter: this.#reporter,
    })
    this.#outage = this.#createOutage(options)
    this.drillChannel = new LiveChannel({
      ...options,
      ...{ group: this.#group, feed: this.#feed, sources: this.#sources, output: this.#output },
      request: () => this.#request,
      phase: () => this.#phase,
    })
  }

  #createOutage(options: StreamOptions): Outage {
    const { clock, limits, slates } = options
    return new Outage({
      clock,
      slates,
      slate: () => this.#request.slate,
      signature: () => (this.#request.seamless ? this.#sources.signatureOnAir : undefined),
      showSlate: (play) => {
        this.#feed.showSlate(play)
        this.#reporter.slateShown(this.#audience.size)
      },
      isSlateOn: () => this.#feed.isSlateOn,
      slateFailed: (error) => this.#reporter.slateUnavailable(error),
      keepAlive: () => {
        if (this.#feed.container === 'mpegts') this.#output.keepAlive()
      },
      holdMs: limits.viewerHoldMs,
      slateHoldMs: limits.slateHoldMs,
      letGo: () => this.#letViewersGo(),
    })
  }

  get request(): StreamRequest {
    return this.#request
  }

  get viewerCount(): number {
    return this.#audience.size
  }

  get memory(): StreamMemory {
    return this.#counters.memory(this.#group.memory)
  }

  /** Takes the stream on air without a viewer, for one that is kept open. */
  start(): void {
    if (this.#phase === 'idle') this.#begin()
  }

  async lookAtSources(): Promise<void> {
    await this.#sources.lookAtAll(this.#abort.signal)
  }

  async view({ request, response, ...client }: ViewRequest, clientId: string): Promise<void> {
    const { clock } = this.#options
    this.#counters.lastAccessWallMs = clock.wallMs()
    response.setHeader('x-client-id', clientId)
    if (request.method === 'HEAD') {
      response.writeHead(200, this.#output.head).end()
      return
    }
    const viewer = new Viewer({
      ...client,
      clientId,
      response,
      createdWallMs: clock.wallMs(),
      nowMs: () => clock.nowMs(),
      onClosed: () => this.#viewerClosed(viewer),
    })
    if (viewer.closed) return
    this.#graceTimer?.cancel()
    this.#graceTimer = undefined
    const admitted = this.#audience.add(viewer)
    this.#reporter.clientConnected(viewer, this.#audience.size)
    this.start()
    await admitted
  }

  clients(): readonly ClientSnapshot[] {
    const { clock, streamId } = this.#options
    return Array.from(this.#audience.all(), (viewer) => viewer.snapshot(streamId, clock))
  }

  disconnect(clientId: string): boolean {
    return this.#audience.cut(clientId)
  }

  /** Edits the stream in place: viewers stay, and the source on air stays if it is still in the list. */
  update(request: StreamRequest): void {
    this.#request = request
    this.#group.update(request)
    this.#output.capture.arrange()
    if (request.keepOpen) this.start()
    else this.#leaveWhenEmpty()
    this.#options.onMemoryChanged()
  }

  /** One step, or to `target` (index or URL). Throws no_failover_configured, failover_target_unknown, failover_failed. */
  async failover(target: number | string | undefined, by: string): Promise<FailoverResult> {
    const current = await this.#group.switchByHand(target, by)
    return {
      newUrl: current.url,
      failoverIndex: current.index,
      failoverAttempts: this.#counters.failoverAttempts,
      activeClients: this.#audience.size,
      kind: 'live',
    }
  }

  /** Ends the stream: viewers' connections end cleanly, sources are closed. */
  close(reason: StopReason): void {
    this.#abort.abort()
    this.#audience.refuse(new HoldfastError('stream_not_found', 'Stream not found'))
    this.#output.end()
    this.#stop(reason)
  }

  snapshot(): StreamSnapshot {
    const current = this.#group.current
    return {
      streamId: this.#options.streamId,
      kind: 'live',
      request: this.#request,
      currentUrl: current.url,
      failoverIndex: current.index,
      ...this.#counters.snapshot,
      epoch: this.#group.epoch,
      phase: this.#phase,
      isActive: this.#phase !== 'idle',
      clientCount: this.#audience.size,
      bytesReceived: this.#feed.bytesReceived,
      createdWallMs: this.#options.createdWallMs,
      sources: this.#sources.snapshots(this.#phase !== 'idle'),
      warnings: this.#sources.warnings,
      isSlateOn: this.#feed.isSlateOn,
      upstreamConnections: this.#feed.upstreamConnections,
    }
  }

  #viewerClosed(viewer: Viewer): void {
    this.#audience.remove(viewer)
    this.#counters.lastAccessWallMs = this.#options.clock.wallMs()
    this.#reporter.clientDisconnected(viewer, this.#audience.size)
    this.#leaveWhenEmpty()
  }

  #begin(): void {
    const { clock, limits } = this.#options
    this.#phase = 'starting'
    this.#group.forgetFailures()
    this.#startTimer = clock.schedule(limits.startTimeoutMs, () => this.#giveUpStarting('start_timeout'))
    this.#group.dispatch({ kind: 'started' })
  }

  #stop(reason: StopReason): void {
    if (this.#phase === 'idle') return
    this.#phase = 'idle'
    for (const timer of [this.#graceTimer, this.#startTimer]) timer?.cancel()
    this.#graceTimer = undefined
    this.#startTimer = undefined
    this.#outage.end()
    this.#group.dispatch({ kind: 'stopped' })
    this.#sources.stop()
    this.#feed.stop()
    this.#output.clear()
    this.#arrival = undefined
    this.#incidentFailure = undefined
    this.#reporter.stopped(reason, this.#counters.bytesServed)
    this.#options.onMemoryChanged()
  }

  #leaveWhenEmpty(): void {
    if (this.#audience.size > 0 || this.#request.keepOpen || this.#phase === 'idle') return
    const { clock, limits } = this.#options
    this.#graceTimer ??= clock.schedule(limits.graceMs, () => this.#stop('last_client_disconnected'))
  }

  #act(effect: StreamEffect): void {
    // Giving up on a start ends the stream in the middle of a step; what that step would have tried next is void.
    const isVoid = this.#phase === 'idle' && 'cause' in effect && effect.cause !== 'manual'
    if (isVoid) return
    switch (effect.kind) {
      case 'put_on_air':
        this.#feed.putOnAir(effect.id, effect.epoch, effect.delayMs, effect.previous !== undefined)
        return
      case 'take_off_air':
        this.#feed.stop()
        return
      case 'failover_triggered':
        this.#failoverTriggered(effect)
        return
      case 'write_receipt':
        this.#switchSettled(effect.receipt)
        return
      case 'health_changed':
        this.#reporter.healthChanged(this.#group.source(effect.id), effect.from, effect.to, effect.reason)
        return
      case 'exhausted':
        if (this.#audience.isWaiting) this.#giveUpStarting('all_sources_failed')
        return
      case 'start_probing':
        this.#sources.startProbing(effect.id, effect.intervalMs)
        return
      case 'stop_probing':
        this.#sources.stopProbing(effect.id)
        return
      default:
        effect satisfies never
    }
  }

  #failoverTriggered(effect: Extract<StreamEffect, { kind: 'failover_triggered' }>): void {
    const { clock, policy } = this.#options
    const isDrill = effect.isRehearsal ?? false
    if (!isDrill) this.#counters.countFailover(clock.wallMs())
    const move = { from: this.#group.source(effect.from), to: this.#group.source(effect.to), reason: effect.reason }
    this.#reporter.failoverTriggered(
      { ...move, attempt: effect.attempt },
      {
        epoch: effect.epoch,
        attemptsMax: policy.immediateAttempts,
        clientCount: this.#audience.size,
        clientId: this.#audience.first?.clientId,
        isDrill,
      },
    )
    this.#options.onMemoryChanged()
  }

  #switchSettled(settled: Receipt): void {
    const { clock, streamId, onSwitched, onMemoryChanged } = this.#options
    const receipt = settledReceipt(settled, {
      ...{ streamId, clock, failure: this.#arrival?.failure, entry: this.#arrival?.entry },
      from: this.#group.source(settled.from),
      to: this.#group.source(settled.to),
      viewers: this.#audience.size,
    })
    this.#reporter.switched(receipt)
    this.#output.capture.switched(receipt)
    this.drillChannel.switched(receipt)
    onSwitched(receipt)
    onMemoryChanged()
  }

  #sourceOnAir(id: CandidateId, epoch: number, entry: Entry): void {
    this.#outage.end()
    this.#startTimer?.cancel()
    this.#startTimer = undefined
    if (this.#phase === 'starting') this.#reporter.started(this.#group.source(id), this.#audience.size)
    this.#phase = 'live'
    this.#arrival = { entry, failure: this.#incidentFailure }
    this.#incidentFailure = undefined
    this.#group.dispatch({ kind: 'candidate_succeeded', id, epoch })
  }

  #sourceFailed(id: CandidateId, epoch: number, failure: SessionFailure): void {
    if (failure.isRehearsal !== true) this.#counters.errorCount += 1
    this.#incidentFailure ??= failure
    this.#reporter.sourceFailed(this.#group.source(id), failure, this.#audience.first?.clientId)
    if (this.#phase === 'live') {
      this.#phase = 'recovering'
      this.#audience.handOut()
      this.#outage.begin()
    }
    this.#group.failed(id, epoch, failure)
  }

  /** Nobody has had a byte yet and no source delivers: tells those who wait, and rests when nobody is left. */
  #giveUpStarting(reason: string): void {
    if (!this.#audience.isWaiting) return
    this.#reportFailed(reason)
    this.#audience.refuse(cannotStart(this.#group.failures(), this.#group.current.index))
    if (this.#audience.size === 0 && !this.#request.keepOpen) this.#stop('inactive_timeout')
  }

  /** The viewers have been without media for as long as they are held: their connections end cleanly. */
  #letViewersGo(): void {
    this.#reportFailed('hold_expired')
    this.#output.end()
  }

  #reportFailed(reason: string): void {
    const last = [...this.#group.failures().values()].at(-1)
    this.#reporter.failed(last, this.#audience.size, reason, this.#group.hasAlternative)
  }
}
