/** A PES packet above this is dropped: 100 Mbit/s for more than a second. */
const PES_BYTES_MAX = 16 * 1_024 * 1_024
const FIRST_BYTES = 64 * 1_024
const FIXED_BYTES = 9

/** Gathers the payloads of transport packets into whole PES packets (ISO/IEC 13818-1 §2.4.3.6), one after the other in the same memory. */
export class PesGatherer {
  #memory = Buffer.allocUnsafeSlow(FIRST_BYTES)
  #bytes = 0
  #isWhole = false
  /** random_access_indicator of the packet with which it began. */
  #isFlagged = false

  get isFlagged(): boolean {
    return this.#isFlagged
  }

  /** Whether all bytes that PES_packet_length tells are there; false where it tells none. */
  get isComplete(): boolean {
    if (!this.#isWhole || this.#bytes < 6) return false
    const length = this.#memory.readUInt16BE(4)
    return length > 0 && this.#bytes >= length + 6
  }

  /** The packet in progress, undefined when there is none or a part of it is missing. Valid until the next call of another method. */
  get packet(): Buffer | undefined {
    if (!this.#isWhole || this.#bytes < FIXED_BYTES) return undefined
    const length = this.#memory.readUInt16BE(4)
    const end = length > 0 ? Math.min(this.#bytes, length + 6) : this.#bytes
    return this.#memory.subarray(0, end)
  }

  begin(isFlagged: boolean): void {
    this.#bytes = 0
    this.#isWhole = true
    this.#isFlagged = isFlagged
  }

  /** The next bytes are the elementary bytes of a PES packet that goes on with the one in progress; false when there is none. */
  extend(): boolean {
    const packet = this.packet
    if (packet === undefined) return false
    this.#bytes = packet.length
    this.#memory.writeUInt16BE(0, 4)
    return true
  }

  /** A part is missing: nothing more of this packet counts. */
  abandon(): void {
    this.#bytes = 0
    this.#isWhole = false
  }

  /** Takes the next payload bytes, `buffer[from, to)`. */
  push(buffer: Buffer, from: number, to: number): void {
    if (!this.#isWhole) return
    const needed = this.#bytes + to - from
    if (needed > this.#memory.length && !this.#grow(needed)) return
    this.#bytes += buffer.copy(this.#memory, this.#bytes, from, to)
  }

  #grow(needed: number): boolean {
    if (needed > PES_BYTES_MAX) {
      this.abandon()
      return false
    }
    const larger = Buffer.allocUnsafeSlow(Math.min(PES_BYTES_MAX, Math.max(needed, this.#memory.length * 2)))
    this.#memory.copy(larger, 0, 0, this.#bytes)
    this.#memory = larger
    return true
  }
}
