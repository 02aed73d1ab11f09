import { crc32Mpeg2 } from '../crc32.ts'
import { wrapTimestamp } from './timestamp.ts'

/** splice_info_section, ANSI/SCTE 35 §9.6.1. */
const TABLE_ID_SPLICE_INFO = 0xfc
/** Up to pts_adjustment, which is one bit of byte 4 and the bytes 5 to 8. */
const ADJUSTMENT_AT = 4
const SECTION_BYTES_MIN = 15
const CRC_BYTES = 4

/**
 * Adds `offsetTicks` (90 kHz) to pts_adjustment, so that the splice times in the section point at the same pictures as
 * before, and renews CRC_32. False when the section was left alone: encrypted, damaged or of another kind.
 */
export function moveSpliceInfo(section: Buffer, offsetTicks: number): boolean {
  if (section.length < SECTION_BYTES_MIN || section[0] !== TABLE_ID_SPLICE_INFO) return false
  const flags = section[ADJUSTMENT_AT] ?? 0
  const isEncrypted = (flags & 0x80) !== 0
  if (isEncrypted || crc32Mpeg2(section) !== 0) return false
  const moved = wrapTimestamp((flags & 1) * 2 ** 32 + section.readUInt32BE(ADJUSTMENT_AT + 1) + offsetTicks)
  section[ADJUSTMENT_AT] = (flags & 0xfe) | (moved >= 2 ** 32 ? 1 : 0)
  section.writeUInt32BE(moved % 2 ** 32, ADJUSTMENT_AT + 1)
  section.writeUInt32BE(crc32Mpeg2(section, 0, section.length - CRC_BYTES), section.length - CRC_BYTES)
  return true
}
