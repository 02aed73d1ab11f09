import { PACKET_BYTES, SYNC_BYTE } from '../../mpegts/packet.ts'
import { strideAt } from '../../mpegts/stride.ts'

/** Bytes without an alignment that are held back at most. */
const HELD_BYTES_MAX = 4_096

/** May write to the packet of 188 bytes at `at`; false drops it. */
export type PacketChange = (bytes: Buffer, at: number) => boolean

/**
 * Changes or drops whole packets of a body that is joined in the middle of one: what belongs to the packet under way, and
 * the timestamps or parity bytes around packets of 192 or 204 bytes, pass as they are, so that the reader behind it
 * notices nothing but the change.
 */
export class PacketRun {
  readonly #change: PacketChange
  #held: Buffer = Buffer.alloc(0)
  /** 0 while the alignment is not known. */
  #strideBytes = 0

  constructor(change: PacketChange) {
    this.#change = change
  }

  /** What is left of the bytes that came; the tail of an incomplete packet comes with a later call. */
  alter(bytes: Buffer): Buffer {
    const all = Buffer.concat([this.#held, bytes])
    const kept: Buffer[] = []
    let at = 0
    if (this.#strideBytes === 0) {
      at = this.#align(all)
      kept.push(all.subarray(0, at))
    }
    while (this.#strideBytes > 0 && at + this.#strideBytes <= all.length) {
      if (all[at] !== SYNC_BYTE) {
        // The source itself lost its alignment; nothing is changed until it has one again.
        this.#strideBytes = 0
        break
      }
      const end = at + this.#strideBytes
      if (this.#change(all, at)) kept.push(all.subarray(at, end))
      // Dropped with it would be the alignment of the packets behind it.
      else if (this.#strideBytes !== PACKET_BYTES) kept.push(nullUnit(this.#strideBytes))
      at = end
    }
    this.#held = Buffer.from(all.subarray(at))
    return Buffer.concat(kept)
  }

  /** Where the first packet begins; all but what may still turn out to be one, when there is none. */
  #align(all: Buffer): number {
    for (let at = 0; at < all.length; at += 1) {
      const stride = all[at] === SYNC_BYTE ? (strideAt(all, at, 'all') ?? 0) : 0
      if (stride === 0) continue
      this.#strideBytes = stride
      return at
    }
    return Math.max(0, all.length - HELD_BYTES_MAX)
  }
}

const PID_NULL_HEADER = [SYNC_BYTE, 0x1f, 0xff, 0x10]

function nullUnit(bytes: number): Buffer {
  const unit = Buffer.alloc(bytes, 0xff)
  unit.set(PID_NULL_HEADER)
  return unit
}
