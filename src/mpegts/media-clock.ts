import { PCR_MODULUS, SYSTEM_CLOCK_HZ } from './packet.ts'

/**
 * A step between two PCRs above this is a jump of the source's clock, not media that was delivered (ISO/IEC 13818-1
 * §2.7.2 allows 100 ms between PCRs; sources that write one for each group of pictures are met in practice).
 */
const STEP_TICKS_MAX = 10 * SYSTEM_CLOCK_HZ

/** Adds up the media time that a programme's PCRs tell, over wraps and jumps of its clock. */
export class MediaClock {
  #lastPcr: number | undefined
  #elapsedTicks = 0
  #jumps = 0

  /** The latest PCR in 27 MHz units. */
  get pcr(): number | undefined {
    return this.#lastPcr
  }

  /** Media time since the first PCR in ms; undefined before it. Never goes back. */
  get elapsedMs(): number | undefined {
    return this.#lastPcr === undefined && this.#elapsedTicks === 0
      ? undefined
      : (this.#elapsedTicks * 1_000) / SYSTEM_CLOCK_HZ
  }

  /** Steps that were not counted because they went back or too far ahead, without an announcement. */
  get jumps(): number {
    return this.#jumps
  }

  /** Takes a PCR in 27 MHz units; `isAnnounced` says that discontinuity_indicator was set with it (§2.4.3.5). */
  observe(pcr: number, isAnnounced: boolean): void {
    const last = this.#lastPcr
    this.#lastPcr = pcr
    if (last === undefined || isAnnounced) return
    const step = (pcr - last + PCR_MODULUS) % PCR_MODULUS
    if (step <= STEP_TICKS_MAX) this.#elapsedTicks += step
    else this.#jumps += 1
  }

  /** The PCR comes from another PID from now on: the next one starts anew, elapsed time stays. */
  restart(): void {
    this.#lastPcr = undefined
  }
}
