import { hasDiscontinuityIndicator, hasPcr, PACKET_BYTES, pcrOf, writePcr } from '../packet.ts'
import { makePcrPacket, stripPcr } from './adaptation-field.ts'
import { OutputClock } from './output-clock.ts'
import type { OutputProgramme } from './output-programme.ts'
import type { PacketWriter } from './packet-writer.ts'
import type { SoundFiller } from './silence/sound-filler.ts'
import { NO_TIMESTAMP, PCR_PER_TICK, pcrStep, wrapTimestamp } from './timestamp.ts'
import type { Timeline } from './timeline.ts'
import type { Track } from './track.ts'
import type { TrackTable } from './track-table.ts'

/** PID, inside the hold, of packets of which only the PCR goes out. */
export const PID_CLOCK_ONLY = 0x1ffe
/** A step of 10 s takes 125 packets of 80 ms. */
const FILL_PACKETS_MAX = 128
/** Among them, tables come again after this many: at most 400 ms apart. */
const FILL_PACKETS_PER_TABLES = 5

export interface ClockSenderOptions {
  readonly tracks: TrackTable
  readonly programme: OutputProgramme
  readonly timeline: Timeline
  readonly writer: PacketWriter
  readonly filler: SoundFiller
}

/** Sends the output's PCR, always on its own PCR PID, whichever PID the source has its PCR on. */
export class ClockSender {
  readonly #options: ClockSenderOptions
  readonly #clock = new OutputClock()
  readonly #packet = Buffer.alloc(PACKET_BYTES)
  /** DTS of the leading stream's unit in progress. */
  #leadingDts = NO_TIMESTAMP
  /** While the last units of a source go out: how long the leading one lasts; undefined before. */
  #lastUnitTicks: number | undefined
  /** Inside the hold, PCRs on other PIDs are not the programme's. */
  #sourcePid = -1
  /** Units of the source were all sent before: so were its PCRs. */
  #isWaiting = false

  constructor(options: ClockSenderOptions) {
    this.#options = options
  }

  /**
   * A source begins; its first units are decoded earlier by `lagTicks` (90 kHz) than its PCR allows for. A scrambled one
   * keeps its own time, which has nothing to do with what was before.
   */
  begin(isOwnTime: boolean, lagTicks: number): void {
    this.#lastUnitTicks = undefined
    this.#isWaiting = false
    if (isOwnTime) {
      this.#clock.restart()
      this.#leadingDts = NO_TIMESTAMP
    } else this.#clock.join(lagTicks)
  }

  /** No PCR goes out before the next unit of the leading stream. */
  wait(): void {
    this.#isWaiting = true
  }

  /**
   * The source ends. Clock references that belong to units which do not go out would be after the next source's first
   * DTS; `unitTicks` after the last unit's it begins.
   */
  end(unitTicks: number): void {
    this.#lastUnitTicks = unitTicks
  }

  /** What is decoded before this is late: the clock that went out has passed it. 90 kHz; NO_TIMESTAMP before the first. */
  get inTimeFrom(): number {
    const { last } = this.#clock
    return last === NO_TIMESTAMP ? last : wrapTimestamp(Math.ceil(last / PCR_PER_TICK))
  }

  /** PCRs come on this PID, as it is in the hold. */
  listenTo(pid: number): void {
    this.#sourcePid = pid
  }

  /** A unit goes out next; `leads` says that it belongs to the leading stream. */
  observeUnit(dts: number, leads: boolean): void {
    if (leads) {
      this.#leadingDts = dts
      this.#isWaiting = false
    }
    this.#clock.observeUnit(dts)
  }

  /** Sends a PCR between units where the source has left them out for too long. */
  sendIfDue(): void {
    if (this.#leadingDts === NO_TIMESTAMP || !this.#clock.isDue(this.#leadingDts)) return
    const pcr = this.#clock.estimate(this.#leadingDts)
    // The last one came in front of the unit before: the estimate counts what is between them twice.
    if (pcrStep(this.#leadingDts * PCR_PER_TICK, pcr) >= 0) this.#send(pcr)
  }

  /** Rewrites the PCR in a packet that goes out, or sends it apart when the packet is not of the PCR PID. */
  rewrite(track: Track, buffer: Buffer, at: number): void {
    const isOutput = track.pid === this.#options.programme.pcrPid
    if (isOutput && track.pid === this.#sourcePid) {
      const pcr = this.#take(buffer, at)
      if (pcr === undefined) {
        stripPcr(buffer, at)
        return
      }
      this.#fillBefore(pcr)
      this.#options.filler.keepUp(this.#clock.last, pcr)
      writePcr(buffer, at, pcr)
      this.#clock.advance(pcr, this.#leadingDts)
      return
    }
    this.sendOnly(track.pid, buffer, at)
    stripPcr(buffer, at)
  }

  /** Sends the PCR of a packet that itself does not go out. */
  sendOnly(pid: number, buffer: Buffer, at: number): void {
    const isWanted = pid === this.#sourcePid || pid === PID_CLOCK_ONLY
    if (!isWanted || !hasPcr(buffer, at)) return
    const pcr = this.#take(buffer, at)
    if (pcr !== undefined) this.#send(pcr)
  }

  #take(buffer: Buffer, at: number): number | undefined {
    const { timeline } = this.#options
    if (this.#isWaiting) return undefined
    if (hasDiscontinuityIndicator(buffer, at)) timeline.announceJump()
    const pcr = this.#clock.valueFor(pcrOf(buffer, at), timeline.offset, this.#leadingDts)
    if (pcr === undefined || this.#lastUnitTicks === undefined || this.#leadingDts === NO_TIMESTAMP) return pcr
    return pcrStep((this.#leadingDts + this.#lastUnitTicks) * PCR_PER_TICK, pcr) < 0 ? undefined : pcr
  }

  #send(pcr: number): void {
    this.#fillBefore(pcr)
    this.#sendPacket(pcr)
  }

  #fillBefore(next: number): void {
    const { programme, writer } = this.#options
    for (let count = 1; count <= FILL_PACKETS_MAX; count += 1) {
      const missing = this.#clock.fillBefore(next)
      if (missing === undefined) return
      this.#sendPacket(missing)
      if (count % FILL_PACKETS_PER_TABLES === 0) writer.write(programme.nextTables())
    }
  }

  #sendPacket(pcr: number): void {
    const { filler, programme, tracks, writer } = this.#options
    filler.keepUp(this.#clock.last, pcr)
    const counter = tracks.at(programme.pcrPid)?.sending.counter ?? 0
    makePcrPacket(this.#packet, 0, programme.pcrPid, counter, pcr)
    writer.write(this.#packet)
    this.#clock.advance(pcr, this.#leadingDts)
  }
}
