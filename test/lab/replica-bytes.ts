/** A power of two, so that pieces of a body are cut out of one buffer. */
export const PIECE: Buffer = Buffer.alloc(65_536, 'holdfast ')

/** Bytes `from` to `to` of what every replica gives under `/bytes/<length>`. */
export function replicaBytes(from: number, to: number): Buffer {
  const bytes = Buffer.allocUnsafe(to - from)
  for (let at = from; at < to;) {
    const begin = at % PIECE.length
    at += PIECE.copy(bytes, at - from, begin, Math.min(PIECE.length, begin + to - at))
  }
  return bytes
}
