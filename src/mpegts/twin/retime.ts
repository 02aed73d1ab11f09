import {
  hasAdaptationField,
  hasPcr,
  isPayloadUnitStart,
  PACKET_BYTES,
  payloadOffset,
  pcrOf,
  writePcr,
} from '../packet.ts'
import { clearDiscontinuityIndicator, moveRareTimestamps } from '../splice/adaptation-field.ts'
import { makePesHeader, readPesHeader, writeTimestamp } from '../splice/pes-header.ts'
import { PCR_PER_TICK, wrapPcr, wrapTimestamp } from '../splice/timestamp.ts'

const header = makePesHeader()

/** Makes the packet at `at` one of another multiplex: its PID, its counter, and its timestamps moved by `ticks` of 90 kHz. */
export function retimePacket(packet: Buffer, at: number, pid: number, counter: number, ticks: number): void {
  packet[at + 1] = ((packet[at + 1] ?? 0) & 0xe0) | (pid >>> 8)
  packet[at + 2] = pid & 0xff
  packet[at + 3] = ((packet[at + 3] ?? 0) & 0xf0) | (counter & 0x0f)
  if (hasAdaptationField(packet, at) && (packet[at + 4] ?? 0) > 0) {
    moveRareTimestamps(packet, at, ticks)
    if (hasPcr(packet, at)) writePcr(packet, at, wrapPcr(pcrOf(packet, at) + ticks * PCR_PER_TICK))
    clearDiscontinuityIndicator(packet, at)
  }
  if (!isPayloadUnitStart(packet, at)) return
  readPesHeader(packet, payloadOffset(packet, at), at + PACKET_BYTES, header)
  if (header.ptsAt >= 0) writeTimestamp(packet, header.ptsAt, wrapTimestamp(header.pts + ticks))
  if (header.dtsAt >= 0) writeTimestamp(packet, header.dtsAt, wrapTimestamp(header.dts + ticks))
}
