import { continuityCounterOf, hasDiscontinuityIndicator, PACKET_BYTES } from './packet.ts'

/**
 * Follows the continuity counter of one PID as a decoder does (ISO/IEC 13818-1 §2.4.3.3). A packet that came twice is known
 * by its last bytes.
 */
export class PacketContinuity {
  #counter = -1
  #tail = 0

  /** Takes the packet at `at`, which has payload. `lost`: some before it are missing, and nothing announces that. */
  take(packets: Buffer, at: number): 'next' | 'repeated' | 'lost' {
    const counter = continuityCounterOf(packets, at)
    const tail = packets.readInt32LE(at + PACKET_BYTES - 4)
    const step = this.#counter < 0 ? 1 : (counter - this.#counter) & 0x0f
    if (step === 0 && tail === this.#tail) return 'repeated'
    this.#counter = counter
    this.#tail = tail
    return step === 1 || hasDiscontinuityIndicator(packets, at) ? 'next' : 'lost'
  }

  /** What follows has another counter. */
  restart(): void {
    this.#counter = -1
  }
}
