import { hasAdaptationField, PACKET_BYTES, payloadOffset } from '../packet.ts'
import { PES_PREFIX_BYTES, writeTimestamp } from './pes-header.ts'
import type { PesHeader } from './pes-header.ts'

const TIMESTAMP_BYTES = 5
const PES_LENGTH_MAX = 0xffff

/**
 * Where the source before reordered its pictures by more than the next one does, the next one's first picture is shown
 * later than its DTS would be. Its pictures are then decoded early at first, and each a little less, so that neither
 * what is decoded nor what is shown makes a step.
 */
export class DecodingLag {
  #ticks = 0
  #stepTicks = 0

  /** By how much the next picture will be decoded early, 90 kHz ticks. */
  get ticks(): number {
    return this.#ticks
  }

  /** Begins with a lag of `ticks` that shrinks by half a picture with each picture. */
  begin(ticks: number, pictureTicks: number): void {
    this.#ticks = ticks
    this.#stepTicks = Math.max(1, Math.floor(pictureTicks / 2))
  }

  /** By how much the next picture's DTS is earlier than its source's. */
  take(): number {
    const ticks = this.#ticks
    this.#ticks = Math.max(0, ticks - this.#stepTicks)
    return ticks
  }
}

/**
 * Gives a unit a DTS of its own: the packet at `at` of `buffer` begins it and has a PTS only. Its PES header goes with the
 * DTS (90 kHz) into `first`, together with its adaptation field; what follows the header stays. False when that does not
 * fit: then nothing is changed.
 */
export function splitForDts(first: Buffer, buffer: Buffer, at: number, header: PesHeader, dts: number): boolean {
  const payloadAt = payloadOffset(buffer, at)
  const headerBytes = header.dataAt - payloadAt
  const fieldBytes = payloadAt - at - 4
  const newPayloadAt = PACKET_BYTES - headerBytes - TIMESTAMP_BYTES
  const headerLength = buffer[payloadAt + 8] ?? 0
  const hasRoom = newPayloadAt >= 4 + Math.max(fieldBytes, 2) && header.dataAt < at + PACKET_BYTES
  if (!hasRoom || headerLength + TIMESTAMP_BYTES > 0xff) return false
  first.fill(0xff)
  buffer.copy(first, 0, at, payloadAt)
  if (!hasAdaptationField(buffer, at) || fieldBytes < 2) first[5] = 0
  first[3] = (first[3] ?? 0) | 0x20
  first[4] = newPayloadAt - 5
  const timestampEnd = header.ptsAt + TIMESTAMP_BYTES
  buffer.copy(first, newPayloadAt, payloadAt, timestampEnd)
  buffer.copy(first, newPayloadAt + (timestampEnd - payloadAt) + TIMESTAMP_BYTES, timestampEnd, header.dataAt)
  first[newPayloadAt + 7] = (first[newPayloadAt + 7] ?? 0) | 0x40
  first[newPayloadAt + 8] = headerLength + TIMESTAMP_BYTES
  const ptsAt = newPayloadAt + (header.ptsAt - payloadAt)
  first[ptsAt] = (first[ptsAt] ?? 0) | 0x10
  first[ptsAt + TIMESTAMP_BYTES] = 0x10
  writeTimestamp(first, ptsAt + TIMESTAMP_BYTES, dts)
  const length = header.packetLength + TIMESTAMP_BYTES
  const isTold = header.packetLength > 0 && length <= PES_LENGTH_MAX
  first.writeUInt16BE(isTold ? length : 0, newPayloadAt + PES_PREFIX_BYTES - 2)
  clearBeforeData(buffer, at, header.dataAt)
  return true
}

/** The packet begins no unit any more: stuffing up to `dataAt`, and 1 in place of its counter. */
function clearBeforeData(buffer: Buffer, at: number, dataAt: number): void {
  buffer[at + 1] = (buffer[at + 1] ?? 0) & ~0x40
  buffer[at + 3] = ((buffer[at + 3] ?? 0) & 0xf0) | 0x21
  buffer[at + 4] = dataAt - at - 5
  buffer.fill(0xff, at + 6, dataAt)
  buffer[at + 5] = 0
}
