import { PACKET_BYTES } from '../../mpegts/packet.ts'

/** Whole packets of a slice. `offset` counts from the slice's start; it is negative for the packet that began in the one before. */
export type TakeRun = (run: Buffer, offset: number) => void

/**
 * Cuts slices of a transport stream into runs of whole packets. Slices follow each other without a gap, but one may end
 * in the middle of a packet; only that packet is copied.
 */
export class PacketRuns {
  #rest = Buffer.allocUnsafeSlow(PACKET_BYTES)
  #restBytes = 0

  push(slice: Buffer, take: TakeRun): void {
    let from = 0
    if (this.#restBytes > 0) {
      const before = this.#restBytes
      from = slice.copy(this.#rest, before, 0, PACKET_BYTES - before)
      this.#restBytes += from
      if (this.#restBytes < PACKET_BYTES) return
      this.#restBytes = 0
      take(this.#rest, -before)
      // The reader may have kept a view of it.
      this.#rest = Buffer.allocUnsafeSlow(PACKET_BYTES)
    }
    const end = slice.length - ((slice.length - from) % PACKET_BYTES)
    if (end > from) take(slice.subarray(from, end), from)
    this.#restBytes = slice.copy(this.#rest, 0, end)
  }

  /** The next slice begins with a packet, whatever was left. */
  restart(): void {
    this.#restBytes = 0
  }
}
