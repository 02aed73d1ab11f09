import { continuityCounterOf, hasPayload, PACKET_BYTES } from '../../mpegts/packet.ts'
import { retimePacket } from '../../mpegts/twin/retime.ts'
import { loopTicksOf } from './slate.ts'
import type { Slate, SlateTrack, SlateUnit } from './slate.ts'

/** Where one track of a slate stands. */
interface Head {
  readonly track: SlateTrack
  /** Of the next unit. */
  index: number
  /** Begins of a loop that this track has made; the main track's count is the programme's. */
  loops: number
  /** 90 kHz on the timeline of the output, with a fraction so that nothing adds up. */
  nextDts: number
  counter: number
}

/**
 * Sound before the first picture: what the source before has left out of its own, since multiplexers send sound behind the
 * pictures of its time. The splice takes what it has use for.
 */
const LEAD_IN_TICKS = 90_000
/** Added to all timestamps, so that the sound before the first picture is not before 0. */
const BASE_TICKS = 10 * 90_000
/** Tables are repeated after so much media, well below the 500 ms of TR 101 290 1.3 and 1.5. */
const TABLES_TICKS = 36_000

/**
 * Reads a slate without end as one timeline. Each stream repeats by itself, so that neither has a hole: the sound begins
 * its next loop at the frame that is nearest to where the picture begins its own, and stays within a frame of it.
 */
export class LoopReader {
  readonly #slate: Slate
  readonly #heads: readonly Head[]
  readonly #loopTicks: number
  readonly #tableCounters = new Map<number, number>()
  #tablesDts = Number.NEGATIVE_INFINITY

  constructor(slate: Slate) {
    this.#slate = slate
    const [main] = slate.tracks
    this.#loopTicks = main === undefined ? 0 : loopTicksOf(main)
    this.#heads = slate.tracks.map((track) => headOf(track, main?.kind === 'video' && track !== main))
  }

  /** DTS of the next unit, 90 kHz from the first picture, or the first sound where there is no picture, without wrap. */
  get nextDts(): number {
    return Math.min(...this.#heads.map((head) => head.nextDts))
  }

  /** The packets of all units that are due before `untilDts`, in the order of their DTS; empty when there are none. */
  readUntil(untilDts: number): Buffer {
    const parts: Buffer[] = []
    for (;;) {
      const due = this.#due(untilDts)
      if (due === undefined) return Buffer.concat(parts)
      const { head, unit } = due
      const isJoin = unit.isKey && head.track.kind === 'video'
      if (isJoin || head.nextDts - this.#tablesDts >= TABLES_TICKS) this.#pushTables(parts, head)
      parts.push(this.#moved(head, unit))
      this.#advance(head, unit)
    }
  }

  /** Leaves out all units that are due before `untilDts`. */
  skipUntil(untilDts: number): void {
    for (let due = this.#due(untilDts); due !== undefined; due = this.#due(untilDts)) this.#advance(due.head, due.unit)
  }

  /** The unit that is next, and of which track; undefined where none is before `untilDts`. */
  #due(untilDts: number): { readonly head: Head; readonly unit: SlateUnit } | undefined {
    let next: Head | undefined
    for (const head of this.#heads) if (next === undefined || head.nextDts < next.nextDts) next = head
    const unit = next?.track.units[next.index]
    return next === undefined || unit === undefined || next.nextDts >= untilDts ? undefined : { head: next, unit }
  }

  #moved(head: Head, unit: SlateUnit): Buffer {
    const packets = Buffer.allocUnsafe(unit.packets.length * PACKET_BYTES)
    const ticks = Math.round(head.nextDts) - unit.dts + BASE_TICKS
    for (const [index, from] of unit.packets.entries()) {
      const at = index * PACKET_BYTES
      this.#slate.bytes.copy(packets, at, from, from + PACKET_BYTES)
      if (hasPayload(packets, at)) head.counter = (head.counter + 1) & 0x0f
      retimePacket(packets, at, head.track.pid, head.counter, ticks)
    }
    return packets
  }

  #advance(head: Head, unit: SlateUnit): void {
    const { units, unitTicks } = head.track
    const following = units[head.index + 1]
    head.nextDts += following === undefined ? unitTicks : following.dts - unit.dts
    head.index += 1
    if (head === this.#heads[0]) {
      if (following !== undefined) return
      // Exactly, since the length of a loop is a whole number of ticks.
      head.nextDts = this.#loopTicks * head.loops + (units[0]?.dts ?? 0)
      head.loops += 1
      head.index = 0
      return
    }
    // Sound that is shorter than the picture holds its last frame.
    const loopBeginDts = this.#loopTicks * head.loops + (units[0]?.dts ?? 0)
    if (head.nextDts >= loopBeginDts - unitTicks / 2) {
      head.loops += 1
      head.index = 0
    } else if (following === undefined) head.index -= 1
  }

  #pushTables(parts: Buffer[], { nextDts }: Head): void {
    this.#tablesDts = nextDts
    const tables = Buffer.from(this.#slate.tables)
    for (let at = 0; at < tables.length; at += PACKET_BYTES) {
      const pid = tables.readUInt16BE(at + 1) & 0x1fff
      const counter = this.#tableCounters.get(pid) ?? continuityCounterOf(tables, at)
      tables[at + 3] = ((tables[at + 3] ?? 0) & 0xf0) | counter
      this.#tableCounters.set(pid, (counter + 1) & 0x0f)
    }
    parts.push(tables)
  }
}

function headOf(track: SlateTrack, hasLeadIn: boolean): Head {
  const { units, unitTicks } = track
  const before = hasLeadIn ? Math.min(units.length, Math.ceil(LEAD_IN_TICKS / unitTicks)) : 0
  const firstDts = units[0]?.dts ?? 0
  const index = before === 0 ? 0 : units.length - before
  return { track, index, loops: before === 0 ? 1 : 0, nextDts: firstDts - before * unitTicks, counter: 0 }
}
