import type { CandidateId } from '../../../failover/candidate.ts'
import { HoldfastError } from '../../../lib/errors.ts'
import type { Json } from '../../../store/store.ts'
import type { SourceFailure } from '../../sources/http-failure.ts'
import type { HlsOutput, HlsRequest } from '../hls-output.ts'
import { SegmentCache } from '../upstream/segment-cache.ts'
import type { SegmentReader, SegmentRequest } from '../upstream/segment.ts'
import { ChangeSignal, goneSignal } from './change-signal.ts'
import { answerWith, PLAYLIST_TYPE, serveDocument } from './documents.ts'
import { sameElsewhere } from './finished-programme.ts'
import { playlistText, withCarried } from './playlist-text.ts'
import { restoredMemory, storedMemory } from './proxy-memory.ts'
import type { HlsProxyOptions, HlsProxySource, SettledSwitch } from './proxy-options.ts'
import type { SwitchWords } from './published-playlist.ts'
import { Publisher } from './publisher.ts'
import type { Reference } from './reference.ts'
import { References } from './reference.ts'
import { ResourceServer } from './resource-server.ts'
import type { Verdict } from './resource-server.ts'
import { segmentDeadlineMs } from '../upstream/segment-deadline.ts'
import { checkReloadTarget, reloadTarget } from './reload-target.ts'
import type { SlotOutput } from './slot-output.ts'
import { namedAlike } from './shared-segments.ts'
import { SourceSessions } from './source-sessions.ts'
import type { SourceRun } from './source-run.ts'

/** Segments kept in memory are let go after this time without a reader. */
const CACHE_AGE_MS = 120_000
/** While a source is looked for, a player with a playlist waits this long for the next one at most. */
const PLAYLIST_WAIT_MS_MAX = 5_000
/** A blocking reload waits for so many target durations (bis §6.2.5.2). */
const BLOCKING_TARGETS = 3
/** Segments that are ordered ahead of the players at once, for a playlist. */
const AHEAD_MAX = 3
/** The only source has failed when so many segments in a row cannot be had. */
const FAILURES_MAX = 3
/** What a source has nothing to do with. */
const NOT_ITS_FAULT: readonly SourceFailure['kind'][] = ['aborted', 'internal']

/**
 * HLS sources passed on to HLS players: their playlists as one that never breaks, their segments fetched once however many
 * players there are. A request that a source fails is answered from the next one, as far as that has the same.
 */
export class HlsProxy implements HlsOutput, Disposable {
  readonly #options: HlsProxyOptions
  readonly #references: References
  readonly #cache: SegmentCache
  readonly #sessions: SourceSessions
  readonly #publisher: Publisher
  readonly #resources: ResourceServer
  readonly #changes: ChangeSignal
  readonly #abort = new AbortController()
  readonly #words = new Map<number, SwitchWords>()
  #ordering = 0
  #activeSinceMs: number | undefined

  constructor(options: HlsProxyOptions) {
    const { clock, secret, streamId, network, limits, source } = options
    this.#options = options
    this.#references = new References(secret, streamId)
    this.#changes = new ChangeSignal(clock)
    this.#cache = new SegmentCache({ clock, bytesMax: limits.cacheBytesMax, ageMsMax: CACHE_AGE_MS })
    const segmentDeadlineMsOf = (candidateId: string) => this.#segmentDeadlineMs(candidateId)
    this.#sessions = new SourceSessions({ network, timeouts: limits.timeouts, source, segmentDeadlineMsOf })
    this.#publisher = new Publisher(
      {
        ...options,
        references: this.#references,
        sessions: this.#sessions,
        onChanged: () => this.#changes.changed(),
        onSegments: (slot, run) => this.#orderAhead(slot, run),
      },
      restoredMemory(options.memory),
    )
    this.#resources = new ResourceServer({
      ...{ references: this.#references, cache: this.#cache, clock },
      sessionOf: (candidateId) => this.#sessions.find(candidateId),
      onGood: (...[name, reference, head]) => this.#good(name, reference, head),
      elsewhere: (name, reference) => this.#elsewhere(name, reference),
      judge: (name, reference, failure) => this.#judge(name, reference, failure),
      document: (request, reference) => this.#document(request, reference),
    })
  }

  /** What has to survive a restart: plain JSON data, null before anything was published. */
  get memory(): Json {
    const { memory } = this.#publisher
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
    this.#publisher.putOnAir(source, epoch)
  }

  /**
   * Closes all connections to a source, at once, and asks it for nothing until it is put on air again: its account has none left for it. What
   * players still want of it and is not in memory becomes a gap.
   */
  suspend(candidateId: CandidateId): void {
    this.#publisher.leave(candidateId)
    this.#cache.cancelFetches(candidateId)
    this.#sessions.suspend(candidateId)
  }

  /** A segment that a playlist of the source on air names too, from memory or for the memory; undefined for any other. */
  shared(candidateId: CandidateId, request: SegmentRequest): SegmentReader | undefined {
    const name = namedAlike(candidateId, request, this.#publisher, this.#references)
    return name === undefined ? undefined : this.#resources.openRaw(name, request.isRetry === true)
  }

  /** Nothing is asked of any source any more; requests that wait go on waiting for another one to be put on air. */
  stop(): void {
    this.#activeSinceMs = undefined
    this.#publisher.stop()
  }

  /** No source delivers, and none has delivered yet: requests that wait are answered with why. */
  giveUp(): void {
    this.#changes.giveUp()
  }

  /** A switch has settled: players are told why it was. */
  switched({ to, trigger, reason }: SettledSwitch): void {
    const mark = this.#publisher.stitch.marks.at(-1)
    if (mark?.toIndex !== to.index || this.#words.has(mark.span)) return
    this.#words.set(mark.span, { trigger, reason })
    const [oldest] = this.#words.size > 16 ? this.#words.keys() : []
    if (oldest !== undefined) this.#words.delete(oldest)
  }

  /** See HlsOutput. Throws hls_not_found for what no playlist named, and what `failure` gives while no source delivers. */
  async serve(request: HlsRequest): Promise<void> {
    const gone = AbortSignal.any([goneSignal(request.response), this.#abort.signal])
    if (request.path === 'playlist.m3u8') {
      await this.#serveEntry(request, gone)
      return
    }
    const [, slot] = /^v\/(\d{1,3})\/playlist\.m3u8$/.exec(request.path) ?? []
    if (slot === undefined) await this.#resources.serve(request, gone)
    else await this.#serveSlot(request, Number(slot), '../../', gone)
  }

  [Symbol.dispose](): void {
    this.#abort.abort()
    this.#publisher[Symbol.dispose]()
    this.#resources[Symbol.dispose]()
    this.#cache[Symbol.dispose]()
    this.#sessions[Symbol.dispose]()
  }

  async #serveEntry(request: HlsRequest, gone: AbortSignal): Promise<void> {
    const { clock, limits, failure } = this.#options
    const deadlineMs = clock.nowMs() + limits.startTimeoutMs
    const publisher = this.#publisher
    const master = await this.#changes.until(() => publisher.master, { deadlineMs, signal: gone })
    if (gone.aborted) return
    if (master === undefined && publisher.master === undefined) throw failure()
    if (master === undefined || publisher.master === null) {
      await this.#serveSlot(request, 0, '', gone)
      return
    }
    // Players ask for it once: it must not lead them to where nothing is.
    const isThere = () => (publisher.current?.entry !== undefined || this.#isHeld() ? true : undefined)
    const isServed = await this.#changes.until(isThere, { deadlineMs, signal: gone })
    if (gone.aborted) return
    if (isServed === undefined) throw failure()
    const { playlist } = publisher.master ?? { playlist: undefined }
    if (playlist === undefined) throw failure()
    const named = { ...playlist, variants: playlist.variants.map((each) => ({ ...each, uri: slotName(each.uri) })) }
    const renditions = playlist.renditions.map((each) => ({
      ...each,
      uri: each.uri === undefined ? undefined : slotName(each.uri),
    }))
    const trickPlayVariants = playlist.trickPlayVariants.map((each) => ({ ...each, uri: slotName(each.uri) }))
    const text = playlistText({ ...named, renditions, trickPlayVariants }, '')
    answerWith(request, withCarried(text, request.carried), PLAYLIST_TYPE)
  }

  async #serveSlot(request: HlsRequest, number: number, up: string, gone: AbortSignal): Promise<void> {
    const { clock, limits, failure } = this.#options
    const publisher = this.#publisher
    const startMs = clock.nowMs()
    // After a restart it is not known what there is before the first source has answered.
    const known = await this.#changes.until(() => (publisher.master === undefined ? undefined : true), {
      ...{ deadlineMs: startMs + limits.startTimeoutMs, signal: gone },
    })
    if (gone.aborted) return
    if (known === undefined) throw failure()
    const slot = publisher.slot(number)
    if (slot === undefined) throw notFound()
    publisher.want(number)
    const target = reloadTarget(request.query)
    checkReloadTarget(slot, target)
    const isThere = (): true | undefined => (this.#isCurrent(number, slot) ? true : undefined)
    const waitMs = slot.hasContent
      ? Math.min(slot.timeline.targetDurationS * 1_000, PLAYLIST_WAIT_MS_MAX)
      : limits.startTimeoutMs
    const found = await this.#changes.until(isThere, { deadlineMs: startMs + waitMs, signal: gone })
    if (found !== undefined && target !== undefined && slot.features?.canBlockReload === true) {
      const deadlineMs = startMs + BLOCKING_TARGETS * 1_000 * slot.timeline.targetDurationS
      await this.#changes.until(() => (slot.holds(target) ? true : undefined), { deadlineMs, signal: gone })
    }
    if (gone.aborted) return
    if (found === undefined && !(slot.hasContent && this.#isHeld())) throw failure()
    slot.lastAskedMs = clock.nowMs()
    const text = slot.text({
      span: publisher.stitch.span,
      marks: publisher.stitch.marks,
      wordsOf: (span) => this.#words.get(span),
      reports: () => this.#reports(number),
      up,
    })
    answerWith(request, withCarried(text, request.carried), PLAYLIST_TYPE)
  }

  /** Whether what a slot shows is the source on air, as far as that has something for it. */
  #isCurrent(number: number, slot: SlotOutput): boolean {
    if (slot.complete !== undefined || slot.isEnded) return true
    const { current } = this.#publisher
    if (!slot.hasContent || current === undefined || !current.isAlive) return false
    if (slot.epoch === current.epoch) return true
    // Subtitles that only another source has stand still.
    return current.entry !== undefined && !current.follow(number)
  }

  /** Players are kept with what they have: it is not long since something new came. */
  #isHeld(): boolean {
    const { advancedAtMs } = this.#publisher
    return advancedAtMs !== undefined && this.#options.clock.nowMs() - advancedAtMs < this.#options.limits.viewerHoldMs
  }

  #reports(own: number) {
    const reports = [...this.#publisher.slots].flatMap(([number, slot]) => {
      const report = number === own ? undefined : slot.report(slotName(String(number)))
      return report === undefined ? [] : [report]
    })
    return reports
  }

  async #document(request: HlsRequest, reference: Reference): Promise<void> {
    const session = this.#sessions.find(reference.candidateId)
    await serveDocument(request, reference, session, this.#references, this.#abort.signal)
  }

  /** New segments are fetched before the first player asks for them, which also shows at once whether the source has them. */
  #orderAhead(slot: SlotOutput, run: SourceRun): void {
    const { segments } = slot.timeline
    const span = this.#publisher.stitch.span?.number
    const added = segments.filter(
      ({ sequence, span: of, segment }) => sequence >= slot.orderedSequence && of === span && !segment.isGap,
    )
    slot.orderedSequence = slot.timeline.nextSequence
    const wanted = added.slice(-AHEAD_MAX)
    if (wanted.length === 0) this.#delivered(run)
    for (const { segment } of wanted) {
      if (this.#ordering >= 2 * AHEAD_MAX) return
      this.#ordering += 1
      void this.#resources
        .prefetch(segment.uri)
        .catch(() => undefined)
        .finally(() => {
          this.#ordering -= 1
        })
    }
  }

  #good(name: string, { candidateId, kind, recipe }: Reference, head: Buffer): void {
    const { current } = this.#publisher
    if ((kind === 'segment' || kind === 'map') && recipe === undefined) this.#publisher.seen(name, head)
    if (current?.source.candidateId !== candidateId) return
    current.lastGoodMs = this.#options.clock.nowMs()
    current.resourceFailures = 0
    this.#delivered(current)
  }

  #delivered(run: SourceRun): void {
    if (run.hasDelivered || !run.isAlive) return
    run.hasDelivered = true
    this.#options.listener.delivered(run.source.candidateId, run.epoch)
  }

  #segmentDeadlineMs(candidateId: string): number | undefined {
    const { current, slots } = this.#publisher
    if (current?.source.candidateId !== candidateId) return undefined
    return segmentDeadlineMs({
      targetDurationS: Math.max(0, ...Array.from(slots.values(), ({ timeline }) => timeline.targetDurationS)),
      underWay: this.#cache.connections,
      hasAlternative: this.#options.hasAlternative(),
      hasDelivered: current.hasDelivered,
    })
  }

  #elsewhere(name: string, reference: Reference): Reference | undefined {
    const { current } = this.#publisher
    if (current === undefined || current.source.candidateId === reference.candidateId) return undefined
    return sameElsewhere(name, reference, this.#publisher.slots, current)
  }

  /** What a failed resource means for its source and for the player. */
  async #judge(name: string, reference: Reference, failure: SourceFailure): Promise<Verdict> {
    const publisher = this.#publisher
    if (NOT_ITS_FAULT.includes(failure.kind)) return { kind: 'unavailable' }
    if (reference.kind === 'data') return { kind: 'missing' }
    const { current } = publisher
    const isOnAir = current?.isAlive === true && current.source.candidateId === reference.candidateId
    const isOffered = this.#isOffered(name, reference)
    if (failure.kind === 'segment_missing' && !isOffered) return { kind: 'missing' }
    const isOfSpan = this.#isComplete(name) || reference.span === publisher.stitch.span?.number
    const isItsEnd = isOnAir && isOfSpan && this.#isTooMuch(current)
    if (isItsEnd) current.fail(failure)
    if (this.#isComplete(name)) return this.#completeElsewhere(name, reference)
    publisher.lost(name)
    if (isItsEnd) this.#loseAfter(name)
    return isOffered || reference.kind === 'key' || reference.kind === 'map'
      ? { kind: 'unavailable' }
      : { kind: 'missing' }
  }

  /** What follows a segment that was its source's last chance, and is not here yet: players would wait for each in turn. */
  #loseAfter(name: string): void {
    for (const { timeline } of this.#publisher.slots.values()) {
      const failed = timeline.segments.find(({ segment }) => segment.uri === name)
      if (failed === undefined) continue
      const after = timeline.segments.filter(({ span, sequence }) => span === failed.span && sequence > failed.sequence)
      for (const { segment } of after) if (!this.#resources.isHere(segment.uri)) this.#publisher.lost(segment.uri)
    }
  }

  /** With nobody to go on from, one segment less is better than a source that is left and tried again. */
  #isTooMuch(run: SourceRun): boolean {
    run.resourceFailures += 1
    return this.#options.hasAlternative() || run.resourceFailures >= FAILURES_MAX
  }

  /** Whether the source's own playlist still names it; one that has left it may be gone. Keys and sections always should be there. */
  #isOffered(name: string, reference: Reference): boolean {
    if (reference.kind === 'key' || reference.kind === 'map') return true
    for (const [number, { timeline, complete, epoch }] of this.#publisher.slots) {
      if (complete?.segments.some(({ uri }) => uri === name) === true) return true
      const published = timeline.segments.find(({ segment }) => segment.uri === name)
      if (published === undefined) continue
      const latest = this.#publisher.current?.latest(number)?.playlist
      const isOfAir = epoch !== undefined && published.span === this.#publisher.stitch.span?.number
      return !isOfAir || latest === undefined || published.upstreamSequence >= latest.mediaSequence
    }
    return false
  }

  #isComplete(name: string): boolean {
    return [...this.#publisher.slots.values()].some(
      ({ complete }) => complete?.segments.some(({ uri }) => uri === name) === true,
    )
  }

  /** Of a finished programme, another source may have the same: it is waited for. */
  async #completeElsewhere(name: string, reference: Reference): Promise<Verdict> {
    const { clock, limits } = this.#options
    const deadlineMs = clock.nowMs() + limits.startTimeoutMs
    const found = await this.#changes.until(() => this.#elsewhere(name, reference), {
      ...{ deadlineMs, signal: this.#abort.signal },
    })
    return found === undefined ? { kind: 'unavailable' } : { kind: 'elsewhere', reference: found }
  }
}

function slotName(slot: string): string {
  return `v/${slot}/playlist.m3u8`
}

function notFound(): HoldfastError {
  return new HoldfastError('hls_not_found', 'No playlist of this stream names that')
}
