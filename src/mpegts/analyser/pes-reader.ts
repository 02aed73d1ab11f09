import { TIMESTAMP_MODULUS } from './clock.ts'

/** The PES packets of one PID, ISO/IEC 13818-1 §2.4.3.6. */
export interface PesHeader {
  /** 33 bits of 90 kHz; undefined when the packet has none. */
  readonly pts: number | undefined
  readonly dts: number | undefined
  /** Bytes of the whole PES packet; 0 where the length is unbounded. */
  readonly lengthBytes: number
  readonly hasAlignment: boolean
}

export type PesDamage = 'no start code' | 'flags of PTS and DTS' | 'marker bits' | 'header longer than its packet'

export interface PesEvents {
  onHeader(header: PesHeader): void
  onDamage(damage: PesDamage): void
  /** Payload bytes `buffer[from, to)` of the PES packet whose header came last; valid during the call. */
  onPayload(buffer: Buffer, from: number, to: number): void
  /** It is over: another begins. `received` is of the whole packet in bytes. */
  onEnd(header: PesHeader, receivedBytes: number): void
}

const FIXED_BYTES = 9
const HEADER_BYTES_MAX = FIXED_BYTES + 255
/** stream_ids whose packets have no optional header (Table 2-21): maps, padding, private 2, ECM, EMM, DSM-CC and so on. */
const PLAIN_STREAM_IDS: ReadonlySet<number> = new Set([0xbc, 0xbe, 0xbf, 0xf0, 0xf1, 0xf2, 0xf8, 0xff])

type State = 'outside' | 'header' | 'payload'

/** Reads PES packets from the payloads of transport packets. Holds one header. */
export class PesReader {
  readonly #events: PesEvents
  readonly #head = Buffer.allocUnsafeSlow(HEADER_BYTES_MAX)
  #headBytes = 0
  #state: State = 'outside'
  #header: PesHeader | undefined
  #received = 0

  constructor(events: PesEvents) {
    this.#events = events
  }

  /** Whether the packet in progress has all the bytes that it said. */
  get isComplete(): boolean {
    return this.#header !== undefined && this.#header.lengthBytes > 0 && this.#received >= this.#header.lengthBytes
  }

  /** Takes the payload `buffer[from, to)` of a packet; `isStart` is payload_unit_start_indicator. */
  push(buffer: Buffer, from: number, to: number, isStart: boolean): void {
    if (isStart) this.#begin()
    if (this.#state === 'outside' || from >= to) return
    this.#received += to - from
    let at = from
    if (this.#state === 'header') at = this.#takeHeader(buffer, from, to)
    if (this.#state === 'payload' && at < to) this.#events.onPayload(buffer, at, to)
  }

  /** Forgets the packet in progress, since a part of it is missing. */
  abandon(): void {
    this.#state = 'outside'
    this.#header = undefined
  }

  #begin(): void {
    if (this.#header !== undefined) this.#events.onEnd(this.#header, this.#received)
    this.#header = undefined
    this.#state = 'header'
    this.#headBytes = 0
    this.#received = 0
  }

  #takeHeader(buffer: Buffer, from: number, to: number): number {
    let at = from
    for (let needed = this.#headerBytesNeeded(); at < to && this.#headBytes < needed;) {
      const taken = Math.min(to - at, needed - this.#headBytes)
      buffer.copy(this.#head, this.#headBytes, at, at + taken)
      this.#headBytes += taken
      at += taken
      needed = this.#headerBytesNeeded()
    }
    if (this.#headBytes < this.#headerBytesNeeded()) return at
    const read = readHeader(this.#head, this.#headBytes)
    if (typeof read === 'string') {
      this.#state = 'outside'
      this.#events.onDamage(read)
      return to
    }
    this.#state = 'payload'
    this.#header = read
    this.#events.onHeader(read)
    return at
  }

  #headerBytesNeeded(): number {
    if (this.#headBytes < 6) return 6
    if (this.#head.readUIntBE(0, 3) !== 1 || PLAIN_STREAM_IDS.has(this.#head[3] ?? 0)) return 6
    if (this.#headBytes < FIXED_BYTES) return FIXED_BYTES
    return FIXED_BYTES + (this.#head[8] ?? 0)
  }
}

function readHeader(head: Buffer, headBytes: number): PesHeader | PesDamage {
  if (head.readUIntBE(0, 3) !== 1) return 'no start code'
  const length = head.readUInt16BE(4)
  const lengthBytes = length === 0 ? 0 : length + 6
  if (headBytes < FIXED_BYTES) return { pts: undefined, dts: undefined, lengthBytes, hasAlignment: false }
  if (lengthBytes > 0 && headBytes > lengthBytes) return 'header longer than its packet'
  const hasAlignment = ((head[6] ?? 0) & 0x04) !== 0
  const flags = (head[7] ?? 0) >>> 6
  if (flags === 0) return { pts: undefined, dts: undefined, lengthBytes, hasAlignment }
  if (flags === 1 || headBytes < FIXED_BYTES + (flags === 3 ? 10 : 5)) return 'flags of PTS and DTS'
  const pts = readTimestamp(head, FIXED_BYTES, flags)
  const dts = flags === 3 ? readTimestamp(head, FIXED_BYTES + 5, 1) : pts
  if (pts === undefined || dts === undefined) return 'marker bits'
  return { pts, dts, lengthBytes, hasAlignment }
}

/** 33 bits in five bytes with marker bits (§2.4.3.6); undefined when those or the prefix are wrong. */
function readTimestamp(bytes: Buffer, at: number, prefix: number): number | undefined {
  const first = bytes[at] ?? 0
  const middle = bytes.readUInt16BE(at + 1)
  const last = bytes.readUInt16BE(at + 3)
  if (first >>> 4 !== prefix || (first & middle & last & 1) !== 1) return undefined
  return (((first >>> 1) & 7) * 2 ** 30 + (middle >>> 1) * 2 ** 15 + (last >>> 1)) % TIMESTAMP_MODULUS
}
