import { PACKET_BYTES, SYNC_BYTE } from './packet.ts'

/** Packet sizes that are recognised: plain, with a 4-byte timestamp before it (M2TS), with 16 bytes of FEC behind it. */
const STRIDES_BYTES = [188, 192, 204] as const
export const STRIDE_BYTES_MAX = 204
/** Sync bytes in a row, one stride apart, that make an alignment (TR 101 290 §5.2.1 asks for five to regain it). */
export const SYNCS_NEEDED = 5
const SYNCS_SOME = 3

/** How many sync bytes must agree where the data ends before there are enough: five, three or one. */
export type SyncEvidence = 'all' | 'some' | 'any'

/** The stride of which sync bytes agree from `at` on; 0 if more bytes are needed to tell, undefined if none can. */
export function strideAt(data: Buffer, at: number, evidence: SyncEvidence): number | undefined {
  let isOpen = false
  for (const stride of STRIDES_BYTES) {
    let agreed = 1
    while (agreed < SYNCS_NEEDED && data[at + agreed * stride] === SYNC_BYTE) agreed += 1
    if (agreed === SYNCS_NEEDED) return stride
    if (at + agreed * stride < data.length) continue
    isOpen = true
    const isEnough = evidence === 'any' || (evidence === 'some' && agreed >= SYNCS_SOME)
    if (isEnough && data.length - at >= PACKET_BYTES) return stride
  }
  return isOpen && evidence === 'all' ? 0 : undefined
}
