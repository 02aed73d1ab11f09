import type { CandidateId } from '../../failover/candidate.ts'
import type { Timer } from '../../lib/clock.ts'
import type { HoldfastError } from '../../lib/errors.ts'
import type { Json } from '../../store/store.ts'
import { CmafMuxer } from '../cmaf/cmaf-muxer.ts'
import type { ConnectionLease } from '../connection-budget.ts'
import { detectionPolicy } from '../detect/policy.ts'
import { NO_CONNECTION_LEFT } from '../failures.ts'
import type { Container } from '../framing/framing.ts'
import { Packager } from '../packager/packager.ts'
import type { PackagedHls, PackagerOptions } from '../packager/packager.ts'
import type { SwitchReceipt } from '../receipts/receipt.ts'
import type { StreamRing } from '../ring.ts'
import type { StreamRequest } from '../service.ts'
import type { SessionFailure } from '../sources/session.ts'
import { useOf } from '../sources/source-opener.ts'
import { operatorHostsOf } from '../sources/source-list.ts'
import type { Source } from '../sources/source-list.ts'
import type { StreamLimits, StreamOptions } from '../stream-context.ts'
import type { StreamCounters } from '../stream-counters.ts'
import type { StreamGroup } from '../stream-group.ts'
import type { StreamReporter } from '../stream-reporter.ts'
import type { Leg } from '../stream-legs.ts'
import { isHlsUrl } from '../stream-kind.ts'
import { HlsClients } from './hls-clients.ts'
import type { HlsClient } from './hls-clients.ts'
import type { HlsViewRequest } from './hls-output.ts'
import { HlsSide } from './hls-side.ts'
import type { HlsMemory, RunningHls } from './hls-side.ts'
import { HlsStandby } from './hls-standby.ts'
import type { HlsStandbyListener } from './hls-standby.ts'
import { HlsProxy } from './proxy/hls-proxy.ts'
import type { SegmentReader, SegmentRequest } from './upstream/segment.ts'
import type { HlsProxyLimits, HlsProxySource } from './proxy/proxy-options.ts'

/** The provider has to see a connection closed before the next one comes. */
const CLOSE_BEFORE_OPEN_MS = 50

/** The source on air, and its right to a connection of its account. */
interface Present {
  readonly id: CandidateId
  readonly lease: ConnectionLease
}

export interface LiveHlsOptions extends Omit<StreamOptions, 'request' | 'memory'> {
  readonly memory: HlsMemory | undefined
  readonly request: () => StreamRequest
  readonly group: StreamGroup
  readonly ring: StreamRing
  /** What viewers of the continuous stream read. */
  readonly container: () => Container | undefined
  readonly counters: StreamCounters
  readonly onCame: (client: HlsClient) => void
  readonly onLeft: (client: HlsClient) => void
  readonly onWanted: () => void
  /** The source on air answers. */
  readonly delivered: (id: CandidateId, epoch: number, wasStandby: boolean) => void
  readonly failed: (id: CandidateId, epoch: number, failure: SessionFailure) => void
  readonly reporter: Pick<StreamReporter, 'sourceWarned' | 'slateShown' | 'slateUnavailable'>
  /** What to answer while no source delivers. */
  readonly cannotServe: () => HoldfastError
}

/**
 * A live stream as HLS. Where every source is HLS their own playlists are passed on, with what they offer (qualities,
 * languages); otherwise the continuous stream is cut into segments.
 */
export class LiveHls {
  readonly #options: LiveHlsOptions
  readonly clients: HlsClients
  readonly leg: Leg
  readonly #side: HlsSide
  readonly #standby: HlsStandby
  #proxy: HlsProxy | undefined
  #packager: PackagedHls | undefined
  #present: Present | undefined
  #openTimer: Timer | undefined
  #bytesReceivedBefore = 0

  constructor(options: LiveHlsOptions) {
    const { limits, counters } = options
    this.#options = options
    this.clients = new HlsClients({
      ...options,
      idleMs: limits.hlsClientIdleMs,
      stallMs: limits.viewerStallMs,
      countSegment: () => {
        counters.segmentsServed += 1
      },
    })
    this.#side = new HlsSide({
      ...options,
      clients: this.clients,
      way: () => (this.isProxied ? 'proxied' : 'packaged'),
      create: (way, memory) => (way === 'proxied' ? this.#createProxy(memory) : this.#createPackager(memory)),
    })
    this.#standby = new HlsStandby({
      ...options,
      source: (id) => options.group.source(id),
      proxySource: (source) => this.#proxySource(source),
      proxy: () => this.#proxy,
    })
    this.leg = {
      putOnAir: (id, epoch, delayMs) => this.#putOnAir(id, epoch, delayMs),
      stop: () => this.#takeOffAir(),
    }
  }

  /** Whether the playlists of the sources are passed on. */
  get isProxied(): boolean {
    const { sources, resolver } = this.#options.request()
    return resolver === undefined && sources.every(({ url }) => isHlsUrl(url))
  }

  /** Whether somebody plays what only the sources' own playlists can bring. */
  get isLegWanted(): boolean {
    return this.isProxied && this.clients.size > 0
  }

  get memory(): HlsMemory {
    return this.#side.memory
  }

  get bytesReceived(): number {
    return this.#bytesReceivedBefore + (this.#proxy?.bytesReceived ?? 0)
  }

  /** Players of passed-on playlists have a slate. */
  get isSlateOn(): boolean {
    return this.#proxy?.isSlateOn === true
  }

  get upstreamConnections(): number {
    return this.#proxy?.upstreamConnections ?? 0
  }

  /** The source that it has a connection to for the air, where playlists are passed on; it may have failed. */
  get onAir(): CandidateId | undefined {
    return this.#present?.id
  }

  /** The source that stands by, where playlists are passed on. */
  get standby(): HlsStandby['present'] {
    return this.#standby.present
  }

  /** Has another source ready beside the one on air, and none if it is undefined. False when it cannot connect now. */
  prepare(id: CandidateId | undefined, listener: HlsStandbyListener): boolean {
    return this.#standby.prepare(id === this.#present?.id ? undefined : id, listener)
  }

  /** A segment of the source on air, or of the one that stands by, that players get too: it comes once. */
  shared(id: CandidateId, request: SegmentRequest): SegmentReader | undefined {
    return this.#proxy?.shared(id, request)
  }

  async serve(request: HlsViewRequest, clientId: string): Promise<void> {
    await this.#side.serve(request, clientId)
  }

  switched(receipt: SwitchReceipt): void {
    this.#side.switched(receipt)
  }

  /** Every source has failed, and none has delivered yet. */
  giveUpStarting(): void {
    this.#side.giveUp()
  }

  /** Another source delivers from here on. */
  sourceChanged(): void {
    // Joined seamlessly, it goes on with what was there before.
    if (!this.#options.request().seamless) this.#packager?.interrupt()
  }

  /** The request has changed: its sources may have to be passed on in another way. */
  arrange(): void {
    if (this.#side.isOutdated) this.stop()
  }

  /** Nobody plays the sources' own playlists any more. */
  legIdle(): void {
    if (this.#proxy !== undefined) this.stop()
  }

  /** The stream is idle. */
  stop(): void {
    this.#takeOffAir()
    this.#bytesReceivedBefore = this.bytesReceived
    this.#side.stop()
    this.#proxy = undefined
    this.#packager = undefined
  }

  #createPackager(memory: Json | undefined): RunningHls {
    const { spill, cannotServe, createPackager } = this.#options
    const options: PackagerOptions = {
      ...this.#options,
      ...{ memory, spill: spill?.forStream(), failure: cannotServe },
      createMuxer: () => new CmafMuxer(),
    }
    const packager = createPackager?.(options) ?? new Packager(options)
    this.#packager = packager
    return packager
  }

  #createProxy(memory: Json | undefined): RunningHls {
    const { group, limits, request, reporter, slates, delivered, failed, cannotServe } = this.#options
    const detection = detectionPolicy(limits, {
      choice: () => request().detect,
      silence: () => request().silence,
      hasAlternative: (condition) => group.hasBetterThan(condition),
      decoders: undefined,
    })
    const proxy = new HlsProxy({
      ...this.#options,
      ...{ memory, limits: proxyLimits(limits), failure: cannotServe },
      listener: {
        ...{ delivered, failed },
        warned: (id, finding) => reporter.sourceWarned(group.source(id), finding),
      },
      slate: {
        ...{ slates, holdMs: limits.slateHoldMs },
        request: () => request().slate,
        shown: () => reporter.slateShown(this.clients.size),
        unavailable: (error) => reporter.slateUnavailable(error),
      },
      source: (id) => {
        const known = group.sources.find(({ candidateId }) => candidateId === id)
        return known === undefined ? undefined : this.#proxySource(known)
      },
      ...{ detection, hasAlternative: () => group.hasUsableAlternative },
    })
    this.#proxy = proxy
    return proxy
  }

  #putOnAir(id: CandidateId, epoch: number, delayMs: number): void {
    this.#openTimer?.cancel()
    this.#openTimer = undefined
    if (delayMs <= 0) this.#open(id, epoch)
    else this.#openTimer = this.#options.clock.schedule(delayMs, () => this.#open(id, epoch))
  }

  #open(id: CandidateId, epoch: number): void {
    const { budget, group, failed, clock, streamId } = this.#options
    const source = group.source(id)
    const present = this.#present
    if (present?.id === id) {
      this.#proxy?.putOnAir(this.#proxySource(source), epoch)
      return
    }
    const lease = this.#standby.takeOver(id) ?? budget.lease(source.account, 'on_air', undefined, useOf(streamId, id))
    const isOfSameAccount = present !== undefined && group.source(present.id).account?.name === source.account?.name
    if (lease === undefined && isOfSameAccount) {
      // The account allows no second connection: the present ones are closed first.
      this.#proxy?.suspend(present.id)
      this.#releasePresent()
      this.#openTimer = clock.schedule(CLOSE_BEFORE_OPEN_MS, () => this.#open(id, epoch))
      return
    }
    this.#releasePresent()
    if (lease === undefined) {
      failed(id, epoch, NO_CONNECTION_LEFT)
      return
    }
    this.#present = { id, lease }
    this.#closeOthersOf(source)
    this.#proxy?.putOnAir(this.#proxySource(source), epoch)
  }

  /** Connections that sources before it left behind count for the account too. */
  #closeOthersOf({ candidateId, account }: Source): void {
    const { budget, group } = this.#options
    if (account === undefined || budget.inUse(account.name) < account.connectionsMax) return
    const standby = this.standby?.id
    for (const other of group.sources) {
      if (other.candidateId !== candidateId && other.candidateId !== standby && other.account?.name === account.name)
        this.#proxy?.suspend(other.candidateId)
    }
  }

  #releasePresent(): void {
    this.#present?.lease.release()
    this.#present = undefined
  }

  #proxySource({ candidateId, index, url, headers, userAgent }: Source): HlsProxySource {
    const { group, request, limits } = this.#options
    const wanted = request()
    return {
      ...{ candidateId, index, url },
      headers: { ...wanted.headers, ...headers },
      userAgent: userAgent ?? wanted.userAgent ?? limits.userAgent,
      operatorHosts: operatorHostsOf(wanted, group.resolvedUrls),
      useStickySession: wanted.useStickySession,
    }
  }

  #takeOffAir(): void {
    this.#openTimer?.cancel()
    this.#openTimer = undefined
    this.#standby.drop()
    this.#releasePresent()
    this.#proxy?.stop()
  }
}

/** A segment that has begun to come does not stop for so long; players have about three of them in hand. */
const SEGMENT_SILENCE_MS = 2_000

/** What is small and comes often has to come soon. */
function proxyLimits(limits: StreamLimits): HlsProxyLimits {
  const answerMs = Math.min(limits.firstByteTimeoutMs, limits.readTimeoutMs)
  return {
    timeouts: {
      connectMs: Math.min(limits.connectTimeoutMs, answerMs),
      answerMs,
      silenceMs: Math.min(answerMs, SEGMENT_SILENCE_MS),
      totalMs: Math.max(limits.stallCeilingMs, answerMs),
    },
    startTimeoutMs: limits.startTimeoutMs,
    viewerHoldMs: limits.viewerHoldMs,
    cacheBytesMax: limits.hlsCacheBytesMax,
    targetDurationFloorS: Math.ceil(limits.hlsTargetMs / 1_000),
  }
}
