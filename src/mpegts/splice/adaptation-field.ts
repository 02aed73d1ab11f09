import { hasAdaptationField, PACKET_BYTES, SYNC_BYTE, writePcr } from '../packet.ts'
import { readTimestamp, writeTimestamp } from './pes-header.ts'
import { PCR_PER_TICK, wrapPcr, wrapTimestamp } from './timestamp.ts'

/** What a splice changes in adaptation fields, ISO/IEC 13818-1 §2.4.3.4. `at` is the offset of the sync byte. */
const FLAG_DISCONTINUITY = 0x80
const FLAG_PCR = 0x10
const FLAG_OPCR = 0x08
const FLAG_SPLICING_POINT = 0x04
const FLAG_PRIVATE_DATA = 0x02
const FLAG_EXTENSION = 0x01
const EXTENSION_LTW = 0x80
const EXTENSION_PIECEWISE_RATE = 0x40
const EXTENSION_SEAMLESS_SPLICE = 0x20
const PCR_BYTES = 6

/** A new timeline and new counters follow without a break, so what the source announced is not true of the output. */
export function clearDiscontinuityIndicator(packet: Buffer, at: number): void {
  packet[at + 5] = (packet[at + 5] ?? 0) & ~FLAG_DISCONTINUITY
}

/** Takes the PCR out of a packet that has one: what follows it moves up, stuffing fills the end. */
export function stripPcr(packet: Buffer, at: number): void {
  const end = at + 5 + (packet[at + 4] ?? 0)
  packet[at + 5] = (packet[at + 5] ?? 0) & ~FLAG_PCR
  packet.copyWithin(at + 6, at + 6 + PCR_BYTES, end)
  packet.fill(0xff, Math.max(end - PCR_BYTES, at + 6), end)
}

/** Moves OPCR and DTS_next_AU by `offsetTicks` of 90 kHz; damaged fields stay as they are. */
export function moveRareTimestamps(packet: Buffer, at: number, offsetTicks: number): void {
  if (!hasAdaptationField(packet, at)) return
  const flags = packet[at + 5] ?? 0
  if ((flags & (FLAG_OPCR | FLAG_EXTENSION)) === 0) return
  const end = at + 5 + Math.min(packet[at + 4] ?? 0, PACKET_BYTES - 5)
  let field = at + 6 + ((flags & FLAG_PCR) === 0 ? 0 : PCR_BYTES)
  if ((flags & FLAG_OPCR) !== 0) {
    if (field + PCR_BYTES > end) return
    moveOpcr(packet, field, offsetTicks)
    field += PCR_BYTES
  }
  if ((flags & FLAG_SPLICING_POINT) !== 0) field += 1
  if ((flags & FLAG_PRIVATE_DATA) !== 0) field += 1 + (packet[field] ?? 0)
  if ((flags & FLAG_EXTENSION) === 0 || field + 2 > end) return
  const extension = packet[field + 1] ?? 0
  if ((extension & EXTENSION_SEAMLESS_SPLICE) === 0) return
  field += 2 + ((extension & EXTENSION_LTW) === 0 ? 0 : 2) + ((extension & EXTENSION_PIECEWISE_RATE) === 0 ? 0 : 3)
  if (field + 5 <= end) writeTimestamp(packet, field, wrapTimestamp(readTimestamp(packet, field) + offsetTicks))
}

function moveOpcr(packet: Buffer, field: number, offsetTicks: number): void {
  const base = packet.readUInt32BE(field) * 2 + ((packet[field + 4] ?? 0) >>> 7)
  const extension = (((packet[field + 4] ?? 0) & 1) << 8) | (packet[field + 5] ?? 0)
  const moved = wrapPcr((base + offsetTicks) * PCR_PER_TICK + Math.min(extension, PCR_PER_TICK - 1))
  writePcr(packet, field - 6, moved)
}

/** Makes the packet at `at` one that carries nothing but a PCR (27 MHz). */
export function makePcrPacket(packet: Buffer, at: number, pid: number, continuityCounter: number, pcr: number): void {
  makeAdaptationOnlyPacket(packet, at, pid, continuityCounter, FLAG_PCR)
  writePcr(packet, at, pcr)
}

/** Makes the packet at `at` one that only announces a discontinuity of its PID (§2.4.3.5). */
export function makeDiscontinuityPacket(packet: Buffer, at: number, pid: number, continuityCounter: number): void {
  makeAdaptationOnlyPacket(packet, at, pid, continuityCounter, FLAG_DISCONTINUITY)
}

function makeAdaptationOnlyPacket(packet: Buffer, at: number, pid: number, counter: number, flags: number): void {
  packet[at] = SYNC_BYTE
  packet.writeUInt16BE(pid, at + 1)
  packet[at + 3] = 0x20 | counter
  packet[at + 4] = PACKET_BYTES - 5
  packet[at + 5] = flags
  packet.fill(0xff, at + 6, at + PACKET_BYTES)
}

/** Bytes of the adaptation field that carry nothing. Muxers put them where a unit ends before its packet does. */
export function stuffingBytes(packet: Buffer, at: number): number {
  if (!hasAdaptationField(packet, at)) return 0
  const length = packet[at + 4] ?? 0
  if (length === 0) return 1
  const flags = packet[at + 5] ?? 0
  let used = 1 + ((flags & FLAG_PCR) === 0 ? 0 : PCR_BYTES) + ((flags & FLAG_OPCR) === 0 ? 0 : PCR_BYTES)
  if ((flags & FLAG_SPLICING_POINT) !== 0) used += 1
  if ((flags & FLAG_PRIVATE_DATA) !== 0) used += 1 + (packet[at + 5 + used] ?? 0)
  if ((flags & FLAG_EXTENSION) !== 0) used += 1 + (packet[at + 5 + used] ?? 0)
  return Math.max(0, length - used)
}
