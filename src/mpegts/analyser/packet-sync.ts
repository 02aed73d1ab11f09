import { PACKET_BYTES, SYNC_BYTE } from '../packet.ts'
import { STRIDES_BYTES } from '../packetiser.ts'

/** Sync bytes in a row that make an alignment (TR 101 290 §5.2.1). */
const SYNCS_NEEDED = 5
/** Wrong sync bytes in a row that end one (the same). */
const WRONG_SYNCS_MAX = 2

export interface PacketSyncEvents {
  /** A packet begins at `buffer[at]`; the memory is valid during the call. */
  onPacket(buffer: Buffer, at: number, byteOffset: number): void
  /** The packet that follows has a wrong sync byte between right ones. */
  onWrongSyncByte(byteOffset: number): void
  /** `bytes` belong to no packet, after an alignment or before the first one. */
  onSkipped(byteOffset: number, bytes: number, isFirst: boolean): void
}

/**
 * Finds the packets with the hysteresis of TR 101 290: one wrong sync byte is an error, two in a row end the alignment,
 * five right ones make one. Holds at most five packets.
 */
export class PacketSync {
  readonly #events: PacketSyncEvents
  #held: Buffer = Buffer.alloc(0)
  /** Offset of the first held byte in the input. */
  #offset = 0
  #strideBytes = 0
  #packetBytes = 0
  #skipped = 0
  #hasAligned = false

  constructor(events: PacketSyncEvents) {
    this.#events = events
  }

  /** 188, 192 or 204 of the latest alignment; 0 before the first. */
  get packetBytes(): number {
    return this.#packetBytes
  }

  /** Bytes that wait for more. */
  get heldBytes(): number {
    return this.#held.length
  }

  push(chunk: Buffer): void {
    this.#run(this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]), false)
  }

  /** Nothing more comes for now: whole packets that wait for a confirmation go on. */
  drain(): void {
    if (this.#held.length > 0) this.#run(this.#held, true)
    this.#tellSkipped(this.#offset)
  }

  #run(data: Buffer, isEnd: boolean): void {
    let at = 0
    // Each round consumes bytes or ends.
    for (;;) {
      const before = at
      at = this.#strideBytes === 0 ? this.#align(data, at, isEnd) : this.#pass(data, at, isEnd)
      if (this.#strideBytes === 0 ? at >= data.length || at === before : at === before) {
        if (this.#strideBytes === 0 || at + PACKET_BYTES > data.length || !isEnd) break
      }
    }
    this.#offset += at
    this.#held = at >= data.length ? Buffer.alloc(0) : Buffer.from(data.subarray(at))
  }

  /** Hands on packets; returns where it stopped: more bytes are needed, or the alignment ended. */
  #pass(data: Buffer, from: number, isEnd: boolean): number {
    const stride = this.#strideBytes
    const needed = isEnd ? PACKET_BYTES : stride * WRONG_SYNCS_MAX + 1
    let at = from
    while (at + needed <= data.length || (isEnd && at + PACKET_BYTES <= data.length)) {
      if (data[at] !== SYNC_BYTE) {
        if (!isSync(data, at + stride)) {
          this.#strideBytes = 0
          return at
        }
        this.#events.onWrongSyncByte(this.#offset + at)
      } else if (!isSync(data, at + stride) && !isSync(data, at + 2 * stride)) {
        // Two in a row are wrong behind this one: it is itself the one that was cut short.
        this.#strideBytes = 0
        return at
      }
      this.#events.onPacket(data, at, this.#offset + at)
      at += Math.min(stride, data.length - at)
    }
    return at
  }

  /** Looks for an alignment; returns where it begins, or the first place that more bytes may make one. */
  #align(data: Buffer, from: number, isEnd: boolean): number {
    // A place that just ended an alignment is not one.
    const isLoss = this.#hasAligned && this.#skipped === 0
    let at = isLoss ? from + 1 : from
    for (; at < data.length; at += 1) {
      const found = data.indexOf(SYNC_BYTE, at)
      at = found < 0 ? data.length : found
      const stride = found < 0 ? undefined : strideAt(data, at, isEnd)
      if (stride === undefined) continue
      this.#skipped += at - from
      if (stride === 0) return at
      this.#tellSkipped(this.#offset + at)
      this.#strideBytes = stride
      this.#packetBytes = stride
      this.#hasAligned = true
      return at
    }
    this.#skipped += data.length - from
    return data.length
  }

  #tellSkipped(byteOffset: number): void {
    const isPrefix = !this.#hasAligned && this.#skipped === 4
    if (this.#skipped > 0 && !isPrefix) {
      this.#events.onSkipped(byteOffset - this.#skipped, this.#skipped, !this.#hasAligned)
    }
    this.#skipped = 0
  }
}

/** What lies behind the end is not known to be wrong. */
function isSync(data: Buffer, at: number): boolean {
  return at >= data.length || data[at] === SYNC_BYTE
}

/** The stride of which sync bytes agree from `at` on; 0 if more bytes are needed to tell, undefined if none can. */
function strideAt(data: Buffer, at: number, isEnd: boolean): number | undefined {
  let isOpen = false
  for (const stride of STRIDES_BYTES) {
    let agreed = 1
    while (agreed < SYNCS_NEEDED && data[at + agreed * stride] === SYNC_BYTE) agreed += 1
    if (agreed === SYNCS_NEEDED) return stride
    const isShort = at + agreed * stride >= data.length
    if (isShort && isEnd && data.length - at >= PACKET_BYTES) return stride
    if (isShort) isOpen = true
  }
  return isOpen && !isEnd ? 0 : undefined
}
