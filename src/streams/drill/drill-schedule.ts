import type { Clock, Timer } from '../../lib/clock.ts'
import type { DrillRequest } from './drill-mode.ts'

/** When a stream rehearses by itself. */
export type DrillTime =
  /** From the creation of the stream on. */
  | { readonly kind: 'every'; readonly ms: number }
  /** At this minute of the day, 0 to 1,439, in the system's time zone. */
  | { readonly kind: 'daily'; readonly minute: number }

export interface DrillSchedule extends Omit<DrillRequest, 'by'> {
  readonly time: DrillTime
}

/** The first time after `afterWallMs` (milliseconds since 1970-01-01 UTC); `createdWallMs` is when the stream was made. */
export function nextDrillWallMs(time: DrillTime, afterWallMs: number, createdWallMs: number): number {
  switch (time.kind) {
    case 'every':
      return createdWallMs + (Math.floor(Math.max(0, afterWallMs - createdWallMs) / time.ms) + 1) * time.ms
    case 'daily': {
      const day = new Date(afterWallMs)
      // Where the clocks are put forward over this minute, Date gives the one an hour later.
      const today = day.setHours(0, time.minute, 0, 0)
      if (today > afterWallMs) return today
      const tomorrow = new Date(afterWallMs)
      tomorrow.setDate(tomorrow.getDate() + 1)
      return tomorrow.setHours(0, time.minute, 0, 0)
    }
    default:
      return time satisfies never
  }
}

export interface ScheduledStream {
  readonly streamId: string
  readonly createdWallMs: number
  readonly schedule: DrillSchedule
}

export interface DrillTimetableOptions {
  readonly clock: Clock
  /** The streams that rehearse by themselves, as they are now. */
  readonly streams: () => readonly ScheduledStream[]
  /** Must not throw. */
  readonly run: (streamId: string, request: DrillRequest) => void
}

const LOOK_EVERY_MS = 10_000

/** Starts the drills that are due. What was due while the gateway was down is not made up for. */
export class DrillTimetable implements Disposable {
  readonly #options: DrillTimetableOptions
  #lookedWallMs: number
  #timer: Timer

  constructor(options: DrillTimetableOptions) {
    this.#options = options
    this.#lookedWallMs = options.clock.wallMs()
    this.#timer = this.#arm()
  }

  [Symbol.dispose](): void {
    this.#timer.cancel()
  }

  #arm(): Timer {
    return this.#options.clock.schedule(LOOK_EVERY_MS, () => {
      this.#look()
      this.#timer = this.#arm()
    })
  }

  #look(): void {
    const { clock, streams, run } = this.#options
    const nowWallMs = clock.wallMs()
    // A clock that was set back has nothing due, and one that was set forward nothing twice.
    const sinceWallMs = Math.min(this.#lookedWallMs, nowWallMs)
    this.#lookedWallMs = nowWallMs
    for (const { streamId, createdWallMs, schedule } of streams()) {
      if (nextDrillWallMs(schedule.time, sinceWallMs, createdWallMs) > nowWallMs) continue
      run(streamId, { ...schedule, by: 'schedule' })
    }
  }
}
