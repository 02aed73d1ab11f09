import type { ElementaryStream } from '../elementary-stream.ts'
import { PACKET_BYTES, payloadOffset, PID_COUNT, PID_PAT, SYNC_BYTE } from '../packet.ts'
import { PacketContinuity } from '../packet-continuity.ts'
import { ProgrammeTables } from '../programme-tables.ts'
import { makePesHeader, readPesHeader } from '../splice/pes-header.ts'
import { NO_TIMESTAMP } from '../splice/timestamp.ts'
import { FrameReader } from './frame-reader.ts'
import type { UnitSink } from './frame-reader.ts'
import { UnitHash } from './unit-hash.ts'

const ROLE_TABLE = 1
const ROLE_LEADER = 2

export interface UnitListener {
  /** A picture, or an audio frame where there is no video, whose begin came undamaged. */
  readonly unit: UnitSink
  /** A PES packet of the same stream came whole; `packing` tells how it was cut into transport packets. */
  packed(packing: number, dts: number): void
  /** The stream that is read is another one from here on. */
  restarted(): void
}

/**
 * Reads the pictures of a source, or its audio frames where it has no pictures, out of whole 188-byte packets that come in
 * any pieces. Memory is bounded, nothing throws.
 */
export class UnitReader {
  readonly #listener: UnitListener
  readonly #tables = new ProgrammeTables()
  readonly #roles = new Uint8Array(PID_COUNT)
  readonly #header = makePesHeader()
  readonly #hash = new UnitHash()
  #leader: ElementaryStream | undefined
  #frames: FrameReader | undefined
  readonly #continuity = new PacketContinuity()
  #dts = NO_TIMESTAMP
  /** Nothing is missing of the picture's hashed part, and of the PES packet. */
  #isHashWhole = false
  #isWhole = false
  #packing = 0

  constructor(listener: UnitListener) {
    this.#listener = listener
    this.#roles[PID_PAT] = ROLE_TABLE
  }

  push(packets: Buffer): void {
    const end = packets.length - (packets.length % PACKET_BYTES)
    for (let at = 0; at < end; at += PACKET_BYTES) {
      const flags = packets[at + 1] ?? 0
      const pid = ((flags & 0x1f) << 8) | (packets[at + 2] ?? 0)
      const role = this.#roles[pid] ?? 0
      if (role === 0 || packets[at] !== SYNC_BYTE || (flags & 0x80) !== 0) continue
      if (role === ROLE_LEADER) this.#readPacket(packets, at, (flags & 0x40) !== 0)
      else if (this.#tables.push(pid, packets, at)) this.#follow()
    }
  }

  #follow(): void {
    const chosen = this.#tables.chosen
    const leader = chosen?.video ?? chosen?.audio
    this.#roles.fill(0)
    this.#roles[PID_PAT] = ROLE_TABLE
    for (const { pmtPid } of this.#tables.entries) this.#roles[pmtPid] = ROLE_TABLE
    if (leader !== undefined) this.#roles[leader.pid] = ROLE_LEADER
    if (leader?.pid === this.#leader?.pid && leader?.codec === this.#leader?.codec) return
    this.#leader = leader
    this.#frames = leader?.kind === 'audio' ? new FrameReader(leader.codec, this.#listener.unit) : undefined
    this.#continuity.restart()
    this.#dts = NO_TIMESTAMP
    this.#listener.restarted()
  }

  #readPacket(packets: Buffer, at: number, isStart: boolean): void {
    const control = packets[at + 3] ?? 0
    if ((control & 0x10) === 0) return
    const continuity = this.#continuity.take(packets, at)
    if (continuity === 'repeated') return
    if (continuity === 'lost') this.#lose()
    // Scrambled data agrees with nothing.
    if ((control & 0xc0) !== 0) this.#lose()
    const payloadAt = payloadOffset(packets, at)
    const end = at + PACKET_BYTES
    let from = payloadAt
    if (isStart) {
      this.#endUnit()
      from = this.#beginUnit(packets, payloadAt, end)
    }
    if (this.#dts === NO_TIMESTAMP) return
    const tail = packets.readInt32LE(end - 4)
    this.#packing = Math.imul(this.#packing ^ tail, 0x01000193) + end - payloadAt
    if (from >= end) return
    if (this.#frames !== undefined) this.#frames.push(packets, from, end)
    else if (!this.#hash.isDone) this.#hash.push(packets, from, end)
  }

  #lose(): void {
    this.#isWhole = false
    if (!this.#hash.isDone) this.#isHashWhole = false
    this.#frames?.lose()
  }

  /** Offset of the first byte of the elementary stream. */
  #beginUnit(packets: Buffer, payloadAt: number, end: number): number {
    const header = this.#header
    const kind = readPesHeader(packets, payloadAt, end, header)
    this.#dts = kind === 'whole' && header.ptsAt >= 0 ? header.dts : NO_TIMESTAMP
    this.#isWhole = true
    this.#isHashWhole = true
    this.#packing = 0
    this.#hash.begin(this.#leader?.codec ?? 'unknown')
    if (this.#dts !== NO_TIMESTAMP) this.#frames?.beginUnit(this.#dts)
    else this.#frames?.lose()
    return header.dataAt
  }

  #endUnit(): void {
    if (this.#dts === NO_TIMESTAMP) return
    if (this.#isWhole) this.#listener.packed(this.#packing >>> 0, this.#dts)
    const { value } = this.#hash
    if (this.#frames === undefined && this.#isHashWhole && value !== undefined) this.#listener.unit(value, this.#dts)
  }
}
