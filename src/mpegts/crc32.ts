/**
 * CRC-32/MPEG-2 (ISO/IEC 13818-1 Annex A): polynomial 0x04C11DB7, initial value all ones, no reflection, no final XOR.
 * Over a section with its CRC_32 field included the result is 0.
 */
const POLYNOMIAL = 0x04c11db7
const TABLE = makeTable()

function makeTable(): Uint32Array {
  const table = new Uint32Array(256)
  for (let index = 0; index < 256; index += 1) {
    let remainder = index << 24
    for (let bit = 0; bit < 8; bit += 1) {
      remainder = (remainder & 0x80000000) === 0 ? remainder << 1 : (remainder << 1) ^ POLYNOMIAL
    }
    table[index] = remainder >>> 0
  }
  return table
}

/** CRC of `bytes[start, end)`, an unsigned 32-bit integer. */
export function crc32Mpeg2(bytes: Buffer, start = 0, end = bytes.length): number {
  let crc = 0xffffffff
  for (let index = start; index < end; index += 1) {
    crc = (crc << 8) ^ (TABLE[((crc >>> 24) ^ (bytes[index] ?? 0)) & 0xff] ?? 0)
  }
  return crc >>> 0
}
