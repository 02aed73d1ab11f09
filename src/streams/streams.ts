import type { Timer } from '../lib/clock.ts'
import { errorMessage, HoldfastError } from '../lib/errors.ts'
import type { Json, Store } from '../store/store.ts'
import { toStreamRequest } from './api/stream-request.ts'
import type { StreamDefaults } from './api/stream-request.ts'
import type { HlsViewRequest } from './hls/hls-output.ts'
import type { DrillChannel } from './drill/drill-channel.ts'
import type { ScheduledStream } from './drill/drill-schedule.ts'
import { LiveStream } from './live-stream.ts'
import { OnDemandStream } from './on-demand-stream.ts'
import type { SwitchReceipt } from './receipts/receipt.ts'
import type {
  ClientSnapshot,
  FailoverResult,
  ServiceTotals,
  StopReason,
  StreamKind,
  StreamRequest,
  StreamService,
  StreamSnapshot,
  ViewRequest,
} from './service.ts'
import { clientIdOf, streamIdOf, transcodedStreamIdOf } from './stream-id.ts'
import { LookQueue } from './standby/look-queue.ts'
import { streamKindOf } from './stream-kind.ts'
import type { StreamMemory } from './stream-counters.ts'
import type { StreamContext, StreamOptions } from './stream-context.ts'
import type { Stream } from './stream.ts'
import { setViewerHeaders } from './viewer-headers.ts'

export interface StreamsOptions extends StreamContext {
  readonly store: Store
  /** What a stream is given that was stored before it could be chosen. */
  readonly defaults: StreamDefaults
  /** A switch of any stream has settled. */
  readonly recordSwitch: (receipt: SwitchReceipt) => void
  /** Makes a stream that is encoded anew; without, there are none. */
  readonly createTranscoded?: (options: StreamOptions) => Stream
  readonly streamsMax: number
  readonly viewersMax: number
  /** 0: no limit. */
  readonly viewersPerStreamMax: number
}

interface Entry {
  readonly kind: StreamKind
  readonly createdWallMs: number
  readonly stream: Stream
}

/** What is stored of a stream's definition. */
interface StoredStream {
  readonly kind: StreamKind
  readonly createdWallMs: number
  readonly request: StreamRequest
}

/** Counters of a stream that nothing else changed are saved this often. */
const COUNTERS_SAVED_EVERY_MS = 10_000

/** The streams hall: every stream of the gateway, what they remember, and the limits that they share. */
export class Streams implements StreamService, AsyncDisposable {
  readonly #options: StreamsOptions
  readonly #entries = new Map<string, Entry>()
  readonly #looks = new LookQueue()
  readonly #saving = new Set<string>()
  readonly #dirty = new Set<string>()
  readonly #servedWhenSaved = new Map<string, number>()
  #countersTimer: Timer | undefined
  #bytesServed = 0
  #bytesReceivedByEnded = 0
  #switches = 0
  #clientsEver = 0

  constructor(options: StreamsOptions) {
    this.#options = {
      ...options,
      metrics: {
        sourceFailed: (reason) => options.metrics.sourceFailed(reason),
        sourceCondition: (condition, action) => options.metrics.sourceCondition(condition, action),
        switched: (...report) => {
          this.#switches += 1
          options.metrics.switched(...report)
        },
      },
    }
    this.#armCountersTimer()
  }

  /** Brings back what the store holds. A stream that cannot be read is left in the store and reported. */
  async restore(): Promise<void> {
    const { store, log } = this.#options
    const memories = new Map((await store.list('stream_state')).map(({ key, value }) => [key, value]))
    for (const { key, value } of await store.list('streams')) {
      try {
        // Written by `create` below, from a validated request.
        const stored = upToDate(value as unknown as StoredStream, this.#options.defaults)
        const memory = memories.get(key) as unknown as StreamMemory | undefined
        this.#add(key, stored, memory)
      } catch (error) {
        log.error('stream_not_restored', `Stream ${key} could not be restored`, { detail: errorMessage(error) })
      }
    }
    if (this.#entries.size > 0) log.info('streams_restored', `Restored ${this.#entries.size} streams`)
  }

  async create(request: StreamRequest): Promise<StreamSnapshot> {
    const { store, secret, streamsMax, clock, events } = this.#options
    const { transcode } = request
    const streamId =
      transcode === undefined
        ? streamIdOf(request.url, secret)
        : transcodedStreamIdOf({ ...request, transcode }, secret)
    const known = this.#entries.get(streamId)
    if (known === undefined && this.#entries.size >= streamsMax) {
      throw new HoldfastError('too_many_streams', `there are ${streamsMax} streams, as many as MAX_STREAMS allows`)
    }
    const stored: StoredStream = {
      kind: known?.kind ?? kindOf(request),
      createdWallMs: known?.createdWallMs ?? clock.wallMs(),
      request,
    }
    await store.put('streams', streamId, asJson(stored))
    if (known !== undefined) known.stream.update(request)
    const entry = known ?? this.#entries.get(streamId) ?? this.#add(streamId, stored, undefined)
    if (known === undefined && request.standby !== 'cold') this.#looks.add(() => entry.stream.lookAtSources())
    events.emit(known === undefined ? 'stream_created' : 'stream_updated', streamId, {
      url: request.url,
      failover_urls: request.failoverUrls,
      metadata: request.metadata,
    })
    return entry.stream.snapshot()
  }

  get(streamId: string): StreamSnapshot | undefined {
    return this.#entries.get(streamId)?.stream.snapshot()
  }

  list(): readonly StreamSnapshot[] {
    return [...this.#entries.values()].map(({ stream }) => stream.snapshot())
  }

  async delete(streamId: string, reason: StopReason): Promise<boolean> {
    const entry = this.#entries.get(streamId)
    if (entry === undefined) return false
    const { store, events } = this.#options
    this.#entries.delete(streamId)
    this.#dirty.delete(streamId)
    this.#servedWhenSaved.delete(streamId)
    this.#bytesReceivedByEnded += entry.stream.snapshot().bytesReceived
    entry.stream.close(reason)
    await store.delete('streams', streamId)
    await store.delete('stream_state', streamId)
    await store.delete('drills', streamId)
    events.emit('stream_deleted', streamId, { url: entry.stream.request.url, reason })
    return true
  }

  async failover(
    streamId: string,
    options: { readonly target?: number | string; readonly reason?: string },
  ): Promise<FailoverResult> {
    const { stream } = this.#entry(streamId)
    const result = await stream.failover(options.target, options.reason ?? 'operator')
    // What was answered must not be forgotten, whatever happens next.
    await this.#options.store.put('stream_state', streamId, asJson(stream.memory))
    return result
  }

  async lookAtSources(streamId: string): Promise<StreamSnapshot> {
    const { stream } = this.#entry(streamId)
    await stream.lookAtSources()
    return stream.snapshot()
  }

  /** A stream as a drill works on it; undefined for one that is not live television. Throws stream_not_found. */
  drillChannel(streamId: string): DrillChannel | undefined {
    const { stream } = this.#entry(streamId)
    return stream instanceof LiveStream ? stream.drillChannel : undefined
  }

  /** The streams that rehearse by themselves. */
  get scheduledDrills(): readonly ScheduledStream[] {
    return [...this.#entries].flatMap(([streamId, { createdWallMs, stream }]) => {
      const schedule = stream.request.drill
      return schedule === undefined ? [] : [{ streamId, createdWallMs, schedule }]
    })
  }

  clients(): readonly ClientSnapshot[] {
    return [...this.#entries.values()].flatMap(({ stream }) => stream.clients())
  }

  disconnectClient(streamId: string, clientId: string): boolean {
    return this.#entries.get(streamId)?.stream.disconnect(clientId) ?? false
  }

  async view(request: ViewRequest): Promise<void> {
    const { stream } = this.#entry(request.streamId)
    this.#admit(stream)
    await stream.view(request, uniqueClientId(request, stream))
  }

  async serveHls(request: HlsViewRequest): Promise<void> {
    const { stream } = this.#entry(request.streamId)
    const clientId = request.clientId ?? clientIdOf(request)
    // A player that is known is let in again and again.
    if (!stream.hasHlsClient(clientId)) this.#admit(stream)
    // Not with segments, which caches keep for all.
    if (request.path.endsWith('.m3u8')) setViewerHeaders(request.response, request.streamId, clientId)
    await stream.serveHls(request, clientId)
  }

  /** Lets one more viewer in, or throws too_many_viewers. */
  #admit(stream: Stream): void {
    const { viewersMax, viewersPerStreamMax } = this.#options
    if (this.viewerCount >= viewersMax) {
      throw new HoldfastError('too_many_viewers', `${viewersMax} viewers are served, as many as MAX_VIEWERS allows`)
    }
    if (viewersPerStreamMax > 0 && stream.viewerCount >= viewersPerStreamMax) {
      throw new HoldfastError(
        'too_many_viewers',
        `${viewersPerStreamMax} viewers watch this stream, as many as MAX_CLIENTS_PER_SHARED_STREAM allows`,
      )
    }
    this.#clientsEver += 1
  }

  get viewerCount(): number {
    let viewers = 0
    for (const { stream } of this.#entries.values()) viewers += stream.viewerCount
    return viewers
  }

  get totals(): ServiceTotals {
    let bytesReceived = this.#bytesReceivedByEnded
    let upstreamConnections = 0
    for (const { stream } of this.#entries.values()) {
      const snapshot = stream.snapshot()
      bytesReceived += snapshot.bytesReceived
      upstreamConnections += snapshot.upstreamConnections
    }
    return {
      bytesServed: this.#bytesServed,
      bytesReceived,
      switches: this.#switches,
      upstreamConnections,
      clientsEver: this.#clientsEver,
    }
  }

  /** Ends every stream; what they remember is saved first. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#countersTimer?.cancel()
    for (const [streamId, { stream }] of this.#entries) {
      await this.#options.store.put('stream_state', streamId, asJson(stream.memory))
    }
    const entries = [...this.#entries.values()]
    this.#entries.clear()
    for (const { stream } of entries) stream.close('inactive_timeout')
  }

  #entry(streamId: string): Entry {
    const entry = this.#entries.get(streamId)
    if (entry === undefined) throw new HoldfastError('stream_not_found', 'Stream not found')
    return entry
  }

  #add(streamId: string, stored: StoredStream, memory: StreamMemory | undefined): Entry {
    const { kind, createdWallMs, request } = stored
    const options = {
      ...this.#options,
      streamId,
      request,
      memory,
      createdWallMs,
      countBytes: (bytes: number) => {
        this.#bytesServed += bytes
      },
      onSwitched: (receipt: SwitchReceipt) => this.#options.recordSwitch(receipt),
      onMemoryChanged: () => this.#save(streamId),
    }
    const stream = this.#newStream(kind, options)
    const entry = { kind, createdWallMs, stream }
    this.#entries.set(streamId, entry)
    if (request.keepOpen) stream.start()
    return entry
  }

  #newStream(kind: StreamKind, options: StreamOptions): Stream {
    if (kind === 'vod') return new OnDemandStream(options)
    if (kind !== 'transcoding') return new LiveStream({ ...options, kind })
    const { createTranscoded } = this.#options
    if (createTranscoded === undefined) {
      throw new HoldfastError('transcode_unavailable', 'this gateway does not transcode')
    }
    return createTranscoded(options)
  }

  /** Saves what a stream remembers; changes during a write are saved by one more write after it. */
  #save(streamId: string): void {
    if (this.#saving.has(streamId)) {
      this.#dirty.add(streamId)
      return
    }
    const stream = this.#entries.get(streamId)?.stream
    if (stream === undefined) return
    this.#saving.add(streamId)
    const { memory } = stream
    this.#servedWhenSaved.set(streamId, memory.bytesServed)
    const { store, log } = this.#options
    void store
      .put('stream_state', streamId, asJson(memory))
      .catch((error: unknown) => {
        log.error('stream_state_not_saved', `The state of stream ${streamId} could not be saved`, {
          detail: errorMessage(error),
        })
      })
      .then(() => {
        this.#saving.delete(streamId)
        if (this.#dirty.delete(streamId)) this.#save(streamId)
      })
  }

  #armCountersTimer(): void {
    this.#countersTimer = this.#options.clock.schedule(COUNTERS_SAVED_EVERY_MS, () => {
      for (const [streamId, { stream }] of this.#entries) {
        if (stream.memory.bytesServed !== (this.#servedWhenSaved.get(streamId) ?? 0)) this.#save(streamId)
      }
      this.#armCountersTimer()
    })
  }
}

/** The id that the client gave or that follows from what it is, with a suffix while another connection has it. */
function uniqueClientId(request: ViewRequest, stream: Stream): string {
  const wanted = request.clientId ?? clientIdOf(request)
  const taken = new Set(stream.clients().map(({ clientId }) => clientId))
  if (!taken.has(wanted)) return wanted
  let suffix = 2
  while (taken.has(`${wanted}-${suffix}`)) suffix += 1
  return `${wanted}-${suffix}`
}

function kindOf({ url, transcode, resolver }: StreamRequest): StreamKind {
  if (transcode !== undefined) return 'transcoding'
  // What a page's address looks like says nothing of its media.
  return resolver === undefined ? streamKindOf(url) : 'live'
}

/** Our own records are made of JSON data only; what is undefined is left out as JSON does. */
function asJson(value: object): Json {
  return JSON.parse(JSON.stringify(value)) as Json
}

/** A stream that was stored before there was as much to choose. */
function upToDate(stored: StoredStream, defaults: StreamDefaults): StoredStream {
  const { request } = stored
  const plain = toStreamRequest({ url: request.url, failover_urls: [...request.failoverUrls] }, defaults)
  return { ...stored, request: { ...plain, ...request } }
}
