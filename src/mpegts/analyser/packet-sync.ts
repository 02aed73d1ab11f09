import { PACKET_BYTES, SYNC_BYTE } from '../packet.ts'
import { strideAt } from '../stride.ts'

/** Wrong sync bytes in a row that end an alignment (TR 101 290 §5.2.1). */
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
  #isLost = false

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
    // Each round passes a packet at least, or ends.
    while (at < data.length) {
      if (this.#strideBytes === 0) at = this.#align(data, at, isEnd)
      if (this.#strideBytes === 0) break
      at = this.#pass(data, at, isEnd)
      if (this.#strideBytes !== 0) break
    }
    this.#offset += at
    this.#held = at >= data.length ? Buffer.alloc(0) : Buffer.from(data.subarray(at))
  }

  /** Hands on packets; returns where it stopped: more bytes are needed, or the alignment ended (stride 0). */
  #pass(data: Buffer, from: number, isEnd: boolean): number {
    const stride = this.#strideBytes
    const needed = isEnd ? PACKET_BYTES : stride * WRONG_SYNCS_MAX + 1
    let at = from
    while (at + needed <= data.length) {
      const isRight = data[at] === SYNC_BYTE
      const isLost = !isSync(data, at + stride) && (!isRight || !isSync(data, at + 2 * stride))
      if (isLost && (!isRight || isCutShort(data, at))) return this.#lose(at)
      if (!isRight) this.#events.onWrongSyncByte(this.#offset + at)
      this.#events.onPacket(data, at, this.#offset + at)
      at += Math.min(stride, data.length - at)
      if (isLost) return this.#lose(at)
    }
    return at
  }

  #lose(at: number): number {
    this.#strideBytes = 0
    this.#isLost = true
    return at
  }

  /** Looks for an alignment; returns where it begins, or the first place that more bytes may make one. */
  #align(data: Buffer, from: number, isEnd: boolean): number {
    // The place that just ended an alignment is not one.
    let at = this.#isLost ? from + 1 : from
    this.#isLost = false
    for (; at < data.length; at += 1) {
      const found = data.indexOf(SYNC_BYTE, at)
      if (found < 0) break
      at = found
      const isWelcome = this.#hasAligned || this.#offset + at === 0
      const stride = strideAt(data, at, isEnd ? (isWelcome ? 'any' : 'some') : 'all')
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

/** Whether the next packet begins inside this one. */
function isCutShort(data: Buffer, at: number): boolean {
  for (let next = at + 1; next < at + PACKET_BYTES; next += 1) {
    if (data[next] === SYNC_BYTE && data[next + PACKET_BYTES] === SYNC_BYTE) return true
  }
  return false
}

/** What lies behind the end is not known to be wrong. */
function isSync(data: Buffer, at: number): boolean {
  return at >= data.length || data[at] === SYNC_BYTE
}
