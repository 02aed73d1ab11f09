import type { Codec } from '../elementary-stream.ts'

/**
 * Bytes of a picture that are hashed. Entropy-coded pictures that agree in so many are the same; the rest is not looked at,
 * so that the cost does not grow with the bit rate.
 */
const HASHED_BYTES_MAX = 1_024
/** Before the first slice, headers and messages may be this long. */
const SEARCHED_BYTES_MAX = 64 * 1_024

/**
 * Hashes what a multiplexer leaves alone of a picture: its slices. Delimiters, parameter sets, messages, filler and the
 * length of start codes differ between two multiplexes of one encode. The bytes come in any pieces.
 */
export class UnitHash {
  #isWanted: ((header: number, second: number) => boolean) | undefined
  #low = 0
  #high = 0
  #hashedBytes = 0
  #searchedBytes = 0
  /** Zero bytes that may belong to the next start code. */
  #zeros = 0
  /** Bytes of a unit's header that were seen, and the first of them; −1 before the first start code. */
  #headerBytes = -1
  #header = 0
  #isInside = false

  /** No more bytes are needed. */
  get isDone(): boolean {
    return this.#hashedBytes >= HASHED_BYTES_MAX || this.#searchedBytes >= SEARCHED_BYTES_MAX
  }

  /** 53 bits; undefined when there was no slice. */
  get value(): number | undefined {
    return this.#hashedBytes === 0 ? undefined : (this.#high >>> 11) * 2 ** 32 + (this.#low >>> 0)
  }

  /** A picture of this codec begins. */
  begin(codec: Codec): void {
    this.#isWanted = SLICES[codec]
    this.#low = 0x811c9dc5 | 0
    this.#high = 0x1b873593
    this.#hashedBytes = 0
    this.#searchedBytes = 0
    this.#zeros = 0
    this.#headerBytes = -1
    this.#isInside = this.#isWanted === undefined
  }

  /** Takes the next bytes of the elementary stream, `bytes[from, to)`. */
  push(bytes: Buffer, from: number, to: number): void {
    if (this.isDone) return
    this.#searchedBytes += to - from
    if (this.#isWanted === undefined) this.#hashAll(bytes, from, to)
    else this.#scan(bytes, from, to, this.#isWanted)
  }

  /** Codecs without start codes: every byte counts. */
  #hashAll(bytes: Buffer, from: number, to: number): void {
    const end = Math.min(to, from + HASHED_BYTES_MAX - this.#hashedBytes)
    for (let at = from; at < end; at += 1) this.#fold(bytes[at] ?? 0)
  }

  #scan(bytes: Buffer, from: number, to: number, isWanted: (header: number, second: number) => boolean): void {
    for (let at = from; at < to; at += 1) {
      const byte = bytes[at] ?? 0
      if (byte === 0) {
        this.#zeros += 1
        continue
      }
      if (byte === 1 && this.#zeros >= 2) {
        this.#zeros = 0
        this.#headerBytes = 0
        this.#isInside = false
        continue
      }
      this.#takeByte(byte, isWanted)
      if (this.#hashedBytes >= HASHED_BYTES_MAX) return
    }
  }

  #takeByte(byte: number, isWanted: (header: number, second: number) => boolean): void {
    for (; this.#zeros > 0; this.#zeros -= 1) this.#takePlain(0, isWanted)
    this.#takePlain(byte, isWanted)
  }

  #takePlain(byte: number, isWanted: (header: number, second: number) => boolean): void {
    if (this.#isInside) this.#fold(byte)
    else if (this.#headerBytes === 0) {
      this.#header = byte
      this.#headerBytes = 1
    } else if (this.#headerBytes === 1) {
      this.#headerBytes = 2
      this.#isInside = isWanted(this.#header, byte)
      if (!this.#isInside) return
      this.#fold(this.#header)
      this.#fold(byte)
    }
  }

  #fold(byte: number): void {
    this.#low = Math.imul(this.#low, 0x01000193) ^ byte
    this.#high = (Math.imul(this.#high, 31) + byte) | 0
    this.#hashedBytes += 1
  }
}

const MPEG2_SLICE_LAST = 0xaf
const MPEG2_EXTENSION = 0xb5

/** Whether the unit whose first two bytes these are holds a slice: H.264 §7.4.1, H.265 and H.266 §7.4.2.2, H.262 §6.2. */
const SLICES: Partial<Readonly<Record<Codec, (first: number, second: number) => boolean>>> = {
  h264: (first) => (first & 0x1f) >= 1 && (first & 0x1f) <= 5,
  hevc: (first) => ((first >>> 1) & 0x3f) <= 31,
  vvc: (_, second) => second >>> 3 <= 11,
  mpeg1video: isMpeg2Picture,
  mpeg2video: isMpeg2Picture,
}

function isMpeg2Picture(code: number): boolean {
  return code <= MPEG2_SLICE_LAST || code === MPEG2_EXTENSION
}
