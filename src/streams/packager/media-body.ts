/** Bytes of a segment or part, in pieces of memory that may be shared with others: nobody writes into them. */
export class MediaBody {
  readonly #pieces: Buffer[] = []
  #bytes = 0

  get bytes(): number {
    return this.#bytes
  }

  get pieces(): readonly Buffer[] {
    return this.#pieces
  }

  /** Nothing is copied: a piece that follows the last one in the same memory becomes one with it. */
  append(piece: Buffer): void {
    if (piece.length === 0) return
    this.#bytes += piece.length
    const last = this.#pieces.at(-1)
    if (last !== undefined && last.buffer === piece.buffer && last.byteOffset + last.length === piece.byteOffset) {
      this.#pieces[this.#pieces.length - 1] = Buffer.from(last.buffer, last.byteOffset, last.length + piece.length)
    } else this.#pieces.push(piece)
  }

  /** Takes the last `bytes` away, which become a body of their own. */
  splitOff(bytes: number): MediaBody {
    const tail: Buffer[] = []
    for (let left = Math.min(bytes, this.#bytes); left > 0;) {
      const last = this.#pieces.pop()
      if (last === undefined) break
      const taken = Math.min(left, last.length)
      if (taken < last.length) this.#pieces.push(last.subarray(0, last.length - taken))
      tail.unshift(last.subarray(last.length - taken))
      this.#bytes -= taken
      left -= taken
    }
    const body = new MediaBody()
    for (const piece of tail) body.append(piece)
    return body
  }
}

/** The pieces of `bytes[from, to)` of a body, as views. */
export function slicePieces(pieces: readonly Buffer[], from: number, to: number): readonly Buffer[] {
  const found: Buffer[] = []
  let at = 0
  for (const piece of pieces) {
    const start = Math.max(0, from - at)
    const end = Math.min(piece.length, to - at)
    if (start < end) found.push(piece.subarray(start, end))
    at += piece.length
  }
  return found
}
