import type { SeamFacts } from '../mpegts/splice/splice-facts.ts'
import type { Splice } from './splice.ts'

/** Sound that has not begun this much after the pictures is not waited for: a splice fills no more than a second. */
const WAIT_MS = 1_200

/**
 * The sound at one seam. It begins later than the pictures where their sound was sent before the source was connected, so
 * what became of it is told when it is known. Times are monotonic milliseconds.
 */
export class SeamSound {
  readonly #splice: Pick<Splice, 'facts'> | undefined
  readonly #beginMs: number
  readonly #listeners: (() => void)[] = []
  #seam: SeamFacts | undefined
  #isKnown = false

  /** The first media of a source came at `beginMs` through `splice`. */
  constructor(splice: Pick<Splice, 'facts'> | undefined, beginMs: number) {
    this.#splice = splice
    this.#beginMs = beginMs
    this.observe(beginMs)
  }

  /** Time without any sound, ms; undefined before the sound, and where nothing is known of it. */
  get holeMs(): number | undefined {
    return this.#seam?.audioHoleMs
  }

  /** Silence that was put in front of the sound, ms; undefined where nothing is known of it. */
  get filledMs(): number | undefined {
    return this.#seam?.audioFilledMs
  }

  /** Calls once when the sound has begun or is waited for no longer; at once if that is so. */
  whenKnown(listener: () => void): void {
    if (this.#isKnown) listener()
    else this.#listeners.push(listener)
  }

  /** More media came at `nowMs`. */
  observe(nowMs: number): void {
    if (this.#isKnown) return
    this.#seam = this.#splice?.facts?.seam
    if (this.#seam?.isSoundAwaited !== true || nowMs - this.#beginMs > WAIT_MS) this.end()
  }

  /** The source is left: there is no more to know. */
  end(): void {
    if (this.#isKnown) return
    this.#isKnown = true
    for (const listener of this.#listeners.splice(0)) listener()
  }
}
