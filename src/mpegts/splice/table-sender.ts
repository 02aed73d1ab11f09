import type { OutputProgramme } from './output-programme.ts'
import type { PacketWriter } from './packet-writer.ts'
import { NO_TIMESTAMP, TICKS_PER_MS, timestampStep } from './timestamp.ts'

/** PAT and PMT come again after this much media; the next unit may be one picture later. */
const TABLES_INTERVAL_TICKS = 100 * TICKS_PER_MS
/** Where units have no timestamps, tables come again after this many. */
const TABLES_INTERVAL_UNITS = 32
/** Random access points that wait for their turn; of more, the earliest are forgotten. */
const JOINS_MAX = 4_096

/** Puts the output's tables between units, and tells where viewers can begin: behind tables, at a random access point. */
export class TableSender {
  readonly #programme: OutputProgramme
  readonly #writer: PacketWriter
  #tablesDts = NO_TIMESTAMP
  #areDue = true
  #haveChanged = false
  #unitsSince = 0
  /** In front of these positions viewers can begin, ascending. */
  #joins: number[] = []

  constructor(programme: OutputProgramme, writer: PacketWriter) {
    this.#programme = programme
    this.#writer = writer
  }

  /** Tables come before the next unit. */
  require(): void {
    this.#areDue = true
  }

  /** They have become others since they went out last. */
  change(): void {
    this.#areDue = true
    this.#haveChanged = true
  }

  /** Packets that are no unit may go out next (clock references, silence): what they belong to is told first. */
  announce(): void {
    if (this.#haveChanged) this.#writer.write(this.#programme.nextTables())
    this.#haveChanged = false
  }

  /** A viewer can begin at this position; they come in ascending order. */
  markJoin(position: number): void {
    if (this.#joins.length >= JOINS_MAX) this.#joins.shift()
    this.#joins.push(position)
  }

  forgetJoins(): void {
    this.#joins = []
  }

  /** Whether a viewer can begin between what was asked about last and `position`. */
  takeJoin(position: number): boolean {
    let isJoin = false
    while (this.#joins.length > 0 && (this.#joins[0] ?? 0) <= position) {
      this.#joins.shift()
      isJoin = true
    }
    return isJoin
  }

  /**
   * A unit goes out next: sends tables before it if they are due. `isMarked` says that a viewer can begin at it, `isPicture`
   * that pictures lead the output, `leadingDts` is how far they have come (90 kHz).
   */
  send(isMarked: boolean, isPicture: boolean, leadingDts: number): void {
    const isKnown = leadingDts !== NO_TIMESTAMP && this.#tablesDts !== NO_TIMESTAMP
    const since = isKnown ? Math.abs(timestampStep(leadingDts, this.#tablesDts)) : 0
    this.#unitsSince += 1
    const isDue = this.#areDue || since >= TABLES_INTERVAL_TICKS || this.#unitsSince >= TABLES_INTERVAL_UNITS
    // Every audio unit is a random access point; tables before each would be as large as the audio.
    const isJoin = isMarked && (isDue || isPicture)
    if (!isJoin && !isDue) return
    if (isJoin) this.#writer.markJoin()
    this.#writer.write(isJoin ? this.#programme.joinTables() : this.#programme.nextTables())
    this.#areDue = false
    this.#haveChanged = false
    this.#unitsSince = 0
    this.#tablesDts = leadingDts
  }
}
