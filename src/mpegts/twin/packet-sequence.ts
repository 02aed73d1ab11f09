import { hasDiscontinuityIndicator, PACKET_BYTES, payloadOffset } from '../packet.ts'
import { makePesHeader, readPesHeader } from '../splice/pes-header.ts'
import { timestampStep } from '../splice/timestamp.ts'

/** PES packets of which the number is remembered: 10 s of pictures at 50 a second. */
const STARTS_MAX = 512

/** A packet that begins a PES packet. */
interface Start {
  readonly dts: number
  readonly number: number
}

/** `repeated`: it came twice. `gap`: packets before it are missing. `jump`: it says that it follows nothing. */
export type PacketOrder = 'next' | 'repeated' | 'gap' | 'jump'

/**
 * Numbers the packets with payload of one PID, so that those missing have numbers too. The low four bits of a number are the
 * continuity counter (ISO/IEC 13818-1 §2.4.3.3); a loss of 16 packets at once cannot be seen.
 */
export class PacketSequence {
  readonly #header = makePesHeader()
  readonly #starts: Start[] = []
  #nextStart = 0
  #number = -1
  #signature = 0
  #missing = 0

  /** Of the latest packet; −1 before the first. */
  get number(): number {
    return this.#number
  }

  /** Its signature: equal for packets with equal payload. */
  get signature(): number {
    return this.#signature
  }

  /** Packets that are missing before it. */
  get missing(): number {
    return this.#missing
  }

  /** Takes the packet at `at`, which has payload. */
  take(packets: Buffer, at: number): PacketOrder {
    const counter = (packets[at + 3] ?? 0) & 0x0f
    const signature = signatureOf(packets, at)
    const step = this.#number < 0 ? 1 : (counter - this.#number) & 0x0f
    if (step === 0 && signature === this.#signature) return 'repeated'
    const isFirst = this.#number < 0
    this.#number = isFirst ? counter : this.#number + (step === 0 ? 16 : step)
    this.#signature = signature
    this.#missing = 0
    if (step === 1) return 'next'
    if (hasDiscontinuityIndicator(packets, at)) {
      this.#nextStart = 0
      this.#starts.length = 0
      return 'jump'
    }
    this.#missing = step === 0 ? 15 : step - 1
    return 'gap'
  }

  /** Remembers where the PES packet at `at`, which the latest packet begins, lies; its DTS or undefined. */
  markStart(packets: Buffer, at: number): number | undefined {
    const kind = readPesHeader(packets, payloadOffset(packets, at), at + PACKET_BYTES, this.#header)
    if (kind !== 'whole' || this.#header.ptsAt < 0) return undefined
    this.#starts[this.#nextStart] = { dts: this.#header.dts, number: this.#number }
    this.#nextStart = (this.#nextStart + 1) % STARTS_MAX
    return this.#header.dts
  }

  /** Number of the packet that begins the PES packet with this DTS. */
  startAt(dts: number, toleranceTicks: number): number | undefined {
    for (let back = 1; back <= this.#starts.length; back += 1) {
      const start = this.#starts[(this.#nextStart - back + STARTS_MAX) % STARTS_MAX]
      if (start !== undefined && Math.abs(timestampStep(start.dts, dts)) <= toleranceTicks) return start.number
    }
    return undefined
  }
}

/** Tells payloads apart by their end, which timestamps and clock references do not touch, and their length. */
function signatureOf(packets: Buffer, at: number): number {
  return packets.readInt32LE(at + PACKET_BYTES - 4) ^ Math.imul(payloadOffset(packets, at) - at, 0x01000193)
}
