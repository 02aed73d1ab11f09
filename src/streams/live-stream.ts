import type { CandidateId, Receipt } from '../failover/group.ts'
import type { Timer } from '../lib/clock.ts'
import { HoldfastError } from '../lib/errors.ts'
import { Audience } from './audience.ts'
import { detectionPolicy } from './detect/policy.ts'
import { cannotStart } from './failures.ts'
import { Feed } from './feed.ts'
import { liveHead } from './outputs/live-head.ts'
import { StreamRing } from './ring.ts'
import type {
  ClientSnapshot,
  FailoverResult,
  StopReason,
  StreamRequest,
  StreamSnapshot,
  ViewRequest,
} from './service.ts'
import { SourceSession } from './sources/session.ts'
import type { SessionFailure, SessionListener } from './sources/session.ts'
import { operatorHostsOf } from './sources/source-list.ts'
import { createSeamlessSplice, createUnitAlignedSplice } from './splice.ts'
import { StreamGroup } from './stream-group.ts'
import type { StreamEffect } from './stream-group.ts'
import type { StreamOptions } from './stream-context.ts'
import { StreamCounters } from './stream-counters.ts'
import type { StreamMemory } from './stream-counters.ts'
import { StreamReporter } from './stream-reporter.ts'
import type { Stream } from './stream.ts'
import { Viewer } from './viewer.ts'

/**
 * One live stream: a failover group, the feed that acts on what the group decides, the ring, and the audience.
 */
export class LiveStream implements Stream {
  readonly #options: StreamOptions
  readonly #group: StreamGroup
  readonly #ring: StreamRing
  readonly #audience: Audience
  readonly #feed: Feed
  readonly #reporter: StreamReporter
  readonly #abort = new AbortController()
  #request: StreamRequest
  #graceTimer: Timer | undefined
  #holdTimer: Timer | undefined
  #startTimer: Timer | undefined
  #phase: StreamSnapshot['phase'] = 'idle'
  readonly #counters: StreamCounters
  /** Monotonic time of the last media that viewers were given. */
  #lastMediaMs: number | undefined
  /** How long viewers were without media at the present or latest switch. */
  #gapMs: number | undefined
  /** The failure that the present incident began with. */
  #incidentFailure: SessionFailure | undefined

  constructor(options: StreamOptions) {
    const { request, memory, limits, clock } = options
    this.#options = options
    this.#request = request
    this.#counters = new StreamCounters(memory, options.createdWallMs)
    this.#reporter = new StreamReporter({ ...options, metadata: () => this.#request.metadata })
    const bounds = { bytesMax: limits.bufferBytesMax, ageMsMax: limits.bufferMsMax }
    this.#ring = new StreamRing(bounds, () => clock.nowMs())
    this.#audience = new Audience({
      ring: this.#ring,
      clock,
      viewerStallMs: limits.viewerStallMs,
      countBytes: (bytes) => {
        this.#counters.bytesServed += bytes
        options.countBytes(bytes)
      },
      onDropped: (viewer, reason) => this.#reporter.viewerDropped(viewer, reason),
    })
    this.#feed = new Feed({
      ring: this.#ring,
      createSplice: (container) =>
        container === 'mpegts' && this.#request.seamless ? createSeamlessSplice() : createUnitAlignedSplice(),
      clock,
      keyframeWaitMs: limits.keyframeWaitMs,
      openSession: (id, listener) => this.#openSession(id, listener),
      listener: {
        onAir: (id, epoch, session) => this.#sourceOnAir(id, epoch, session),
        failed: (id, epoch, failure) => this.#sourceFailed(id, epoch, failure),
        appended: (session, isFirst) => this.#mediaAppended(session, isFirst),
        flushed: () => this.#flushed(),
        shouldHoldBack: (isHeldBack) => this.#audience.shouldHoldBack(isHeldBack),
      },
    })
    this.#group = new StreamGroup({
      ...options,
      memory: memory?.group,
      signal: this.#abort.signal,
      act: (effect) => this.#act(effect),
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

  async view({ request, response, ...client }: ViewRequest, clientId: string): Promise<void> {
    const { clock } = this.#options
    this.#counters.lastAccessWallMs = clock.wallMs()
    response.setHeader('x-client-id', clientId)
    if (request.method === 'HEAD') {
      response.writeHead(200, liveHead(this.#feed.session, this.#options.streamId)).end()
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
    const found = Array.from(this.#audience.all()).filter((viewer) => viewer.clientId === clientId)
    for (const viewer of found) viewer.cut()
    return found.length > 0
  }

  /** Edits the stream in place: viewers stay, and the source on air stays if it is still in the list. */
  update(request: StreamRequest): void {
    this.#request = request
    this.#group.update(request)
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
    this.#audience.endAll()
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
      failoverAttempts: this.#counters.failoverAttempts,
      lastFailoverWallMs: this.#counters.lastFailoverWallMs,
      epoch: this.#group.epoch,
      phase: this.#phase,
      isActive: this.#phase !== 'idle',
      clientCount: this.#audience.size,
      totalBytesServed: this.#counters.bytesServed,
      bytesReceived: this.#feed.bytesReceived,
      errorCount: this.#counters.errorCount,
      createdWallMs: this.#options.createdWallMs,
      lastAccessWallMs: this.#counters.lastAccessWallMs,
      sources: this.#group.sourceSnapshots(this.#phase !== 'idle'),
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
    for (const timer of [this.#graceTimer, this.#holdTimer, this.#startTimer]) timer?.cancel()
    this.#graceTimer = undefined
    this.#holdTimer = undefined
    this.#startTimer = undefined
    this.#group.dispatch({ kind: 'stopped' })
    this.#feed.stop()
    this.#audience.close()
    this.#ring.clear()
    this.#lastMediaMs = undefined
    this.#incidentFailure = undefined
    this.#reporter.stopped(reason, this.#counters.bytesServed)
    this.#options.onMemoryChanged()
  }

  #leaveWhenEmpty(): void {
    if (this.#audience.size > 0 || this.#request.keepOpen || this.#phase === 'idle') return
    const { clock, limits } = this.#options
    this.#graceTimer ??= clock.schedule(limits.graceMs, () => this.#stop('last_client_disconnected'))
  }

  #openSession(id: CandidateId, listener: SessionListener): SourceSession {
    const { clock, limits, network } = this.#options
    return new SourceSession({
      url: this.#group.source(id).url,
      headers: this.#request.headers,
      userAgent: this.#request.userAgent ?? limits.userAgent,
      operatorHosts: operatorHostsOf(this.#request, this.#group.resolvedUrls),
      connectTimeoutMs: limits.connectTimeoutMs,
      firstMediaTimeoutMs: this.#group.hasAlternative
        ? Math.min(limits.firstByteTimeoutMs, limits.readTimeoutMs)
        : limits.readTimeoutMs,
      stall: { floorMs: limits.stallFloorMs, ceilingMs: limits.stallCeilingMs },
      detection: detectionPolicy(
        limits,
        () => this.#request.detect,
        () => this.#group.hasUsableAlternative,
      ),
      onWarning: (finding) => this.#reporter.sourceWarned(this.#group.source(id), finding),
      expectedContainer: this.#audience.isOpen ? this.#feed.container : undefined,
      mpegtsOnly: this.#request.strictLiveTs,
      network,
      clock,
      listener,
    })
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
      case 'stop_probing':
        return
      default:
        effect satisfies never
    }
  }

  #failoverTriggered(effect: Extract<StreamEffect, { kind: 'failover_triggered' }>): void {
    const { clock, policy } = this.#options
    this.#counters.countFailover(clock.wallMs())
    const move = { from: this.#group.source(effect.from), to: this.#group.source(effect.to), reason: effect.reason }
    const [viewer] = this.#audience.all()
    this.#reporter.failoverTriggered(
      { ...move, attempt: effect.attempt },
      {
        epoch: effect.epoch,
        attemptsMax: policy.immediateAttempts,
        clientCount: this.#audience.size,
        clientId: viewer?.clientId,
      },
    )
    this.#options.onMemoryChanged()
  }

  #switchSettled(receipt: Receipt): void {
    this.#reporter.switched({
      from: this.#group.source(receipt.from),
      to: this.#group.source(receipt.to),
      cause: receipt.trigger,
      reason: receipt.reason,
      epoch: receipt.epoch,
      attempts: receipt.attempts,
      failure: this.#incidentFailure,
      connectMs: this.#feed.session?.connectMs,
      gapMs: this.#audience.size > 0 ? this.#gapMs : undefined,
      by: receipt.by ?? undefined,
    })
    this.#options.onMemoryChanged()
  }

  #mediaAppended(session: SourceSession, isFirst: boolean): void {
    const nowMs = this.#options.clock.nowMs()
    if (isFirst) {
      this.#gapMs = this.#lastMediaMs === undefined ? undefined : nowMs - this.#lastMediaMs
      this.#audience.open(liveHead(session, this.#options.streamId))
    }
    this.#lastMediaMs = nowMs
    this.#audience.appended(isFirst)
  }

  /** Tables before the first media, or the rest of a source that has ended: not media by which a gap is measured. */
  #flushed(): void {
    const { incoming } = this.#feed
    if (!this.#audience.isOpen && incoming !== undefined)
      this.#audience.open(liveHead(incoming, this.#options.streamId))
    this.#audience.appended(true)
  }

  #sourceOnAir(id: CandidateId, epoch: number, session: SourceSession): void {
    this.#holdTimer?.cancel()
    this.#holdTimer = undefined
    this.#startTimer?.cancel()
    this.#startTimer = undefined
    if (this.#phase === 'starting') this.#reporter.started(this.#group.source(id), this.#audience.size)
    this.#phase = 'live'
    this.#audience.open(liveHead(session, this.#options.streamId))
    this.#group.dispatch({ kind: 'candidate_succeeded', id, epoch })
    this.#incidentFailure = undefined
  }

  #sourceFailed(id: CandidateId, epoch: number, failure: SessionFailure): void {
    const { clock, limits } = this.#options
    this.#counters.errorCount += 1
    this.#incidentFailure ??= failure
    const [viewer] = this.#audience.all()
    this.#reporter.sourceFailed(this.#group.source(id), failure, viewer?.clientId)
    if (this.#phase === 'live') {
      this.#phase = 'recovering'
      this.#audience.handOut()
      this.#holdTimer = clock.schedule(limits.viewerHoldMs, () => this.#letViewersGo())
    }
    this.#group.failed(id, epoch, failure)
  }

  /** Nobody has had a byte yet and no source delivers: tells those who wait, and rests when nobody is left. */
  #giveUpStarting(reason: string): void {
    if (!this.#audience.isWaiting) return
    const failures = this.#group.failures()
    this.#reporter.failed([...failures.values()].at(-1), this.#audience.size, reason, this.#group.hasAlternative)
    this.#audience.refuse(cannotStart(failures, this.#group.current.index))
    if (this.#audience.size === 0 && !this.#request.keepOpen) this.#stop('inactive_timeout')
  }

  /** The viewers have been without media for as long as they are held: their connections end cleanly. */
  #letViewersGo(): void {
    const failures = this.#group.failures()
    this.#reporter.failed(
      [...failures.values()].at(-1),
      this.#audience.size,
      'hold_expired',
      this.#group.hasAlternative,
    )
    this.#audience.endAll()
  }
}
