import type { SpliceFacts } from '../mpegts/splice/splice-facts.ts'
import { SeamSound } from './seam-sound.ts'
import type { Splice } from './splice.ts'

/**
 * How a source was joined to what viewers had before. `hitless`: the same encode, nothing missing and nothing twice;
 * `seamless`: one legal programme, the decoder sees no step; `discontinuity`: the codec changed, and the programme says
 * so, or pictures or sound began or ended; `packet_aligned`: whole units of one source follow those of the other as they
 * are; `reconnect`: viewers were cut off.
 */
const SEAM_CLASSES = ['hitless', 'seamless', 'discontinuity', 'packet_aligned', 'reconnect'] as const
export type SeamClass = (typeof SEAM_CLASSES)[number]

/** What was measured where one source took over from another. Durations in milliseconds. */
export interface SeamMeasure {
  readonly seam: SeamClass
  /** The longest time that viewers were given nothing; 0 when the delay covered it. */
  readonly gapMs: number
  /** From the last media of the old source to the first of the new one on its way to viewers, a slate included. */
  readonly outageMs: number
  /** Of that, how long a slate was shown. */
  readonly slateMs: number
  /**
   * How much later (positive: missed) or earlier (negative: repeated) than the end of the old source's media the new one
   * was joined. Exact for a hitless join, otherwise judged by when both arrived.
   */
  readonly mediaJumpMs: number
  /** Pictures and sound units that were incomplete at the cut, or could not be decoded at the join. */
  readonly unitsDropped: number | undefined
  /** Time without any sound at the seam; undefined where it is not known. May be known later than the rest. */
  readonly audioHoleMs: number | undefined
  /** Silence that was put into the sound at the seam so that there is less of that; likewise. */
  readonly audioFilledMs: number | undefined
  /** Tells when these two are known; undefined where they do not change. */
  readonly sound?: Pick<SeamSound, 'whenKnown'>
}

export interface Delivery {
  /** When it goes out to viewers. */
  readonly dueMs: number
  /** When it came from its source. */
  readonly arrivedAtMs: number
}

/** Watches what goes out and measures each seam. Times are monotonic milliseconds. */
export class SeamMeter {
  #lastOut: number | undefined
  #lastSource: Delivery | undefined
  #gapMs = 0
  #slateMs = 0
  #slateSinceMs: number | undefined
  #before: SpliceFacts | undefined
  #sound: SeamSound | undefined

  /** Media of the source on air. */
  delivered({ dueMs, arrivedAtMs }: Delivery): void {
    this.#lastOut = dueMs
    this.#lastSource = { dueMs, arrivedAtMs }
    this.#sound?.observe(arrivedAtMs)
  }

  /** A piece of the slate. */
  slateDelivered(dueMs: number): void {
    if (this.#lastOut !== undefined) this.#gapMs = Math.max(this.#gapMs, dueMs - this.#lastOut)
    this.#slateSinceMs ??= dueMs
    this.#slateMs = dueMs - this.#slateSinceMs
    this.#lastOut = dueMs
  }

  /** The splice is about to leave a source; `facts` are its counts so far. */
  leaving(facts: SpliceFacts | undefined): void {
    this.#before ??= facts
    this.#sound?.end()
  }

  /** The first media of a source has come through `splice`; undefined when there was none before it. */
  joined(delivery: Delivery, splice: Pick<Splice, 'facts'> | undefined): SeamMeasure | undefined {
    const { dueMs, arrivedAtMs } = delivery
    const facts = splice?.facts
    this.#sound?.end()
    const sound = new SeamSound(splice, arrivedAtMs)
    this.#sound = sound
    const last = this.#lastSource
    const gapMs = this.#lastOut === undefined ? 0 : Math.max(this.#gapMs, dueMs - this.#lastOut, 0)
    const measure: SeamMeasure | undefined =
      last === undefined
        ? undefined
        : {
            seam: classOf(facts),
            gapMs,
            outageMs: Math.max(0, dueMs - last.dueMs),
            slateMs: this.#slateMs,
            mediaJumpMs: classOf(facts) === 'hitless' ? 0 : arrivedAtMs - last.arrivedAtMs,
            unitsDropped: dropped(facts, this.#before),
            get audioHoleMs() {
              return sound.holeMs
            },
            get audioFilledMs() {
              return sound.filledMs
            },
            sound,
          }
    this.#gapMs = 0
    this.#slateMs = 0
    this.#slateSinceMs = undefined
    this.#before = undefined
    this.delivered(delivery)
    return measure
  }

  /** The stream is idle: what comes next follows nothing. */
  reset(): void {
    this.#sound?.end()
    this.#sound = undefined
    this.#lastOut = undefined
    this.#lastSource = undefined
    this.#gapMs = 0
    this.#slateMs = 0
    this.#slateSinceMs = undefined
    this.#before = undefined
  }
}

function classOf(facts: SpliceFacts | undefined): SeamClass {
  switch (facts?.seam?.kind) {
    case undefined:
      return 'packet_aligned'
    case 'discontinuity':
      return 'discontinuity'
    case 'first':
    case 'seamless':
      return 'seamless'
    default:
      return 'hitless'
  }
}

function dropped(facts: SpliceFacts | undefined, before: SpliceFacts | undefined): number | undefined {
  if (facts === undefined) return undefined
  const cut = facts.incompleteUnitsDropped - (before?.incompleteUnitsDropped ?? 0)
  return cut + (facts.seam?.leadingPicturesDropped ?? 0)
}
