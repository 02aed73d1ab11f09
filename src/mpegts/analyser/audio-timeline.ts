import type { AudioFrame } from './audio-frame.ts'
import { TIMESTAMP_MODULUS, TIMESTAMP_TICKS_PER_MS, timestampStep } from './clock.ts'
import { durationText } from './finding.ts'
import type { FindingLog, Place } from './finding.ts'
import type { AudioReport } from './report.ts'

/** Rounding to 90 kHz, and of sources that count in ms. */
const TOLERANCE_TICKS = 2 * TIMESTAMP_TICKS_PER_MS
const TOLERANCE_SHARE = 0.1
const TIMESTAMP_HZ = 90_000

/**
 * Compares the PTS of audio with what its frames last. A hole of up to one frame is what remains where two sources meet
 * without overlap, so only a longer one is reported.
 */
export class AudioTimeline {
  readonly #pid: number
  readonly #log: FindingLog
  #pts: number | undefined
  #place: Place | undefined
  /** Where the next frame is due, in 90 kHz ticks with a fraction. */
  #due: number | undefined
  #frames = 0
  #frameTicks: number | undefined
  #holes = 0
  #overlaps = 0

  constructor(pid: number, log: FindingLog) {
    this.#pid = pid
    this.#log = log
  }

  /** A PES packet with a PTS begins. */
  begin(pts: number, place: Place): void {
    this.#pts = pts
    this.#place = place
  }

  /** The timeline jumped where it may. */
  restart(): void {
    this.#due = undefined
  }

  /** A frame begins; `isAnchor` says that the PTS of the PES packet is its. */
  frame({ samples, format }: AudioFrame, isAnchor: boolean): void {
    const { sampleRateHz } = format
    if (samples <= 0 || sampleRateHz === undefined) return
    const ticks = (samples * TIMESTAMP_HZ) / sampleRateHz
    this.#frames += 1
    this.#frameTicks = ticks
    if (isAnchor && this.#pts !== undefined) {
      if (this.#due !== undefined) this.#compare(this.#pts, this.#due, ticks)
      this.#due = this.#pts
    }
    if (this.#due !== undefined) this.#due = (this.#due + ticks) % TIMESTAMP_MODULUS
  }

  report(): AudioReport {
    const frameMs = this.#frameTicks === undefined ? undefined : this.#frameTicks / TIMESTAMP_TICKS_PER_MS
    return { frames: this.#frames, frameMs, holes: this.#holes, overlaps: this.#overlaps }
  }

  #compare(pts: number, due: number, frameTicks: number): void {
    const ahead = timestampStep(due, pts)
    const tolerance = Math.max(TOLERANCE_TICKS, frameTicks * TOLERANCE_SHARE)
    const place = this.#place
    if (place === undefined) return
    const ms = Math.abs(ahead) / TIMESTAMP_TICKS_PER_MS
    if (ahead > frameTicks + tolerance) {
      this.#holes += 1
      const detail = `${durationText(ms)} without audio`
      this.#log.add({ code: 'audio_hole', pid: this.#pid, place, detail, measure: ms })
    } else if (ahead < -tolerance) {
      this.#overlaps += 1
      const detail = `${durationText(ms)} of audio twice`
      this.#log.add({ code: 'audio_overlap', pid: this.#pid, place, detail, measure: ms })
    }
  }
}
