import { PACKET_BYTES, pidOf, SYNC_BYTE } from '../packet.ts'
import { hasReadableFrames } from './audio-frame.ts'
import type { Hold } from './hold.ts'
import type { Track } from './track.ts'
import { DROPPED, keepWholeFrames } from './unit-rewrite.ts'

/** Position up to which nothing in the hold waits for the rest of its unit, or for pictures that are shown before it. */
export function completeUntil(hold: Hold, tracks: Iterable<Track>): number {
  let limit = hold.end
  for (const { taking } of tracks) {
    const { openAt, group } = taking
    if (openAt >= 0) limit = Math.min(limit, openAt)
    if (group.beginsAt >= 0) limit = Math.min(limit, group.beginsAt)
  }
  return limit
}

/** What has come of the open units of these tracks may go. Tells how many there were. */
export function stopWaitingFor(tracks: Iterable<Track>): number {
  let stopped = 0
  for (const { taking } of tracks) {
    taking.group.release()
    if (taking.openAt < 0) continue
    taking.openAt = -1
    stopped += 1
  }
  return stopped
}

/**
 * The source of these tracks ends here: drops what is incomplete in the hold; of audio, what is whole of it stays. Tells how
 * many units were dropped.
 */
export function endOpenUnits(hold: Hold, tracks: Iterable<Track>): number {
  const openFrom = new Map<number, number>()
  let dropped = 0
  for (const { pid, output, taking } of tracks) {
    if (taking.group.beginsAt >= 0) openFrom.set(pid, taking.group.beginsAt)
    if (taking.openAt < 0) continue
    const from = hold.offsetOf(taking.openAt)
    const place = { buffer: hold.buffer, from, to: hold.offsetOf(hold.end), pid }
    if (output.kind === 'audio' && hasReadableFrames(output.codec) && keepWholeFrames(place, output.codec)) continue
    if (!openFrom.has(pid)) openFrom.set(pid, taking.openAt)
    dropped += 1
  }
  if (openFrom.size > 0) dropPackets(hold, (position, pid) => position >= (openFrom.get(pid) ?? Infinity))
  return dropped
}

/** Drops the packets of the hold, by position and PID, that are not wanted. */
export function dropPackets(hold: Hold, isUnwanted: (position: number, pid: number) => boolean): void {
  const { buffer } = hold
  const end = hold.offsetOf(hold.end)
  for (let at = hold.offsetOf(hold.begin); at < end; at += PACKET_BYTES) {
    if (buffer[at] === SYNC_BYTE && isUnwanted(hold.positionOf(at), pidOf(buffer, at))) buffer[at] = DROPPED
  }
}
