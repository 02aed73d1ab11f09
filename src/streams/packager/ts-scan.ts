import type { Codec } from '../../mpegts/elementary-stream.ts'
import {
  hasPayload,
  isPayloadUnitStart,
  isScrambled,
  PACKET_BYTES,
  payloadOffset,
  PID_COUNT,
  PID_PAT,
  pidOf,
} from '../../mpegts/packet.ts'
import { ProgrammeTables } from '../../mpegts/programme-tables.ts'
import { makePesHeader, readPesHeader } from '../../mpegts/splice/pes-header.ts'
import { NO_TIMESTAMP } from '../../mpegts/splice/timestamp.ts'
import { audioSetUp, findParameterSets, HEAD_BYTES_MAX, tracksText } from './media-signature.ts'
import type { MediaSignature } from './media-signature.ts'

const ROLE_TABLE = 1
const ROLE_LEADER = 2
const ROLE_AUDIO = 4

export interface ScanListener {
  /** A unit of the leading stream begins with the packet at `offset` of the run; `dts` in 90 kHz, 0 to 2^33 − 1. */
  unit(offset: number, dts: number): void
  /** Of the unit last asked for with `watchUnit`. */
  signature(signature: MediaSignature): void
}

/**
 * Reads the packets of one programme as they pass: tables, the decoding times of its leading stream (video, or audio when
 * there is none), and the parameter sets of units that are asked for. Allocates nothing per packet.
 */
export class TsScan {
  readonly #listener: ScanListener
  readonly #tables = new ProgrammeTables()
  readonly #roles = new Uint8Array(PID_COUNT)
  readonly #header = makePesHeader()
  readonly #head = Buffer.allocUnsafeSlow(HEAD_BYTES_MAX)
  #headBytes = 0
  #watch: 'none' | 'next-unit' | 'unit' = 'none'
  #tracks = ''
  #audioSetUp: string | undefined
  #leaderCodec: Codec = 'unknown'
  #audioCodec: Codec = 'unknown'

  constructor(listener: ScanListener) {
    this.#listener = listener
    this.#roles[PID_PAT] = ROLE_TABLE
  }

  /** The packets of the latest PAT and PMT. */
  get tables(): Buffer {
    return this.#tables.snapshot()
  }

  get hasVideo(): boolean {
    return this.#tables.chosen?.video !== undefined
  }

  /** The next unit of the leading stream is to be told by its signature. */
  watchUnit(): void {
    this.#watch = 'next-unit'
  }

  /** Whole packets. */
  scan(run: Buffer): void {
    const roles = this.#roles
    for (let at = 0; at + PACKET_BYTES <= run.length; at += PACKET_BYTES) {
      const role = roles[pidOf(run, at)] ?? 0
      if (role !== 0) this.#read(run, at, role)
    }
  }

  #read(run: Buffer, at: number, role: number): void {
    if ((role & ROLE_TABLE) !== 0) {
      if (this.#tables.push(pidOf(run, at), run, at)) this.#assignRoles()
      return
    }
    if (!hasPayload(run, at) || isScrambled(run, at)) return
    const end = at + PACKET_BYTES
    const isStart = isPayloadUnitStart(run, at)
    if (isStart) readPesHeader(run, payloadOffset(run, at), end, this.#header)
    if ((role & ROLE_AUDIO) !== 0 && isStart && this.#header.dataAt + 8 <= end) {
      this.#audioSetUp = audioSetUp(this.#audioCodec, run, this.#header.dataAt) ?? this.#audioSetUp
    }
    if ((role & ROLE_LEADER) === 0) return
    if (isStart && this.#header.dts !== NO_TIMESTAMP) this.#beginUnit(at)
    if (this.#watch === 'unit') this.#collect(run, isStart ? this.#header.dataAt : payloadOffset(run, at), end)
  }

  #beginUnit(at: number): void {
    if (this.#watch === 'unit')
      this.#tellSignature(findParameterSets(this.#leaderCodec, this.#head, HEAD_BYTES_MAX) ?? [])
    this.#listener.unit(at, this.#header.dts)
    if (this.#watch !== 'next-unit') return
    this.#watch = 'unit'
    this.#head.fill(0)
    this.#headBytes = 0
  }

  #collect(run: Buffer, from: number, end: number): void {
    if (from < end) this.#headBytes += run.copy(this.#head, this.#headBytes, from, end)
    const found = findParameterSets(this.#leaderCodec, this.#head, this.#headBytes)
    if (found !== undefined) this.#tellSignature(found)
  }

  #tellSignature(parameterSets: readonly string[]): void {
    this.#watch = 'none'
    this.#listener.signature({ tracks: this.#tracks, parameterSets, audio: this.#audioSetUp })
  }

  #assignRoles(): void {
    const roles = this.#roles.fill(0)
    const grant = (pid: number, role: number) => {
      roles[pid] = (roles[pid] ?? 0) | role
    }
    grant(PID_PAT, ROLE_TABLE)
    for (const { pmtPid } of this.#tables.entries) grant(pmtPid, ROLE_TABLE)
    const { chosen } = this.#tables
    if (chosen === undefined) return
    const leader = chosen.video ?? chosen.audio
    this.#tracks = tracksText(chosen.pmt)
    this.#leaderCodec = leader?.codec ?? 'unknown'
    this.#audioCodec = chosen.audio?.codec ?? 'unknown'
    if (leader !== undefined) grant(leader.pid, ROLE_LEADER)
    if (chosen.audio !== undefined) grant(chosen.audio.pid, ROLE_AUDIO)
  }
}
