import { PACKET_BYTES } from '../packet.ts'

const INITIAL_BYTES = 256 * 1024
/** Never more than this waits, whatever the source does; one picture of 8K at a high rate fits. */
export const HOLD_BYTES_MAX = 8 * 1024 * 1024
/** What is taken at once; the hold may grow past its limit by this before something is released. */
export const INTAKE_BYTES_MAX = 700 * PACKET_BYTES

/**
 * Packets in the order in which they came, waiting for the unit that they belong to. Positions count the bytes ever
 * taken and so stay valid while the memory is moved.
 */
export class Hold {
  #buffer: Buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES)
  #from = 0
  #to = 0
  /** Position of the buffer's first byte. */
  #base = 0

  get buffer(): Buffer {
    return this.#buffer
  }

  /** Position of the first packet that waits, and behind the last. */
  get begin(): number {
    return this.#base + this.#from
  }

  get end(): number {
    return this.#base + this.#to
  }

  get bytes(): number {
    return this.#to - this.#from
  }

  /** Offset in `buffer` of a position; valid until the next `append`. */
  offsetOf(position: number): number {
    return position - this.#base
  }

  positionOf(offset: number): number {
    return offset + this.#base
  }

  /** Takes a copy of `packets`; returns the offset of the first in `buffer`. */
  append(packets: Buffer, from: number, to: number): number {
    const bytes = to - from
    if (this.#to + bytes > this.#buffer.length) this.#makeRoom(bytes)
    const offset = this.#to
    packets.copy(this.#buffer, offset, from, to)
    this.#to += bytes
    return offset
  }

  /** Lets go of everything before `position`. */
  release(position: number): void {
    this.#from = Math.max(this.#from, Math.min(position - this.#base, this.#to))
    if (this.#from < this.#to) return
    this.#base += this.#to
    this.#from = 0
    this.#to = 0
  }

  #makeRoom(bytes: number): void {
    const held = this.bytes
    let size = this.#buffer.length
    while (size < 2 * held + bytes && size < 2 * HOLD_BYTES_MAX) size *= 2
    if (size < held + bytes) size = held + bytes
    const target = size > this.#buffer.length ? Buffer.allocUnsafeSlow(size) : this.#buffer
    this.#buffer.copy(target, 0, this.#from, this.#to)
    this.#buffer = target
    this.#base += this.#from
    this.#from = 0
    this.#to = held
  }
}
