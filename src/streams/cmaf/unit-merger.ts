import type { WrittenUnit } from '../../mpegts/units/ts-writer.ts'

const TICKS_PER_SECOND = 90_000
/** A stream that has nothing is waited for until the others have so much, 90 kHz: more than a segment of another playlist takes to come. */
const WAIT_TICKS_MAX = 12 * TICKS_PER_SECOND
const WAIT_BYTES_MAX = 64 * 1_024 * 1_024

export type UnitWriter = (stream: number, unit: WrittenUnit) => void

/** Puts the units of several streams, each in the order of its decoding, into one order. What waits is bounded in time and bytes. */
export class UnitMerger {
  readonly #write: UnitWriter
  readonly #queues: { units: WrittenUnit[]; isSilent: boolean }[] = []
  #bytes = 0

  constructor(write: UnitWriter) {
    this.#write = write
  }

  /** Streams that are there from now on; what was of others must have been flushed. */
  setStreams(count: number): void {
    while (this.#queues.length < count) this.#queues.push({ units: [], isSilent: false })
    this.#queues.length = count
  }

  push(stream: number, unit: WrittenUnit): void {
    const queue = this.#queues[stream]
    if (queue === undefined) return
    queue.units.push(unit)
    queue.isSilent = false
    this.#bytes += unit.data.length
    this.#emit()
  }

  /** Writes all that waits. */
  flush(): void {
    while (this.#writeNext()) continue
  }

  #emit(): void {
    while (this.#mayWrite()) if (!this.#writeNext()) return
  }

  #mayWrite(): boolean {
    const isComplete = this.#queues.every(({ units, isSilent }) => isSilent || units.length > 0)
    if (isComplete) return true
    const isOverfull = this.#bytes > WAIT_BYTES_MAX
    const waits = this.#queues.some(({ units }) => spanOf(units) > WAIT_TICKS_MAX)
    if (!isOverfull && !waits) return false
    for (const queue of this.#queues) if (queue.units.length === 0) queue.isSilent = true
    return true
  }

  #writeNext(): boolean {
    let earliest: number | undefined
    for (let index = 0; index < this.#queues.length; index += 1) {
      const dts = this.#queues[index]?.units[0]?.dts
      const best = earliest === undefined ? undefined : this.#queues[earliest]?.units[0]?.dts
      if (dts !== undefined && (best === undefined || dts < best)) earliest = index
    }
    const unit = earliest === undefined ? undefined : this.#queues[earliest]?.units.shift()
    if (earliest === undefined || unit === undefined) return false
    this.#bytes -= unit.data.length
    this.#write(earliest, unit)
    return true
  }
}

function spanOf(units: readonly WrittenUnit[]): number {
  const [first, last] = [units[0], units.at(-1)]
  return first === undefined || last === undefined ? 0 : last.dts - first.dts
}
