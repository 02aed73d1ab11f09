import { parseDescriptors } from '../elementary-stream.ts'
import { PID_NULL, PID_PAT } from '../packet.ts'
import { parsePat, parsePmt, TABLE_ID_PAT, TABLE_ID_PMT } from '../psi.ts'
import type { Pat, PatEntry, Pmt } from '../psi.ts'
import { IntervalWatch } from './clock.ts'
import { durationText, pidText } from './finding.ts'
import type { FindingLog, Place } from './finding.ts'
import { ProgrammeWatch } from './programme-watch.ts'
import type { TimedHandler } from './programme-watch.ts'
import { SectionWatch } from './section-watch.ts'
import type { StreamWatch } from './stream-watch.ts'

export const PID_CAT = 0x0001
const PID_NIT = 0x0010
const PID_SDT = 0x0011
const TABLE_ID_CAT = 0x01
/** TR 101 290 1.3.a. */
const PAT_MS_MAX = 500
/** Programmes that are followed; further ones of a PAT are ignored. */
const PROGRAMMES_MAX = 128
const TAG_CA = 0x09

export interface TableWatchOptions {
  readonly log: FindingLog
  /** Programmes or their streams are others now. */
  readonly onChange: () => void
  readonly onTimed: TimedHandler
}

/** The tables: PAT, CAT and PMTs are followed, NIT and SDT checked. */
export class TableWatch {
  readonly #log: FindingLog
  readonly #onChange: () => void
  readonly #onTimed: TimedHandler
  readonly #sections = new Map<number, SectionWatch>()
  readonly #patInterval = new IntervalWatch(PAT_MS_MAX)
  readonly #patSections = new Map<number, Pat>()
  /** PIDs that were ever named: by a PAT, a PMT or a conditional access descriptor. */
  readonly #named = new Set<number>()
  #programmes: readonly ProgrammeWatch[] = []

  constructor({ log, onChange, onTimed }: TableWatchOptions) {
    this.#log = log
    this.#onTimed = onTimed
    this.#onChange = onChange
    for (const pid of [PID_PAT, PID_CAT, PID_NIT, PID_SDT]) this.#sections.set(pid, new SectionWatch(pid, log))
  }

  get programmes(): readonly ProgrammeWatch[] {
    return this.#programmes
  }

  /** The programme whose clock and codecs count: the first with video, else the first whose PMT is known. */
  get chosen(): ProgrammeWatch | undefined {
    return (
      this.#programmes.find(({ hasVideo }) => hasVideo) ?? this.#programmes.find(({ streams }) => streams.length > 0)
    )
  }

  isPmtPid(pid: number): boolean {
    return this.#programmes.some(({ pmtPid }) => pmtPid === pid)
  }

  isNamed(pid: number): boolean {
    return this.#named.has(pid)
  }

  streamOf(pid: number): StreamWatch | undefined {
    for (const { streams } of this.#programmes) {
      const found = streams.find(({ stream }) => stream.pid === pid)
      if (found !== undefined) return found
    }
    return undefined
  }

  /** Takes a clear packet of a PID that carries no stream. */
  push(pid: number, buffer: Buffer, at: number, place: () => Place): void {
    const watch = this.#sections.get(pid)
    if (watch === undefined) return
    watch.push(
      buffer,
      at,
      place,
      (section) => this.#arrived(pid, section, place),
      (section) => this.#news(pid, section, place()),
    )
  }

  tick(nowMs: number, place: () => Place): void {
    const overdue = this.#patInterval.check(nowMs)
    if (overdue !== undefined) {
      const { overMs, isNew } = overdue
      const detail = `no PAT for ${durationText(overMs)}`
      if (isNew) this.#log.add({ code: 'pat_error', pid: PID_PAT, place: place(), detail, measure: overMs })
      else this.#log.worsen('pat_error', PID_PAT, overMs)
    }
    for (const programme of this.#programmes) programme.tick(nowMs, place)
  }

  flush(): void {
    for (const programme of this.#programmes) programme.flush()
  }

  /** Adds to `log` what is true if nothing more comes. */
  conclude(log: FindingLog, place: Place): void {
    if (this.#patSections.size === 0 && log.countOf('pat_error', PID_PAT) === 0) {
      log.add({ code: 'pat_error', pid: PID_PAT, place, detail: 'no PAT at all' })
    }
    for (const programme of this.#programmes) programme.conclude(log, place)
  }

  #arrived(pid: number, section: Buffer, place: () => Place): void {
    const tableId = section[0] ?? 0
    const isWrong = (pid === PID_PAT && tableId !== TABLE_ID_PAT) || (pid === PID_CAT && tableId !== TABLE_ID_CAT)
    if (isWrong) {
      const code = pid === PID_PAT ? 'pat_error' : 'cat_error'
      this.#log.add({ code, pid, place: place(), detail: `a section of table ${pidText(tableId)}` })
    } else if (pid === PID_PAT) this.#patInterval.arrived()
    if (tableId !== TABLE_ID_PMT || section.length < 5) return
    const programmeNumber = section.readUInt16BE(3)
    for (const programme of this.#programmes) {
      if (programme.pmtPid === pid && programme.programmeNumber === programmeNumber) programme.pmtArrived()
    }
  }

  #news(pid: number, section: Buffer, place: Place): void {
    if (pid === PID_PAT) this.#patChanged(section, place)
    else if (pid === PID_CAT) this.#nameConditionalAccess(section.subarray(8, -4))
    else if (this.isPmtPid(pid)) this.#pmtChanged(pid, section, place)
  }

  #patChanged(section: Buffer, place: Place): void {
    const pat = parsePat(section)
    if (pat === undefined || !pat.isCurrent) return
    for (const [number, other] of this.#patSections) {
      if (other.version !== pat.version || other.lastSectionNumber !== pat.lastSectionNumber) {
        this.#patSections.delete(number)
      }
    }
    this.#patSections.set(pat.sectionNumber, pat)
    const isWhole = this.#patSections.size > pat.lastSectionNumber
    const listed = [...this.#patSections.values()].flatMap(({ programmes }) => programmes)
    const entries = new Map(listed.map((entry) => [entry.programmeNumber, entry]))
    const known = this.#programmes
    this.#programmes = [...entries.values()].slice(0, PROGRAMMES_MAX).map((entry) => this.#programmeOf(entry, place))
    for (const gone of known) {
      if (!isWhole || this.#programmes.includes(gone)) continue
      const detail = `programme ${gone.programmeNumber} is gone`
      this.#log.add({ code: 'programme_changed', place, detail })
    }
    const isTable = (pid: number) => pid <= PID_SDT || this.isPmtPid(pid)
    for (const pid of this.#sections.keys()) if (!isTable(pid)) this.#sections.delete(pid)
    for (const { pmtPid } of this.#programmes) {
      this.#named.add(pmtPid)
      if (!this.#sections.has(pmtPid)) this.#sections.set(pmtPid, new SectionWatch(pmtPid, this.#log))
    }
    this.#onChange()
  }

  #programmeOf({ programmeNumber, pmtPid }: PatEntry, place: Place): ProgrammeWatch {
    const known = this.#programmes.find((programme) => programme.programmeNumber === programmeNumber)
    known?.moveTo(pmtPid, place)
    return known ?? new ProgrammeWatch({ programmeNumber, pmtPid, log: this.#log, onTimed: this.#onTimed })
  }

  #pmtChanged(pid: number, section: Buffer, place: Place): void {
    const pmt = parsePmt(section)
    if (pmt === undefined || !pmt.isCurrent) return
    const programme = this.#programmes.find(({ programmeNumber, pmtPid }) => {
      return pmtPid === pid && programmeNumber === pmt.programmeNumber
    })
    if (programme === undefined) return
    programme.apply(pmt, place)
    this.#name(pmt)
    this.#onChange()
  }

  #name({ pcrPid, streams, descriptors }: Pmt): void {
    if (pcrPid !== PID_NULL) this.#named.add(pcrPid)
    this.#nameConditionalAccess(descriptors)
    for (const stream of streams) {
      this.#named.add(stream.pid)
      this.#nameConditionalAccess(stream.descriptors)
    }
  }

  /** CA_PID of the CA descriptors (ISO/IEC 13818-1 §2.6.16). */
  #nameConditionalAccess(descriptors: Buffer): void {
    for (const { tag, body } of parseDescriptors(descriptors)) {
      if (tag === TAG_CA && body.length >= 4) this.#named.add(body.readUInt16BE(2) & 0x1fff)
    }
  }
}
