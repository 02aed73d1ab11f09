import { hasPcr, PACKET_BYTES, SYNC_BYTE } from '../packet.ts'
import { stripPcr } from './adaptation-field.ts'
import type { Hold } from './hold.ts'

/**
 * What a source sent before its join point. It gives the audio that the old source has not brought any more: multiplexers
 * send audio behind the pictures of its time, so the unit that sounds at the join lies before it.
 */
const LEAD_IN_BYTES_MAX = 4 * 1024 * 1024

/** Offset of the first packet that is taken when the first join point is at `joinOffset`: a hold has room for so much. */
export function leadInBegin(joinOffset: number): number {
  const bytes = Math.min(joinOffset, LEAD_IN_BYTES_MAX)
  return joinOffset - (bytes - (bytes % PACKET_BYTES))
}

/** Takes out the clock references before `position`: they would be from before the picture that the source begins with. */
export function stripClockBefore(hold: Hold, position: number): void {
  const { buffer } = hold
  const end = hold.offsetOf(position)
  for (let at = hold.offsetOf(hold.begin); at < end; at += PACKET_BYTES) {
    if (buffer[at] === SYNC_BYTE && hasPcr(buffer, at)) stripPcr(buffer, at)
  }
}
