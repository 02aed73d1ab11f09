import { readFile } from 'node:fs/promises'
import { LOOP_SECONDS, tsFixture } from './media.ts'
import type { TsFixtureOptions } from './media.ts'
import { MARK_PTS_AT, MARK_STREAM, markPacket, stampMark, SYNC_BYTE, TS_PACKET_BYTES } from './marker.ts'

/**
 * An endless MPEG-TS made of one prepared loop: on every turn the continuity counters, PCR, PTS and DTS go on from where
 * they were, so that no reader can tell where the loop begins. Written independently of src/mpegts, which it tests.
 */
export interface TsLoop {
  readonly packetCount: number
  readonly durationMs: number
  /** Milliseconds after the start of the turn at which each packet is due. */
  readonly dueMs: Float64Array
  /** Packets at which a connection may begin: each is a PAT, followed by PMT, a mark and a keyframe. */
  readonly entries: readonly number[]
  /** One turn. `startMs` is when its first packet is due, by the lab's clock. */
  render(turn: number, startMs: number): Buffer
}

const TICKS_PER_MS = 90
const LOOP_TICKS = LOOP_SECONDS * 1000 * TICKS_PER_MS
const MARK_EVERY_PACKETS = 8
const WRAP = 2 ** 33

interface Template {
  readonly bytes: Buffer
  readonly dueMs: Float64Array
  readonly entries: readonly number[]
  readonly marks: readonly number[]
  /** Offsets of 5-byte time stamps (PTS or DTS) and of PCR fields. */
  readonly stamps: readonly number[]
  readonly pcrs: readonly number[]
  /** For each packet with a payload: where its counter is, its value in turn 0, and how far one turn moves it. */
  readonly counters: readonly (readonly [at: number, first: number, perTurn: number])[]
}

export interface TsLoopOptions extends TsFixtureOptions {
  readonly source: string
  /** Added to every time stamp, so that two sources do not share a clock. 0 to 2^33 - 1 ticks of 90 kHz. */
  readonly offsetTicks?: number
}

export async function loadTsLoop(options: TsLoopOptions): Promise<TsLoop> {
  const file = await readFile(await tsFixture(options))
  const template = prepare(file, markPacket(options.source))
  const offsetTicks = options.offsetTicks ?? 0
  return {
    packetCount: template.bytes.length / TS_PACKET_BYTES,
    durationMs: LOOP_SECONDS * 1000,
    dueMs: template.dueMs,
    entries: template.entries,
    render: (turn, startMs) => render(template, turn, offsetTicks, startMs),
  }
}

function render(template: Template, turn: number, offsetTicks: number, startMs: number): Buffer {
  const bytes = Buffer.from(template.bytes)
  const shift = turn * LOOP_TICKS + offsetTicks
  for (const [at, first, perTurn] of template.counters) {
    bytes[at] = ((bytes[at] ?? 0) & 0xf0) | ((first + turn * perTurn) & 0x0f)
  }
  for (const at of template.stamps) writeStamp(bytes, at, (readStamp(bytes, at) + shift) % WRAP)
  for (const at of template.pcrs) writePcrBase(bytes, at, (readPcrBase(bytes, at) + shift) % WRAP)
  for (const packet of template.marks) {
    stampMark(bytes, packet * TS_PACKET_BYTES, startMs + (template.dueMs[packet] ?? 0))
  }
  return bytes
}

function prepare(file: Buffer, mark: Buffer): Template {
  const originals = split(file)
  const tables = findTables(originals)
  const packets: Buffer[] = []
  const entries: number[] = []
  const marks: number[] = []
  let ticks = 0
  for (const original of originals) {
    const packet = pidOf(original) === tables.pmtPid ? tables.pmt : original
    const isEntry = pidOf(packet) === tables.videoPid && isKeyframeStart(packet)
    if (isEntry) {
      entries.push(packets.length)
      packets.push(tables.pat, tables.pmt)
    }
    if (isEntry || packets.length % MARK_EVERY_PACKETS === 0) {
      marks.push(packets.length)
      const marked = Buffer.from(mark)
      writeStamp(marked, MARK_PTS_AT, ticks)
      packets.push(marked)
    }
    packets.push(packet)
    if (pidOf(packet) === tables.videoPid && isStart(packet)) ticks = readStamp(packet, payloadAt(packet) + 9)
  }
  const bytes = Buffer.concat(packets)
  return { bytes, dueMs: dueTimes(packets), entries, marks, ...fieldsOf(packets), counters: countersOf(packets) }
}

function split(file: Buffer): readonly Buffer[] {
  const packets: Buffer[] = []
  for (let at = 0; at + TS_PACKET_BYTES <= file.length; at += TS_PACKET_BYTES) {
    if (file[at] !== SYNC_BYTE) throw new Error(`the fixture has no sync byte at ${at}`)
    packets.push(file.subarray(at, at + TS_PACKET_BYTES))
  }
  return packets
}

interface Tables {
  readonly pat: Buffer
  readonly pmt: Buffer
  readonly pmtPid: number
  readonly videoPid: number
}

function findTables(packets: readonly Buffer[]): Tables {
  const pat = packets.find((packet) => pidOf(packet) === 0)
  if (pat === undefined) throw new Error('the fixture has no PAT')
  // 4 header bytes, pointer, 8 bytes of section header, then program number and PMT PID.
  const pmtPid = pat.readUInt16BE(4 + 1 + 8 + 2) & 0x1fff
  const pmt = packets.find((packet) => pidOf(packet) === pmtPid)
  if (pmt === undefined) throw new Error('the fixture has no PMT')
  const section = 5
  const infoLength = pmt.readUInt16BE(section + 10) & 0x0fff
  const videoPid = pmt.readUInt16BE(section + 12 + infoLength + 1) & 0x1fff
  if (pmt[section + 12 + infoLength] !== 0x1b) throw new Error('the first stream of the fixture is not H.264')
  return { pat, pmt: withMarkStream(pmt), pmtPid, videoPid }
}

/** The same PMT (in one packet) with the stream of the marks at its end. */
function withMarkStream(pmt: Buffer): Buffer {
  const section = 5
  const lengthAt = section + 1
  const length = pmt.readUInt16BE(lengthAt) & 0x0fff
  const end = lengthAt + 2 + length - 4
  const packet = Buffer.from(pmt)
  packet.set(MARK_STREAM, end)
  packet.writeUInt16BE(0xb000 | (length + MARK_STREAM.length), lengthAt)
  packet.writeUInt32BE(crc32(packet.subarray(section, end + MARK_STREAM.length)), end + MARK_STREAM.length)
  return packet
}

/** CRC-32/MPEG-2 (ISO/IEC 13818-1 annex A), bit by bit. */
export function crc32(bytes: Buffer): number {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte << 24
    for (let bit = 0; bit < 8; bit += 1) crc = (crc & 0x80000000) === 0 ? crc << 1 : (crc << 1) ^ 0x04c11db7
  }
  return crc >>> 0
}

function fieldsOf(packets: readonly Buffer[]): { stamps: readonly number[]; pcrs: readonly number[] } {
  const stamps: number[] = []
  const pcrs: number[] = []
  for (const [index, packet] of packets.entries()) {
    const base = index * TS_PACKET_BYTES
    if (hasPcr(packet)) pcrs.push(base + 6)
    const pes = payloadAt(packet)
    if (!isStart(packet) || packet.readUIntBE(pes, 3) !== 1 || pidOf(packet) < 0x20) continue
    const flags = (packet[pes + 7] ?? 0) >> 6
    if (flags >= 2) stamps.push(base + pes + 9)
    if (flags === 3) stamps.push(base + pes + 14)
  }
  return { stamps, pcrs }
}

function countersOf(packets: readonly Buffer[]): Template['counters'] {
  const seen = new Map<number, number>()
  const firsts: { at: number; pid: number; first: number }[] = []
  for (const [index, packet] of packets.entries()) {
    const pid = pidOf(packet)
    if (((packet[3] ?? 0) & 0x10) === 0) continue
    const first = seen.get(pid) ?? 0
    firsts.push({ at: index * TS_PACKET_BYTES + 3, pid, first })
    seen.set(pid, first + 1)
  }
  return firsts.map(({ at, pid, first }) => [at, first, seen.get(pid) ?? 0] as const)
}

/** Packets between two PCRs are spread evenly between their times. */
function dueTimes(packets: readonly Buffer[]): Float64Array {
  const known: { index: number; ms: number }[] = [{ index: 0, ms: 0 }]
  let originTicks: number | undefined
  for (const [index, packet] of packets.entries()) {
    if (!hasPcr(packet)) continue
    const ticks = readPcrBase(packet, 6)
    originTicks ??= ticks
    known.push({ index, ms: (ticks - originTicks) / TICKS_PER_MS })
  }
  known.push({ index: packets.length, ms: LOOP_SECONDS * 1000 })
  const dueMs = new Float64Array(packets.length)
  for (const [place, from] of known.entries()) {
    const to = known[place + 1]
    if (to === undefined) break
    for (let index = from.index; index < to.index; index += 1) {
      dueMs[index] = from.ms + ((to.ms - from.ms) * (index - from.index)) / (to.index - from.index)
    }
  }
  return dueMs
}

const pidOf = (packet: Buffer) => packet.readUInt16BE(1) & 0x1fff
const isStart = (packet: Buffer) => ((packet[1] ?? 0) & 0x40) !== 0
const hasAdaptation = (packet: Buffer) => ((packet[3] ?? 0) & 0x20) !== 0 && (packet[4] ?? 0) > 0
const hasPcr = (packet: Buffer) => hasAdaptation(packet) && ((packet[5] ?? 0) & 0x10) !== 0
const isKeyframeStart = (packet: Buffer) => isStart(packet) && hasAdaptation(packet) && ((packet[5] ?? 0) & 0x40) !== 0
const payloadAt = (packet: Buffer) => 4 + (((packet[3] ?? 0) & 0x20) === 0 ? 0 : 1 + (packet[4] ?? 0))

/** PTS and DTS: 33 bits in three pieces with marker bits between (ISO/IEC 13818-1 §2.4.3.7). */
function readStamp(bytes: Buffer, at: number): number {
  const high = ((bytes[at] ?? 0) >> 1) & 0x07
  return high * 2 ** 30 + (bytes.readUInt16BE(at + 1) >> 1) * 2 ** 15 + (bytes.readUInt16BE(at + 3) >> 1)
}

function writeStamp(bytes: Buffer, at: number, ticks: number): void {
  bytes[at] = ((bytes[at] ?? 0) & 0xf1) | (Math.floor(ticks / 2 ** 30) << 1)
  bytes.writeUInt16BE((((Math.floor(ticks / 2 ** 15) & 0x7fff) << 1) | 1) >>> 0, at + 1)
  bytes.writeUInt16BE((((ticks % 2 ** 15) << 1) | 1) >>> 0, at + 3)
}

/** PCR base: 33 bits, then 6 reserved and 9 of extension (§2.4.3.5). */
function readPcrBase(bytes: Buffer, at: number): number {
  return bytes.readUInt32BE(at) * 2 + ((bytes[at + 4] ?? 0) >> 7)
}

function writePcrBase(bytes: Buffer, at: number, base: number): void {
  bytes.writeUInt32BE(Math.floor(base / 2), at)
  bytes[at + 4] = ((bytes[at + 4] ?? 0) & 0x7f) | ((base % 2) << 7)
}
