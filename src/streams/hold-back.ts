import type { Clock, Timer } from '../lib/clock.ts'
import type { FeedSource } from './feed-track.ts'

const CHECK_MS = 20

/** Pauses a source that sends faster than any viewer reads, and lets it go on when they have caught up. */
export class HoldBack {
  readonly #clock: Clock
  readonly #shouldHoldBack: (isHeldBack: boolean) => boolean
  #timer: Timer | undefined

  constructor(clock: Clock, shouldHoldBack: (isHeldBack: boolean) => boolean) {
    this.#clock = clock
    this.#shouldHoldBack = shouldHoldBack
  }

  /** Media of `source` went out. */
  delivered(source: FeedSource): void {
    if (this.#timer !== undefined || !this.#shouldHoldBack(false)) return
    source.pause()
    this.#arm(source)
  }

  /** The source on air is another. */
  cancel(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #arm(source: FeedSource): void {
    this.#timer = this.#clock.schedule(CHECK_MS, () => {
      this.#timer = undefined
      if (this.#shouldHoldBack(true)) this.#arm(source)
      else source.resume()
    })
  }
}
