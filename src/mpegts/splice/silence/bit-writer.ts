/** Writes fields of whole bits, most significant bit first, into bytes that are zero at the begin. */
export class BitWriter {
  readonly #bytes: Buffer
  #at = 0

  /** Writes into `bytes` from its first bit on; what goes beyond its end is lost. */
  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  /** Bits written so far. */
  get length(): number {
    return this.#at
  }

  /** The low `count` bits of `value`, 1 to 31. */
  bits(value: number, count: number): void {
    for (let bit = count - 1; bit >= 0; bit -= 1) {
      const at = this.#at >>> 3
      if (at < this.#bytes.length)
        this.#bytes[at] = (this.#bytes[at] ?? 0) | (((value >>> bit) & 1) << (7 - (this.#at & 7)))
      this.#at += 1
    }
  }

  /** As many zeros. */
  skip(count: number): void {
    this.#at += count
  }
}
