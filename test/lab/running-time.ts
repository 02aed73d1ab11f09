import { systemClock } from '../../src/lib/clock.ts'
import type { Timer } from '../../src/lib/clock.ts'

const TICK_MS = 20
const TICK_MS_MAX = 2 * TICK_MS

/**
 * Milliseconds in which this process ran: what it was not given the processor for does not count. For what is said of
 * things that all run in it, and would all be as late.
 */
export class RunningTime implements Disposable {
  #ms = 0
  #lastMs = systemClock.nowMs()
  #timer: Timer | undefined

  constructor() {
    this.#tick()
  }

  get ms(): number {
    return this.#ms + Math.min(TICK_MS_MAX, systemClock.nowMs() - this.#lastMs)
  }

  [Symbol.dispose](): void {
    this.#timer?.cancel()
  }

  #tick(): void {
    this.#ms = this.ms
    this.#lastMs = systemClock.nowMs()
    this.#timer = systemClock.schedule(TICK_MS, () => this.#tick())
  }
}
