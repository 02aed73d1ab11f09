import { IsobmffError } from './isobmff-error.ts'

/** Reads big-endian numbers of `bytes[start, end)` in turn. Throws an IsobmffError `truncated` behind the end. */
export class ByteReader {
  readonly #bytes: Buffer
  readonly #end: number
  #at: number

  constructor(bytes: Buffer, start = 0, end = bytes.length) {
    this.#bytes = bytes
    this.#at = start
    this.#end = Math.min(end, bytes.length)
  }

  get at(): number {
    return this.#at
  }

  /** Bytes that are left. */
  get left(): number {
    return this.#end - this.#at
  }

  u8(): number {
    return this.#bytes[this.#take(1)] ?? 0
  }

  u16(): number {
    return this.#bytes.readUInt16BE(this.#take(2))
  }

  u24(): number {
    return this.#bytes.readUIntBE(this.#take(3), 3)
  }

  u32(): number {
    return this.#bytes.readUInt32BE(this.#take(4))
  }

  i32(): number {
    return this.#bytes.readInt32BE(this.#take(4))
  }

  u64(): bigint {
    return this.#bytes.readBigUInt64BE(this.#take(8))
  }

  /** 32 or 64 bits, by the version of a full box. */
  versioned(version: number): bigint {
    return version === 0 ? BigInt(this.u32()) : this.u64()
  }

  fourCc(): string {
    const at = this.#take(4)
    return this.#bytes.toString('latin1', at, at + 4)
  }

  /** A view of the next `count` bytes. */
  bytes(count: number): Buffer {
    const at = this.#take(count)
    return this.#bytes.subarray(at, at + count)
  }

  skip(count: number): void {
    this.#take(count)
  }

  #take(count: number): number {
    const at = this.#at
    if (count < 0 || at + count > this.#end) {
      throw new IsobmffError('truncated', `${count} bytes are needed where ${this.left} are left`)
    }
    this.#at = at + count
    return at
  }
}
