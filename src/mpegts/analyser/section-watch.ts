import { crc32Mpeg2 } from '../crc32.ts'
import { isIntactSection } from '../psi.ts'
import { SectionAssembler } from '../section-assembler.ts'
import { pidText } from './finding.ts'
import type { FindingLog, Place } from './finding.ts'

/** Sections of one PID that are remembered, to see a change that the version does not tell. */
const SECTIONS_MAX = 32
const SYNTAX_INDICATOR = 0x80
const LONG_SECTION_BYTES_MIN = 12

/** Takes a section; valid during the call only. */
export type SectionHandler = (section: Buffer) => void

/** Checks the sections of one PID: CRC_32, and that their content changes only with their version (§2.4.4). */
export class SectionWatch {
  readonly #pid: number
  readonly #log: FindingLog
  readonly #assembler = new SectionAssembler()
  readonly #known = new Map<string, Buffer>()

  constructor(pid: number, log: FindingLog) {
    this.#pid = pid
    this.#log = log
  }

  /** Takes the packet at `at`; calls `onSection` with each whole one that is right, `onNew` where it is news. */
  push(buffer: Buffer, at: number, place: () => Place, onSection: SectionHandler, onNew: SectionHandler): void {
    this.#assembler.push(buffer, at, (section) => {
      const tableId = section[0] ?? 0
      if (((section[1] ?? 0) & SYNTAX_INDICATOR) === 0) {
        onSection(section)
        return
      }
      if (section.length < LONG_SECTION_BYTES_MIN || crc32Mpeg2(section) !== 0 || !isIntactSection(section)) {
        const detail = `a section of table ${pidText(tableId)} with a wrong CRC_32`
        this.#log.add({ code: 'crc_error', pid: this.#pid, place: place(), detail })
        return
      }
      onSection(section)
      if (this.#isNews(section, place)) onNew(section)
    })
  }

  #isNews(section: Buffer, place: () => Place): boolean {
    // table_id, its extension and section_number.
    const key = `${section[0]} ${section.readUInt16BE(3)} ${section[6]}`
    const known = this.#known.get(key)
    if (known?.equals(section) === true) return false
    if (known !== undefined && known[5] === section[5]) {
      const version = ((section[5] ?? 0) >>> 1) & 0x1f
      const detail = `table ${pidText(section[0] ?? 0)} changed and is still version ${version}`
      this.#log.add({ code: 'table_version_error', pid: this.#pid, place: place(), detail })
    }
    if (known !== undefined || this.#known.size < SECTIONS_MAX) this.#known.set(key, Buffer.from(section))
    return true
  }
}
