import type { ElementaryStream } from './elementary-stream.ts'
import { PID_NULL, PID_PAT } from './packet.ts'
import { parsePat, parsePmt } from './psi.ts'
import type { Pat, PatEntry, Pmt } from './psi.ts'
import { TableTracker } from './table-tracker.ts'

/** Programmes that are followed; further ones of a PAT are ignored. */
const PROGRAMMES_MAX = 64
/** PIDs below this are reserved for tables (ISO/IEC 13818-1 Table 2-3). */
const PID_FIRST_FREE = 0x10
/** A programme without video is chosen once all are known, or when this many PATs came without the missing PMTs. */
const PATIENCE_PATS = 5

/** The programme whose video, or audio if it has none, decides where a viewer can join. */
export interface ChosenProgramme {
  readonly pmt: Pmt
  /** Its first video stream; undefined when it is audio only. */
  readonly video: ElementaryStream | undefined
  /** Its first audio stream. */
  readonly audio: ElementaryStream | undefined
}

/** Follows PAT and PMTs: what programmes there are, which one counts, and the packets that said so last. Bounded. */
export class ProgrammeTables {
  readonly #pat = new TableTracker()
  readonly #patSections = new Map<number, Pat>()
  readonly #pmtTrackers = new Map<number, TableTracker>()
  readonly #pmts = new Map<number, Pmt>()
  #entries: readonly PatEntry[] = []
  #chosen: ChosenProgramme | undefined
  #patsSinceChange = 0
  #arrivals = 0
  #snapshot = Buffer.alloc(0)
  #isSnapshotStale = false

  get chosen(): ChosenProgramme | undefined {
    return this.#chosen
  }

  /** The PAT's programmes in its order, at most 64. */
  get entries(): readonly PatEntry[] {
    return this.#entries
  }

  get pmts(): ReadonlyMap<number, Pmt> {
    return this.#pmts
  }

  /** Whether tables arrived since the last `snapshot`. */
  get isSnapshotStale(): boolean {
    return this.#isSnapshotStale
  }

  /** The packets of the latest PAT and PMTs in the order in which they came; the same object until another came. */
  snapshot(): Buffer {
    if (!this.#isSnapshotStale) return this.#snapshot
    const tables = [...this.#pat.tables, ...[...this.#pmtTrackers.values()].flatMap((tracker) => [...tracker.tables])]
    tables.sort((left, right) => left.order - right.order)
    this.#snapshot = Buffer.concat(tables.map(({ packets, packetsBytes }) => packets.subarray(0, packetsBytes)))
    this.#isSnapshotStale = false
    return this.#snapshot
  }

  /** Takes a packet of the PAT or of a PMT's PID; true when what is known about the programmes changed. */
  push(pid: number, buffer: Buffer, at: number): boolean {
    this.#arrivals += 1
    const before = this.#chosen
    const isPat = pid === PID_PAT
    const tracker = isPat ? this.#pat : this.#pmtTrackers.get(pid)
    let hasChanged = false
    const hasArrived = tracker?.push(buffer, at, this.#arrivals, (section) => {
      const key = isPat ? this.#acceptPat(section) : this.#acceptPmt(pid, section)
      if (key !== undefined) hasChanged = true
      return key
    })
    if (hasArrived !== true) return false
    this.#isSnapshotStale = true
    if (isPat) this.#patsSinceChange = hasChanged ? 0 : Math.min(this.#patsSinceChange + 1, PATIENCE_PATS)
    if (hasChanged || this.#chosen === undefined) this.#chosen = this.#choose()
    return hasChanged || this.#chosen !== before
  }

  #acceptPat(section: Buffer): number | undefined {
    const pat = parsePat(section)
    if (pat === undefined || !pat.isCurrent) return undefined
    const isSameTable = (other: Pat) =>
      other.version === pat.version &&
      other.lastSectionNumber === pat.lastSectionNumber &&
      other.transportStreamId === pat.transportStreamId
    for (const [number, other] of this.#patSections) if (!isSameTable(other)) this.#patSections.delete(number)
    this.#pat.retain((number) => this.#patSections.has(number))
    this.#patSections.set(pat.sectionNumber, pat)
    const sections = [...this.#patSections.values()].toSorted((left, right) => left.sectionNumber - right.sectionNumber)
    this.#entries = sections
      .flatMap(({ programmes }) => programmes)
      .filter(({ pmtPid }) => pmtPid >= PID_FIRST_FREE && pmtPid < PID_NULL)
      .slice(0, PROGRAMMES_MAX)
    this.#followEntries()
    return pat.sectionNumber
  }

  #followEntries(): void {
    const isListed = (pmtPid: number, programmeNumber: number) =>
      this.#entries.some((entry) => entry.pmtPid === pmtPid && entry.programmeNumber === programmeNumber)
    for (const [pid, tracker] of this.#pmtTrackers) {
      if (!this.#entries.some(({ pmtPid }) => pmtPid === pid)) this.#pmtTrackers.delete(pid)
      else tracker.retain((programmeNumber) => isListed(pid, programmeNumber))
    }
    for (const { pmtPid } of this.#entries) {
      if (!this.#pmtTrackers.has(pmtPid)) this.#pmtTrackers.set(pmtPid, new TableTracker())
    }
    const hasTracker = new Set(this.#entries.map(({ programmeNumber }) => programmeNumber))
    for (const programmeNumber of this.#pmts.keys()) {
      if (!hasTracker.has(programmeNumber)) this.#pmts.delete(programmeNumber)
    }
  }

  #acceptPmt(pid: number, section: Buffer): number | undefined {
    const pmt = parsePmt(section)
    if (pmt === undefined || !pmt.isCurrent) return undefined
    const isListed = this.#entries.some(
      ({ programmeNumber, pmtPid }) => pmtPid === pid && programmeNumber === pmt.programmeNumber,
    )
    if (!isListed) return undefined
    this.#pmts.set(pmt.programmeNumber, pmt)
    return pmt.programmeNumber
  }

  /** The first programme of the PAT with video; without any, the first with audio. */
  #choose(): ChosenProgramme | undefined {
    const known = this.#entries.flatMap(({ programmeNumber }) => this.#pmts.get(programmeNumber) ?? [])
    const candidates = known.map(asCandidate)
    const withVideo = candidates.find(({ video }) => video !== undefined)
    if (withVideo !== undefined) return withVideo
    const isAllKnown = known.length === this.#entries.length || this.#patsSinceChange >= PATIENCE_PATS
    return isAllKnown ? candidates.find(({ audio }) => audio !== undefined) : undefined
  }
}

function asCandidate(pmt: Pmt): ChosenProgramme {
  const usable = pmt.streams.filter(({ pid }) => pid >= PID_FIRST_FREE && pid < PID_NULL)
  return {
    pmt,
    video: usable.find(({ kind }) => kind === 'video'),
    audio: usable.find(({ kind }) => kind === 'audio'),
  }
}
