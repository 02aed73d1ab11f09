const NOTHING = Buffer.alloc(0)

/**
 * Bytes of a unit that is not whole yet, collected in one growing buffer, so that a large unit that comes in many small
 * chunks costs about one copy and not one for each. The caller bounds it with what it says it waits for.
 */
export class ByteHold {
  #buffer: Buffer = NOTHING
  #bytes = 0
  #wantedBytes = 0

  /** Keeps a copy of `rest`, of which nothing can be made before there are `wantedBytes`. */
  hold(rest: Buffer, wantedBytes: number): void {
    this.#wantedBytes = wantedBytes
    const needed = this.#bytes + rest.length
    if (needed > this.#buffer.length) {
      const grown = Buffer.allocUnsafeSlow(needed * 2)
      this.#buffer.copy(grown, 0, 0, this.#bytes)
      this.#buffer = grown
    }
    this.#bytes += rest.copy(this.#buffer, this.#bytes)
  }

  /** What was held with `chunk` behind it; undefined, and the chunk held too, while that is not enough. */
  take(chunk: Buffer): Buffer | undefined {
    if (this.#bytes === 0) return chunk
    this.hold(chunk, this.#wantedBytes)
    if (this.#bytes < this.#wantedBytes) return undefined
    const whole = this.#buffer.subarray(0, this.#bytes)
    this.#buffer = NOTHING
    this.#bytes = 0
    return whole
  }
}
