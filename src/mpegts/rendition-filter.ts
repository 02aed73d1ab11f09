import type { ElementaryStream } from './elementary-stream.ts'
import { continuityCounterOf, hasPayload, hasPcr, PACKET_BYTES, PID_COUNT, PID_PAT, pcrOf } from './packet.ts'
import { packetiseSection, parsePat, parsePmt, writePat, writePmt } from './psi.ts'
import type { Pmt } from './psi.ts'
import { SectionAssembler } from './section-assembler.ts'
import { makePcrPacket } from './splice/adaptation-field.ts'

/** Which streams of the programme make up the rendition: the n-th of its kind in the PMT, from 0; the last where there are fewer. */
export interface RenditionStreams {
  readonly video: number
  readonly audio: number
}

const PID_PMT = 0x1000
const PID_VIDEO = 0x100
const PID_AUDIO = 0x101
const COUNTER_UNKNOWN = -1
/** A packet gives one at most, but for tables whose PAT was in an earlier run and a PCR that waited. */
const SPARE_BYTES = 4 * PACKET_BYTES

const ROLE_NONE = 0
const ROLE_PAT = 1
const ROLE_PMT = 2
const ROLE_VIDEO = 3
const ROLE_AUDIO = 4
/** Only its PCR is of use. */
const ROLE_CLOCK = 5

/**
 * Takes one rendition out of a programme that carries several: one picture, one sound, tables of its own, and the
 * programme's PCR on its own PID (ISO/IEC 13818-1 §2.4.3.5). Every rendition has the same PIDs and the programme's
 * timestamps, so that players may go over from one to another. Before the tables nothing comes out. Never throws.
 */
export class RenditionFilter {
  readonly #wanted: RenditionStreams
  readonly #roles = new Uint8Array(PID_COUNT)
  readonly #pat = new SectionAssembler()
  readonly #pmt = new SectionAssembler()
  #tables: readonly [pat: Buffer, pmt: Buffer] | undefined
  #patCounter = 15
  #pmtCounter = 15
  #pcrPid = PID_VIDEO
  /** Of the latest packet on the PID that has the PCR. */
  #counter = COUNTER_UNKNOWN
  /** A PCR that came before the first packet of its PID. */
  #waitingPcr: number | undefined
  #output = Buffer.alloc(0)
  #length = 0

  constructor(wanted: RenditionStreams) {
    this.#wanted = wanted
    this.#roles[PID_PAT] = ROLE_PAT
  }

  /** Whole packets in, whole packets out, in memory of their own. */
  push(packets: Buffer): Buffer {
    this.#output = Buffer.allocUnsafe(packets.length + SPARE_BYTES)
    this.#length = 0
    for (let at = 0; at + PACKET_BYTES <= packets.length; at += PACKET_BYTES) {
      const pid = (((packets[at + 1] ?? 0) & 0x1f) << 8) | (packets[at + 2] ?? 0)
      const role = this.#roles[pid] ?? ROLE_NONE
      if (role !== ROLE_NONE) this.#take(packets, at, role)
    }
    const found = this.#output.subarray(0, this.#length)
    this.#output = Buffer.alloc(0)
    return found
  }

  #take(packets: Buffer, at: number, role: number): void {
    if (role === ROLE_PAT) this.#pat.push(packets, at, (section) => this.#takePat(section))
    else if (role === ROLE_PMT) this.#pmt.push(packets, at, (section) => this.#takePmt(section))
    else if (role === ROLE_CLOCK) {
      if (hasPcr(packets, at)) this.#sendPcr(pcrOf(packets, at))
    } else this.#send(packets, at, role === ROLE_VIDEO ? PID_VIDEO : PID_AUDIO)
  }

  #takePat(section: Buffer): void {
    const pat = parsePat(section)
    const [programme] = pat?.programmes ?? []
    if (pat === undefined || programme === undefined) return
    if (this.#roles[programme.pmtPid] === ROLE_NONE) this.#roles[programme.pmtPid] = ROLE_PMT
    const programmes = [{ programmeNumber: programme.programmeNumber, pmtPid: PID_PMT }]
    const own = packetiseSection(writePat({ ...pat, programmes, sectionNumber: 0, lastSectionNumber: 0 }), PID_PAT, 0)
    // Tables go out together, when the PMT has come.
    this.#tables = [own, this.#tables?.[1] ?? Buffer.alloc(0)]
  }

  #takePmt(section: Buffer): void {
    const pmt = parsePmt(section)
    if (pmt === undefined || this.#tables === undefined) return
    const video = nthOf(pmt, 'video', this.#wanted.video)
    const audio = nthOf(pmt, 'audio', this.#wanted.audio)
    this.#assignRoles(pmt, video, audio)
    const streams = [
      ...(video === undefined ? [] : [{ ...video, pid: PID_VIDEO }]),
      ...(audio === undefined ? [] : [{ ...audio, pid: PID_AUDIO }]),
    ]
    this.#pcrPid = video === undefined ? PID_AUDIO : PID_VIDEO
    const own = packetiseSection(writePmt({ ...pmt, pcrPid: this.#pcrPid, streams }), PID_PMT, 0)
    this.#tables = [this.#tables[0], own]
    this.#sendTables(this.#tables)
  }

  #assignRoles(pmt: Pmt, video: ElementaryStream | undefined, audio: ElementaryStream | undefined): void {
    for (let pid = 0; pid < PID_COUNT; pid += 1) {
      if ((this.#roles[pid] ?? 0) >= ROLE_VIDEO) this.#roles[pid] = ROLE_NONE
    }
    if (this.#roles[pmt.pcrPid] === ROLE_NONE) this.#roles[pmt.pcrPid] = ROLE_CLOCK
    if (audio !== undefined) this.#roles[audio.pid] = ROLE_AUDIO
    if (video !== undefined) this.#roles[video.pid] = ROLE_VIDEO
  }

  #sendTables([pat, pmt]: readonly [Buffer, Buffer]): void {
    // One packet each came in.
    if (pat.length !== PACKET_BYTES || pmt.length !== PACKET_BYTES) return
    this.#patCounter = (this.#patCounter + 1) & 0x0f
    this.#pmtCounter = (this.#pmtCounter + 1) & 0x0f
    pat[3] = 0x10 | this.#patCounter
    pmt[3] = 0x10 | this.#pmtCounter
    this.#append(pat, 0)
    this.#append(pmt, 0)
  }

  #send(packets: Buffer, at: number, pid: number): void {
    if (pid === this.#pcrPid) {
      const counter = continuityCounterOf(packets, at)
      const waiting = this.#waitingPcr
      this.#waitingPcr = undefined
      this.#counter = hasPayload(packets, at) ? (counter + 15) & 0x0f : counter
      if (waiting !== undefined && !hasPcr(packets, at)) this.#sendPcr(waiting)
      this.#counter = counter
    }
    const to = this.#length
    this.#append(packets, at)
    this.#output[to + 1] = ((this.#output[to + 1] ?? 0) & 0xe0) | (pid >>> 8)
    this.#output[to + 2] = pid & 0xff
  }

  /** A packet without a payload has the counter of the one before it (§2.4.3.3). */
  #sendPcr(pcr: number): void {
    if (this.#counter === COUNTER_UNKNOWN) {
      this.#waitingPcr = pcr
      return
    }
    this.#makeRoom()
    makePcrPacket(this.#output, this.#length, this.#pcrPid, this.#counter, pcr)
    this.#length += PACKET_BYTES
  }

  #makeRoom(): void {
    if (this.#length + PACKET_BYTES <= this.#output.length) return
    this.#output = Buffer.concat([this.#output, Buffer.alloc(this.#output.length)])
  }

  #append(packets: Buffer, at: number): void {
    this.#makeRoom()
    packets.copy(this.#output, this.#length, at, at + PACKET_BYTES)
    this.#length += PACKET_BYTES
  }
}

function nthOf({ streams }: Pmt, kind: 'video' | 'audio', index: number): ElementaryStream | undefined {
  const ofKind = streams.filter((stream) => stream.kind === kind)
  return ofKind[Math.min(index, ofKind.length - 1)]
}
