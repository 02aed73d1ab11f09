import { hasPayload, isPayloadUnitStart, PACKET_BYTES, payloadOffset, pidOf, SYNC_BYTE } from '../packet.ts'
import type { UnitPlace } from './unit-rewrite.ts'

/** nal_unit_type in its header byte (H.265 §7.3.1.2), with forbidden_zero_bit and the high bit of nuh_layer_id zero. */
const CRA_HEADER = 21 << 1
const BLA_W_RADL_HEADER = 17 << 1
const BLA_N_LP_HEADER = 18 << 1

/**
 * Turns the CRA picture that begins at `from` into a BLA picture (H.265 §3.14, §8.1.3): that is how the standard marks a
 * picture after which pictures refer to nothing before it in another stream, and what makes a decoder show the old
 * pictures before the new ones. The syntax of both is the same but for the type. Other pictures stay as they are.
 */
export function markBrokenLink({ buffer, from, to, pid }: UnitPlace, hasLeadingPictures: boolean): void {
  const header = hasLeadingPictures ? BLA_W_RADL_HEADER : BLA_N_LP_HEADER
  let zeros = 0
  let isUnitNext = false
  for (let at = from; at < to; at += PACKET_BYTES) {
    if (buffer[at] !== SYNC_BYTE || pidOf(buffer, at) !== pid || !hasPayload(buffer, at)) continue
    if (at > from && isPayloadUnitStart(buffer, at)) return
    for (let byteAt = payloadOffset(buffer, at); byteAt < at + PACKET_BYTES; byteAt += 1) {
      const byte = buffer[byteAt] ?? 0
      if (isUnitNext && byte === CRA_HEADER) buffer[byteAt] = header
      isUnitNext = byte === 1 && zeros >= 2
      zeros = byte === 0 ? zeros + 1 : 0
    }
  }
}
