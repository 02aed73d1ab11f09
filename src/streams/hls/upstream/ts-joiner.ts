import {
  continuityCounterOf,
  hasPayload,
  hasPcr,
  isPayloadUnitStart,
  PACKET_BYTES,
  PID_COUNT,
  PID_NULL,
  pidOf,
  SYNC_BYTE,
} from '../../../mpegts/packet.ts'

const UNKNOWN = 0xff
const DISCONTINUITY_INDICATOR = 0x80
/** A PCR is looked for in so many packets of a segment to tell it of the discontinuity. */
const CLOCK_PACKETS_MAX = 5_000

/**
 * Makes one transport stream out of segments that come in pieces: packets stay whole, continuity counters go on from segment to segment
 * (packagers often begin each anew, and a unit that ends with its segment would look broken), and where the source's timeline breaks the
 * first clock reference says so (discontinuity_indicator, ISO/IEC 13818-1 §2.4.3.5), for whoever reads on.
 */
export class TsJoiner {
  readonly #counters = new Uint8Array(PID_COUNT).fill(UNKNOWN)
  /** What is added to the counters of each PID in this segment. */
  readonly #shifts = new Uint8Array(PID_COUNT)
  readonly #isShiftKnown = new Uint8Array(PID_COUNT)
  #rest: Buffer = Buffer.alloc(0)
  #clockPacketsLeft = 0

  /** The next bytes begin a segment. */
  beginSegment(isDiscontinuity: boolean): void {
    // Half a packet at the end of a segment belongs to nothing.
    this.#rest = Buffer.alloc(0)
    this.#shifts.fill(0)
    this.#isShiftKnown.fill(0)
    this.#clockPacketsLeft = isDiscontinuity ? CLOCK_PACKETS_MAX : 0
  }

  /** Whole packets of what came so far. The bytes given are not changed; what comes back may be a copy or a part of them. */
  push(bytes: Buffer): Buffer {
    const all = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes])
    const end = all.length - (all.length % PACKET_BYTES)
    this.#rest = all.subarray(end)
    return this.#join(all.subarray(0, end))
  }

  #join(packets: Buffer): Buffer {
    let out = packets
    const own = (): Buffer => {
      if (out === packets) out = Buffer.from(packets)
      return out
    }
    for (let at = 0; at < packets.length; at += PACKET_BYTES) {
      if (packets[at] !== SYNC_BYTE) continue
      if (this.#clockPacketsLeft > 0) {
        this.#clockPacketsLeft -= 1
        if (hasPcr(packets, at)) {
          this.#clockPacketsLeft = 0
          own()[at + 5] = (packets[at + 5] ?? 0) | DISCONTINUITY_INDICATOR
        }
      }
      const pid = pidOf(packets, at)
      if (pid === PID_NULL) continue
      const shift = this.#shiftOf(packets, at, pid)
      if (shift === 0) continue
      const flags = packets[at + 3] ?? 0
      own()[at + 3] = (flags & 0xf0) | ((flags + shift) & 0x0f)
    }
    return out
  }

  #shiftOf(packets: Buffer, at: number, pid: number): number {
    const counter = continuityCounterOf(packets, at)
    if (!hasPayload(packets, at)) return this.#shifts[pid] ?? 0
    if (this.#isShiftKnown[pid] === 0) {
      const last = this.#counters[pid] ?? UNKNOWN
      // In the middle of a unit a step says that something is missing, and that is true.
      const follows = last === UNKNOWN || !isPayloadUnitStart(packets, at)
      this.#shifts[pid] = follows ? 0 : (last + 1 - counter) & 0x0f
      this.#isShiftKnown[pid] = 1
    }
    const shift = this.#shifts[pid] ?? 0
    this.#counters[pid] = (counter + shift) & 0x0f
    return shift
  }
}
