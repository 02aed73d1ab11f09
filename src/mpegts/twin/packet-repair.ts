import { PACKET_BYTES, PID_COUNT, PID_PAT, SYNC_BYTE } from '../packet.ts'
import { ProgrammeTables } from '../programme-tables.ts'
import { TICKS_PER_MS, wrapTimestamp } from '../splice/timestamp.ts'
import { fillGap } from './gap.ts'
import type { Channel, Gap } from './gap.ts'
import { PacketRing } from './packet-ring.ts'
import { PacketSequence } from './packet-sequence.ts'
import { pairStreams } from './stream-pairs.ts'

/** What of a TwinAlignment counts here, from the repaired source's side. */
export interface RepairAlignment {
  /** Timestamps of the twin less the source's own, 90 kHz modulo 2^33. */
  readonly offsetTicks: number
  readonly samePackets: boolean
}

export interface PacketRepairOptions {
  /** How the twin lies to the source now; undefined while they are not known to be twins. */
  readonly alignment: () => RepairAlignment | undefined
  /** How long media waits for packets that the twin may still bring, ms; 0 never waits. */
  readonly holdMsMax: number
}

/** Takes what leaves: whole packets, with the offsets in them at which a decoder can begin. */
export type RepairSink = (data: Buffer, joinOffsets: readonly number[]) => void

export interface RepairCounters {
  /** Packets that were missing and came from the twin. */
  readonly repaired: number
  /** Packets that stay missing. */
  readonly unrepairable: number
}

type Held = { readonly kind: 'media'; readonly data: Buffer; readonly joinOffsets: readonly number[] } | HeldGap
interface HeldGap {
  readonly kind: 'gap'
  readonly gap: Gap
}

/** Media that waits behind a gap; of more, the gap is not waited for. */
const HELD_BYTES_MAX = 8 * 1024 * 1024
/** Memory for the twin's latest packets. */
const RING_BYTES_MAX = 16 * 1024 * 1024
const CHANNELS_MAX = 32
const TOLERANCE_TICKS = TICKS_PER_MS
/** After so many gaps for which waiting gave nothing, only one of so many is waited for. */
const FUTILE_HOLDS_MAX = 4
const GAPS_PER_TRIAL = 32
const NOTHING = Buffer.alloc(0)
const ROLE_TABLE = 1
const ROLE_CHANNEL = 2

/**
 * Puts packets that one source has lost back in from its twin, which cuts the stream into the same packets (see TwinWatch):
 * under the source's own PIDs and counters and in its own time, each from where it is left. While nothing is missing, data
 * passes as it is, without a copy. While packets are missing that the twin may still bring, media waits. Takes whole
 * 188-byte packets. Never throws; bounded by 16 MiB of the twin's packets and 8 MiB that wait.
 */
export class PacketRepair {
  readonly #options: PacketRepairOptions
  readonly #ownTables = new ProgrammeTables()
  readonly #twinTables = new ProgrammeTables()
  readonly #ownRoles = new Uint8Array(PID_COUNT)
  readonly #twinRoles = new Uint8Array(PID_COUNT)
  readonly #held: Held[] = []
  #heldBytes = 0
  #channels: readonly Channel[] = []
  #alignment: RepairAlignment | undefined
  /** Gaps in a row for which waiting gave nothing, and those passed on since then. */
  #futileHolds = 0
  #gapsPassed = 0
  #repaired = 0
  #unrepairable = 0

  constructor(options: PacketRepairOptions) {
    this.#options = options
    this.#ownRoles[PID_PAT] = ROLE_TABLE
    this.#twinRoles[PID_PAT] = ROLE_TABLE
  }

  get counters(): RepairCounters {
    return { repaired: this.#repaired, unrepairable: this.#unrepairable }
  }

  /** Bytes that wait for the twin. */
  get heldBytes(): number {
    return this.#heldBytes
  }

  /** Media of the source; `data` may be used again after the call. `nowMs` is monotonic. */
  own(data: Buffer, joinOffsets: readonly number[], nowMs: number, sink: RepairSink): void {
    this.#align()
    const end = data.length - (data.length % PACKET_BYTES)
    let sent = 0
    for (let at = 0; at < end; at += PACKET_BYTES) {
      const gap = this.#readOwn(data, at, nowMs)
      if (gap === undefined) continue
      this.#pass(data, joinOffsets, sent, at, sink)
      sent = at
      this.#open(gap, sink)
    }
    if (sent === 0 && this.#held.length === 0) sink(data, joinOffsets)
    else this.#pass(data, joinOffsets, sent, data.length, sink)
    this.#settle(nowMs, sink)
  }

  /** Media of the twin; what waited for it goes to the sink. */
  twin(data: Buffer, nowMs: number, sink: RepairSink): void {
    this.#align()
    const end = data.length - (data.length % PACKET_BYTES)
    for (let at = 0; at < end; at += PACKET_BYTES) this.#readTwin(data, at, nowMs)
    this.#settle(nowMs, sink)
  }

  /** Nothing waits any longer: the source or its twin has ended. */
  flush(sink: RepairSink): void {
    this.#settle(Infinity, sink)
  }

  /** Forgets what waits: the source is left, and its twin has the same without the gap. */
  discard(): void {
    this.#held.length = 0
    this.#heldBytes = 0
  }

  #align(): void {
    const alignment = this.#options.alignment()
    const isUsable = alignment?.samePackets === true
    const isOther = !isUsable || alignment.offsetTicks !== this.#alignment?.offsetTicks
    if (isOther) for (const channel of this.#channels) channel.delta = undefined
    this.#alignment = isUsable ? alignment : undefined
  }

  /** A gap when packets are missing before the one at `at`. */
  #readOwn(data: Buffer, at: number, nowMs: number): Gap | undefined {
    const flags = data[at + 1] ?? 0
    const pid = ((flags & 0x1f) << 8) | (data[at + 2] ?? 0)
    const role = this.#ownRoles[pid] ?? 0
    if (role === 0 || data[at] !== SYNC_BYTE || (flags & 0x80) !== 0) return undefined
    if (role === ROLE_TABLE && this.#ownTables.push(pid, data, at)) this.#pair()
    const channel = this.#channels[role - ROLE_CHANNEL]
    if (channel === undefined || ((data[at + 3] ?? 0) & 0x10) === 0) return undefined
    const { own } = channel
    const [before, number] = [own.signature, own.number]
    const order = own.take(data, at)
    const gap =
      order === 'gap'
        ? {
            ...{ channel, from: number + 1, count: own.missing, before, after: own.signature },
            ...{ delta: channel.delta, openedAtMs: nowMs },
          }
        : undefined
    if (order === 'jump') channel.delta = undefined
    if ((flags & 0x40) !== 0 && order !== 'repeated') this.#anchor(channel, own, data, at)
    return gap
  }

  #readTwin(data: Buffer, at: number, nowMs: number): void {
    const flags = data[at + 1] ?? 0
    const pid = ((flags & 0x1f) << 8) | (data[at + 2] ?? 0)
    const role = this.#twinRoles[pid] ?? 0
    if (role === 0 || data[at] !== SYNC_BYTE || (flags & 0x80) !== 0) return
    if (role === ROLE_TABLE && this.#twinTables.push(pid, data, at)) this.#pair()
    const channel = this.#channels[role - ROLE_CHANNEL]
    if (channel === undefined || ((data[at + 3] ?? 0) & 0x10) === 0) return
    const { twin, ring } = channel
    const order = twin.take(data, at)
    if (order === 'repeated') return
    if (order === 'jump') {
      channel.delta = undefined
      ring.clear()
    }
    ring.put(twin.number, twin.signature, data, at, nowMs)
    if ((flags & 0x40) !== 0) this.#anchor(channel, twin, data, at)
  }

  /** A PES packet begins: where the other source has begun it too, the packets of both can be counted together. */
  #anchor(channel: Channel, sequence: PacketSequence, data: Buffer, at: number): void {
    const dts = sequence.markStart(data, at)
    if (dts === undefined || this.#alignment === undefined) return
    const { offsetTicks } = this.#alignment
    const { own, twin } = channel
    const isOwn = sequence === own
    const partner = isOwn ? twin : own
    const found = partner.startAt(wrapTimestamp(isOwn ? dts + offsetTicks : dts - offsetTicks), TOLERANCE_TICKS)
    if (found !== undefined) channel.delta = isOwn ? found - own.number : twin.number - found
  }

  /** Pairs the streams anew: one of the two has another programme. */
  #pair(): void {
    const pairs = pairStreams(this.#ownTables.chosen?.pmt.streams ?? [], this.#twinTables.chosen?.pmt.streams ?? [])
    followTables(this.#ownRoles, this.#ownTables)
    followTables(this.#twinRoles, this.#twinTables)
    const budget = { bytesLeft: RING_BYTES_MAX }
    this.#channels = [...pairs].slice(0, CHANNELS_MAX).map(([pid, twinPid], index) => {
      this.#ownRoles[pid] = ROLE_CHANNEL + index
      this.#twinRoles[twinPid] = ROLE_CHANNEL + index
      const ring = new PacketRing(budget)
      return { pid, own: new PacketSequence(), twin: new PacketSequence(), ring, delta: undefined }
    })
  }

  #open(gap: Gap, sink: RepairSink): void {
    const filling = this.#held.length > 0 ? undefined : this.#fill(gap, !this.#mayHold())
    if (filling === undefined) this.#held.push({ kind: 'gap', gap })
    else if (filling.length > 0) sink(filling, [])
  }

  /** A twin that comes too late for every gap is not waited for each time. */
  #mayHold(): boolean {
    if (this.#options.holdMsMax <= 0) return false
    if (this.#futileHolds < FUTILE_HOLDS_MAX) return true
    this.#gapsPassed += 1
    return this.#gapsPassed % GAPS_PER_TRIAL === 0
  }

  /** The packets for a gap; undefined while some may still come. */
  #fill(gap: Gap, isLast: boolean): Buffer | undefined {
    if (this.#alignment === undefined) {
      this.#unrepairable += gap.count
      return NOTHING
    }
    const filling = fillGap(gap, -this.#alignment.offsetTicks, isLast)
    if (filling === undefined) return undefined
    this.#repaired += filling.packets.length / PACKET_BYTES
    this.#unrepairable += filling.lost
    return filling.packets
  }

  /** Passes `data[from, to)` on, or lets it wait behind a gap. */
  #pass(data: Buffer, joinOffsets: readonly number[], from: number, to: number, sink: RepairSink): void {
    if (from === to) return
    const part = data.subarray(from, to)
    const joins = joinOffsets.filter((offset) => offset >= from && offset < to).map((offset) => offset - from)
    if (this.#held.length === 0) {
      sink(part, joins)
      return
    }
    this.#held.push({ kind: 'media', data: Buffer.from(part), joinOffsets: joins })
    this.#heldBytes += part.length
  }

  /** Lets go of what need not wait any longer. */
  #settle(nowMs: number, sink: RepairSink): void {
    for (let head = this.#held[0]; head !== undefined; head = this.#held[0]) {
      if (head.kind === 'media') {
        this.#held.shift()
        this.#heldBytes -= head.data.length
        sink(head.data, head.joinOffsets)
        continue
      }
      const isOverdue = nowMs - head.gap.openedAtMs >= this.#options.holdMsMax || this.#heldBytes > HELD_BYTES_MAX
      const filling = this.#fill(head.gap, isOverdue)
      if (filling === undefined) return
      this.#futileHolds = filling.length > 0 ? 0 : this.#futileHolds + 1
      this.#held.shift()
      if (filling.length > 0) sink(filling, [])
    }
  }
}

function followTables(roles: Uint8Array, tables: ProgrammeTables): void {
  roles.fill(0)
  roles[PID_PAT] = ROLE_TABLE
  for (const { pmtPid } of tables.entries) roles[pmtPid] = ROLE_TABLE
}
