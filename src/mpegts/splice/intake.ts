import { hasDiscontinuityIndicator, hasPcr, PACKET_BYTES, payloadOffset, pcrOf, PID_COUNT } from '../packet.ts'
import { PID_NULL, PID_PAT, SYNC_BYTE } from '../packet.ts'
import { ProgrammeTables } from '../programme-tables.ts'
import type { Pmt } from '../psi.ts'
import { stuffingBytes } from './adaptation-field.ts'
import { PID_CLOCK_ONLY } from './clock-sender.ts'
import type { Hold } from './hold.ts'
import { LeadMeter } from './lead-meter.ts'
import { makePesHeader, PES_PREFIX_BYTES, readPesHeader } from './pes-header.ts'
import type { PesHeader } from './pes-header.ts'
import { ReorderGroup } from './reorder.ts'
import { isAudio, isVideo } from './track.ts'
import type { Track } from './track.ts'
import { DROPPED } from './unit-rewrite.ts'

/** What a PID of the source is; from ROLE_TRACK on, the number of a track. */
const ROLE_NONE = 0
const ROLE_TABLE = 1
const ROLE_CLOCK = 2
const ROLE_TRACK = 3
/** After this many units that ended with stuffing, and none with stuffing inside, it is taken for their end. */
const STUFFED_ENDS_TRUSTED = 8
/** Bytes of a PES packet before the length is known to be wrong rather than incomplete. */
const UNTOLD_LENGTH = 0

/** What the intake finds; called while it reads, with all packets before already taken. */
export interface IntakeListener {
  /** The source has another programme from the packet at `position` on. */
  programmeChanged(pmt: Pmt, position: number): void
  /** A unit of a track begins; `header` is undefined where it has no readable timestamps. */
  unitBegun(track: Track, position: number, header: PesHeader | undefined, isScrambled: boolean): void
}

/**
 * Reads the packets of one source in the hold: marks what is not wanted as dropped, gives the rest the output's PIDs, and
 * follows which unit of each track is complete. In place of the continuity counter it leaves the step since the packet
 * before, which is more than 1 where packets are missing.
 */
export class Intake {
  readonly #tables = new ProgrammeTables()
  readonly #roles = new Uint8Array(PID_COUNT)
  readonly #listener: IntakeListener
  readonly #programmeNumber: number | undefined
  readonly #header = makePesHeader()
  #tracks: readonly Track[] = []
  /** The track on whose PID the programme's PCR comes, if it is one. */
  #clockTrack: Track | undefined
  #pmt: Pmt | undefined
  /** Position of the first random access point that was told. */
  #joinFrom = Infinity
  /** Positions of the random access points in what is being taken. */
  #joins: readonly number[] = []
  /** Those before this position do not count. */
  #joinsFrom = 0
  #continuityErrors = 0
  #pcrPid = PID_NULL
  readonly #lead = new LeadMeter()
  #measuresLead = true

  constructor(listener: IntakeListener, programmeNumber: number | undefined) {
    this.#listener = listener
    this.#programmeNumber = programmeNumber
    this.#roles[PID_PAT] = ROLE_TABLE
  }

  get continuityErrors(): number {
    return this.#continuityErrors
  }

  /**
   * The unit of `track` that begins at `position` and those after it are taken from the next random access point on.
   * True when this is one.
   */
  awaitJoin(track: Track, position: number): boolean {
    const { taking } = track
    this.#joinsFrom = position
    this.#joinFrom = this.#firstJoin()
    taking.group = new ReorderGroup()
    if (this.#joinFrom === position) return true
    Object.assign(taking, { awaitsJoin: true, hasBegun: false, openAt: -1 })
    return false
  }

  #firstJoin(): number {
    return this.#joins.find((join) => join >= this.#joinsFrom) ?? Infinity
  }

  /** How far the units so far came behind the source's PCR, 90 kHz ticks. Measures no further. */
  endLead(): number {
    this.#measuresLead = false
    return this.#lead.lateTicks
  }

  /** Reads tables that come apart from the media. */
  readTables(packets: Buffer): void {
    for (let at = 0; at + PACKET_BYTES <= packets.length; at += PACKET_BYTES) {
      const pid = (((packets[at + 1] ?? 0) & 0x1f) << 8) | (packets[at + 2] ?? 0)
      if (packets[at] === SYNC_BYTE && this.#roles[pid] === ROLE_TABLE) this.#readTable(packets, at, pid, 0)
    }
  }

  /** From now on these PIDs feed these tracks, and the PCR comes on `pcrPid`. */
  map(pids: ReadonlyMap<number, Track>, pcrPid: number): void {
    this.#tracks = [...pids.values()]
    this.#clockTrack = pids.get(pcrPid)
    this.#pcrPid = pcrPid
    this.#roles.fill(ROLE_NONE)
    if (pcrPid < PID_NULL) this.#roles[pcrPid] = ROLE_CLOCK
    let number = ROLE_TRACK
    for (const pid of pids.keys()) {
      this.#roles[pid] = number
      number += 1
    }
    this.#watchTables()
  }

  /** Reads `hold.buffer[from, to)`. `joins` are the positions of random access points in it. */
  take(hold: Hold, from: number, to: number, joins: readonly number[]): void {
    const { buffer } = hold
    this.#joins = joins
    this.#joinFrom = Math.min(this.#joinFrom, this.#firstJoin())
    for (let at = from; at < to; at += PACKET_BYTES) {
      const flags = buffer[at + 1] ?? 0
      const pid = ((flags & 0x1f) << 8) | (buffer[at + 2] ?? 0)
      const role = this.#roles[pid] ?? ROLE_NONE
      if (this.#measuresLead && pid === this.#pcrPid && hasPcr(buffer, at)) this.#lead.observeClock(pcrOf(buffer, at))
      if (role >= ROLE_TRACK && buffer[at] === SYNC_BYTE && (flags & 0x80) === 0) {
        const track = this.#tracks[role - ROLE_TRACK]
        if (track !== undefined) this.#takePacket(track, hold, at)
        continue
      }
      const isIntact = buffer[at] === SYNC_BYTE && (flags & 0x80) === 0
      if (isIntact && role === ROLE_CLOCK && hasPcr(buffer, at)) setPid(buffer, at, PID_CLOCK_ONLY)
      else {
        if (isIntact && role === ROLE_TABLE) this.#readTable(buffer, at, pid, hold.positionOf(at))
        buffer[at] = DROPPED
      }
    }
  }

  #readTable(buffer: Buffer, at: number, pid: number, position: number): void {
    if (!this.#tables.push(pid, buffer, at)) return
    this.#watchTables()
    const wanted = this.#programmeNumber
    const pmt = wanted === undefined ? this.#tables.chosen?.pmt : this.#tables.pmts.get(wanted)
    if (pmt === undefined || pmt === this.#pmt) return
    this.#pmt = pmt
    this.#listener.programmeChanged(pmt, position)
  }

  #watchTables(): void {
    this.#roles[PID_PAT] = ROLE_TABLE
    for (const { pmtPid } of this.#tables.entries) {
      if ((this.#roles[pmtPid] ?? 0) < ROLE_TRACK) this.#roles[pmtPid] = ROLE_TABLE
    }
  }

  #takePacket(track: Track, hold: Hold, at: number): void {
    const { buffer } = hold
    const { taking } = track
    const control = buffer[at + 3] ?? 0
    if ((control & 0x10) === 0) {
      this.#takeWithoutPayload(track, buffer, at)
      return
    }
    const counter = control & 0x0f
    const tail = buffer.readInt32BE(at + PACKET_BYTES - 4)
    let step = taking.counter < 0 ? 1 : (counter - taking.counter) & 0x0f
    if (step !== 1 && hasDiscontinuityIndicator(buffer, at)) step = 1
    if (step === 0 && tail === taking.tail) {
      buffer[at] = DROPPED
      return
    }
    if (step !== 1) this.#continuityErrors += 1
    taking.counter = counter
    taking.tail = tail
    buffer[at + 3] = (control & 0xf0) | (step === 0 ? 1 : step)
    const isStart = ((buffer[at + 1] ?? 0) & 0x40) !== 0
    if (isStart) this.#beginUnit(track, hold, at, (control & 0xc0) !== 0)
    if (!taking.hasBegun) {
      if (this.#hasUsefulPcr(track, buffer, at)) setPid(buffer, at, PID_CLOCK_ONLY)
      else buffer[at] = DROPPED
      return
    }
    setPid(buffer, at, track.pid)
    if (taking.openAt >= 0 || taking.isStuffed) this.#continueUnit(track, buffer, at, isStart)
  }

  #takeWithoutPayload(track: Track, buffer: Buffer, at: number): void {
    const { taking } = track
    if (taking.hasBegun) {
      setPid(buffer, at, track.pid)
      buffer[at + 3] = (buffer[at + 3] ?? 0) & 0xf0
    } else if (this.#hasUsefulPcr(track, buffer, at)) setPid(buffer, at, PID_CLOCK_ONLY)
    else buffer[at] = DROPPED
  }

  /** Whether a packet of a unit whose begin is not here has a PCR that counts; before the join none does. */
  #hasUsefulPcr(track: Track, buffer: Buffer, at: number): boolean {
    return track === this.#clockTrack && !track.taking.awaitsJoin && hasPcr(buffer, at)
  }

  #beginUnit(track: Track, hold: Hold, at: number, isScrambled: boolean): void {
    const { taking } = track
    const position = hold.positionOf(at)
    if (taking.awaitsJoin) {
      if (position < this.#joinFrom) return
      taking.awaitsJoin = false
    }
    taking.hasBegun = true
    if (track.format !== 'pes') return
    if (taking.isStuffed && taking.stuffedEnds >= 0) taking.stuffedEnds += 1
    taking.isStuffed = false
    taking.openAt = position
    taking.missingBytes = Infinity
    const header = this.#header
    const kind = readPesHeader(hold.buffer, payloadOffset(hold.buffer, at), at + PACKET_BYTES, header)
    const isReadable = kind === 'whole' && !isScrambled
    if (isReadable && header.packetLength !== UNTOLD_LENGTH) {
      taking.missingBytes = PES_PREFIX_BYTES + header.packetLength
    } else if (!isVideo(track)) taking.openAt = -1
    const isMedia = isVideo(track) || isAudio(track)
    if (this.#measuresLead && isMedia && isReadable && header.ptsAt >= 0) this.#lead.observeUnit(header.dts)
    this.#listener.unitBegun(track, position, isReadable && header.ptsAt >= 0 ? header : undefined, isScrambled)
  }

  /** Sees whether the unit is complete with this packet. */
  #continueUnit(track: Track, buffer: Buffer, at: number, isStart: boolean): void {
    const { taking } = track
    if (taking.missingBytes !== Infinity) {
      taking.missingBytes -= at + PACKET_BYTES - payloadOffset(buffer, at)
      if (taking.missingBytes <= 0) endUnit(track)
      return
    }
    if (!isStart && taking.isStuffed) taking.stuffedEnds = -1
    if (taking.openAt < 0) {
      taking.isStuffed = false
      return
    }
    taking.isStuffed = stuffingBytes(buffer, at) > 0
    if (taking.isStuffed && taking.stuffedEnds >= STUFFED_ENDS_TRUSTED) endUnit(track)
  }
}

function endUnit({ taking }: Track): void {
  taking.openAt = -1
  taking.group.endPicture()
}

function setPid(buffer: Buffer, at: number, pid: number): void {
  buffer[at + 1] = ((buffer[at + 1] ?? 0) & 0xe0) | (pid >>> 8)
  buffer[at + 2] = pid & 0xff
}
