import { PACKET_BYTES } from '../packet.ts'
import type { PacketRing } from './packet-ring.ts'
import type { PacketSequence } from './packet-sequence.ts'
import { retimePacket } from './retime.ts'

/** One stream of a source together with its twin's. */
export interface Channel {
  readonly pid: number
  readonly own: PacketSequence
  readonly twin: PacketSequence
  readonly ring: PacketRing
  /** Numbers of the twin's packets less those of the source's own; undefined while it is not known. */
  delta: number | undefined
}

/** Packets that are missing of a source. */
export interface Gap {
  readonly channel: Channel
  /** Number of the first, and how many there are. */
  readonly from: number
  readonly count: number
  /** Signatures of the packets before and after it. */
  readonly before: number
  readonly after: number
  readonly delta: number | undefined
  readonly openedAtMs: number
}

/** Packets for a gap, and how many are still missing. */
export interface Filling {
  readonly packets: Buffer
  readonly lost: number
}

/** More packets than the counter tells can be missing: the twin shows it when they are not more than this. */
const COUNTER_MODULUS = 16
const ROUNDS_MAX = 256

/**
 * Fills a gap from the twin's packets, moved by `ticks`. Undefined while the twin may still bring what is missing; with
 * `isLast` what is there is taken. A twin whose packets around the gap are others gives nothing.
 */
export function fillGap(gap: Gap, ticks: number, isLast: boolean): Filling | undefined {
  const { channel } = gap
  for (const delta of new Set([gap.delta, channel.delta])) {
    if (delta === undefined) continue
    const surroundings = compareAround(gap, delta)
    if (surroundings.kind === 'other') continue
    if (surroundings.kind === 'same') {
      if (channel.delta === delta) channel.delta = delta + surroundings.rounds * COUNTER_MODULUS
      return gather(gap, gap.count + surroundings.rounds * COUNTER_MODULUS, delta, ticks)
    }
    if (surroundings.isToCome && !isLast) return undefined
    if (surroundings.isBeforeSame) return gather(gap, gap.count, delta, ticks)
  }
  channel.delta = undefined
  return { packets: Buffer.alloc(0), lost: gap.count }
}

/**
 * `same`: the twin has both ends of the gap, between which the counter went round so often more than was seen. `open`: it
 * has not got the far end, or not yet.
 */
type Surroundings =
  | { readonly kind: 'same'; readonly rounds: number }
  | { readonly kind: 'open'; readonly isToCome: boolean; readonly isBeforeSame: boolean }
  | { readonly kind: 'other' }

function compareAround({ channel, from, count, before, after }: Gap, delta: number): Surroundings {
  const { ring, twin } = channel
  const twinBefore = ring.signatureOf(from - 1 + delta)
  if (twinBefore !== undefined && twinBefore !== before) return { kind: 'other' }
  const end = from + count + delta
  const atEnd = ring.signatureOf(end)
  if (atEnd === after) return { kind: 'same', rounds: 0 }
  // Its twin is lost too, or yet to come: nothing speaks for a longer gap.
  if (atEnd === undefined) {
    return { kind: 'open', isToCome: twin.number < end, isBeforeSame: twinBefore !== undefined }
  }
  for (let rounds = 1; rounds <= ROUNDS_MAX; rounds += 1) {
    const number = end + rounds * COUNTER_MODULUS
    if (number > twin.number) return { kind: 'open', isToCome: true, isBeforeSame: false }
    if (ring.signatureOf(number) === after) return { kind: 'same', rounds }
  }
  return { kind: 'other' }
}

function gather({ channel, from }: Gap, count: number, delta: number, ticks: number): Filling {
  const packets = Buffer.allocUnsafe(count * PACKET_BYTES)
  let bytes = 0
  for (let number = from; number < from + count; number += 1) {
    if (!channel.ring.copy(number + delta, packets, bytes)) continue
    retimePacket(packets, bytes, channel.pid, number, ticks)
    bytes += PACKET_BYTES
  }
  return { packets: packets.subarray(0, bytes), lost: count - bytes / PACKET_BYTES }
}
