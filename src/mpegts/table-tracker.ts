import { continuityCounterOf, isPayloadUnitStart, PACKET_BYTES } from './packet.ts'
import { SectionAssembler } from './section-assembler.ts'

/** A section of 1024 bytes spans at most this many packets when it begins near a packet's end. */
const PACKETS_PER_SECTION_MAX = 8
/** Tables that are remembered for one PID; further ones are ignored. */
const TABLES_PER_PID_MAX = 32

interface Table {
  /** The latest section, to see without parsing that it came again. */
  section: Buffer
  /** The packets that carried it last, as they were. */
  packets: Buffer
  packetsBytes: number
  /** Rises with each arrival on any PID, so that packets can be put into the order in which they came. */
  order: number
}

/** Called with a section that differs from the one remembered; returns the key to keep it under, or undefined. */
export type TableChange = (section: Buffer) => number | undefined

/**
 * Remembers the sections of one PID with the packets that carried them last. Bounded: 32 tables of at most 1024 bytes
 * in 8 packets.
 */
export class TableTracker {
  readonly #assembler = new SectionAssembler()
  readonly #tables = new Map<number, Table>()
  readonly #run = Buffer.allocUnsafeSlow(PACKETS_PER_SECTION_MAX * PACKET_BYTES)
  #runBytes = 0
  #lastCounter = -1

  get tables(): Iterable<Readonly<Table>> {
    return this.#tables.values()
  }

  /** Takes the packet at `at`; true when a table arrived, new or repeated. `order` is the arrival's number. */
  push(buffer: Buffer, at: number, order: number, onChange: TableChange): boolean {
    const counter = continuityCounterOf(buffer, at)
    if (counter === this.#lastCounter && !isPayloadUnitStart(buffer, at)) return false
    this.#lastCounter = counter
    if (isPayloadUnitStart(buffer, at) && !this.#assembler.isInProgress) this.#runBytes = 0
    this.#keep(buffer, at)
    let hasArrived = false
    this.#assembler.push(buffer, at, (section) => {
      if (this.#arrived(section, order, onChange)) hasArrived = true
    })
    if (isPayloadUnitStart(buffer, at)) {
      this.#runBytes = 0
      if (this.#assembler.isInProgress) this.#keep(buffer, at)
    }
    return hasArrived
  }

  /** Forgets the tables whose key is not wanted any more. */
  retain(isWanted: (key: number) => boolean): void {
    for (const key of this.#tables.keys()) {
      if (!isWanted(key)) this.#tables.delete(key)
    }
  }

  #keep(buffer: Buffer, at: number): void {
    if (this.#runBytes + PACKET_BYTES > this.#run.length) return
    this.#runBytes += buffer.copy(this.#run, this.#runBytes, at, at + PACKET_BYTES)
  }

  #arrived(section: Buffer, order: number, onChange: TableChange): boolean {
    for (const table of this.#tables.values()) {
      if (table.section.equals(section)) {
        this.#remember(table, order)
        return true
      }
    }
    const key = onChange(section)
    if (key === undefined) return false
    let table = this.#tables.get(key)
    if (table === undefined) {
      if (this.#tables.size >= TABLES_PER_PID_MAX) return false
      table = { section: Buffer.alloc(0), packets: Buffer.allocUnsafeSlow(this.#run.length), packetsBytes: 0, order }
      this.#tables.set(key, table)
    }
    table.section = Buffer.from(section)
    this.#remember(table, order)
    return true
  }

  #remember(table: Table, order: number): void {
    table.packetsBytes = this.#run.copy(table.packets, 0, 0, this.#runBytes)
    table.order = order
  }
}
