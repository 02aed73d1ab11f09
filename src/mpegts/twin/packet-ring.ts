import { PACKET_BYTES } from '../packet.ts'

const PACKETS_MIN = 256
/** Packets stay for this long, while the memory that may be used allows. */
const KEEP_MS = 5_000

/** Memory that the rings of one source share. */
export interface RingBudget {
  bytesLeft: number
}

/**
 * The latest packets of one PID by their number, which counts on where packets are missing. Grows with the bit rate until it
 * holds 5 s or the budget is used up; then the oldest go.
 */
export class PacketRing {
  readonly #budget: RingBudget
  #packets: Buffer = Buffer.alloc(0)
  #signatures: Int32Array = new Int32Array(0)
  #numbers: Float64Array = new Float64Array(0)
  #arrivals: Float64Array = new Float64Array(0)
  #capacity = 0

  constructor(budget: RingBudget) {
    this.#budget = budget
    this.#resize(PACKETS_MIN)
  }

  /** Copies the packet at `at`; `nowMs` never falls. */
  put(number: number, signature: number, packets: Buffer, at: number, nowMs: number): void {
    let slot = number % this.#capacity
    if ((this.#numbers[slot] ?? -1) >= 0 && nowMs - (this.#arrivals[slot] ?? 0) < KEEP_MS) {
      this.#resize(2 * this.#capacity)
      slot = number % this.#capacity
    }
    packets.copy(this.#packets, slot * PACKET_BYTES, at, at + PACKET_BYTES)
    this.#numbers[slot] = number
    this.#signatures[slot] = signature
    this.#arrivals[slot] = nowMs
  }

  /** Undefined when the packet is not there. */
  signatureOf(number: number): number | undefined {
    const slot = number % this.#capacity
    return number >= 0 && this.#numbers[slot] === number ? this.#signatures[slot] : undefined
  }

  /** Copies a packet to `target[targetAt]`; false when it is not there. */
  copy(number: number, target: Buffer, targetAt: number): boolean {
    if (this.signatureOf(number) === undefined) return false
    const from = (number % this.#capacity) * PACKET_BYTES
    this.#packets.copy(target, targetAt, from, from + PACKET_BYTES)
    return true
  }

  clear(): void {
    this.#numbers.fill(-1)
  }

  /** Does nothing when the budget does not allow it. */
  #resize(capacity: number): void {
    const bytes = (capacity - this.#capacity) * PACKET_BYTES
    if (this.#capacity > 0 && bytes > this.#budget.bytesLeft) return
    this.#budget.bytesLeft -= bytes
    const before = { packets: this.#packets, numbers: this.#numbers }
    const [signatures, arrivals] = [this.#signatures, this.#arrivals]
    this.#capacity = capacity
    this.#packets = Buffer.allocUnsafeSlow(capacity * PACKET_BYTES)
    this.#signatures = new Int32Array(capacity)
    this.#numbers = new Float64Array(capacity).fill(-1)
    this.#arrivals = new Float64Array(capacity)
    for (const [slot, number] of before.numbers.entries()) {
      if (number < 0) continue
      const target = number % capacity
      before.packets.copy(this.#packets, target * PACKET_BYTES, slot * PACKET_BYTES, (slot + 1) * PACKET_BYTES)
      this.#numbers[target] = number
      this.#signatures[target] = signatures[slot] ?? 0
      this.#arrivals[target] = arrivals[slot] ?? 0
    }
  }
}
