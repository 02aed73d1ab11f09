import { NO_TIMESTAMP, TICKS_PER_MS, timestampStep, wrapTimestamp } from '../splice/timestamp.ts'
import { UnitReader } from './unit-reader.ts'
import { UnitRing } from './unit-ring.ts'
import type { HashEntry } from './unit-ring.ts'

/** How the timeline of the standby lies to that of the source on air. */
export interface TwinAlignment {
  /** Timestamps of the standby less those of the source on air for the same unit, 90 kHz modulo 2^33. */
  readonly offsetTicks: number
  /** Units that were found once in each, and agreed on the offset. */
  readonly matchedUnits: number
  /** Both cut the stream into the same transport packets, apart from PIDs, counters, timestamps and clock references. */
  readonly samePackets: boolean
}

/** So many units in a row must agree before the sources are taken for twins. */
const MATCHES_MIN = 8
/** PES packets that must have been cut alike. */
const PACKINGS_MIN = 4
/** Units that one source has and the other has not, without another agreeing between, before they are no twins. */
const MISSES_MAX = 25
/** Multiplexers that keep time in milliseconds move timestamps by up to one. */
const TOLERANCE_TICKS = TICKS_PER_MS

interface Side {
  readonly reader: UnitReader
  readonly units: UnitRing
  readonly packings: UnitRing
}

/**
 * Watches two sources and tells whether they carry the same encode, perhaps over other multiplexers: by hashes of their
 * pictures, or of their audio frames where there are none. What repeats within 10 s (a slate, silence) proves nothing. Takes
 * whole 188-byte packets in any pieces. Memory is bounded; never throws, whatever the bytes are.
 */
export class TwinWatch {
  #air: Side = this.#makeSide()
  #standby: Side = this.#makeSide()
  /** The offset that the latest units agree on; undefined while there is none. */
  #offset: number | undefined
  /** Rises with each offset, so that proofs of an earlier one do not count. */
  #generation = 1
  #matches = 0
  #misses = 0
  #samePackings = 0

  /** Undefined while the sources are not known to be twins. */
  get alignment(): TwinAlignment | undefined {
    if (this.#offset === undefined || this.#matches < MATCHES_MIN) return undefined
    const samePackets = this.#samePackings >= PACKINGS_MIN
    return { offsetTicks: this.#offset, matchedUnits: this.#matches, samePackets }
  }

  /** Packets of the source on air. */
  air(packets: Buffer): void {
    this.#air.reader.push(packets)
  }

  /** Packets of the source that stands by. */
  standby(packets: Buffer): void {
    this.#standby.reader.push(packets)
  }

  /** The standby goes on air, and the source that was may stand by. What is known stays. */
  swap(): void {
    const air = this.#air
    this.#air = this.#standby
    this.#standby = air
    if (this.#offset !== undefined) this.#offset = wrapTimestamp(-this.#offset)
  }

  #makeSide(): Side {
    const side: Side = {
      units: new UnitRing(),
      packings: new UnitRing(),
      reader: new UnitReader({
        unit: (hash, dts) => this.#takeUnit(side, hash, dts),
        packed: (packing, dts) => this.#takePacking(side, packing, dts),
        restarted: () => this.#restart(side),
      }),
    }
    return side
  }

  #restart(side: Side): void {
    side.units.clear()
    side.packings.clear()
    this.#withdraw()
  }

  #withdraw(): void {
    this.#offset = undefined
    this.#generation += 1
    this.#matches = 0
    this.#misses = 0
    this.#samePackings = 0
  }

  #otherOf(side: Side): Side {
    return side === this.#air ? this.#standby : this.#air
  }

  /** Time at which the other source has what this one has at `dts`. */
  #mapped(side: Side, dts: number, offset: number): number {
    return wrapTimestamp(side === this.#air ? dts + offset : dts - offset)
  }

  #takeUnit(side: Side, hash: number, dts: number): void {
    if (side.units.isJump(dts)) this.#restart(side)
    const entry = side.units.add(hash, dts)
    const twin = this.#otherOf(side).units.find(hash)
    if (entry.count > 1) this.#refute(entry, twin)
    if (twin?.count === 1 && entry.count === 1) {
      this.#match(side === this.#air ? timestampStep(twin.dts, dts) : timestampStep(dts, twin.dts))
      entry.proofOf = this.#generation
      twin.proofOf = this.#generation
    } else if (this.#offset !== undefined) this.#compare(side, hash, dts, this.#offset)
  }

  /** A unit that has come again was no proof. */
  #refute(entry: HashEntry, twin: HashEntry | undefined): void {
    if (entry.proofOf !== this.#generation) return
    entry.proofOf = 0
    if (twin?.proofOf === this.#generation) twin.proofOf = 0
    this.#matches -= 1
    if (this.#matches <= 0) this.#withdraw()
  }

  #match(step: number): void {
    const isAgreed =
      this.#offset !== undefined && Math.abs(timestampStep(wrapTimestamp(step), this.#offset)) <= TOLERANCE_TICKS
    if (!isAgreed) {
      this.#withdraw()
      this.#offset = wrapTimestamp(step)
    }
    this.#matches += 1
    this.#misses = 0
  }

  /** The unit is in both more than once or in one only: what does the other source have at its time? */
  #compare(side: Side, hash: number, dts: number, offset: number): void {
    const { units } = this.#otherOf(side)
    const mapped = this.#mapped(side, dts, offset)
    // It is yet to come, and is compared then.
    if (units.latest === NO_TIMESTAMP || timestampStep(units.latest, mapped) < -TOLERANCE_TICKS) return
    const found = units.at(mapped, TOLERANCE_TICKS)
    if (found?.hash === hash) this.#misses = 0
    else if (found !== undefined) this.#withdraw()
    else {
      this.#misses += 1
      if (this.#misses > MISSES_MAX) this.#withdraw()
    }
  }

  #takePacking(side: Side, packing: number, dts: number): void {
    if (side.packings.isJump(dts)) side.packings.clear()
    side.packings.add(packing, dts)
    if (this.#offset === undefined) return
    const found = this.#otherOf(side).packings.at(this.#mapped(side, dts, this.#offset), TOLERANCE_TICKS)
    if (found !== undefined) this.#samePackings = found.hash === packing ? this.#samePackings + 1 : 0
  }
}
