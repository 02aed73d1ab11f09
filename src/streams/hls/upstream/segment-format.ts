import { PACKET_BYTES, SYNC_BYTE } from '../../../mpegts/packet.ts'

/** What segments are made of. */
export type SegmentFormat = 'mpegts' | 'packed_audio' | 'fmp4'

/** Boxes with which a segment of fMP4 begins (ISO/IEC 23000-19). */
const BOXES: ReadonlySet<string> = new Set(['styp', 'moof', 'sidx', 'emsg', 'prft', 'ftyp', 'free'])

/** The format of a segment by its first bytes; undefined when it is none of those that a playlist may name. */
export function formatOf(head: Buffer): SegmentFormat | undefined {
  if (head[0] === SYNC_BYTE && (head.length <= PACKET_BYTES || head[PACKET_BYTES] === SYNC_BYTE)) return 'mpegts'
  if (BOXES.has(head.toString('latin1', 4, 8))) return 'fmp4'
  const isAudioFrame = head[0] === 0xff && ((head[1] ?? 0) & 0xe0) === 0xe0
  const isAc3 = head[0] === 0x0b && head[1] === 0x77
  return isAudioFrame || isAc3 || head.toString('latin1', 0, 3) === 'ID3' ? 'packed_audio' : undefined
}
