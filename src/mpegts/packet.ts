/**
 * The transport packet, ISO/IEC 13818-1 §2.4.3: accessors by offset, so that no object is made per packet. `at` is the
 * offset of the sync byte; the caller guarantees that a whole packet follows it.
 */
export const PACKET_BYTES = 188
export const SYNC_BYTE = 0x47
export const PID_COUNT = 8_192
export const PID_PAT = 0x0000
export const PID_NULL = 0x1fff
/** PCR and media time run at this rate (§2.4.2.1). */
export const SYSTEM_CLOCK_HZ = 27_000_000
/** PCR counts modulo this: a 33-bit base of 90 kHz times 300 (§2.4.3.5). */
export const PCR_MODULUS = 2 ** 33 * 300

const ADAPTATION_FLAG_DISCONTINUITY = 0x80
const ADAPTATION_FLAG_RANDOM_ACCESS = 0x40
const ADAPTATION_FLAG_PCR = 0x10
/** adaptation_field_length that holds the flags and a PCR. */
const ADAPTATION_BYTES_WITH_PCR = 7

function byteAt(buffer: Buffer, at: number): number {
  return buffer[at] ?? 0
}

/** transport_error_indicator: something before us could not correct this packet. */
export function hasTransportError(buffer: Buffer, at: number): boolean {
  return (byteAt(buffer, at + 1) & 0x80) !== 0
}

/** payload_unit_start_indicator: a PES packet or a section begins here. */
export function isPayloadUnitStart(buffer: Buffer, at: number): boolean {
  return (byteAt(buffer, at + 1) & 0x40) !== 0
}

/** PID, 0 to 8191. */
export function pidOf(buffer: Buffer, at: number): number {
  return ((byteAt(buffer, at + 1) & 0x1f) << 8) | byteAt(buffer, at + 2)
}

/** Whether transport_scrambling_control is other than `00`. */
export function isScrambled(buffer: Buffer, at: number): boolean {
  return (byteAt(buffer, at + 3) & 0xc0) !== 0
}

export function hasAdaptationField(buffer: Buffer, at: number): boolean {
  return (byteAt(buffer, at + 3) & 0x20) !== 0
}

export function hasPayload(buffer: Buffer, at: number): boolean {
  return (byteAt(buffer, at + 3) & 0x10) !== 0
}

/** continuity_counter, 0 to 15. */
export function continuityCounterOf(buffer: Buffer, at: number): number {
  return byteAt(buffer, at + 3) & 0x0f
}

/** Offset of the first payload byte; `at + 188` when there is no payload or the adaptation field is too long. */
export function payloadOffset(buffer: Buffer, at: number): number {
  const control = byteAt(buffer, at + 3)
  if ((control & 0x10) === 0) return at + PACKET_BYTES
  if ((control & 0x20) === 0) return at + 4
  return at + Math.min(5 + byteAt(buffer, at + 4), PACKET_BYTES)
}

function adaptationFlags(buffer: Buffer, at: number): number {
  return hasAdaptationField(buffer, at) && byteAt(buffer, at + 4) > 0 ? byteAt(buffer, at + 5) : 0
}

export function hasDiscontinuityIndicator(buffer: Buffer, at: number): boolean {
  return (adaptationFlags(buffer, at) & ADAPTATION_FLAG_DISCONTINUITY) !== 0
}

export function hasRandomAccessIndicator(buffer: Buffer, at: number): boolean {
  return (adaptationFlags(buffer, at) & ADAPTATION_FLAG_RANDOM_ACCESS) !== 0
}

export function hasPcr(buffer: Buffer, at: number): boolean {
  const flags = adaptationFlags(buffer, at)
  return (flags & ADAPTATION_FLAG_PCR) !== 0 && byteAt(buffer, at + 4) >= ADAPTATION_BYTES_WITH_PCR
}

/** PCR in 27 MHz units, 0 to PCR_MODULUS − 1 (§2.4.3.5); only where `hasPcr`. */
export function pcrOf(buffer: Buffer, at: number): number {
  const base =
    (byteAt(buffer, at + 6) * 2 ** 24 +
      ((byteAt(buffer, at + 7) << 16) | (byteAt(buffer, at + 8) << 8) | byteAt(buffer, at + 9))) *
      2 +
    (byteAt(buffer, at + 10) >>> 7)
  const extension = ((byteAt(buffer, at + 10) & 0x01) << 8) | byteAt(buffer, at + 11)
  return base * 300 + Math.min(extension, 299)
}

/** Writes a PCR of 27 MHz units into a packet that has one. */
export function writePcr(buffer: Buffer, at: number, pcr: number): void {
  const base = Math.floor(pcr / 300)
  const extension = pcr % 300
  buffer.writeUInt32BE(Math.floor(base / 2), at + 6)
  buffer[at + 10] = ((base % 2) << 7) | 0x7e | (extension >>> 8)
  buffer[at + 11] = extension & 0xff
}
