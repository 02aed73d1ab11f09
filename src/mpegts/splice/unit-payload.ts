import { hasAdaptationField, hasPayload, isPayloadUnitStart, PACKET_BYTES } from '../packet.ts'
import { payloadOffset, pidOf, SYNC_BYTE } from '../packet.ts'
import { stuffingBytes } from './adaptation-field.ts'
import type { UnitPlace } from './unit-rewrite.ts'

const INITIAL_BYTES = 64 * 1024

/**
 * The payload of one unit in one piece, and the way back into the transport packets that carry it. One object is filled
 * again and again; its memory is as long as the longest unit so far, which a hold bounds.
 */
export class UnitPayload {
  #buffer: Buffer = Buffer.allocUnsafeSlow(0)
  #bytes: Buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES)
  #length = 0
  #isWhole = false
  /** Where the last packet begins. */
  #lastAt = 0
  /** Where payloads begin: in the packets' buffer, and in the unit. */
  readonly #offsets: number[] = []
  readonly #starts: number[] = []

  /** From the PES header on; valid until the next `read`. */
  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length)
  }

  /** Whether the unit's last packet was reached. */
  get isWhole(): boolean {
    return this.#isWhole
  }

  /** Reads the unit that begins at `from`, `packetsMax` of its packets at most. */
  read({ buffer, from, to, pid }: UnitPlace, packetsMax: number): void {
    this.#buffer = buffer
    this.#length = 0
    this.#offsets.length = 0
    this.#starts.length = 0
    this.#isWhole = true
    for (let at = from; at < to; at += PACKET_BYTES) {
      if (buffer[at] !== SYNC_BYTE || pidOf(buffer, at) !== pid || !hasPayload(buffer, at)) continue
      if (at > from && isPayloadUnitStart(buffer, at)) return
      if (this.#offsets.length >= packetsMax) {
        this.#isWhole = false
        return
      }
      this.#lastAt = at
      this.#add(buffer, payloadOffset(buffer, at), at + PACKET_BYTES)
    }
  }

  /** Changes one byte of the unit where its packet is. */
  write(index: number, byte: number): void {
    this.#bytes[index] = byte
    let [low, high] = [0, this.#starts.length - 1]
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      if ((this.#starts[middle] ?? 0) <= index) low = middle
      else high = middle - 1
    }
    this.#buffer[(this.#offsets[low] ?? 0) + index - (this.#starts[low] ?? 0)] = byte
  }

  /**
   * Puts other bytes, a few more or fewer, into the same packets. False when they do not fit: then nothing is changed.
   * The last packet's stuffing takes up the difference (ISO/IEC 13818-1 §2.4.3.4); the first one stays as it is, so a unit
   * of one packet does too.
   */
  replace(bytes: Buffer): boolean {
    const last = this.#offsets.length - 1
    const growth = bytes.length - this.#length
    const lastBytes = this.#length - (this.#starts[last] ?? 0) + growth
    if (last < 1 || !this.#isWhole || lastBytes < 1 || growth > roomAt(this.#buffer, this.#lastAt)) return false
    for (let index = 0; index < last; index += 1) {
      bytes.copy(this.#buffer, this.#offsets[index] ?? 0, this.#starts[index], this.#starts[index + 1])
    }
    setPayloadBytes(this.#buffer, this.#lastAt, lastBytes)
    bytes.copy(this.#buffer, this.#lastAt + PACKET_BYTES - lastBytes, this.#starts[last])
    return true
  }

  #add(buffer: Buffer, from: number, to: number): void {
    if (this.#length + to - from > this.#bytes.length) {
      const larger = Buffer.allocUnsafeSlow(2 * this.#bytes.length)
      this.#bytes.copy(larger, 0, 0, this.#length)
      this.#bytes = larger
    }
    this.#offsets.push(from)
    this.#starts.push(this.#length)
    this.#length += buffer.copy(this.#bytes, this.#length, from, to)
  }
}

/** Bytes of stuffing that the payload can take; an adaptation field never goes away altogether. */
function roomAt(buffer: Buffer, at: number): number {
  return hasAdaptationField(buffer, at) && (buffer[at + 4] ?? 0) > 0 ? stuffingBytes(buffer, at) : 0
}

/** Makes the payload of the packet at `at` this long by stuffing before it. */
function setPayloadBytes(buffer: Buffer, at: number, bytes: number): void {
  const fieldBytes = PACKET_BYTES - 4 - bytes
  const before = payloadOffset(buffer, at) - at - 4
  if (fieldBytes === before) return
  buffer[at + 3] = (buffer[at + 3] ?? 0) | 0x20
  buffer[at + 4] = fieldBytes - 1
  // Up to two bytes of an empty field are its length and flags; the rest is stuffing.
  if (before < 2 && fieldBytes > 1) buffer[at + 5] = 0
  buffer.fill(0xff, at + 4 + Math.max(before, 2), at + 4 + Math.max(fieldBytes, 2))
}
