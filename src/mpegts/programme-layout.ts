import type { Codec } from './elementary-stream.ts'
import { PACKET_BYTES, PID_NULL, PID_PAT, pidOf, SYNC_BYTE } from './packet.ts'
import { parsePat, parsePmt } from './psi.ts'
import type { Pmt } from './psi.ts'
import { patchSections } from './section-patch.ts'
import type { SectionEdit } from './section-patch.ts'

/** On which PIDs a programme comes: what players that know streams by their PIDs rely on. Plain JSON data. */
export interface ProgrammeLayout {
  readonly programmeNumber: number
  readonly pmtPid: number
  /** In the order of the PMT. */
  readonly streams: readonly LaidOutStream[]
}

export interface LaidOutStream {
  readonly pid: number
  readonly codec: Codec
}

/** Tables are looked for in so many bytes; what has none in them is left as it is. */
const SEARCH_BYTES_MAX = 1_048_576
/** PIDs from here up to the null PID are given to what has to make room. */
const PID_SPARE_FIRST = 0x1f00

/** The first programme of a transport stream whose tables are in these packets; undefined where they are not. */
export function readProgrammeLayout(packets: Buffer): ProgrammeLayout | undefined {
  return packets[0] === SYNC_BYTE ? layoutIn(packets)?.layout : undefined
}

function layoutIn(packets: Buffer): { readonly layout: ProgrammeLayout; readonly pmt: Pmt } | undefined {
  let pmtPid: number | undefined
  let found: Pmt | undefined
  const end = packets.length - (packets.length % PACKET_BYTES)
  for (let at = 0; at < end; at += PACKET_BYTES) {
    if (found !== undefined) break
    const pid = pidOf(packets, at)
    if (pid !== PID_PAT && pid !== pmtPid) continue
    patchSections(packets, at, (section) => {
      if (pid === PID_PAT) pmtPid = parsePat(section)?.programmes[0]?.pmtPid ?? pmtPid
      else found ??= parsePmt(section)
      return undefined
    })
  }
  if (found === undefined || pmtPid === undefined) return undefined
  const streams = found.streams.map(({ pid, codec }) => ({ pid, codec }))
  return { layout: { programmeNumber: found.programmeNumber, pmtPid, streams }, pmt: found }
}

/**
 * Gives a transport stream of one programme the PIDs and the programme number of another: each stream those of the next one of
 * its codec. Streams that the other has not keep their PIDs, or make room. Nothing else changes, lengths neither; what
 * is no transport stream, or has no tables at its beginning, comes out as it came in.
 */
export class ProgrammeRelayout {
  readonly #target: ProgrammeLayout
  #rest: Buffer = Buffer.alloc(0)
  #known: { readonly from: ProgrammeLayout; readonly pids: ReadonlyMap<number, number> } | undefined
  #isGivenUp = false

  constructor(target: ProgrammeLayout) {
    this.#target = target
  }

  /** Bytes in any pieces; what comes back may be a part of them, or a copy. */
  push(bytes: Buffer): Buffer {
    if (this.#isGivenUp) return bytes
    const all = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes])
    this.#rest = Buffer.alloc(0)
    if (all.length > 0 && all[0] !== SYNC_BYTE) return this.#giveUp(all)
    const isKnown = this.#known !== undefined || this.#learn(all)
    if (!isKnown) {
      if (all.length > SEARCH_BYTES_MAX) return this.#giveUp(all)
      this.#rest = all
      return Buffer.alloc(0)
    }
    return this.#isSame ? all : this.#rewrite(all)
  }

  /** Nothing more comes: what was held. */
  end(): Buffer {
    const rest = this.#rest
    this.#rest = Buffer.alloc(0)
    return rest
  }

  get #isSame(): boolean {
    return this.#known?.pids.size === 0 && this.#known.from.programmeNumber === this.#target.programmeNumber
  }

  #giveUp(bytes: Buffer): Buffer {
    this.#isGivenUp = true
    return bytes
  }

  #learn(packets: Buffer): boolean {
    const found = layoutIn(packets)
    if (found === undefined) return false
    this.#known = { from: found.layout, pids: newPids(found.pmt, found.layout.pmtPid, this.#target) }
    return true
  }

  /** A table that is not complete yet is held, with what comes behind it. */
  #rewrite(bytes: Buffer): Buffer {
    const known = this.#known
    if (known === undefined) return bytes
    const end = bytes.length - (bytes.length % PACKET_BYTES)
    const out = Buffer.from(bytes.subarray(0, end))
    for (let at = 0; at < end; at += PACKET_BYTES) {
      const pid = pidOf(out, at)
      if (pid === PID_PAT || pid === known.from.pmtPid) {
        const edit = pid === PID_PAT ? this.#editPat(known.from) : this.#editPmt(known.from, known.pids)
        if (patchSections(out, at, edit) === 'incomplete' && end - at < SEARCH_BYTES_MAX) {
          this.#rest = Buffer.from(bytes.subarray(at))
          return out.subarray(0, at)
        }
      }
      const to = known.pids.get(pid)
      if (to !== undefined) {
        out[at + 1] = ((out[at + 1] ?? 0) & 0xe0) | (to >>> 8)
        out[at + 2] = to & 0xff
      }
    }
    this.#rest = Buffer.from(bytes.subarray(end))
    return out
  }

  #editPat(from: ProgrammeLayout): SectionEdit {
    return (section) => {
      if (parsePat(section) === undefined) return undefined
      for (let at = 8; at + 4 <= section.length - 4; at += 4) {
        if (section.readUInt16BE(at) !== from.programmeNumber) continue
        section.writeUInt16BE(this.#target.programmeNumber, at)
        writePid(section, at + 2, this.#target.pmtPid)
      }
      return section
    }
  }

  #editPmt(from: ProgrammeLayout, pids: ReadonlyMap<number, number>): SectionEdit {
    const patch = (section: Buffer, at: number): void => {
      const to = pids.get(section.readUInt16BE(at) & 0x1fff)
      if (to !== undefined) writePid(section, at, to)
    }
    return (section) => {
      const pmt = parsePmt(section)
      if (pmt?.programmeNumber !== from.programmeNumber) return undefined
      section.writeUInt16BE(this.#target.programmeNumber, 3)
      patch(section, 8)
      let at = 12 + (section.readUInt16BE(10) & 0x0fff)
      for (const { descriptors } of pmt.streams) {
        patch(section, at + 1)
        at += 5 + descriptors.length
      }
      return section
    }
  }
}

function writePid(section: Buffer, at: number, pid: number): void {
  section.writeUInt16BE((section.readUInt16BE(at) & 0xe000) | pid, at)
}

/** What has to be another PID, and which. */
function newPids(pmt: Pmt, pmtPid: number, target: ProgrammeLayout): ReadonlyMap<number, number> {
  const pids = new Map([[pmtPid, target.pmtPid]])
  const free = [...target.streams]
  const others: number[] = []
  for (const { pid, codec } of pmt.streams) {
    const index = free.findIndex((each) => each.codec === codec)
    const [found] = index === -1 ? [] : free.splice(index, 1)
    if (found === undefined) others.push(pid)
    else pids.set(pid, found.pid)
  }
  if (!pids.has(pmt.pcrPid) && !others.includes(pmt.pcrPid) && pmt.pcrPid !== PID_NULL) others.push(pmt.pcrPid)
  const taken = new Set([...pids.values(), ...others])
  let spare = PID_SPARE_FIRST
  for (const pid of others) {
    if (![...pids.values()].includes(pid)) continue
    while (taken.has(spare)) spare += 1
    taken.add(spare)
    pids.set(pid, spare)
  }
  for (const [from, to] of pids) if (from === to) pids.delete(from)
  return pids
}
