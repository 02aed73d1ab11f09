import { TsIndexer } from '../../src/mpegts/indexer.ts'
import { PACKET_BYTES } from '../../src/mpegts/packet.ts'
import { Splicer } from '../../src/mpegts/splice/splicer.ts'
import type { SeamKind } from '../../src/mpegts/splice/splice-facts.ts'
import { PacketRepair } from '../../src/mpegts/twin/packet-repair.ts'
import type { RepairCounters } from '../../src/mpegts/twin/packet-repair.ts'
import { TwinWatch } from '../../src/mpegts/twin/twin-watch.ts'
import type { TwinAlignment } from '../../src/mpegts/twin/twin-watch.ts'

/** Two sources that are received at the same time, one of them on air, and what a viewer gets when they change places. */
export interface TwinRun {
  readonly output: Buffer
  /** One for each time that a source went on air. */
  readonly seams: readonly (SeamKind | undefined)[]
  readonly repairs: readonly RepairCounters[]
  readonly alignment: TwinAlignment | undefined
}

export interface TwinRunOptions {
  /** The whole of each source; both last equally long. */
  readonly sources: readonly [Buffer, Buffer]
  /** Shares of the time at which the source on air is left. */
  readonly cuts: readonly number[]
  /** By how much of the time the second source comes later than the first. */
  readonly lag?: number
}

const STEPS = 800
const STEP_MS = 10
/** Media of the source that stands by is kept for this long. */
const HISTORY_MS = 4_000
const HOLD_MS_MAX = 500

interface Piece {
  readonly data: Buffer
  readonly joinOffsets: readonly number[]
  readonly arrivedAtMs: number
}

interface Receiver {
  readonly source: Buffer
  readonly tables: Buffer
  /** Offsets in `source`, ascending. */
  readonly joinOffsets: readonly number[]
  readonly repair: PacketRepair
  history: Piece[]
}

export function runTwins({ sources, cuts, lag = 0 }: TwinRunOptions): TwinRun {
  const run = new Twins(sources)
  const cutSteps = new Set(cuts.map((cut) => Math.round(cut * STEPS)))
  const lagSteps = Math.round(lag * STEPS)
  for (let step = 0; step < STEPS + lagSteps; step += 1) {
    if (cutSteps.has(step)) run.change()
    run.deliver(0, step, step * STEP_MS)
    run.deliver(1, step - lagSteps, step * STEP_MS)
  }
  return run.finish()
}

function packetAt(source: Buffer, step: number): number {
  const share = Math.min(1, Math.max(0, step / STEPS))
  return Math.floor((source.length * share) / PACKET_BYTES) * PACKET_BYTES
}

class Twins {
  readonly #watch = new TwinWatch()
  readonly #splicer = new Splicer()
  readonly #receivers: readonly [Receiver, Receiver]
  readonly #output: Buffer[] = []
  readonly #sink = { packets: (data: Buffer) => void this.#output.push(Buffer.from(data)) }
  readonly #seams: (SeamKind | undefined)[] = []
  #onAir = 0
  #hasBegun = false
  #nowMs = 0

  constructor(sources: readonly [Buffer, Buffer]) {
    this.#receivers = [this.#makeReceiver(0, sources[0]), this.#makeReceiver(1, sources[1])]
  }

  #makeReceiver(index: number, source: Buffer): Receiver {
    const alignment = () => {
      const known = this.#watch.alignment
      if (known === undefined || index === this.#onAir) return known
      return { ...known, offsetTicks: (2 ** 33 - known.offsetTicks) % 2 ** 33 }
    }
    const indexer = new TsIndexer()
    indexer.index(source)
    const joinOffsets = [...indexer.joinPoints]
    const repair = new PacketRepair({ alignment, holdMsMax: HOLD_MS_MAX })
    return { source, tables: indexer.preamble(), joinOffsets, repair, history: [] }
  }

  #receiver(index: number): Receiver {
    return index === 0 ? this.#receivers[0] : this.#receivers[1]
  }

  /** What a source sends in one step. */
  deliver(index: number, step: number, nowMs: number): void {
    const { source, joinOffsets, repair } = this.#receiver(index)
    const [from, to] = [packetAt(source, step), packetAt(source, step + 1)]
    if (from === to) return
    const data = source.subarray(from, to)
    this.#nowMs = nowMs
    if (index === this.#onAir) this.#watch.air(data)
    else this.#watch.standby(data)
    const joins = joinOffsets.filter((offset) => offset >= from && offset < to).map((offset) => offset - from)
    repair.own(data, joins, nowMs, (part, partJoins) => this.#take(index, part, partJoins))
    const other = 1 - index
    this.#receiver(other).repair.twin(data, nowMs, (part, partJoins) => this.#take(other, part, partJoins))
  }

  #take(index: number, data: Buffer, joinOffsets: readonly number[]): void {
    const receiver = this.#receiver(index)
    const piece = { data: Buffer.from(data), joinOffsets: [...joinOffsets], arrivedAtMs: this.#nowMs }
    receiver.history = receiver.history.filter(({ arrivedAtMs }) => this.#nowMs - arrivedAtMs <= HISTORY_MS)
    receiver.history.push(piece)
    if (index !== this.#onAir) return
    if (this.#hasBegun) this.#splicer.push(data, joinOffsets, this.#sink)
    else this.#beginFirst(receiver)
  }

  #beginFirst({ history, tables }: Receiver): void {
    if (!history.some(({ joinOffsets }) => joinOffsets.length > 0)) return
    this.#hasBegun = true
    this.#splicer.begin(tables, this.#sink)
    const leadIn = Buffer.concat(history.map(({ data }) => data))
    const before = leadIn.length - (history.at(-1)?.data.length ?? 0)
    const joins = history.at(-1)?.joinOffsets.map((offset) => before + offset) ?? []
    this.#splicer.push(leadIn, joins, this.#sink)
  }

  /** The source on air is left where it is, in the middle of whatever it was sending. */
  change(): void {
    this.#seams.push(this.#splicer.facts.seam?.kind)
    const { alignment } = this.#watch
    this.#receiver(this.#onAir).repair.discard()
    this.#onAir = 1 - this.#onAir
    this.#watch.swap()
    const { history, tables } = this.#receiver(this.#onAir)
    const twin = alignment === undefined ? undefined : { sourceOffset: alignment.offsetTicks }
    this.#splicer.begin(tables, this.#sink, twin)
    for (const { data, joinOffsets } of history) this.#splicer.push(data, joinOffsets, this.#sink)
  }

  finish(): TwinRun {
    this.#receiver(this.#onAir).repair.flush((data, joins) => this.#splicer.push(data, joins, this.#sink))
    this.#seams.push(this.#splicer.facts.seam?.kind)
    this.#splicer.cut(this.#sink)
    return {
      output: Buffer.concat(this.#output),
      seams: this.#seams,
      repairs: this.#receivers.map(({ repair }) => repair.counters),
      alignment: this.#watch.alignment,
    }
  }
}
