import type { CandidateId } from '../failover/group.ts'
import { HoldfastError } from '../lib/errors.ts'
import type { Audience } from './audience.ts'
import { LiveChannel } from './drill/live-channel.ts'
import { cannotStart } from './failures.ts'
import { Feed } from './feed.ts'
import type { Arrival } from './feed-options.ts'
import type { HlsViewRequest } from './hls/hls-output.ts'
import { LiveHls } from './hls/live-hls.ts'
import { LiveConsumers } from './live-consumers.ts'
import { LiveDeadlines } from './live-deadlines.ts'
import { createLiveOutage } from './live-outage.ts'
import { LiveOutput } from './live-output.ts'
import { LiveSources } from './live-sources.ts'
import { LiveSwitches } from './live-switches.ts'
import type { Outage } from './outage.ts'
import type { OutputSink, OutputTap } from './output-tap.ts'
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
import { StreamLegs } from './stream-legs.ts'
import type { StreamEffect } from './stream-group.ts'
import type { StreamOptions } from './stream-context.ts'
import { StreamCounters } from './stream-counters.ts'
import type { StreamMemory } from './stream-counters.ts'
import { StreamReporter } from './stream-reporter.ts'
import type { Stream } from './stream.ts'

/** Media waits so long for packets that were lost and may come from a twin; with a delay for viewers, up to half of it. */
const TWIN_HOLD_MS = 500

export interface LiveStreamOptions extends StreamOptions {
  readonly kind: 'live' | 'hls'
}

/**
 * One live stream: a failover group, the feed that acts on what the group decides, the ring, and the audience.
 */
export class LiveStream implements Stream {
  readonly #options: LiveStreamOptions
  readonly #group: StreamGroup
  readonly #output: LiveOutput
  readonly #audience: Audience
  readonly #feed: Feed
  readonly #hls: LiveHls
  readonly #legs: StreamLegs
  readonly #consumers: LiveConsumers
  readonly #sources: LiveSources
  readonly #outage: Outage
  readonly #reporter: StreamReporter
  /** The stream as a drill works on it. */
  readonly drillChannel: LiveChannel
  readonly #abort = new AbortController()
  #request: StreamRequest
  readonly #deadlines: LiveDeadlines
  #phase: StreamSnapshot['phase'] = 'idle'
  readonly #counters: StreamCounters
  readonly #switches: LiveSwitches

  constructor(options: LiveStreamOptions) {
    const { request, memory } = options
    this.#options = options
    this.#request = request
    this.#counters = new StreamCounters(memory, options.createdWallMs)
    this.#deadlines = new LiveDeadlines({
      ...options,
      onStartTimeout: () => this.#giveUpStarting('start_timeout'),
      onGraceOver: () => this.#leave(),
    })
    this.#reporter = new StreamReporter({ ...options, metadata: () => this.#request.metadata })
    this.#output = new LiveOutput({
      ...options,
      delayMs: () => this.#request.outputDelayMs,
      isCaptured: () => this.#request.capture,
      source: () => this.#feed.source ?? this.#feed.incoming,
      countBytes: (bytes) => this.#countBytes(bytes),
      onDropped: (viewer, reason) => this.#reporter.viewerDropped(viewer, reason),
    })
    this.#audience = this.#output.audience
    this.#feed = this.#createFeed(options)
    this.#group = new StreamGroup({
      ...options,
      memory: memory?.group,
      signal: this.#abort.signal,
      act: (effect) => this.#act(effect),
      onSettled: () => this.#sources.arrange(),
    })
    this.#sources = new LiveSources({
      ...options,
      ...{ group: this.#group, feed: this.#feed },
      request: () => this.#request,
      hls: () => this.#hls,
      isLive: (leg) => this.#phase === 'live' && this.#legs.isRunning(leg),
      expectedContainer: () => (this.#audience.isOpen ? this.#feed.container : undefined),
      reporter: this.#reporter,
    })
    this.#hls = this.#createHls(options)
    this.#consumers = new LiveConsumers({
      ...options,
      ...{ output: this.#output, hls: this.#hls, counters: this.#counters, reporter: this.#reporter },
      request: () => this.#request,
      onCame: () => {
        this.start()
        if (this.#audience.isWaiting) this.#deadlines.awaitMedia()
      },
      onLeft: () => this.#leaveWhenEmpty(),
      onRejected: (failure) => this.#feed.reject(failure),
    })
    this.#legs = new StreamLegs([
      { leg: this.#feed, isWanted: () => this.#consumers.wantContinuous, onIdle: () => this.#output.clear() },
      { leg: this.#hls.leg, isWanted: () => this.#hls.isLegWanted, onIdle: () => this.#hls.legIdle() },
    ])
    this.#switches = new LiveSwitches({
      ...options,
      ...{ group: this.#group, counters: this.#counters, reporter: this.#reporter },
      viewerCount: () => this.viewerCount,
      firstClientId: () => this.#consumers.firstClientId,
      observers: () => [this.#hls, this.#output.capture, this.drillChannel].map((part) => part.switched.bind(part)),
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
    return createLiveOutage({
      ...options,
      ...{ feed: this.#feed, output: this.#output, sources: this.#sources, reporter: this.#reporter },
      request: () => this.#request,
      viewerCount: () => this.viewerCount,
      gaveUp: () => this.#switches.gaveUp('hold_expired'),
    })
  }

  #createFeed({ clock, limits }: StreamOptions): Feed {
    return new Feed({
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
  }

  #createHls(options: StreamOptions): LiveHls {
    return new LiveHls({
      ...options,
      memory: options.memory?.hls,
      request: () => this.#request,
      group: this.#group,
      container: () => this.#feed.container,
      ring: this.#output.ring,
      countBytes: (bytes) => this.#countBytes(bytes),
      counters: this.#counters,
      onCame: (client) => this.#reporter.clientConnected(client, this.viewerCount),
      ...{ onLeft: (client) => this.#consumers.left(client), onWanted: () => this.start() },
      delivered: (...[id, epoch, wasStandby]) => this.#sourceOnAir(id, epoch, { wasStandby }),
      failed: (id, epoch, failure) => this.#sourceFailed(id, epoch, failure),
      reporter: this.#reporter,
      cannotServe: () => cannotStart(this.#group.failures(), this.#group.current.index),
    })
  }

  get request(): StreamRequest {
    return this.#request
  }

  get viewerCount(): number {
    return this.#consumers.viewerCount
  }

  get memory(): StreamMemory {
    return { ...this.#counters.memory(this.#group.memory), hls: this.#hls.memory }
  }

  /** Goes on air for whoever needs it now, if anybody; a leg that nobody needs stops, however often the other is asked for. */
  start(): void {
    if (this.#phase === 'idle') this.#begin()
    else this.#legs.startWanted()
    if (!this.#legs.isAnyIdle) this.#deadlines.returned()
  }

  async lookAtSources(): Promise<void> {
    await this.#sources.lookAtAll(this.#abort.signal)
  }

  async view(request: ViewRequest, clientId: string): Promise<void> {
    await this.#consumers.view(request, clientId)
  }

  async serveHls(request: HlsViewRequest, clientId: string): Promise<void> {
    await this.#consumers.serveHls(request, clientId)
  }

  hasHlsClient(clientId: string): boolean {
    return this.#hls.clients.has(clientId)
  }

  /** Gives what viewers get to a consumer inside the gateway, for which the stream is kept on air. */
  tap(sink: OutputSink): OutputTap {
    return this.#consumers.tap(sink)
  }

  clients(): readonly ClientSnapshot[] {
    return this.#consumers.clients()
  }

  disconnect(clientId: string): boolean {
    return this.#consumers.disconnect(clientId)
  }

  /** Edits the stream in place: viewers stay, and the source on air stays if it is still in the list. */
  update(request: StreamRequest): void {
    this.#request = request
    this.#group.update(request)
    this.#output.capture.arrange()
    this.#hls.arrange()
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
      activeClients: this.viewerCount,
      kind: this.#options.kind,
    }
  }

  /** Ends the stream: viewers' connections end cleanly, sources are closed. */
  close(reason: StopReason): void {
    this.#abort.abort()
    this.#audience.refuse(new HoldfastError('stream_not_found', 'Stream not found'))
    this.#consumers.endAll()
    this.#stop(reason)
  }

  snapshot(): StreamSnapshot {
    const current = this.#group.current
    return {
      streamId: this.#options.streamId,
      kind: this.#options.kind,
      request: this.#request,
      currentUrl: current.url,
      failoverIndex: current.index,
      ...this.#counters.snapshot,
      epoch: this.#group.epoch,
      phase: this.#phase,
      isActive: this.#phase !== 'idle',
      clientCount: this.viewerCount,
      bytesReceived: this.#feed.bytesReceived + this.#hls.bytesReceived,
      createdWallMs: this.#options.createdWallMs,
      sources: this.#sources.snapshots(this.#phase !== 'idle'),
      warnings: this.#sources.warnings,
      isSlateOn: this.#feed.isSlateOn || this.#hls.isSlateOn,
      upstreamConnections: this.#feed.upstreamConnections + this.#hls.upstreamConnections,
    }
  }

  #countBytes(bytes: number): void {
    this.#counters.bytesServed += bytes
    this.#options.countBytes(bytes)
  }

  #begin(): void {
    this.#phase = 'starting'
    this.#group.forgetFailures()
    this.#deadlines.awaitMedia()
    this.#group.dispatch({ kind: 'started' })
  }

  #stop(reason: StopReason): void {
    if (this.#phase === 'idle') return
    this.#phase = 'idle'
    this.#deadlines.cancel()
    this.#outage.end()
    this.#group.dispatch({ kind: 'stopped' })
    this.#sources.stop()
    this.#legs.stop()
    this.#hls.stop()
    this.#output.clear()
    this.#switches.forget()
    this.#reporter.stopped(reason, this.#counters.bytesServed)
    this.#options.onMemoryChanged()
  }

  #leaveWhenEmpty(): void {
    if (this.#phase !== 'idle' && !(this.#legs.isAnyWanted && !this.#legs.isAnyIdle)) this.#deadlines.awaitReturn()
  }

  /** Nobody has come back for what nobody needs: a leg, or all of it. */
  #leave(): void {
    if (this.#legs.isAnyWanted) this.#legs.stopIdle()
    else this.#stop('last_client_disconnected')
  }

  #act(effect: StreamEffect): void {
    // Giving up on a start ends the stream in the middle of a step; what that step would have tried next is void.
    const isVoid = this.#phase === 'idle' && 'cause' in effect && effect.cause !== 'manual'
    if (isVoid) return
    switch (effect.kind) {
      case 'put_on_air':
        this.#legs.putOnAir(effect.id, effect.epoch, effect.delayMs, effect.previous !== undefined)
        return
      case 'take_off_air':
        this.#legs.stop()
        return
      case 'failover_triggered':
        this.#switches.triggered(effect)
        return
      case 'write_receipt':
        this.#switches.settled(effect.receipt)
        return
      case 'health_changed':
        this.#reporter.healthChanged(this.#group.source(effect.id), effect.from, effect.to, effect.reason)
        return
      case 'exhausted':
        this.#giveUpStarting('all_sources_failed')
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

  /** `entry` tells how the continuous stream took it in; of playlists there is less to tell. */
  #sourceOnAir(id: CandidateId, epoch: number, entry: Arrival): void {
    this.#outage.end()
    if (entry.source !== undefined) this.#deadlines.mediaCame()
    if (this.#phase === 'starting') this.#reporter.started(this.#group.source(id), this.viewerCount)
    this.#phase = 'live'
    this.#switches.sourceArrived(entry)
    this.#hls.sourceChanged()
    this.#group.dispatch({ kind: 'candidate_succeeded', id, epoch })
  }

  #sourceFailed(id: CandidateId, epoch: number, failure: SessionFailure): void {
    this.#switches.sourceFailed(this.#group.source(id), failure)
    if (this.#phase === 'live') {
      this.#phase = 'recovering'
      this.#audience.handOut()
      this.#outage.begin()
    }
    this.#group.failed(id, epoch, failure)
  }

  /** Nobody has had a byte yet and no source delivers: tells those who wait, and rests when nobody is left. */
  #giveUpStarting(reason: string): void {
    if (this.#phase === 'starting') this.#hls.giveUpStarting()
    if (!this.#audience.isWaiting) return
    this.#switches.gaveUp(reason)
    this.#audience.refuse(cannotStart(this.#group.failures(), this.#group.current.index))
    if (this.#legs.isAnyWanted) this.#leaveWhenEmpty()
    else this.#stop('inactive_timeout')
  }
}
