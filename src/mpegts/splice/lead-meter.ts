import { NO_TIMESTAMP, PCR_PER_TICK, pcrStep } from './timestamp.ts'

/** What is further apart belongs to two clocks. */
const APART_TICKS_MAX = 5 * 90_000

/** Measures how far the units of a source lie behind its own PCR, which they may not (ISO/IEC 13818-1 §2.4.2.3). */
export class LeadMeter {
  #pcr = NO_TIMESTAMP
  #lateTicks = 0

  /** The most that a unit was behind the PCR, 90 kHz ticks. */
  get lateTicks(): number {
    return this.#lateTicks
  }

  /** A PCR came, 27 MHz. */
  observeClock(pcr: number): void {
    this.#pcr = pcr
  }

  /** A unit began that is decoded at `dts`. */
  observeUnit(dts: number): void {
    if (this.#pcr === NO_TIMESTAMP) return
    const ticks = Math.ceil(pcrStep(this.#pcr, dts * PCR_PER_TICK) / PCR_PER_TICK)
    if (ticks <= APART_TICKS_MAX) this.#lateTicks = Math.max(this.#lateTicks, ticks)
  }
}
