import type { CandidateId } from '../failover/candidate.ts'
import type { Timer } from '../lib/clock.ts'
import type { KnownTimeline } from '../mpegts/splice/known-join.ts'
import type { FeedOptions } from './feed-options.ts'
import { FeedOutput } from './feed-output.ts'
import { newTrack } from './feed-track.ts'
import type { FeedSource, Track } from './feed-track.ts'
import { NO_CONNECTION_LEFT } from './failures.ts'
import type { Container, Framer } from './framing/framing.ts'
import type { HistoryBounds, HistoryChunk, HistoryJoin } from './media-history.ts'
import type { SessionFailure, SessionListener } from './sources/session.ts'
import { TwinPair } from './twin-pair.ts'

/** An account that allows no further connection has to see the old one closed first. */
const CLOSE_BEFORE_OPEN_MS = 50
/** Of a source on its way in: what may belong to the picture at which it is joined. */
const INCOMING_HISTORY: HistoryBounds = { bytesMax: 8_388_608, ageMsMax: 1_500 }
/** Of a standby: its last groups of pictures. */
const STANDBY_HISTORY: HistoryBounds = { bytesMax: 67_108_864, ageMsMax: 12_000 }

/**
 * Brings sources on air: opens the one that the engine chose, or takes over the standby that is received already, keeps
 * the present one going until the new one has reached a point where a decoder can begin (when the switch allows that),
 * and sends whoever is on air through the splice to the viewers.
 */
export class Feed {
  readonly #options: FeedOptions
  readonly #output: FeedOutput
  #current: Track | undefined
  #incoming: Track | undefined
  #standby: Track | undefined
  /** A slate that has not reached its first picture; it does not disturb a source on its way in. */
  #incomingSlate: Track | undefined
  #openTimer: Timer | undefined
  /** Exists while a standby is received that could be spliced in. */
  #pair: TwinPair | undefined
  /** Whether any source has delivered since the stream was last idle. */
  #hasDelivered = false
  bytesReceived = 0

  constructor(options: FeedOptions) {
    this.#options = options
    this.#output = new FeedOutput(options)
  }

  /** The source whose media viewers read now, a slate included. */
  get source(): FeedSource | undefined {
    return this.#current?.source
  }

  /** The source that is on its way in. */
  get incoming(): FeedSource | undefined {
    return this.#incoming?.source
  }

  /** The candidate that is received without being on air, and whether it could take over at once. */
  get standby(): { readonly id: CandidateId; readonly source: FeedSource; readonly isReady: boolean } | undefined {
    const standby = this.#standby
    if (standby?.candidateId === undefined) return undefined
    const isReady = standby.history.joinNear(0) !== undefined
    return { id: standby.candidateId, source: standby.source, isReady }
  }

  /** A candidate that is received now, in whatever part. */
  received(candidateId: CandidateId): FeedSource | undefined {
    const tracks = [this.#current, this.#incoming, this.#standby]
    return tracks.find((track) => track?.candidateId === candidateId)?.source
  }

  /** What viewers have been reading since the stream was last idle. */
  get container(): Container | undefined {
    return this.#output.container
  }

  get upstreamConnections(): number {
    const tracks = [this.#current, this.#incoming, this.#standby]
    return tracks.filter((track) => track?.candidateId !== undefined).length
  }

  /**
   * Puts a candidate on air after `delayMs`. With `keepCurrent` the present source goes on until the new one is ready;
   * otherwise it is closed first. A slate stays until then in either case.
   */
  putOnAir(candidateId: CandidateId, epoch: number, delayMs: number, keepCurrent: boolean): void {
    this.#openTimer?.cancel()
    this.#openTimer = undefined
    this.#incoming?.source.close()
    this.#incoming = undefined
    const current = this.#current
    if (current?.candidateId === candidateId && !current.source.ended) {
      current.epoch = epoch
      this.#options.listener.onAir(candidateId, epoch, { ...current, seam: undefined })
      return
    }
    if (!keepCurrent && current?.candidateId !== undefined) this.#closeCurrent()
    if (delayMs <= 0) this.#open(candidateId, epoch)
    else this.#openLater(candidateId, epoch, delayMs)
  }

  /** Receives this candidate without putting it on air, and none if it is undefined. False when it cannot connect now. */
  prepare(candidateId: CandidateId | undefined): boolean {
    if (this.#standby?.candidateId === candidateId) return true
    this.dropStandby()
    if (
      candidateId === undefined ||
      [this.#current, this.#incoming].some((track) => track?.candidateId === candidateId)
    )
      return true
    const standby = this.#track(candidateId, Number.NaN, 'standby', STANDBY_HISTORY)
    if (typeof standby === 'string') return false
    this.#standby = standby
    standby.source.open()
    return true
  }

  dropStandby(): void {
    this.#standby?.source.close()
    this.#forgetStandby()
  }

  #forgetStandby(): void {
    this.#standby = undefined
    const pair = this.#pair
    this.#pair = undefined
    pair?.end()
  }

  /** Shows a slate until the next source is ready; nothing happens while a source is on air. */
  showSlate(create: (listener: Pick<SessionListener, 'media'>) => FeedSource): void {
    if (this.#current !== undefined) return
    const listener: Pick<SessionListener, 'media'> = { media: (data, joins) => this.#media(slate, data, joins) }
    const slate = newTrack(undefined, Number.NaN, create(listener), INCOMING_HISTORY)
    this.#incomingSlate = slate
    slate.source.open()
  }

  /** Whether viewers see a slate. */
  get isSlateOn(): boolean {
    return this.#current !== undefined && this.#current.candidateId === undefined
  }

  /** Viewers' side cannot use what the source on air sends: it has failed. */
  reject(failure: SessionFailure): void {
    if (this.#current !== undefined) this.#failed(this.#current, failure)
  }

  /** Closes every source; the next one starts the stream anew. */
  stop(): void {
    this.#openTimer?.cancel()
    this.#openTimer = undefined
    for (const track of [this.#incoming, this.#incomingSlate]) track?.source.close()
    this.#incoming = undefined
    this.#incomingSlate = undefined
    this.dropStandby()
    this.#closeCurrent()
    this.#hasDelivered = false
    this.#output.reset()
  }

  #openLater(candidateId: CandidateId, epoch: number, delayMs: number): void {
    this.#openTimer = this.#options.clock.schedule(delayMs, () => {
      this.#openTimer = undefined
      this.#open(candidateId, epoch)
    })
  }

  #open(candidateId: CandidateId, epoch: number): void {
    const standby = this.#standby
    if (standby !== undefined && standby.candidateId === candidateId && !standby.source.ended) {
      const twin = this.#pair?.handOver()
      this.#pair = undefined
      this.#standby = undefined
      standby.epoch = epoch
      standby.wasStandby = true
      this.#options.standbyTakesOver(standby.source)
      this.#incoming = standby
      this.#joinFromHistory(standby, twin)
      return
    }
    const track = this.#track(candidateId, epoch, 'on_air', INCOMING_HISTORY)
    if (track === 'close_present_first') {
      this.#closeCurrent()
      this.#openLater(candidateId, epoch, CLOSE_BEFORE_OPEN_MS)
    } else if (track === 'no_connection_left') {
      this.#options.listener.failed(candidateId, epoch, NO_CONNECTION_LEFT)
    } else {
      this.#incoming = track
      track.source.open()
    }
  }

  #track(
    candidateId: CandidateId,
    epoch: number,
    purpose: 'on_air' | 'standby',
    bounds: HistoryBounds,
  ): Track | 'no_connection_left' | 'close_present_first' {
    // Nothing is called before the source is opened.
    const listener: SessionListener = {
      media: (data, joinOffsets) => this.#media(track, data, joinOffsets),
      failed: (failure) => this.#failed(track, failure),
    }
    const source = this.#options.openSession(candidateId, listener, purpose, this.#current?.candidateId)
    if (typeof source === 'string') return source
    const track = newTrack(candidateId, epoch, source, bounds)
    return track
  }

  #media(track: Track, data: Buffer, joinOffsets: readonly number[]): void {
    if (track.candidateId !== undefined) this.bytesReceived += data.length
    const nowMs = this.#options.clock.nowMs()
    if (track === this.#current) {
      if (this.#pair === undefined || track.candidateId === undefined)
        this.#output.push(track, data, joinOffsets, nowMs)
      else this.#pair.takeAir(data, joinOffsets, nowMs)
    } else if (track === this.#standby) {
      this.#pair ??= this.#createPair(track)
      if (this.#pair === undefined) track.history.append(data, joinOffsets, nowMs)
      else this.#pair.takeStandby(data, joinOffsets, nowMs)
    } else if (track === this.#incoming || track === this.#incomingSlate) {
      track.history.append(data, joinOffsets, nowMs)
      this.#tryJoin(track, joinOffsets, nowMs)
    }
  }

  #createPair(standby: Track): TwinPair | undefined {
    const { clock, twinHoldMs } = this.#options
    if (!this.#output.joinsTwins || standby.source.framer?.container !== 'mpegts') return undefined
    return new TwinPair({
      holdMsMax: twinHoldMs(),
      air: (data, joinOffsets) => {
        if (this.#current !== undefined) this.#output.push(this.#current, data, joinOffsets, clock.nowMs())
      },
      standby: (data, joinOffsets) => standby.history.append(data, joinOffsets, clock.nowMs()),
    })
  }

  #tryJoin(track: Track, joinOffsets: readonly number[], nowMs: number): void {
    const { framer } = track.source
    if (framer === undefined) return
    if (joinOffsets.length > 0) {
      const chunk = track.history.chunks.at(-1)
      if (chunk !== undefined) this.#takeOver(track, framer, { chunk, offset: joinOffsets[0] ?? 0 })
      return
    }
    if (!framer.mediaSeen) return
    track.firstMediaMs ??= nowMs
    if (nowMs - track.firstMediaMs >= this.#options.keyframeWaitMs) this.#takeOver(track, framer, undefined)
    else if (!this.#hasDelivered && track.introducedWith === undefined) this.#introduce(track, framer)
  }

  /** A standby takes over where the source before it stopped: exactly, or as near as its pictures allow. */
  #joinFromHistory(track: Track, twin: KnownTimeline | undefined): void {
    const { framer } = track.source
    if (framer !== undefined && twin !== undefined) {
      this.#takeOver(track, framer, undefined, twin)
      return
    }
    const isReplacing = this.#current?.candidateId !== undefined
    const aimMs = isReplacing
      ? this.#options.clock.nowMs()
      : (this.#output.lastArrivalMs ?? this.#options.clock.nowMs())
    const join = track.history.joinNear(aimMs)
    if (framer !== undefined && join !== undefined) this.#takeOver(track, framer, join)
  }

  /** At the very start the tables go out as soon as they are known, so that a player can prepare. */
  #introduce(track: Track, framer: Framer): void {
    const preamble = framer.preamble()
    if (preamble.length === 0) return
    track.introducedWith = preamble
    this.#output.begin(framer)
    this.#options.listener.flushed()
  }

  #takeOver(track: Track, framer: Framer, join: HistoryJoin | undefined, twin?: KnownTimeline): void {
    this.#closeCurrent()
    this.#current = track
    if (track === this.#incoming) this.#incoming = undefined
    if (track === this.#incomingSlate) this.#incomingSlate = undefined
    else this.#closeIncomingSlate()
    // Whoever stands by stands by for another source now.
    this.#pair?.end()
    this.#pair = undefined
    this.#hasDelivered = true
    track.tookOverMs = this.#options.clock.nowMs()
    track.isTwin = twin !== undefined
    if (track.introducedWith?.equals(framer.preamble()) !== true) this.#output.begin(framer, twin)
    const first = twin === undefined ? this.#firstMedia(track, join) : [...track.history.chunks]
    for (const { data, joinOffsets, arrivedAtMs } of first) {
      if (track === this.#current) this.#output.push(track, data, joinOffsets, arrivedAtMs)
    }
    track.history.clear()
  }

  #firstMedia(track: Track, join: HistoryJoin | undefined): readonly HistoryChunk[] {
    if (join !== undefined) return track.history.from(join, this.#output.leadInMs)
    return track.history.chunks.slice(-1)
  }

  #failed(track: Track, failure: SessionFailure): void {
    if (track.candidateId === undefined) return
    if (track === this.#standby) {
      this.#forgetStandby()
      this.#options.listener.standbyFailed(track.candidateId, failure)
      return
    }
    if (track === this.#incoming) this.#incoming = undefined
    else if (track === this.#current) {
      this.#closeCurrent()
      // While another source is on its way in, the engine has already left this one.
      if (this.#incoming !== undefined) return
    } else return
    this.#options.listener.failed(track.candidateId, track.epoch, failure)
  }

  #closeIncomingSlate(): void {
    this.#incomingSlate?.source.close()
    this.#incomingSlate = undefined
  }

  #closeCurrent(): void {
    this.#output.releaseHoldBack()
    if (this.#current === undefined) return
    this.#current.source.close()
    this.#current = undefined
    this.#output.leave()
  }
}
