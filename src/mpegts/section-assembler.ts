import { isPayloadUnitStart, PACKET_BYTES, payloadOffset } from './packet.ts'

/** PAT and PMT sections are at most this long (ISO/IEC 13818-1 §2.4.4.3, section_length ≤ 1021). */
export const SECTION_BYTES_MAX = 1_024
const HEADER_BYTES = 3
const STUFFING_BYTE = 0xff

/** Called with a whole section, header and CRC_32 included, not yet checked; valid during the call only. */
export type SectionHandler = (section: Buffer) => void

/**
 * Collects the sections of one PID (§2.4.4): several in one packet, one over several packets. Memory is one section;
 * a longer one is dropped.
 */
export class SectionAssembler {
  readonly #section = Buffer.allocUnsafeSlow(SECTION_BYTES_MAX)
  #filled = 0
  /** Whole length of the section in progress; 0 while its header is incomplete. */
  #expected = 0

  /** Whether a section has begun and is not complete. */
  get isInProgress(): boolean {
    return this.#filled > 0
  }

  /** Takes the packet at `at`. */
  push(buffer: Buffer, at: number, onSection: SectionHandler): void {
    const end = at + PACKET_BYTES
    let from = payloadOffset(buffer, at)
    if (from >= end) return
    if (!isPayloadUnitStart(buffer, at)) {
      if (this.#filled > 0) this.#take(buffer, from, end, onSection)
      return
    }
    const start = from + 1 + (buffer[from] ?? 0)
    from += 1
    if (this.#filled > 0) this.#take(buffer, from, Math.min(start, end), onSection)
    this.#restart()
    from = start
    while (from < end && buffer[from] !== STUFFING_BYTE) from = this.#take(buffer, from, end, onSection)
  }

  #restart(): void {
    this.#filled = 0
    this.#expected = 0
  }

  /** Takes bytes up to the end of the section in progress; returns where it ended. */
  #take(buffer: Buffer, start: number, end: number, onSection: SectionHandler): number {
    let from = start
    while (this.#filled < HEADER_BYTES && from < end) {
      this.#section[this.#filled] = buffer[from] ?? 0
      this.#filled += 1
      from += 1
    }
    if (this.#filled < HEADER_BYTES) return end
    if (this.#expected === 0) {
      this.#expected = HEADER_BYTES + (this.#section.readUInt16BE(1) & 0x0fff)
      if (this.#expected > SECTION_BYTES_MAX) {
        this.#restart()
        return end
      }
    }
    const taken = Math.min(this.#expected - this.#filled, end - from)
    buffer.copy(this.#section, this.#filled, from, from + taken)
    this.#filled += taken
    if (this.#filled < this.#expected) return end
    const section = this.#section.subarray(0, this.#expected)
    this.#restart()
    onSection(section)
    return from + taken
  }
}
