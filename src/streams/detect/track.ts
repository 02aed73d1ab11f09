import { IntervalWatch } from './interval-watch.ts'
import type { ProgressClock } from './progress-clock.ts'
import { thresholds } from './thresholds.ts'
import { TimestampWatch } from './timestamp-watch.ts'

/** PTS and DTS: 33 bits at 90 kHz (ISO/IEC 13818-1 §2.4.3.7). */
const TIMESTAMP_MODULUS = 2 ** 33
const TICKS_PER_MS = 90
/** Units without a step of their timestamps that are needed before these count as stalled. */
const UNITS_MIN = 3

/** One elementary stream: whether its timestamps go on. It is also one of the clocks that media time is measured on. */
export class Track {
  readonly pid: number
  readonly kind: 'video' | 'audio'
  readonly #timestamps = new TimestampWatch(TIMESTAMP_MODULUS, TICKS_PER_MS)
  readonly #steps = new IntervalWatch(thresholds.pts_stalled)
  #positionMs = 0
  #unitsSinceStep = 0
  #latest = 0

  constructor(pid: number, kind: 'video' | 'audio') {
    this.pid = pid
    this.kind = kind
  }

  /** A unit with this DTS, or PTS where there is none, in 90 kHz ticks. `nowMs` is monotonic. */
  observe(ticks: number, clock: ProgressClock, nowMs: number): void {
    this.#latest = ticks
    this.#unitsSinceStep += 1
    const stepMs = this.#timestamps.observe(ticks)
    if (stepMs === undefined) return
    this.#unitsSinceStep = 0
    this.#positionMs = clock.advance(this.#positionMs, stepMs)
    this.#steps.arrived(clock.ms, nowMs)
  }

  isStalled(clockMs: number): boolean {
    return this.#unitsSinceStep >= UNITS_MIN && this.#steps.isOverdue(clockMs)
  }

  get unitsSinceStep(): number {
    return this.#unitsSinceStep
  }

  get steps(): IntervalWatch {
    return this.#steps
  }

  /** The latest timestamp, 90 kHz. */
  get latest(): number {
    return this.#latest
  }
}
