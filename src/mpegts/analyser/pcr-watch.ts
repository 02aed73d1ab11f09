import { pcrStepMs } from './clock.ts'
import { durationText } from './finding.ts'
import type { FindingLog, Place } from './finding.ts'

/** ISO/IEC 13818-1 §2.7.2, and TS 101 154 §4.1.7 for DVB. */
const INTERVAL_MS_MAX = 100
const INTERVAL_DVB_MS_MAX = 40
/** What is further ahead is another clock, not a clock reference that came late. */
const LATE_MS_MAX = 1_000
/** Rounding of those that are meant to come every 40 or 100 ms. */
const TOLERANCE_MS = 0.5
const TICKS_PER_BASE = 300

/** The clock references of one programme. They may move to another PID; the clock is expected to go on. */
export class PcrWatch {
  readonly #log: FindingLog
  #last: number | undefined
  #epoch = 0
  #isAnnounced = false

  constructor(log: FindingLog) {
    this.#log = log
  }

  /** The latest PCR in 90 kHz ticks. */
  get base(): number | undefined {
    return this.#last === undefined ? undefined : this.#last / TICKS_PER_BASE
  }

  /** Goes up with each discontinuity that was announced (§2.4.3.5): timestamps may jump once behind it. */
  get epoch(): number {
    return this.#epoch
  }

  /** discontinuity_indicator on the PCR's PID: the next PCR may be anything. */
  announce(): void {
    this.#isAnnounced = true
  }

  /** Takes a PCR of 27 MHz ticks; a packet that comes twice is taken once. */
  observe(pcr: number, pid: number, place: Place): void {
    const last = this.#last
    this.#last = pcr
    const isAnnounced = this.#isAnnounced
    this.#isAnnounced = false
    if (last === undefined) return
    const stepMs = pcrStepMs(last, pcr)
    if (isAnnounced) {
      this.#epoch += 1
      const detail = `PCR steps by ${durationText(stepMs)}`
      this.#log.add({ code: 'announced_discontinuity', pid, place, detail, measure: Math.abs(stepMs) })
    } else if (stepMs <= 0 || stepMs > LATE_MS_MAX) {
      const detail = stepMs > 0 ? `PCR ${durationText(stepMs)} ahead` : `PCR ${durationText(-stepMs)} back`
      this.#log.add({ code: 'pcr_discontinuity_error', pid, place, detail, measure: Math.abs(stepMs) })
    } else if (stepMs > INTERVAL_MS_MAX + TOLERANCE_MS) {
      const detail = `${durationText(stepMs)} between PCRs`
      this.#log.add({ code: 'pcr_repetition_error', pid, place, detail, measure: stepMs })
    } else if (stepMs > INTERVAL_DVB_MS_MAX + TOLERANCE_MS) {
      const detail = `${durationText(stepMs)} between PCRs`
      this.#log.add({ code: 'pcr_repetition_dvb', pid, place, detail, measure: stepMs })
    }
  }
}
