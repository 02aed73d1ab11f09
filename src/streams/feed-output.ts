import type { KnownTimeline } from '../mpegts/splice/known-join.ts'
import type { FeedOptions } from './feed-options.ts'
import type { Track } from './feed-track.ts'
import type { Container, Framer } from './framing/framing.ts'
import { HoldBack } from './hold-back.ts'
import { SeamMeter } from './seam-meter.ts'
import { createUnitAlignedSplice } from './splice.ts'
import type { Splice, SpliceOutput } from './splice.ts'

/** A source out of which the splice has made nothing for this long is passed on as it is. */
const SPLICE_PATIENCE_MS = 3_000
/** A twin may have to catch up with what viewers have had already. */
const TWIN_PATIENCE_MS = 12_000
/** … and a switch to one is judged after this at the latest. */
const TWIN_VERDICT_MS = 2_000

/**
 * The way of whoever is on air to the viewers: through the splice, which lives as long as the stream does, measured at
 * each seam. Tells when a source's first media is on its way.
 */
export class FeedOutput {
  readonly #options: FeedOptions
  readonly #meter = new SeamMeter()
  readonly #holdBack: HoldBack
  #splice: Splice | undefined
  #container: Container | undefined
  /** When what is being written arrived from its source. */
  #arrivedAtMs = 0
  #lastArrivalMs: number | undefined

  constructor(options: FeedOptions) {
    this.#options = options
    this.#holdBack = new HoldBack(options.clock, (isHeldBack) => options.listener.shouldHoldBack(isHeldBack))
  }

  /** What viewers have been reading since the stream was last idle. */
  get container(): Container | undefined {
    return this.#container
  }

  /** When a source on air last sent media, a slate not counted. */
  get lastArrivalMs(): number | undefined {
    return this.#lastArrivalMs
  }

  /** How much of what a source sent before its join point is of use, ms. */
  get leadInMs(): number {
    return this.#splice?.leadInMs ?? 0
  }

  /** Whether the stream can go on with a source that is known to carry the same encode. */
  get joinsTwins(): boolean {
    return this.#splice?.joinsTwins === true
  }

  /** A source is about to send, or to announce itself; with `twin` it goes on with the unit after the last one sent. */
  begin(framer: Framer, twin?: KnownTimeline): void {
    this.#container = framer.container
    this.#splice ??= this.#options.createSplice(framer.container)
    this.#splice.begin(framer, this.#append, twin)
  }

  /** Whole units of `track`, which arrived at `arrivedAtMs`. */
  push(track: Track, data: Buffer, joinOffsets: readonly number[], arrivedAtMs: number): void {
    const { output, listener } = this.#options
    const before = output.takenBytes
    const dueMs = output.dueMs(arrivedAtMs)
    this.#arrivedAtMs = arrivedAtMs
    if (track.candidateId !== undefined) this.#lastArrivalMs = arrivedAtMs
    this.#splice?.push(data, joinOffsets, this.#append)
    if (output.takenBytes === before) {
      this.#giveUpSplicing(track)
      return
    }
    const delivery = { dueMs, arrivedAtMs }
    const isFirst = track.firstDelivery === undefined
    track.firstDelivery ??= delivery
    output.settle(isFirst)
    if (track.candidateId === undefined) this.#meter.slateDelivered(dueMs)
    else if (track.isAnnounced) this.#meter.delivered(delivery)
    else if (this.#isSeamKnown(track)) {
      track.isAnnounced = true
      const seam = this.#meter.joined(track.firstDelivery, this.#splice)
      this.#meter.delivered(delivery)
      listener.onAir(track.candidateId, track.epoch, { ...track, seam })
    }
    this.#holdBack.delivered(track.source)
  }

  /** The source on air is left: what is complete of it goes out. */
  leave(): void {
    this.#meter.leaving(this.#splice?.facts)
    this.#splice?.cut(this.#append)
    this.#options.listener.flushed()
  }

  /** What is sent next is not held back for the sake of what was sent before. */
  releaseHoldBack(): void {
    this.#holdBack.cancel()
  }

  /** The stream is idle: what comes next begins it anew. */
  reset(): void {
    this.#splice = undefined
    this.#container = undefined
    this.#lastArrivalMs = undefined
    this.#meter.reset()
  }

  /** Whether a twin really goes on with the next picture shows when that picture is there. */
  #isSeamKnown(track: Track): boolean {
    if (!track.isTwin || this.#splice?.facts?.seam?.kind === 'hitless') return true
    return this.#options.clock.nowMs() - track.tookOverMs >= TWIN_VERDICT_MS
  }

  /** Better a seam that shows than no picture: what the splice can make nothing of is passed on as it is. */
  #giveUpSplicing(track: Track): void {
    const { framer } = track.source
    if (track.firstDelivery !== undefined || framer === undefined) return
    const patienceMs = track.isTwin ? TWIN_PATIENCE_MS : SPLICE_PATIENCE_MS
    if (this.#options.clock.nowMs() - track.tookOverMs < patienceMs) return
    this.#splice = createUnitAlignedSplice()
    this.#splice.begin(framer, this.#append)
  }

  readonly #append: SpliceOutput = (data, joinOffsets, preamble) => {
    this.#options.output.append(data, joinOffsets, preamble, this.#arrivedAtMs)
  }
}
