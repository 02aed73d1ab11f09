const PACKET_BYTES = 188
const SYNC_BYTE = 0x47
const PAT_PID = 0
/** More than a second of the demo's pictures; past it the cache starts over at the next keyframe. */
const CACHE_BYTES_MAX = 4_000_000

/**
 * The bytes of an MPEG-TS since its last keyframe, so that whoever connects begins with tables and a picture, as a real
 * panel or encoder would let them. It knows just enough of ISO/IEC 13818-1 for ffmpeg's own muxer: tables right before
 * each keyframe, keyframes marked as random access points.
 */
export class GopCache {
  readonly #videoPid: number
  #remainder: Buffer = Buffer.alloc(0)
  #held: Buffer[] = []
  #heldBytes = 0

  constructor(options: { readonly videoPid: number }) {
    this.#videoPid = options.videoPid
  }

  /** Takes bytes as they come and returns the whole packets among them. */
  push(chunk: Buffer): Buffer {
    const bytes = this.#remainder.length === 0 ? chunk : Buffer.concat([this.#remainder, chunk])
    const whole = bytes.length - (bytes.length % PACKET_BYTES)
    this.#remainder = bytes.subarray(whole)
    const packets = bytes.subarray(0, whole)
    const start = this.#keyframeStart(packets)
    if (start === undefined) this.#hold(packets)
    else {
      this.#held = []
      this.#heldBytes = 0
      this.#hold(packets.subarray(start))
    }
    return packets
  }

  /** What a new reader is given first. */
  snapshot(): Buffer {
    return Buffer.concat(this.#held)
  }

  #hold(packets: Buffer): void {
    if (packets.length === 0 || this.#heldBytes + packets.length > CACHE_BYTES_MAX) return
    this.#held.push(packets)
    this.#heldBytes += packets.length
  }

  /** Where the tables before the last keyframe in these packets begin. */
  #keyframeStart(packets: Buffer): number | undefined {
    let tables: number | undefined
    let start: number | undefined
    for (let at = 0; at < packets.length; at += PACKET_BYTES) {
      const pid = packets.readUInt16BE(at + 1) & 0x1fff
      if (packets[at] !== SYNC_BYTE) return undefined
      if (pid === PAT_PID) tables = at
      if (pid === this.#videoPid && isRandomAccessPoint(packets, at)) start = tables ?? at
    }
    return start
  }
}

/** A packet with an adaptation field whose random_access_indicator is set (ISO/IEC 13818-1 §2.4.3.5). */
function isRandomAccessPoint(packets: Buffer, at: number): boolean {
  const hasAdaptationField = ((packets[at + 3] ?? 0) & 0x20) !== 0
  return hasAdaptationField && (packets[at + 4] ?? 0) > 0 && ((packets[at + 5] ?? 0) & 0x40) !== 0
}
