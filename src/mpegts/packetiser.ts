import { PACKET_BYTES, SYNC_BYTE } from './packet.ts'
import { STRIDE_BYTES_MAX, strideAt, SYNCS_NEEDED } from './stride.ts'

/**
 * Called with whole, aligned 188-byte packets, back to back; `length` is a multiple of 188. The memory is the caller's
 * chunk or a buffer that is used again: copy what has to outlive the call.
 */
export type RunHandler = (run: Buffer) => void

/** The most bytes that are ever held back: what is short of an alignment, or of a packet. */
const HELD_BYTES_MAX = STRIDE_BYTES_MAX * (SYNCS_NEEDED - 1) + 1
/** Packets of 192 or 204 bytes are copied together in runs of this many. */
const COMPACTED_PACKETS = 256
const TIMESTAMP_PREFIX_BYTES = 4

/**
 * Turns arbitrary chunks of a byte stream into whole packets. Aligned runs are views of the chunk; only a packet that
 * straddles two chunks is copied. Garbage is skipped until five sync bytes in a row agree. Never throws; holds at most
 * a kilobyte.
 */
export class Packetiser {
  readonly #held = Buffer.allocUnsafeSlow(HELD_BYTES_MAX)
  #heldBytes = 0
  /** Distance between sync bytes; 0 while there is no alignment. */
  #strideBytes = 0
  #wasAligned = false
  #skippedBytes = 0
  #syncLosses = 0
  #compacted: Buffer | undefined

  /** Distance between sync bytes of the present alignment, in bytes; 0 while there is none. */
  get strideBytes(): number {
    return this.#strideBytes
  }

  /** Bytes that belonged to no packet. */
  get skippedBytes(): number {
    return this.#skippedBytes
  }

  /** How often a wrong sync byte ended an alignment. */
  get syncLosses(): number {
    return this.#syncLosses
  }

  push(chunk: Buffer, onRun: RunHandler): void {
    let data = chunk
    let position = 0
    if (this.#heldBytes > 0) {
      if (this.#strideBytes === 0) data = this.#withHeld(chunk)
      else {
        const used = this.#completeHeld(chunk, onRun)
        if (used === 0) return
        position = used
      }
    }
    // Each round finds an alignment and consumes at least one packet of it, or ends.
    for (;;) {
      if (this.#strideBytes === 0) {
        position = this.#align(data, position)
        if (this.#strideBytes === 0) break
      }
      position = this.#passAligned(data, position, onRun)
      if (position >= data.length || data[position] === SYNC_BYTE) break
      this.#strideBytes = 0
      this.#syncLosses += 1
    }
    this.#hold(data, position)
  }

  #withHeld(chunk: Buffer): Buffer {
    const joined = Buffer.concat([this.#held.subarray(0, this.#heldBytes), chunk])
    this.#heldBytes = 0
    return joined
  }

  /** Completes the packet that began in an earlier chunk; returns how many bytes it took, 0 if it is still short. */
  #completeHeld(chunk: Buffer, onRun: RunHandler): number {
    const missing = this.#strideBytes - this.#heldBytes
    if (chunk.length < missing) {
      chunk.copy(this.#held, this.#heldBytes)
      this.#heldBytes += chunk.length
      return 0
    }
    chunk.copy(this.#held, this.#heldBytes, 0, missing)
    this.#heldBytes = 0
    onRun(this.#held.subarray(0, PACKET_BYTES))
    return missing
  }

  /** Hands on packets from `position`; returns where the first incomplete or misaligned one begins. */
  #passAligned(data: Buffer, position: number, onRun: RunHandler): number {
    const stride = this.#strideBytes
    let end = position
    while (end + stride <= data.length && data[end] === SYNC_BYTE) end += stride
    if (end === position) return end
    if (stride === PACKET_BYTES) onRun(data.subarray(position, end))
    else this.#compact(data, position, end, onRun)
    return end
  }

  #compact(data: Buffer, start: number, end: number, onRun: RunHandler): void {
    this.#compacted ??= Buffer.allocUnsafeSlow(COMPACTED_PACKETS * PACKET_BYTES)
    let filled = 0
    for (let at = start; at < end; at += this.#strideBytes) {
      filled += data.copy(this.#compacted, filled, at, at + PACKET_BYTES)
      if (filled < this.#compacted.length) continue
      onRun(this.#compacted)
      filled = 0
    }
    if (filled > 0) onRun(this.#compacted.subarray(0, filled))
  }

  /**
   * Looks for an alignment from `position` on; returns where it begins, or while there is none yet the first position
   * that more bytes may still make one.
   */
  #align(data: Buffer, position: number): number {
    let at = position
    while (at < data.length) {
      const found = data.indexOf(SYNC_BYTE, at)
      if (found < 0) {
        at = data.length
        break
      }
      at = found
      const stride = strideAt(data, at, 'all')
      if (stride === undefined) {
        at += 1
        continue
      }
      this.#strideBytes = stride
      break
    }
    this.#skippedBytes += at - position
    // The very first packet's timestamp is not garbage.
    if (this.#strideBytes > 0 && !this.#wasAligned) {
      this.#wasAligned = true
      const isPrefixed = this.#strideBytes === 192 && this.#skippedBytes >= TIMESTAMP_PREFIX_BYTES
      if (isPrefixed) this.#skippedBytes -= TIMESTAMP_PREFIX_BYTES
    }
    return at
  }

  #hold(data: Buffer, position: number): void {
    if (position >= data.length) return
    this.#heldBytes = data.copy(this.#held, 0, position)
  }
}
