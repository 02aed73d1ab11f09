import { PCR_MODULUS, SYSTEM_CLOCK_HZ } from '../packet.ts'

/** Media time: the step of a 33-bit, 90 kHz timestamp, and of a PCR, modulo their wrap (ISO/IEC 13818-1 §2.4.3). */
export const TIMESTAMP_MODULUS = 2 ** 33
const TICKS_PER_MS = SYSTEM_CLOCK_HZ / 1_000
/** 90 kHz ticks of a millisecond. */
export const TIMESTAMP_TICKS_PER_MS = 90

/** `later − earlier` in 90 kHz ticks, from −2^32 to 2^32 − 1. */
export function timestampStep(earlier: number, later: number): number {
  const step = (((later - earlier) % TIMESTAMP_MODULUS) + TIMESTAMP_MODULUS) % TIMESTAMP_MODULUS
  return step >= TIMESTAMP_MODULUS / 2 ? step - TIMESTAMP_MODULUS : step
}

/** `later − earlier` of two PCRs in ms, negative when it went back. */
export function pcrStepMs(earlier: number, later: number): number {
  const step = (((later - earlier) % PCR_MODULUS) + PCR_MODULUS) % PCR_MODULUS
  return (step >= PCR_MODULUS / 2 ? step - PCR_MODULUS : step) / TICKS_PER_MS
}

/** A step above this is a jump of the clock, not media. */
const STEP_MS_MAX = 10_000
/** PCR intervals that are needed before the rate of packets may stand in for a clock that stopped. */
const INTERVALS_LEARNT_MIN = 10
/** Without a PCR for this many packets' worth of time, the rate stands in. */
const COAST_AFTER_MS = 1_000
const COAST_STEP_MS = 100

/**
 * The media time that all intervals are measured on: the PCR of the first programme. Where its PID falls silent while
 * packets keep coming, it coasts on the rate of packets that was learnt, or on the DTS of another stream, whichever
 * tells more, so that what is missing is still noticed.
 */
export class MediaClock {
  #pid: number | undefined
  #isAssigned = false
  #lastPcr: number | undefined
  #elapsedMs = 0
  #hasStarted = false
  #packetsAtPcr = 0
  /** Of the packets and the media time between PCRs. */
  #packetsLearnt = 0
  #msLearnt = 0
  #intervals = 0
  #coastedMs = 0
  /** By PID, the DTS of its first PES packet since the last PCR. */
  readonly #timedSincePcr = new Map<number, number>()

  /** Since the first PCR, in ms; undefined before it. Never goes back. */
  get elapsedMs(): number | undefined {
    return this.#hasStarted ? this.#elapsedMs : undefined
  }

  /** Packets per ms of media between PCRs; undefined before two of them. */
  get packetsPerMs(): number | undefined {
    return this.#msLearnt > 0 ? this.#packetsLearnt / this.#msLearnt : undefined
  }

  /** The programme's clock is on this PID. */
  assign(pid: number): void {
    this.#isAssigned = true
    if (this.#pid === pid) return
    this.#pid = pid
    this.#lastPcr = undefined
  }

  /** Takes a PCR of any PID; true when time went on. Before a PMT says which counts, the first PID's does. */
  observe(pid: number, pcr: number, packet: number): boolean {
    if (!this.#isAssigned) this.#pid ??= pid
    if (pid !== this.#pid) return false
    const last = this.#lastPcr
    this.#lastPcr = pcr
    this.#hasStarted = true
    const step = last === undefined ? 0 : pcrStepMs(last, pcr)
    const isMedia = last !== undefined && step >= 0 && step <= STEP_MS_MAX
    if (isMedia) {
      this.#elapsedMs += Math.max(0, step - this.#coastedMs)
      this.#packetsLearnt += packet - this.#packetsAtPcr
      this.#msLearnt += step
      this.#intervals += 1
    }
    this.#packetsAtPcr = packet
    this.#coastedMs = 0
    this.#timedSincePcr.clear()
    return true
  }

  /** Asks whether time goes on without a PCR, by the packets that came; true when it did, in steps of 100 ms. */
  coastByPackets(packet: number): boolean {
    const rate = this.packetsPerMs
    if (rate === undefined || rate === 0 || this.#intervals < INTERVALS_LEARNT_MIN) return false
    return this.#coast((packet - this.#packetsAtPcr) / rate)
  }

  /** The same by the DTS of what still comes, 90 kHz. */
  coastByDts(pid: number, dts: number): boolean {
    const since = this.#timedSincePcr.get(pid)
    if (since === undefined) this.#timedSincePcr.set(pid, dts)
    if (since === undefined || this.#intervals < INTERVALS_LEARNT_MIN) return false
    const silentMs = timestampStep(since, dts) / TIMESTAMP_TICKS_PER_MS
    return silentMs - this.#coastedMs <= STEP_MS_MAX && this.#coast(silentMs)
  }

  /** How long it has coasted, in ms. */
  get coastedMs(): number {
    return this.#coastedMs
  }

  #coast(silentMs: number): boolean {
    if (silentMs < COAST_AFTER_MS || silentMs < this.#coastedMs + COAST_STEP_MS) return false
    this.#elapsedMs += silentMs - this.#coastedMs
    this.#coastedMs = silentMs
    return true
  }
}

/**
 * Whether something comes often enough. An interval is measured from the first tick of the clock behind one arrival to
 * the last tick before the next, which is never more than it was: a slow clock gives no false alarm.
 */
export class IntervalWatch {
  readonly #limitMs: number
  #sinceMs: number | undefined
  #isOverdue = false

  constructor(limitMs: number) {
    this.#limitMs = limitMs
  }

  arrived(): void {
    this.#sinceMs = undefined
    this.#isOverdue = false
  }

  /** Takes the time of the clock; tells when it is overdue, how long, and whether that is news. */
  check(nowMs: number): { readonly overMs: number; readonly isNew: boolean } | undefined {
    this.#sinceMs ??= nowMs
    const overMs = nowMs - this.#sinceMs
    if (overMs <= this.#limitMs) return undefined
    const isNew = !this.#isOverdue
    this.#isOverdue = true
    return { overMs, isNew }
  }
}
