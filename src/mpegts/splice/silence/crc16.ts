/** The check word of MPEG audio and AC-3: x^16 + x^15 + x^2 + 1, most significant bit first. */
const POLYNOMIAL = 0x8005

/** The register after the low `count` bits of `value`, from `crc` on. */
export function crc16(crc: number, value: number, count: number): number {
  let register = crc
  for (let bit = count - 1; bit >= 0; bit -= 1) {
    const isOdd = ((register >>> 15) ^ (value >>> bit)) & 1
    register = ((register << 1) & 0xffff) ^ (isOdd === 1 ? POLYNOMIAL : 0)
  }
  return register
}

/** The register after `bytes[from, to)`, from `crc` on. */
export function crc16Bytes(crc: number, bytes: Buffer, from: number, to: number): number {
  let register = crc
  for (let at = from; at < to; at += 1) register = crc16(register, bytes[at] ?? 0, 8)
  return register
}

/**
 * The check word to put in front of `bytes[from, to)` so that the register, from 0 on, is 0 behind them: the division run
 * backwards (ETSI TS 102 366 §6.10).
 */
export function crc16InFrontOf(bytes: Buffer, from: number, to: number): number {
  let register = 0
  for (let at = to - 1; at >= from; at -= 1) register = undo(register, bytes[at] ?? 0, 8)
  return undo(register, 0, 16)
}

function undo(crc: number, value: number, count: number): number {
  let register = crc
  for (let bit = 0; bit < count; bit += 1) {
    const isOdd = register & 1
    const shifted = isOdd === 1 ? register ^ POLYNOMIAL : register
    register = (shifted >>> 1) | ((isOdd ^ ((value >>> bit) & 1)) << 15)
  }
  return register
}
