import { NO_TIMESTAMP, PCR_PER_MS, PCR_PER_TICK, pcrStep, timestampStep, wrapPcr } from './timestamp.ts'

/** ISO/IEC 13818-1 §2.7.2: PCRs are at most 100 ms apart; a longer step is filled with PCRs this far apart. */
const PCR_STEP_MAX = 100 * PCR_PER_MS
const FILL_STEP = 80 * PCR_PER_MS
/** Longer steps are not filled: nothing could be that late. */
const FILLED_STEP_MAX = 10_000 * PCR_PER_MS
/** A PCR further before the DTS of what it goes with, or further after it, is of another clock than the timestamps. */
const LEAD_MAX = 10_000 * PCR_PER_MS
const AFTER_MAX = 1_000 * PCR_PER_MS
/** Never falls back by more than this for units that come late. */
const LAG_MAX = 5_000 * PCR_PER_MS
/** A PCR is kept this far before the DTS of a unit that it was found to exceed. */
const MARGIN = PCR_PER_MS
/** A source's first PCR is at least this far before its first DTS: streams that come a little later are not too late. */
const FIRST_LEAD_MIN = 100 * PCR_PER_MS
/** Media may wait in the decoder's buffer for this much longer than the source says, so that the PCR makes no step. */
const LONGER_WAIT_MAX = 1_000 * PCR_PER_MS

/**
 * The output's PCR. It follows the source's own distance between PCR and DTS, never runs back and never waits: where
 * the next source's distance is longer it all but stands until that one has caught up, where it is shorter that of the
 * source before is kept, and only what is beyond a second is made up for by PCRs with nothing between.
 */
export class OutputClock {
  #last = NO_TIMESTAMP
  /** DTS of the leading stream when the last PCR went out. */
  #lastDts = NO_TIMESTAMP
  /** Added to the source's PCR beside the timeline's offset, never positive: the source's PCR exceeds its DTS by that. */
  #shift = 0
  /** The latest value that follows the source's clock as it is, and whether the last PCR was such a one. */
  #own = NO_TIMESTAMP
  #isOwn = false
  /** The source has had no PCR yet. */
  #isJoining = true

  /** The last PCR that went out, 27 MHz; NO_TIMESTAMP before it. */
  get last(): number {
    return this.#last
  }

  /** Another source begins, whose first units are decoded earlier by `lagTicks` (90 kHz) than its PCR allows for. */
  join(lagTicks: number): void {
    this.#shift = -lagTicks * PCR_PER_TICK
    this.#isOwn = false
    this.#isJoining = true
  }

  /** A clock that has nothing to do with the one before begins. */
  restart(): void {
    this.join(0)
    this.#last = NO_TIMESTAMP
    this.#lastDts = NO_TIMESTAMP
  }

  /**
   * The output's value for a PCR of the source (27 MHz), with the source's offset and the DTS of the leading stream's
   * unit that goes out with it (90 kHz), as far as known. It is sent when `advance` has taken it. Undefined when none can
   * be sent: it would be after the DTS.
   */
  valueFor(sourcePcr: number, offsetTicks: number, leadingDts: number): number | undefined {
    let own = wrapPcr(sourcePcr + offsetTicks * PCR_PER_TICK + this.#shift)
    if (leadingDts !== NO_TIMESTAMP) {
      const lead = pcrStep(leadingDts * PCR_PER_TICK, own)
      if (lead > LEAD_MAX || lead < -AFTER_MAX) return this.estimate(leadingDts)
      if (this.#isJoining) own = this.#settle(own, leadingDts, lead)
    }
    if (this.#last === NO_TIMESTAMP || pcrStep(own, this.#last) > 0) {
      this.#own = own
      return own
    }
    const standing = wrapPcr(this.#last + 1)
    return leadingDts !== NO_TIMESTAMP && pcrStep(leadingDts * PCR_PER_TICK, standing) < 0 ? undefined : standing
  }

  /** Takes the source's first PCR, as far before the DTS as `lead` says: puts it no further ahead than it must be. */
  #settle(own: number, leadingDts: number, lead: number): number {
    this.#isJoining = false
    const ahead = this.#last === NO_TIMESTAMP ? 0 : pcrStep(own, this.estimate(leadingDts))
    const room = Math.max(0, LONGER_WAIT_MAX + this.#shift)
    const back = Math.max(FIRST_LEAD_MIN - lead, Math.min(ahead, room), 0)
    this.#shift -= back
    return wrapPcr(own - back)
  }

  /** A value for where the source has none: as far after the last one as the leading stream has advanced. */
  estimate(leadingDts: number): number {
    if (this.#last === NO_TIMESTAMP) return wrapPcr(leadingDts * PCR_PER_TICK - PCR_STEP_MAX)
    const advance = this.#lastDts === NO_TIMESTAMP ? 0 : timestampStep(leadingDts, this.#lastDts) * PCR_PER_TICK
    return wrapPcr(this.#last + Math.max(1, advance))
  }

  /** The value to send before `next` so that no step is too long; undefined when none is missing. */
  fillBefore(next: number): number | undefined {
    if (this.#last === NO_TIMESTAMP) return undefined
    const step = pcrStep(next, this.#last)
    return step > PCR_STEP_MAX && step <= FILLED_STEP_MAX ? wrapPcr(this.#last + FILL_STEP) : undefined
  }

  /** This value goes out now. */
  advance(pcr: number, leadingDts: number): void {
    this.#last = pcr
    this.#isOwn = pcr === this.#own
    this.#lastDts = leadingDts
  }

  /** Whether the leading stream has come so far since the last PCR that another one is due before this unit. */
  isDue(leadingDts: number): boolean {
    if (this.#lastDts === NO_TIMESTAMP) this.#lastDts = leadingDts
    return timestampStep(leadingDts, this.#lastDts) * PCR_PER_TICK > PCR_STEP_MAX
  }

  /** A unit of video or audio goes out: where its DTS lies before the PCR, the PCR falls back from then on. */
  observeUnit(dts: number): void {
    if (!this.#isOwn) return
    const excess = pcrStep(this.#last, dts * PCR_PER_TICK)
    if (excess > 0 && excess < LAG_MAX) this.#shift = Math.max(-LAG_MAX, this.#shift - excess - MARGIN)
  }
}
