/** Emulation prevention of NAL units, H.264 §7.4.1: `00 00 03` stands for `00 00` where a start code might show. */
const PREVENTION = 3

/** A copy of `bytes[from, to)` without the prevention bytes. */
export function unescapeUnit(bytes: Uint8Array, from: number, to: number): Buffer {
  const plain = Buffer.allocUnsafe(to - from)
  let length = 0
  let zeros = 0
  for (let at = from; at < to; at += 1) {
    const byte = bytes[at] ?? 0
    const isPrevention = zeros >= 2 && byte === PREVENTION
    zeros = byte === 0 ? zeros + 1 : 0
    if (isPrevention) continue
    plain[length] = byte
    length += 1
  }
  return plain.subarray(0, length)
}

/** A copy with prevention bytes where they are needed; what is before the first byte is not zero. */
export function escapeUnit(plain: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(plain.length + Math.ceil(plain.length / 2))
  let length = 0
  let zeros = 0
  for (const byte of plain) {
    if (zeros >= 2 && byte <= PREVENTION) {
      bytes[length] = PREVENTION
      length += 1
      zeros = 0
    }
    bytes[length] = byte
    length += 1
    zeros = byte === 0 ? zeros + 1 : 0
  }
  return bytes.subarray(0, length)
}
