import { PACKET_BYTES, PID_PAT } from '../packet.ts'
import { packetiseSection, writePat, writePmt } from '../psi.ts'
import { makePcrPacket } from '../splice/adaptation-field.ts'
import { PCR_PER_TICK, TICKS_PER_MS, wrapPcr } from '../splice/timestamp.ts'
import { packetisePes } from './pes-packets.ts'
import { natureOfWritten, pmtEntry } from './written-stream.ts'
import type { WrittenStream } from './written-stream.ts'

/** A unit to be written: timestamps are whole numbers of 90 kHz; Annex B with a delimiter for H.264 and HEVC, whole frames for audio. */
export interface WrittenUnit {
  readonly pts: number
  readonly dts: number
  readonly isRandomAccess: boolean
  readonly data: Buffer
}

const PMT_PID = 0x1000
const FIRST_PID = 0x100
const PROGRAMME_NUMBER = 1
const VERSION_MODULUS = 32
/** The clock runs ahead of decoding by this much: room for a large picture at the rate of the stream. */
const CLOCK_LEAD_TICKS = 500 * TICKS_PER_MS
/** DVB wants a PCR every 40 ms (ETSI TR 101 290 §5.3.2), tables every 500 ms. */
const PCR_STEP_TICKS = 30 * TICKS_PER_MS
const PCR_GAP_TICKS = 38 * TICKS_PER_MS
const TABLE_STEP_TICKS = 100 * TICKS_PER_MS
/** A step of time above this, or back by more than that, is announced as another timeline. */
const STEP_TICKS_MAX = 10_000 * TICKS_PER_MS
const BACK_TICKS_MAX = 1_000 * TICKS_PER_MS

interface OutputStream extends WrittenStream {
  readonly pid: number
  readonly streamId: number
  readonly isVideo: boolean
  readonly entry: ReturnType<typeof pmtEntry>
  counter: number
}

/**
 * Writes access units as a transport stream of one programme: PAT and PMT every 100 ms and before random access points, PCR at most 40 ms apart,
 * one unit in each PES packet. The rate of packets is that of the units, so what follows may not take arrival for time.
 */
export class TsWriter {
  #streams: OutputStream[] = []
  #pcrPid = FIRST_PID
  #version = -1
  #tables: readonly (readonly [pid: number, section: Buffer])[] = []
  readonly #tableCounters = new Map<number, number>()
  /** 90 kHz; where the clock is, when PCR and tables were sent last. */
  #clock: number | undefined
  #pcrAt = -Infinity
  #tablesAt = -Infinity
  #isDiscontinuity = false

  /**
   * Says which streams follow, by position; their PIDs are 0x100, 0x101 and so on. The PMT's version changes when they do. Codecs: h264, hevc,
   * mpeg1video, mpeg2video, aac, mp2, ac3, eac3, opus, id3; a RangeError for others.
   */
  setStreams(streams: readonly WrittenStream[]): void {
    this.#streams = streams.map((stream, index) => {
      const nature = natureOfWritten(stream.codec)
      if (nature === undefined) throw new RangeError(`${stream.codec} is not written to MPEG-TS`)
      const pid = FIRST_PID + index
      const streamId = nature.streamId === 0xc0 ? 0xc0 + (index & 0x1f) : nature.streamId
      const counter = this.#streams[index]?.counter ?? 0
      return {
        ...stream,
        pid,
        streamId,
        isVideo: nature.kind === 'video',
        entry: pmtEntry(stream, nature, pid),
        counter,
      }
    })
    const leader = this.#streams.find(({ isVideo }) => isVideo) ?? this.#streams[0]
    this.#pcrPid = leader?.pid ?? FIRST_PID
    this.#version = (this.#version + 1) % VERSION_MODULUS
    const identity = { version: this.#version, isCurrent: true }
    const programmes = [{ programmeNumber: PROGRAMME_NUMBER, pmtPid: PMT_PID }]
    const pat = {
      transportStreamId: 1,
      version: 0,
      isCurrent: true,
      sectionNumber: 0,
      lastSectionNumber: 0,
      programmes,
    }
    const entries = this.#streams.map(({ entry }) => entry)
    const pmt = {
      programmeNumber: PROGRAMME_NUMBER,
      pcrPid: this.#pcrPid,
      descriptors: Buffer.alloc(0),
      streams: entries,
    }
    this.#tables = [
      [PID_PAT, writePat(pat)],
      [PMT_PID, writePmt({ ...pmt, ...identity })],
    ]
    this.#tablesAt = -Infinity
  }

  /** The next unit is on another timeline: its clock begins anew, and is announced (§2.4.3.5). */
  startTimeline(): void {
    this.#isDiscontinuity = this.#clock !== undefined
    this.#clock = undefined
  }

  /** The next unit begins something that is read by itself, a segment: tables come first. */
  repeatTables(): void {
    this.#tablesAt = -Infinity
  }

  /** The packets of a unit of the `index`th stream with what is due before it. Units come in the order of their DTS. Empty for a stream that is not there. */
  write(index: number, unit: WrittenUnit): Buffer {
    const stream = this.#streams[index]
    if (stream === undefined) return Buffer.alloc(0)
    const target = unit.dts - CLOCK_LEAD_TICKS
    const step = this.#clock === undefined ? 0 : target - this.#clock
    if (step > STEP_TICKS_MAX || step < -BACK_TICKS_MAX) this.startTimeline()
    const parts: Buffer[] = []
    if (this.#clock === undefined) this.#startClock(target)
    const isJoin = unit.isRandomAccess && stream.pid === this.#pcrPid && stream.isVideo
    const clock = Math.max(this.#clock ?? target, target)
    const isFirst = this.#tablesAt === -Infinity
    if (isFirst) this.#addTables(parts, this.#clock ?? clock)
    this.#addClock(parts, clock, stream)
    this.#clock = clock
    if ((isJoin && !isFirst) || clock - this.#tablesAt >= TABLE_STEP_TICKS) this.#addTables(parts, clock)
    const isClockStream = stream.pid === this.#pcrPid
    const pcr = isClockStream && clock > this.#pcrAt ? wrapPcr(clock * PCR_PER_TICK) : undefined
    const isDiscontinuity = pcr !== undefined && this.#isDiscontinuity
    if (pcr !== undefined) this.#pcrAt = clock
    if (isDiscontinuity) this.#isDiscontinuity = false
    const { pts, dts, data, isRandomAccess } = unit
    const pes = { streamId: stream.streamId, pts, dts, data, isUnbounded: stream.isVideo }
    const packets = packetisePes(pes, stream.pid, stream.counter, { isRandomAccess, isDiscontinuity, pcr })
    stream.counter = (stream.counter + packets.length / PACKET_BYTES) & 0x0f
    parts.push(packets)
    return parts.length === 1 ? packets : Buffer.concat(parts)
  }

  #startClock(target: number): void {
    this.#clock = target
    this.#pcrAt = target - PCR_GAP_TICKS
    this.#tablesAt = -Infinity
  }

  /** PCRs on the way to `clock`, so that no two are too far apart. */
  #addClock(parts: Buffer[], clock: number, stream: OutputStream): void {
    const leader = this.#streams.find(({ pid }) => pid === this.#pcrPid)
    if (leader === undefined) return
    const isCarried = stream.pid === this.#pcrPid
    // What announces another timeline is the first PCR of it, in a packet with a payload.
    if (this.#isDiscontinuity) return
    const mayLag = isCarried ? PCR_GAP_TICKS : PCR_STEP_TICKS - 1
    while (clock - this.#pcrAt > mayLag) {
      const at = Math.min(clock, this.#pcrAt + PCR_STEP_TICKS)
      const packet = Buffer.allocUnsafeSlow(PACKET_BYTES)
      // A packet without payload repeats the counter of the one before it.
      makePcrPacket(packet, 0, leader.pid, (leader.counter + 15) & 0x0f, wrapPcr(at * PCR_PER_TICK))
      parts.push(packet)
      this.#pcrAt = at
      if (at - this.#tablesAt >= TABLE_STEP_TICKS) this.#addTables(parts, at)
    }
  }

  #addTables(parts: Buffer[], clock: number): void {
    this.#tablesAt = clock
    for (const [pid, section] of this.#tables) {
      const counter = this.#tableCounters.get(pid) ?? 0
      const packets = packetiseSection(section, pid, counter)
      this.#tableCounters.set(pid, (counter + packets.length / PACKET_BYTES) & 0x0f)
      parts.push(packets)
    }
  }
}
