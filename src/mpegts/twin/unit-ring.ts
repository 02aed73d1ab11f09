import { NO_TIMESTAMP, TICKS_PER_MS, timestampStep } from '../splice/timestamp.ts'

/** Media that is remembered: sources that are further apart are not recognised as twins. */
const SPAN_TICKS_MAX = 10_000 * TICKS_PER_MS
const UNITS_MAX = 1_024

/** All occurrences of one hash in a ring. */
export interface HashEntry {
  readonly hash: number
  count: number
  /** DTS of the latest. */
  dts: number
  /** Of which alignment its match was a proof; 0 for none. */
  proofOf: number
}

interface Place {
  readonly dts: number
  readonly entry: HashEntry
}

/** The units of one source by hash and by DTS: the last 10 s, at most 1,024. */
export class UnitRing {
  readonly #byHash = new Map<number, HashEntry>()
  #places: Place[] = []
  /** Places before this one are gone. */
  #first = 0
  #latest = NO_TIMESTAMP

  /** DTS of the latest unit; NO_TIMESTAMP while there is none. */
  get latest(): number {
    return this.#latest
  }

  /** Whether a unit with this DTS cannot follow the latest: the source's clock has jumped. */
  isJump(dts: number): boolean {
    if (this.#latest === NO_TIMESTAMP) return false
    const step = timestampStep(dts, this.#latest)
    return step <= 0 || step > SPAN_TICKS_MAX
  }

  /** Adds the next unit; its DTS is after the latest. */
  add(hash: number, dts: number): HashEntry {
    this.#latest = dts
    let entry = this.#byHash.get(hash)
    if (entry === undefined) {
      entry = { hash, count: 0, dts, proofOf: 0 }
      this.#byHash.set(hash, entry)
    }
    entry.count += 1
    entry.dts = dts
    this.#places.push({ dts, entry })
    this.#evict()
    return entry
  }

  find(hash: number): HashEntry | undefined {
    return this.#byHash.get(hash)
  }

  /** The unit at `dts`, give or take a rounding. */
  at(dts: number, toleranceTicks: number): HashEntry | undefined {
    for (let index = this.#places.length - 1; index >= this.#first; index -= 1) {
      const place = this.#places[index]
      if (place === undefined) return undefined
      const step = timestampStep(place.dts, dts)
      if (Math.abs(step) <= toleranceTicks) return place.entry
      if (step < 0) return undefined
    }
    return undefined
  }

  clear(): void {
    this.#byHash.clear()
    this.#places = []
    this.#first = 0
    this.#latest = NO_TIMESTAMP
  }

  #evict(): void {
    for (;;) {
      const oldest = this.#places[this.#first]
      if (oldest === undefined) break
      const isOld = timestampStep(this.#latest, oldest.dts) > SPAN_TICKS_MAX
      if (!isOld && this.#places.length - this.#first <= UNITS_MAX) break
      this.#first += 1
      oldest.entry.count -= 1
      if (oldest.entry.count === 0) this.#byHash.delete(oldest.entry.hash)
    }
    if (this.#first < UNITS_MAX) return
    this.#places = this.#places.slice(this.#first)
    this.#first = 0
  }
}
