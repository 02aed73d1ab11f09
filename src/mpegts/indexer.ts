import type { Codec } from './elementary-stream.ts'
import { MediaClock } from './media-clock.ts'
import {
  hasDiscontinuityIndicator,
  hasPcr,
  hasRandomAccessIndicator,
  isScrambled,
  PACKET_BYTES,
  payloadOffset,
  pcrOf,
  PID_COUNT,
  PID_NULL,
  PID_PAT,
} from './packet.ts'
import { ProgrammeTables } from './programme-tables.ts'
import type { ChosenProgramme } from './programme-tables.ts'
import { isParsedCodec, isPesStart, judgeAccessUnit } from './random-access.ts'

/** What a PID is to the indexer; bits of a byte. */
const ROLE_TABLE = 1
const ROLE_JOIN = 2
const ROLE_MEDIA = 4
const ROLE_PCR = 8

const COUNTER_UNKNOWN = 0xff
/** Bit beside a stored continuity counter: its packet has come twice already. */
const COUNTER_REPEATED = 0x10
/** First bytes of a PES packet that are kept to judge it; past them the random_access_indicator decides. */
const PROBE_BYTES_MAX = 6_144
/** A PES packet is judged within this many packets of the multiplex, so that nothing is held back for longer. */
const UNDECIDED_PACKETS_MAX = 256

export const UNDECIDED_BYTES_MAX = UNDECIDED_PACKETS_MAX * PACKET_BYTES

export interface TsCounters {
  readonly packets: number
  readonly continuityErrors: number
  readonly transportErrors: number
  readonly scrambledPackets: number
  /** Steps of the PCR that were neither announced nor plausible. */
  readonly clockJumps: number
}

/**
 * Reads whole packets as they pass: follows the tables, finds where a decoder can begin, adds up media time and counts
 * damage. Allocates nothing per packet; memory is bounded whatever comes.
 */
export class TsIndexer {
  readonly #tables = new ProgrammeTables()
  readonly #clock = new MediaClock()
  readonly #roles = new Uint8Array(PID_COUNT)
  readonly #counters = new Uint8Array(PID_COUNT).fill(COUNTER_UNKNOWN)
  readonly #joinPoints: number[] = []
  readonly #probe = Buffer.allocUnsafeSlow(PROBE_BYTES_MAX)
  #probeBytes = 0
  /** Offset of the packet that begins the PES packet in question; negative when it came in an earlier run. */
  #candidateAt: number | undefined
  #candidatePreamble: Buffer | undefined
  #isCandidateFlagged = false
  #joinPreamble: Buffer | undefined
  #joinPid = -1
  #joinCodec: Codec = 'unknown'
  #pcrPid = -1
  #mediaSeen = false
  #packets = 0
  #continuityErrors = 0
  #transportErrors = 0
  #scrambledPackets = 0

  constructor() {
    this.#roles[PID_PAT] = ROLE_TABLE
  }

  /**
   * Offsets in the run last indexed of packets that begin a random access point, ascending. Negative ones count back
   * from its start, into earlier runs that `undecidedBytes` had covered. The array is used again by the next call.
   */
  get joinPoints(): readonly number[] {
    return this.#joinPoints
  }

  /** How many bytes back from the end of what was indexed it is not known yet whether a join point is there. */
  undecidedBytes = 0

  /** Whether a PMT was seen. */
  get programmeSeen(): boolean {
    return this.#tables.pmts.size > 0
  }

  /** The programme that join points and media time are of. */
  get programme(): ChosenProgramme | undefined {
    return this.#tables.chosen
  }

  /** Whether a PES packet of a video or audio stream began. */
  get mediaSeen(): boolean {
    return this.#mediaSeen
  }

  /** The latest PCR of the programme, in 27 MHz units. */
  get pcr(): number | undefined {
    return this.#clock.pcr
  }

  /** Media time since the programme's first PCR, in ms. */
  get mediaMs(): number | undefined {
    return this.#clock.elapsedMs
  }

  get counters(): TsCounters {
    return {
      packets: this.#packets,
      continuityErrors: this.#continuityErrors,
      transportErrors: this.#transportErrors,
      scrambledPackets: this.#scrambledPackets,
      clockJumps: this.#clock.jumps,
    }
  }

  /** The PAT and PMT packets that came last before the latest join point; while there was none, the latest. */
  preamble(): Buffer {
    return this.#joinPreamble ?? this.#tables.snapshot()
  }

  /**
   * Reads packets of `run`, which begins with one and is a multiple of 188 bytes long. Returns how many bytes were read:
   * all, or fewer when the next join point has another preamble than those already found; call again with the rest.
   */
  index(run: Buffer): number {
    this.#joinPoints.length = 0
    const roles = this.#roles
    let at = 0
    for (; at + PACKET_BYTES <= run.length; at += PACKET_BYTES) {
      const flags = run[at + 1] ?? 0
      const pid = ((flags & 0x1f) << 8) | (run[at + 2] ?? 0)
      const role = roles[pid] ?? 0
      const isStart = (flags & 0x40) !== 0
      if (isStart && (role & ROLE_JOIN) !== 0 && this.#mustStopBefore()) break
      this.#packets += 1
      if (pid === PID_NULL) continue
      if ((flags & 0x80) !== 0) {
        this.#transportErrors += 1
        this.#counters[pid] = COUNTER_UNKNOWN
        continue
      }
      this.#checkContinuity(run, at, pid)
      if (role !== 0) this.#read(run, at, pid, role, isStart)
    }
    this.#endRun(at)
    return at
  }

  /** Whether a join point here would have another preamble than those already found in this run. */
  #mustStopBefore(): boolean {
    if (!this.#tables.isSnapshotStale) return false
    if (this.#candidateAt !== undefined) this.#decide(this.#isCandidateFlagged)
    return this.#joinPoints.length > 0
  }

  /** §2.4.3.3: counts up with each payload, stands still without one, and may come twice. */
  #checkContinuity(run: Buffer, at: number, pid: number): void {
    const control = run[at + 3] ?? 0
    if ((control & 0xc0) !== 0) this.#scrambledPackets += 1
    if ((control & 0x10) === 0) return
    const counter = control & 0x0f
    const last = this.#counters[pid] ?? COUNTER_UNKNOWN
    this.#counters[pid] = counter
    if (last === COUNTER_UNKNOWN || counter === ((last + 1) & 0x0f)) return
    if (counter === last) this.#counters[pid] = counter | COUNTER_REPEATED
    else if (!hasDiscontinuityIndicator(run, at)) this.#continuityErrors += 1
  }

  #read(run: Buffer, at: number, pid: number, role: number, isStart: boolean): void {
    if ((role & ROLE_PCR) !== 0 && hasPcr(run, at)) {
      this.#clock.observe(pcrOf(run, at), hasDiscontinuityIndicator(run, at))
    }
    if ((role & ROLE_TABLE) !== 0 && this.#tables.push(pid, run, at)) this.#assignRoles()
    if ((role & (ROLE_JOIN | ROLE_MEDIA)) === 0) return
    if (isStart) {
      const from = payloadOffset(run, at)
      const isScrambledStart = isScrambled(run, at)
      if (!isScrambledStart && !isPesStart(run, from, at + PACKET_BYTES)) return
      if (from < at + PACKET_BYTES) this.#mediaSeen = true
      if ((role & ROLE_JOIN) !== 0) this.#beginCandidate(run, at, isScrambledStart)
    } else if ((role & ROLE_JOIN) !== 0 && this.#candidateAt !== undefined) this.#feedCandidate(run, at)
  }

  #beginCandidate(run: Buffer, at: number, isScrambledStart: boolean): void {
    if (this.#candidateAt !== undefined) this.#decide(this.#isCandidateFlagged)
    this.#candidateAt = at
    this.#candidatePreamble = this.#tables.snapshot()
    this.#isCandidateFlagged = hasRandomAccessIndicator(run, at)
    this.#probeBytes = 0
    if (this.#tables.chosen?.video === undefined) this.#decide(true)
    else if (isScrambledStart || !isParsedCodec(this.#joinCodec)) this.#decide(this.#isCandidateFlagged)
    else this.#feedCandidate(run, at)
  }

  #feedCandidate(run: Buffer, at: number): void {
    const codec = this.#joinCodec
    const from = payloadOffset(run, at)
    this.#probeBytes += run.copy(this.#probe, this.#probeBytes, from, at + PACKET_BYTES)
    if (!isParsedCodec(codec)) return
    const verdict = judgeAccessUnit(codec, this.#probe, this.#probeBytes, this.#isCandidateFlagged)
    if (verdict !== 'more') this.#decide(verdict === 'yes')
    else if (this.#probeBytes === PROBE_BYTES_MAX) this.#decide(this.#isCandidateFlagged)
  }

  #decide(isJoinPoint: boolean): void {
    if (isJoinPoint && this.#candidateAt !== undefined) {
      this.#joinPoints.push(this.#candidateAt)
      this.#joinPreamble = this.#candidatePreamble
    }
    this.#candidateAt = undefined
    this.#candidatePreamble = undefined
  }

  #endRun(end: number): void {
    if (this.#candidateAt !== undefined && end - this.#candidateAt > UNDECIDED_BYTES_MAX) {
      this.#decide(this.#isCandidateFlagged)
    }
    this.undecidedBytes = this.#candidateAt === undefined ? 0 : end - this.#candidateAt
    if (this.#candidateAt !== undefined) this.#candidateAt -= end
  }

  #assignRoles(): void {
    const roles = this.#roles.fill(0)
    const grant = (pid: number, role: number) => {
      roles[pid] = (roles[pid] ?? 0) | role
    }
    grant(PID_PAT, ROLE_TABLE)
    for (const { pmtPid } of this.#tables.entries) grant(pmtPid, ROLE_TABLE)
    for (const { streams } of this.#tables.pmts.values()) {
      for (const { pid, kind } of streams) if (kind === 'video' || kind === 'audio') grant(pid, ROLE_MEDIA)
    }
    const chosen = this.#tables.chosen
    const join = chosen?.video ?? chosen?.audio
    const joinPid = join?.pid ?? -1
    if (joinPid !== this.#joinPid && this.#candidateAt !== undefined) this.#decide(false)
    this.#joinPid = joinPid
    this.#joinCodec = join?.codec ?? 'unknown'
    if (joinPid >= 0) grant(joinPid, ROLE_JOIN)
    const pcrPid = chosen !== undefined && chosen.pmt.pcrPid < PID_NULL ? chosen.pmt.pcrPid : -1
    if (pcrPid !== this.#pcrPid) this.#clock.restart()
    this.#pcrPid = pcrPid
    if (pcrPid >= 0) grant(pcrPid, ROLE_PCR)
  }
}
