import { forgetOldest } from '../../../lib/forget-oldest.ts'
import { candidateId } from '../../../failover/candidate.ts'
import type { CandidateId } from '../../../failover/candidate.ts'
import type { Json } from '../../../store/store.ts'
import type { HlsOutput, HlsRequest } from '../hls-output.ts'
import { ChannelSignature } from '../filler/channel-signature.ts'
import { HlsSlate } from '../filler/hls-slate.ts'
import { SegmentCache } from '../upstream/segment-cache.ts'
import type { SegmentReader, SegmentRequest } from '../upstream/segment.ts'
import type { SessionFailure } from '../../sources/session.ts'
import { ChangeSignal, goneSignal } from './change-signal.ts'
import { serveDocument } from './documents.ts'
import { PlaylistServer } from './playlist-server.ts'
import { restoredMemory, storedMemory } from './proxy-memory.ts'
import type { HlsProxyListener, HlsProxyOptions, HlsProxySource, SettledSwitch } from './proxy-options.ts'
import type { SwitchWords } from './published-playlist.ts'
import { COMPLETE_SPAN, PublishedSlots } from './published-slots.ts'
import { Publisher } from './publisher.ts'
import type { Reference } from './reference.ts'
import { References } from './reference.ts'
import { ResourceJudge } from './resource-judge.ts'
import { ResourceServer } from './resource-server.ts'
import { SegmentInspection } from './segment-inspection.ts'
import { SegmentsAhead } from './segments-ahead.ts'
import { segmentDeadlineMs } from '../upstream/segment-deadline.ts'
import { namedAlike, namedSoon } from './shared-segments.ts'
import { SourceSessions } from './source-sessions.ts'
import type { SourceRun } from './source-run.ts'
import { Standby } from './standby.ts'
import { SymptomJudge } from './symptom-judge.ts'

/** Segments kept in memory are let go after this time without a reader. */
const CACHE_AGE_MS = 120_000
/** Switches of which players are told why they were. */
const WORDS_MAX = 16
/** Of the memory for segments, at most this part is for those of a standby. */
const STANDBY_SHARE = 2

/**
 * HLS sources passed on to HLS players: their playlists as one that never breaks, their segments fetched once however many
 * players there are. A request that a source fails is answered from the next one, as far as that has the same.
 */
export class HlsProxy implements HlsOutput, Disposable {
  readonly #options: HlsProxyOptions
  readonly #references: References
  readonly #cache: SegmentCache
  readonly #sessions: SourceSessions
  readonly #slots: PublishedSlots
  readonly #publisher: Publisher
  readonly #slate: HlsSlate
  readonly #inspection: SegmentInspection
  readonly #listener: HlsProxyListener
  readonly #resources: ResourceServer
  readonly #playlists: PlaylistServer
  readonly #judge: ResourceJudge
  readonly #ahead: SegmentsAhead
  readonly #standby: Standby
  readonly #changes: ChangeSignal
  readonly #abort = new AbortController()
  readonly #words = new Map<number, SwitchWords>()
  #activeSinceMs: number | undefined

  constructor(options: HlsProxyOptions) {
    const { clock, secret, streamId, network, limits, source } = options
    this.#options = options
    this.#references = new References(secret, streamId)
    this.#changes = new ChangeSignal(clock)
    this.#cache = new SegmentCache({ clock, bytesMax: limits.cacheBytesMax, ageMsMax: CACHE_AGE_MS })
    this.#listener = this.#createListener()
    const segmentDeadlineMsOf = (candidateId: string) => this.#segmentDeadlineMs(candidateId)
    this.#sessions = new SourceSessions({ network, timeouts: limits.timeouts, source, segmentDeadlineMsOf })
    this.#slots = new PublishedSlots(
      {
        ...options,
        references: this.#references,
        onSegments: (slot, run) => {
          this.#standby.joined(run, this.#slots.stitch.span?.number ?? COMPLETE_SPAN)
          // Of a source that stood by it is known that it delivers.
          if (!this.#ahead.order(slot) || run.wasStandby) this.#delivered(run)
        },
      },
      restoredMemory(options.memory),
    )
    const slots = this.#slots
    this.#publisher = new Publisher({
      ...{ ...options, slots, listener: this.#listener, sessions: this.#sessions },
      onChanged: () => this.#changes.changed(),
      onWanted: (slot) => this.#standby.follow(slot),
      isStandbyAdvancing: () => this.#standby.isAdvancing,
    })
    const channel = new ChannelSignature()
    this.#slate = this.#createSlate(channel)
    const sessionOf = (id: string) => this.#slate.session(id) ?? this.#sessions.find(id)
    this.#inspection = new SegmentInspection({
      ...{ cache: this.#cache, references: this.#references, slots, sessionOf, channel },
      judge: new SymptomJudge({ ...options, slots, publisher: this.#publisher }),
    })
    this.#resources = new ResourceServer({
      ...{ references: this.#references, cache: this.#cache, clock },
      sessionOf,
      onGood: (...[name, reference, head]) => this.#good(name, reference, head),
      elsewhere: (name, reference) => this.#judge.elsewhere(name, reference),
      judge: (...failed) => this.#judge.judge(...failed),
      inspection: this.#inspection,
      document: (request, reference) => this.#document(request, reference),
    })
    const shared = { ...options, slots, publisher: this.#publisher, changes: this.#changes }
    this.#playlists = new PlaylistServer({ ...shared, wordsOf: (span) => this.#words.get(span) })
    this.#judge = new ResourceJudge({
      ...shared,
      isHere: (name) => this.#resources.isHere(name),
      signal: this.#abort.signal,
    })
    this.#standby = new Standby({
      ...{ clock, slots, publisher: this.#publisher, sessions: this.#sessions, cache: this.#cache },
      bytesMax: limits.cacheBytesMax / STANDBY_SHARE,
      makersKey: (...wanted) => this.#resources.makersKey(...wanted),
    })
    this.#ahead = new SegmentsAhead({ slots, prefetch: async (name) => this.#resources.prefetch(name) })
  }

  /** What has to survive a restart: plain JSON data, null before anything was published. */
  get memory(): Json {
    const { memory } = this.#slots
    return memory === undefined ? null : storedMemory(memory)
  }

  /** Segment bytes that came from sources. */
  get bytesReceived(): number {
    return this.#cache.bytesReceived
  }

  /** Segment requests to sources so far. */
  get upstreamFetches(): number {
    return this.#cache.fetches
  }

  /** Segments that are being fetched. */
  get upstreamConnections(): number {
    return this.#cache.connections
  }

  /** When a source was put on air first since it was off air, on the clock. */
  get activeSinceMs(): number | undefined {
    return this.#activeSinceMs
  }

  /**
   * Plays another source, or the same anew. One that has not failed is played on until the new one has a playlist. Failures
   * are told with this epoch.
   */
  putOnAir(source: HlsProxySource, epoch: number): void {
    this.#activeSinceMs ??= this.#options.clock.nowMs()
    this.#publisher.putOnAir(source, epoch, this.#standby.takeOver(source))
  }

  /** The source that stands by, and whether it could go on air without asking for anything. */
  get standby(): { readonly id: CandidateId; readonly isReady: boolean } | undefined {
    const { candidateId: id, isReady } = this.#standby
    return id === undefined ? undefined : { id, isReady }
  }

  /** Follows another source ahead of a switch to it; `onFailed` is called once, and none stands by after it. */
  prepare(source: HlsProxySource, onFailed: (failure: SessionFailure) => void): void {
    this.#standby.prepare(source, onFailed)
  }

  /** No source stands by any more. */
  dropStandby(): void {
    this.#standby.drop()
  }

  /**
   * Closes all connections to a source, at once, and asks it for nothing until it is put on air again: its account has none left for it. What
   * players still want of it and is not in memory becomes a gap.
   */
  suspend(candidateId: CandidateId): void {
    if (this.#standby.candidateId === candidateId) this.#standby.drop()
    this.#publisher.leave(candidateId)
    this.#cache.cancelFetches(candidateId)
    this.#sessions.suspend(candidateId)
  }

  /** Closes the connections to a source that nothing is asked of for now; others are opened where players want something of it. */
  closeConnections(candidateId: CandidateId): void {
    this.#sessions.closeConnections(candidateId)
  }

  /**
   * A segment that a playlist of the source on air names too, or that the standby has ready, from memory or for the memory;
   * undefined for any other.
   */
  shared(candidateId: CandidateId, request: SegmentRequest): SegmentReader | undefined {
    const isRetry = request.isRetry === true
    const name = namedAlike(candidateId, request, this.#publisher, this.#slots, this.#references)
    if (name !== undefined) return this.#resources.openRaw(name, isRetry)
    const early = namedSoon(candidateId, request, this.#publisher, this.#slots)
    if (early !== undefined) return this.#resources.openEarly(early, isRetry)
    return this.#standby.shared(candidateId, request)
  }

  /** Players have a slate, because no source delivers. */
  get isSlateOn(): boolean {
    return this.#slate.isOn
  }

  /** Nothing is asked of any source any more; requests that wait go on waiting for another one to be put on air. */
  stop(): void {
    this.#activeSinceMs = undefined
    this.#standby.stop()
    this.#slate.end()
    this.#publisher.stop()
  }

  /** No source delivers, and none has delivered yet: requests that wait are answered with why. */
  giveUp(): void {
    this.#changes.giveUp()
  }

  /** A switch has settled: players are told why it was. */
  switched({ to, trigger, reason }: SettledSwitch): void {
    const mark = this.#slots.stitch.marks.at(-1)
    if (mark?.toIndex !== to.index || this.#words.has(mark.span)) return
    this.#words.set(mark.span, { trigger, reason })
    forgetOldest(this.#words, WORDS_MAX)
  }

  /** See HlsOutput. Throws hls_not_found for what no playlist named, and what `failure` gives while no source delivers. */
  async serve(request: HlsRequest): Promise<void> {
    const gone = AbortSignal.any([goneSignal(request.response), this.#abort.signal])
    if (request.path === 'playlist.m3u8') {
      await this.#playlists.serveEntry(request, gone)
      return
    }
    const [, slot] = /^v\/(\d{1,3})\/playlist\.m3u8$/.exec(request.path) ?? []
    if (slot === undefined) await this.#resources.serve(request, gone)
    else await this.#playlists.serveSlot(request, Number(slot), '../../', gone)
  }

  [Symbol.dispose](): void {
    this.#abort.abort()
    this.#standby[Symbol.dispose]()
    this.#slate[Symbol.dispose]()
    this.#publisher[Symbol.dispose]()
    this.#inspection[Symbol.dispose]()
    this.#resources[Symbol.dispose]()
    this.#cache[Symbol.dispose]()
    this.#sessions[Symbol.dispose]()
  }

  /** Failures of sources begin a silence, after which there is a slate, and what delivers ends it. */
  #createListener(): HlsProxyListener {
    const { listener } = this.#options
    return {
      delivered: (...told) => {
        this.#slate.end()
        listener.delivered(...told)
      },
      failed: (...told) => {
        // Of a source that was to take over, players miss nothing: they go on with the one that is on air.
        const isAnyOnAir = this.#publisher.current?.isAlive === true
        if (!isAnyOnAir && this.#slots.advancedAtMs !== undefined) this.#slate.failed()
        listener.failed(...told)
      },
      warned: (...told) => listener.warned(...told),
    }
  }

  #createSlate(channel: ChannelSignature): HlsSlate {
    const { clock, slate } = this.#options
    return new HlsSlate({
      ...{ ...slate, clock },
      signature: () => channel.signature,
      targetMs: () => 1_000 * this.#slots.targetDurationS,
      fillIn: (origin) => this.#publisher.fillIn({ session: origin, candidateId: candidateId(origin.key) }),
      takeOff: (origin) => this.#publisher.leave(origin.key),
    })
  }

  async #document(request: HlsRequest, reference: Reference): Promise<void> {
    const session = this.#sessions.find(reference.candidateId)
    await serveDocument(request, reference, session, this.#references, this.#abort.signal)
  }

  #good(name: string, { candidateId, kind, recipe }: Reference, head: Buffer): void {
    const { current } = this.#publisher
    if ((kind === 'segment' || kind === 'map') && recipe === undefined) this.#slots.seen(name, head)
    if (current?.source.candidateId !== candidateId) return
    current.lastGoodMs = this.#options.clock.nowMs()
    current.resourceFailures = 0
    this.#delivered(current)
  }

  #delivered(run: SourceRun): void {
    if (run.hasDelivered || !run.isAlive) return
    run.hasDelivered = true
    this.#listener.delivered(run.source.candidateId, run.epoch, run.wasStandby)
  }

  #segmentDeadlineMs(candidateId: string): number | undefined {
    const { current } = this.#publisher
    const isStandby = this.#standby.candidateId === candidateId
    if (current?.source.candidateId !== candidateId && !isStandby) return undefined
    return segmentDeadlineMs({
      targetDurationS: this.#slots.targetDurationS,
      underWay: this.#cache.connections,
      // Instead of a standby, what is on air goes on.
      hasAlternative: isStandby || this.#options.hasAlternative(),
      hasDelivered: isStandby ? this.#standby.isReady : current?.hasDelivered === true,
    })
  }
}
