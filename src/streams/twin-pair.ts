import type { KnownTimeline } from '../mpegts/splice/known-join.ts'
import { wrapTimestamp } from '../mpegts/splice/timestamp.ts'
import { PacketRepair } from '../mpegts/twin/packet-repair.ts'
import type { RepairCounters, RepairSink } from '../mpegts/twin/packet-repair.ts'
import { TwinWatch } from '../mpegts/twin/twin-watch.ts'

export interface TwinPairOptions {
  /** How long media waits for packets that the other source may still bring, ms. */
  readonly holdMsMax: number
  /** Take what the two sources deliver, mended where it could be. */
  readonly air: RepairSink
  readonly standby: RepairSink
}

/**
 * The source on air and the one that stands by, both received: finds out whether they carry the same encode, gives each
 * the packets that it has lost and the other has not, and knows where the one goes on in the other. MPEG-TS only.
 */
export class TwinPair {
  readonly #options: TwinPairOptions
  readonly #watch = new TwinWatch()
  readonly #air: PacketRepair
  readonly #standby: PacketRepair

  constructor(options: TwinPairOptions) {
    const { holdMsMax } = options
    this.#options = options
    this.#air = new PacketRepair({ alignment: () => this.#watch.alignment, holdMsMax })
    this.#standby = new PacketRepair({ alignment: () => this.#turnedRound(), holdMsMax })
  }

  get areTwins(): boolean {
    return this.#watch.alignment !== undefined
  }

  /** What was mended of the source on air. */
  get counters(): RepairCounters {
    return this.#air.counters
  }

  /** Whole packets of the source on air. */
  takeAir(data: Buffer, joinOffsets: readonly number[], nowMs: number): void {
    const { air, standby } = this.#options
    this.#watch.air(data)
    this.#air.own(data, joinOffsets, nowMs, air)
    this.#standby.twin(data, nowMs, standby)
  }

  /** Whole packets of the source that stands by. */
  takeStandby(data: Buffer, joinOffsets: readonly number[], nowMs: number): void {
    const { air, standby } = this.#options
    this.#watch.standby(data)
    this.#standby.own(data, joinOffsets, nowMs, standby)
    this.#air.twin(data, nowMs, air)
  }

  /**
   * The standby takes over: what waits of it is given out, what waits of the other is forgotten, because the standby has
   * it whole. Returns how its timeline lies to that of the source it follows; undefined when they are no twins.
   */
  handOver(): KnownTimeline | undefined {
    const { alignment } = this.#watch
    if (alignment === undefined) this.#air.flush(this.#options.air)
    else this.#air.discard()
    this.#standby.flush(this.#options.standby)
    return alignment === undefined ? undefined : { sourceOffset: alignment.offsetTicks }
  }

  /** The standby is gone: nothing waits for it any longer. */
  end(): void {
    this.#air.flush(this.#options.air)
  }

  #turnedRound() {
    const { alignment } = this.#watch
    return alignment && { ...alignment, offsetTicks: wrapTimestamp(-alignment.offsetTicks) }
  }
}
