import { Deadline } from '../wire/timer-wheel.ts'
import type { ForwarderOptions } from './forward-facts.ts'

/**
 * What a request may be waiting for besides its upstream: to ask a second one, to try again, to send the body although
 * nobody asked for it, to keep an answer back no longer.
 */
export type AlarmKind = 'hedge' | 'retry' | 'continue' | 'hold'

const NEVER_MS = Number.POSITIVE_INFINITY

/** The times at which one request has something to do, on one deadline of the wheel. */
export class Alarms {
  readonly #options: ForwarderOptions
  readonly #onDue: (kind: AlarmKind) => void
  readonly #deadline = new Deadline(() => this.#ring())
  readonly #dueMs: Record<AlarmKind, number> = { hedge: NEVER_MS, retry: NEVER_MS, continue: NEVER_MS, hold: NEVER_MS }

  constructor(options: ForwarderOptions, onDue: (kind: AlarmKind) => void) {
    this.#options = options
    this.#onDue = onDue
  }

  /** Rings at `atMs`, or earlier if it was set to an earlier time. Each alarm rings once. */
  set(kind: AlarmKind, atMs: number): void {
    this.#dueMs[kind] = Math.min(this.#dueMs[kind], atMs)
    this.#arm()
  }

  clear(kind: AlarmKind): void {
    this.#dueMs[kind] = NEVER_MS
  }

  stop(): void {
    this.#options.wheel.remove(this.#deadline)
  }

  #arm(): void {
    const { hedge, retry, continue: go, hold } = this.#dueMs
    const atMs = Math.min(hedge, retry, go, hold)
    if (atMs === NEVER_MS) this.#options.wheel.disarm(this.#deadline)
    else this.#options.wheel.arm(this.#deadline, Math.max(0, atMs - this.#options.clock.nowMs()))
  }

  #ring(): void {
    const nowMs = this.#options.clock.nowMs()
    for (const kind of ['hedge', 'retry', 'continue', 'hold'] as const) {
      if (this.#dueMs[kind] > nowMs) continue
      this.#dueMs[kind] = NEVER_MS
      this.#onDue(kind)
    }
    this.#arm()
  }
}
