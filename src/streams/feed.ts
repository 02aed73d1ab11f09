import type { CandidateId } from '../failover/candidate.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import type { StreamRing } from './ring.ts'
import type { Container, Framer } from './framing/framing.ts'
import type { SessionFailure, SessionListener, SourceSession } from './sources/session.ts'
import { createUnitAlignedSplice } from './splice.ts'
import type { Splice, SpliceOutput } from './splice.ts'

/**
 * Brings sources on air: opens the one that the engine chose, keeps the present one going until the new one has reached
 * a point where a decoder can begin (when the switch allows that), and writes whoever is on air into the ring.
 */
export interface FeedOptions {
  readonly ring: StreamRing
  /** The seam for a stream of this container, anew each time that the stream comes on air. */
  readonly createSplice: (container: Container) => Splice
  readonly clock: Clock
  /** How long a new source may deliver media without a keyframe before it goes on air without one. */
  readonly keyframeWaitMs: number
  readonly openSession: (candidateId: CandidateId, listener: SessionListener) => SourceSession
  readonly listener: FeedListener
}

export interface FeedListener {
  /** The first media of a source is in the ring. */
  onAir(candidateId: CandidateId, epoch: number, session: SourceSession): void
  /** The source that the engine has put on air failed, before or after its first media. */
  failed(candidateId: CandidateId, epoch: number, failure: SessionFailure): void
  /** Media of the source on air was appended; `isFirst` when it is the first of this source. */
  appended(session: SourceSession, isFirst: boolean): void
  /** What a source that has ended left behind was appended. */
  flushed(): void
  /** Whether reading should pause until viewers have caught up. */
  shouldHoldBack(isHeldBack: boolean): boolean
}

interface Track {
  readonly candidateId: CandidateId
  epoch: number
  readonly session: SourceSession
  /** Monotonic time of the first media, from which the wait for a keyframe counts. */
  firstMediaMs: number | undefined
  /** The tables with which it was announced to viewers before it had a join point. */
  introducedWith: Buffer | undefined
  /** Monotonic time at which it took over. */
  tookOverMs: number
  /** Viewers have been given media of it. */
  hasDelivered: boolean
}

const HOLD_BACK_CHECK_MS = 20
/** A source out of which the splice has made nothing for this long is passed on as it is. */
const SPLICE_PATIENCE_MS = 3_000

export class Feed {
  readonly #options: FeedOptions
  #current: Track | undefined
  #incoming: Track | undefined
  #openTimer: Timer | undefined
  #holdBackTimer: Timer | undefined
  #splice: Splice | undefined
  /** Whether any source has delivered since the stream was last idle. */
  #hasDelivered = false
  #container: Container | undefined
  bytesReceived = 0

  constructor(options: FeedOptions) {
    this.#options = options
  }

  /** The session whose media viewers read now. */
  get session(): SourceSession | undefined {
    return this.#current?.session
  }

  /** The session that is on its way in. */
  get incoming(): SourceSession | undefined {
    return this.#incoming?.session
  }

  /** What viewers have been reading since the stream was last idle. */
  get container(): Container | undefined {
    return this.#container
  }

  get upstreamConnections(): number {
    return (this.#current === undefined ? 0 : 1) + (this.#incoming === undefined ? 0 : 1)
  }

  /**
   * Puts a candidate on air after `delayMs`. With `keepCurrent` the present source goes on until the new one is ready;
   * otherwise it is closed first.
   */
  putOnAir(candidateId: CandidateId, epoch: number, delayMs: number, keepCurrent: boolean): void {
    this.#openTimer?.cancel()
    this.#incoming?.session.close()
    this.#incoming = undefined
    if (this.#current?.candidateId === candidateId && !this.#current.session.ended) {
      this.#current.epoch = epoch
      this.#options.listener.onAir(candidateId, epoch, this.#current.session)
      return
    }
    if (!keepCurrent) this.#closeCurrent()
    if (delayMs <= 0) this.#open(candidateId, epoch)
    else this.#openTimer = this.#options.clock.schedule(delayMs, () => this.#open(candidateId, epoch))
  }

  /** Closes every source; the next one starts the stream anew. */
  stop(): void {
    this.#openTimer?.cancel()
    this.#incoming?.session.close()
    this.#incoming = undefined
    this.#closeCurrent()
    this.#splice = undefined
    this.#hasDelivered = false
    this.#container = undefined
  }

  #open(candidateId: CandidateId, epoch: number): void {
    // Nothing is called before the session is opened below.
    const session = this.#options.openSession(candidateId, {
      media: (data, joinOffsets) => this.#media(track, data, joinOffsets),
      failed: (failure) => this.#failed(track, failure),
    })
    const track: Track = {
      ...{ candidateId, epoch, session },
      firstMediaMs: undefined,
      introducedWith: undefined,
      tookOverMs: Number.NaN,
      hasDelivered: false,
    }
    this.#incoming = track
    session.open()
  }

  #media(track: Track, data: Buffer, joinOffsets: readonly number[]): void {
    this.bytesReceived += data.length
    if (track === this.#current) this.#push(track, data, joinOffsets)
    else if (track === this.#incoming) this.#tryJoin(track, data, joinOffsets)
  }

  #tryJoin(track: Track, data: Buffer, joinOffsets: readonly number[]): void {
    const { clock, keyframeWaitMs } = this.#options
    const framer = track.session.framer
    if (framer === undefined) return
    const join = joinOffsets[0]
    if (join !== undefined) {
      this.#takeOver(track, framer, data.subarray(join), shifted(joinOffsets, join))
      return
    }
    if (!framer.mediaSeen) return
    const nowMs = clock.nowMs()
    track.firstMediaMs ??= nowMs
    if (nowMs - track.firstMediaMs >= keyframeWaitMs) this.#takeOver(track, framer, data, [])
    else if (!this.#hasDelivered && track.introducedWith === undefined) this.#introduce(track, framer)
  }

  /** At the very start the tables go out as soon as they are known, so that a player can prepare. */
  #introduce(track: Track, framer: Framer): void {
    const preamble = framer.preamble()
    if (preamble.length === 0) return
    track.introducedWith = preamble
    this.#begin(framer)
    this.#options.listener.flushed()
  }

  #begin(framer: Framer): void {
    this.#container = framer.container
    this.#splice ??= this.#options.createSplice(framer.container)
    this.#splice.begin(framer, this.#append)
  }

  #takeOver(track: Track, framer: Framer, data: Buffer, joinOffsets: readonly number[]): void {
    this.#closeCurrent()
    this.#current = track
    this.#incoming = undefined
    this.#hasDelivered = true
    track.tookOverMs = this.#options.clock.nowMs()
    if (track.introducedWith?.equals(framer.preamble()) !== true) this.#begin(framer)
    this.#push(track, data, joinOffsets)
  }

  #push(track: Track, data: Buffer, joinOffsets: readonly number[]): void {
    const { ring, listener } = this.#options
    const before = ring.appendedBytes
    this.#splice?.push(data, joinOffsets, this.#append)
    if (ring.appendedBytes === before) {
      this.#giveUpSplicing(track)
      return
    }
    const isFirst = !track.hasDelivered
    track.hasDelivered = true
    listener.appended(track.session, isFirst)
    if (isFirst) listener.onAir(track.candidateId, track.epoch, track.session)
    if (listener.shouldHoldBack(false)) this.#holdBack(track)
  }

  /** Better a seam that shows than no picture: what the splice can make nothing of is passed on as it is. */
  #giveUpSplicing(track: Track): void {
    const { framer } = track.session
    if (track.hasDelivered || framer === undefined) return
    if (this.#options.clock.nowMs() - track.tookOverMs < SPLICE_PATIENCE_MS) return
    this.#splice = createUnitAlignedSplice()
    this.#splice.begin(framer, this.#append)
  }

  readonly #append: SpliceOutput = (data, joinOffsets, preamble) => {
    this.#options.ring.append(data, joinOffsets, preamble)
  }

  #holdBack(track: Track): void {
    if (this.#holdBackTimer !== undefined) return
    track.session.pause()
    const check = () => {
      this.#holdBackTimer = undefined
      if (track !== this.#current) return
      if (this.#options.listener.shouldHoldBack(true)) this.#holdBackTimer = this.#schedule(check)
      else track.session.resume()
    }
    this.#holdBackTimer = this.#schedule(check)
  }

  #schedule(task: () => void): Timer {
    return this.#options.clock.schedule(HOLD_BACK_CHECK_MS, task)
  }

  #failed(track: Track, failure: SessionFailure): void {
    if (track === this.#incoming) this.#incoming = undefined
    else if (track === this.#current) {
      this.#closeCurrent()
      // While another source is on its way in, the engine has already left this one.
      if (this.#incoming !== undefined) return
    } else return
    this.#options.listener.failed(track.candidateId, track.epoch, failure)
  }

  #closeCurrent(): void {
    this.#holdBackTimer?.cancel()
    this.#holdBackTimer = undefined
    if (this.#current === undefined) return
    this.#current.session.close()
    this.#current = undefined
    this.#splice?.cut(this.#append)
    this.#options.listener.flushed()
  }
}

function shifted(offsets: readonly number[], by: number): readonly number[] {
  return offsets.map((offset) => offset - by)
}
