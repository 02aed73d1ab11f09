import { noHls } from './hls/hls-side.ts'
import type {
  ClientSnapshot,
  FailoverResult,
  StopReason,
  StreamRequest,
  StreamSnapshot,
  ViewRequest,
} from './service.ts'
import { operatorHostsOf } from './sources/source-list.ts'
import type { StreamOptions } from './stream-context.ts'
import { StreamGroup } from './stream-group.ts'
import type { StreamEffect } from './stream-group.ts'
import { StreamCounters } from './stream-counters.ts'
import type { StreamMemory } from './stream-counters.ts'
import { StreamReporter } from './stream-reporter.ts'
import type { Stream } from './stream.ts'
import { setViewerHeaders } from './viewer-headers.ts'
import { serveVod } from './vod/serve-vod.ts'

interface OnDemandViewer {
  readonly request: ViewRequest
  readonly clientId: string
  readonly createdWallMs: number
  bytesServed: number
  lastAccessWallMs: number
  hasUpstream: boolean
}

/**
 * A stream of which every viewer reads its own part: films, series and catch-up. The group only remembers where viewers
 * begin; each of them finds its own way past a source that fails.
 */
export class OnDemandStream implements Stream {
  readonly #options: StreamOptions
  readonly #group: StreamGroup
  readonly #reporter: StreamReporter
  readonly #viewers = new Set<OnDemandViewer>()
  readonly #abort = new AbortController()
  #request: StreamRequest
  readonly #counters: StreamCounters
  #bytesReceived = 0

  constructor(options: StreamOptions) {
    const { request, memory } = options
    this.#options = options
    this.#request = request
    this.#counters = new StreamCounters(memory, options.createdWallMs)
    this.#reporter = new StreamReporter({ ...options, metadata: () => this.#request.metadata })
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

  get memory(): StreamMemory {
    return this.#counters.memory(this.#group.memory)
  }

  get viewerCount(): number {
    return this.#viewers.size
  }

  /** Nothing is opened before somebody asks for a part. */
  start(): void {}

  async lookAtSources(): Promise<void> {}

  async view(request: ViewRequest, clientId: string): Promise<void> {
    const { clock, limits, network, random, log, countBytes } = this.#options
    const nowWallMs = clock.wallMs()
    const viewer: OnDemandViewer = {
      request,
      clientId,
      createdWallMs: nowWallMs,
      lastAccessWallMs: nowWallMs,
      bytesServed: 0,
      hasUpstream: true,
    }
    this.#admit(viewer)
    await serveVod({
      viewRequest: request,
      sources: this.#group.sources,
      onAirIndex: this.#group.current.index,
      headers: this.#request.headers,
      userAgent: this.#request.userAgent ?? limits.userAgent,
      operatorHosts: operatorHostsOf(this.#request, this.#group.resolvedUrls),
      limits,
      network,
      random,
      log,
      signal: this.#abort.signal,
      onBytes: (bytes) => {
        viewer.bytesServed += bytes
        viewer.lastAccessWallMs = clock.wallMs()
        this.#counters.bytesServed += bytes
        this.#bytesReceived += bytes
        countBytes(bytes)
      },
      onFailover: ({ fromIndex, toIndex, reason }) => this.#viewerMoved(fromIndex, toIndex, reason),
    })
  }

  async serveHls(): Promise<void> {
    throw noHls('it is a file, which is at /stream/{stream_id}')
  }

  hasHlsClient(): boolean {
    return false
  }

  update(request: StreamRequest): void {
    this.#request = request
    this.#group.update(request)
    this.#options.onMemoryChanged()
  }

  async failover(target: number | string | undefined, by: string): Promise<FailoverResult> {
    const current = await this.#group.switchByHand(target, by)
    return {
      newUrl: current.url,
      failoverIndex: current.index,
      failoverAttempts: this.#counters.failoverAttempts,
      activeClients: this.#viewers.size,
      kind: 'vod',
    }
  }

  disconnect(clientId: string): boolean {
    const found = [...this.#viewers].filter((viewer) => viewer.clientId === clientId)
    for (const { request } of found) request.response.destroy()
    return found.length > 0
  }

  close(reason: StopReason): void {
    const wasActive = this.#viewers.size > 0
    this.#abort.abort()
    for (const { request } of this.#viewers) request.response.destroy()
    if (wasActive) this.#reporter.stopped(reason, this.#counters.bytesServed)
  }

  clients(): readonly ClientSnapshot[] {
    return Array.from(this.#viewers, ({ request, clientId, createdWallMs, lastAccessWallMs, bytesServed }) => ({
      clientId,
      streamId: this.#options.streamId,
      userAgent: request.userAgent,
      ipAddress: request.ipAddress,
      username: request.username,
      bytesServed,
      createdWallMs,
      lastAccessWallMs,
      isConnected: true,
      skips: 0,
    }))
  }

  snapshot(): StreamSnapshot {
    const current = this.#group.current
    const isActive = this.#viewers.size > 0
    return {
      streamId: this.#options.streamId,
      kind: 'vod',
      request: this.#request,
      currentUrl: current.url,
      failoverIndex: current.index,
      ...this.#counters.snapshot,
      epoch: this.#group.epoch,
      phase: isActive ? 'live' : 'idle',
      isActive,
      clientCount: this.#viewers.size,
      bytesReceived: this.#bytesReceived,
      createdWallMs: this.#options.createdWallMs,
      sources: this.#group.sourceSnapshots(isActive).map((source) => ({
        ...source,
        standby: source.onAir ? 'on_air' : 'cold',
        conditions: [],
        unmonitored: [],
        signature: undefined,
      })),
      warnings: [],
      isSlateOn: false,
      upstreamConnections: this.#viewers.size,
    }
  }

  #admit(viewer: OnDemandViewer): void {
    const { clock } = this.#options
    const { response } = viewer.request
    setViewerHeaders(response, this.#options.streamId, viewer.clientId)
    this.#viewers.add(viewer)
    this.#counters.lastAccessWallMs = clock.wallMs()
    const reported = { ...viewer.request, clientId: viewer.clientId }
    this.#reporter.clientConnected(reported, this.#viewers.size)
    response.once('close', () => {
      this.#viewers.delete(viewer)
      this.#counters.lastAccessWallMs = clock.wallMs()
      this.#reporter.clientDisconnected({ ...reported, bytesServed: viewer.bytesServed, skips: 0 }, this.#viewers.size)
    })
  }

  #act(effect: StreamEffect): void {
    if (effect.kind === 'failover_triggered') {
      const { from, to } = effect
      this.#countFailover(this.#group.source(from).index, this.#group.source(to).index, effect.reason)
    }
  }

  #viewerMoved(fromIndex: number, toIndex: number, reason: string): void {
    this.#counters.errorCount += 1
    this.#countFailover(fromIndex, toIndex, reason)
  }

  #countFailover(fromIndex: number, toIndex: number, reason: string): void {
    const { policy, clock, onMemoryChanged } = this.#options
    const to = this.#group.sources[toIndex]
    if (to === undefined) return
    this.#counters.countFailover(clock.wallMs())
    const [viewer] = this.#viewers
    this.#reporter.failoverTriggered(
      { from: this.#group.sources[fromIndex], to, reason, attempt: 1 },
      {
        epoch: this.#group.epoch,
        attemptsMax: policy.immediateAttempts,
        clientCount: this.#viewers.size,
        clientId: viewer?.clientId,
      },
    )
    onMemoryChanged()
  }
}
