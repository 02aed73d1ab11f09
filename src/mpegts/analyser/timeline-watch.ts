import { TIMESTAMP_TICKS_PER_MS, timestampStep } from './clock.ts'
import { durationText } from './finding.ts'
import type { FindingCode, FindingLog, Place } from './finding.ts'
import type { PcrWatch } from './pcr-watch.ts'
import type { PesHeader } from './pes-reader.ts'
import { Distribution } from './spread.ts'

/** Steps that wait until enough are known to say what a frame is. */
const STEPS_LEARNT_MIN = 12
const FRAMES_PER_STEP_MAX = 1.5
/** Rounding of frame durations to 90 kHz, and of sources that count in ms. */
const TOLERANCE_TICKS = TIMESTAMP_TICKS_PER_MS
/** A frame rate that the stream tells is believed up to this many steps. */
const STEPS_PER_FRAME_MAX = 4
/** ISO/IEC 13818-1 §2.14: nothing stays in the decoder's buffer for longer. */
const DECODE_DELAY_TICKS_MAX = 10_000 * TIMESTAMP_TICKS_PER_MS

/** A step above this is another timeline, not frames that are missing. */
const JUMP_TICKS_MIN = 10_000 * TIMESTAMP_TICKS_PER_MS

export type TimelineCourse = 'goes on' | 'jumps' | 'jumps as announced'

export interface TimelineOptions {
  readonly pid: number
  /** Video: steps are measured in frames. Audio is measured by the duration of its frames elsewhere. */
  readonly measuresSteps: boolean
  /**
   * Subtitles and metadata: several PES packets may belong to one moment, as those of one display set of DVB subtitles do
   * (ETSI EN 300 743). Of access units of video and audio it is an error.
   */
  readonly mayShareTime: boolean
  readonly log: FindingLog
}

/** The decoding times of one PID. */
export class TimelineWatch {
  readonly #options: TimelineOptions
  readonly #steps = new Distribution()
  readonly #delays = new Distribution()
  #dts: number | undefined
  #waiting: { readonly ticks: number; readonly place: Place }[] = []
  #frameTicksTold = 0
  #epochForgiven = 0

  constructor(options: TimelineOptions) {
    this.#options = options
  }

  get dts(): number | undefined {
    return this.#dts
  }

  get steps(): Distribution {
    return this.#steps
  }

  get delays(): Distribution {
    return this.#delays
  }

  /** What the stream says that a frame lasts, in 90 kHz ticks. */
  set frameTicksTold(ticks: number) {
    this.#frameTicksTold = ticks
  }

  /** Takes a PES packet's times; an announced jump is one that discontinuity_indicator allowed. */
  observe(header: PesHeader, place: Place, pcr: PcrWatch): TimelineCourse {
    const { pts, dts } = header
    if (pts === undefined || dts === undefined) return 'goes on'
    const shown = timestampStep(dts, pts)
    if (shown < 0) this.#found('pts_before_dts', place, -shown, `PTS ${ticksText(-shown)} before DTS`)
    this.#againstPcr(dts, place, pcr)
    const last = this.#dts
    this.#dts = dts
    if (last === undefined) return 'goes on'
    const ticks = timestampStep(last, dts)
    if (ticks === 0 && this.#options.mayShareTime) return 'goes on'
    const isJump = ticks <= 0 || (this.#frameTicks > 0 && ticks > this.#stepTicksMax)
    if (isJump && pcr.epoch > this.#epochForgiven) {
      this.#epochForgiven = pcr.epoch
      return 'jumps as announced'
    }
    this.#steps.add(ticks)
    if (ticks <= 0) {
      const detail = ticks === 0 ? 'DTS the same twice' : `DTS ${ticksText(-ticks)} back`
      this.#found('dts_not_increasing', place, -ticks, detail)
    } else if (this.#options.measuresSteps) this.#measure(ticks, place)
    return ticks <= 0 || ticks > JUMP_TICKS_MIN ? 'jumps' : 'goes on'
  }

  /** Judges the steps that wait for more. */
  flush(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const { ticks, place } of waiting) this.#judge(ticks, place)
  }

  get #frameTicks(): number {
    const median = this.#steps.median
    const isTold = this.#frameTicksTold > median && this.#frameTicksTold <= median * STEPS_PER_FRAME_MAX
    return isTold ? this.#frameTicksTold : median
  }

  get #stepTicksMax(): number {
    return this.#frameTicks * FRAMES_PER_STEP_MAX + TOLERANCE_TICKS
  }

  #measure(ticks: number, place: Place): void {
    if (this.#steps.total >= STEPS_LEARNT_MIN) {
      this.flush()
      this.#judge(ticks, place)
    } else this.#waiting.push({ ticks, place })
  }

  #judge(ticks: number, place: Place): void {
    const frameTicks = this.#frameTicks
    if (frameTicks <= 0 || ticks <= this.#stepTicksMax) return
    const frames = Number((ticks / frameTicks).toFixed(1))
    this.#found('dts_step', place, ticks, `DTS step of ${ticksText(ticks)}, ${frames} frames`)
  }

  #againstPcr(dts: number, place: Place, { base }: PcrWatch): void {
    if (base === undefined) return
    const delay = timestampStep(base, dts)
    this.#delays.add(Math.round(delay / TIMESTAMP_TICKS_PER_MS) * TIMESTAMP_TICKS_PER_MS)
    if (delay < -DECODE_DELAY_TICKS_MAX || delay > DECODE_DELAY_TICKS_MAX) {
      const side = delay < 0 ? 'behind' : 'ahead of'
      this.#found('dts_far_from_pcr', place, Math.abs(delay), `DTS ${ticksText(Math.abs(delay))} ${side} the PCR`)
    } else if (delay < 0) {
      this.#found('dts_before_pcr', place, -delay, `DTS ${ticksText(-delay)} behind the PCR`)
    }
  }

  #found(code: FindingCode, place: Place, ticks: number, detail: string): void {
    const { log, pid } = this.#options
    log.add({ code, pid, place, detail, measure: ticks / TIMESTAMP_TICKS_PER_MS })
  }
}

function ticksText(ticks: number): string {
  return durationText(ticks / TIMESTAMP_TICKS_PER_MS)
}
