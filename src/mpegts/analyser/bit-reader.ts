/** exp-Golomb numbers longer than this are damage. */
const EXP_GOLOMB_ZEROS_MAX = 32

/**
 * Reads bits from a raw byte sequence payload, leaving out emulation_prevention_three_byte (H.264 §7.3.1, H.265
 * §7.3.1.1). Past the end it gives zeros and says so, so that no caller loops or throws on damage.
 */
export class BitReader {
  readonly #bytes: Buffer
  readonly #end: number
  readonly #isEscaped: boolean
  #at: number
  #bit = 0
  #isExhausted = false

  constructor(bytes: Buffer, start = 0, end = bytes.length, isEscaped = true) {
    this.#bytes = bytes
    this.#at = start
    this.#end = Math.min(end, bytes.length)
    this.#isEscaped = isEscaped
  }

  /** Whether more was read than there was. */
  get isExhausted(): boolean {
    return this.#isExhausted
  }

  bit(): number {
    if (this.#at >= this.#end) {
      this.#isExhausted = true
      return 0
    }
    const value = ((this.#bytes[this.#at] ?? 0) >>> (7 - this.#bit)) & 1
    this.#bit += 1
    if (this.#bit === 8) this.#nextByte()
    return value
  }

  flag(): boolean {
    return this.bit() === 1
  }

  /** u(n), 0 to 53 bits. */
  bits(count: number): number {
    let value = 0
    for (let index = 0; index < count; index += 1) value = value * 2 + this.bit()
    return value
  }

  skip(count: number): void {
    for (let index = 0; index < count && !this.#isExhausted; index += 1) this.bit()
  }

  /** ue(v), H.264 §9.1. */
  ue(): number {
    let zeros = 0
    while (zeros < EXP_GOLOMB_ZEROS_MAX && !this.#isExhausted && this.bit() === 0) zeros += 1
    return 2 ** zeros - 1 + this.bits(zeros)
  }

  /** se(v), H.264 §9.1.1. */
  se(): number {
    const value = this.ue()
    return value % 2 === 0 ? -value / 2 : (value + 1) / 2
  }

  #nextByte(): void {
    this.#bit = 0
    this.#at += 1
    const isEscape =
      this.#isEscaped &&
      this.#bytes[this.#at] === 3 &&
      this.#bytes[this.#at - 1] === 0 &&
      this.#bytes[this.#at - 2] === 0 &&
      this.#at + 1 < this.#end
    if (isEscape) this.#at += 1
  }
}
