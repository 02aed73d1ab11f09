import { SectionAssembler } from '../section-assembler.ts'
import { hasAdaptationField, hasPayload, hasPcr, isPayloadUnitStart, isScrambled } from '../packet.ts'
import { PACKET_BYTES, payloadOffset, pidOf } from '../packet.ts'
import { packetiseSection } from '../psi.ts'
import { clearDiscontinuityIndicator, makeDiscontinuityPacket, moveRareTimestamps } from './adaptation-field.ts'
import { hasReadableFrames } from './audio-frame.ts'
import { DecodingLag, splitForDts } from './decoding-lag.ts'
import type { Hold } from './hold.ts'
import { wasSent } from './known-join.ts'
import { PID_CLOCK_ONLY } from './clock-sender.ts'
import type { ClockSender } from './clock-sender.ts'
import type { OutputProgramme } from './output-programme.ts'
import type { PacketWriter } from './packet-writer.ts'
import { makePesHeader, readPesHeader, writeTimestamp } from './pes-header.ts'
import { PictureNumbers } from './picture-numbers.ts'
import type { SoundFiller } from './silence/sound-filler.ts'
import { moveSpliceInfo } from './splice-info.ts'
import { NO_TIMESTAMP, TICKS_PER_MS, timestampStep, wrapTimestamp } from './timestamp.ts'
import { endUnit, isDoubtful, OVERLAP_TOLERANCE_TICKS, unitTicksOf } from './timeline.ts'
import type { Timeline } from './timeline.ts'
import { isAudio, isVideo } from './track.ts'
import type { Track } from './track.ts'
import type { TrackTable } from './track-table.ts'
import { DROPPED, trimUnitStart } from './unit-rewrite.ts'

/** PAT and PMT come again after this much media; the next unit may be one picture later. */
const TABLES_INTERVAL_TICKS = 100 * TICKS_PER_MS
/** Where units have no timestamps, tables come again after this many. */
const TABLES_INTERVAL_UNITS = 32
/** Random access points that wait for their turn; of more, the earliest are forgotten. */
const JOINS_MAX = 4_096
/** A longer step between units says nothing about how long they last. */
const STEP_TICKS_MAX = 1_000 * TICKS_PER_MS

export interface EmitterOptions {
  readonly tracks: TrackTable
  readonly programme: OutputProgramme
  readonly timeline: Timeline
  readonly clock: ClockSender
  readonly writer: PacketWriter
  readonly filler: SoundFiller
}

/** What happens at the join of a source, as far as the emitter has seen it. */
export interface JoinRecord {
  audioUnitsDropped: number
  audioHoleMs: number | undefined
}

/** Sends packets that the hold lets go: rewrites them, and puts tables and clock references between them. */
export class Emitter {
  readonly #options: EmitterOptions
  readonly #header = makePesHeader()
  readonly #packet = Buffer.alloc(PACKET_BYTES)
  readonly #assemblers = new Map<number, SectionAssembler>()
  /** Video, or audio when there is none: its DTS is the output's progress. */
  #leader: Track | undefined
  #leadingDts = NO_TIMESTAMP
  #tablesDts = NO_TIMESTAMP
  #areTablesDue = true
  #unitsSinceTables = 0
  #mediaTicks = 0
  /** In front of these positions viewers can begin, ascending. */
  #joins: number[] = []
  #record: JoinRecord = { audioUnitsDropped: 0, audioHoleMs: undefined }
  /** DTS for the first picture when those between it and the next are left out. */
  #firstDts: { readonly position: number; readonly sourceDts: number } | undefined
  readonly #lag = new DecodingLag()
  readonly #numbers = new PictureNumbers()
  /** DTS of the unit in progress that its header has no field for. */
  #missingDts = NO_TIMESTAMP
  /** Audio before this, in the output's time, is of no use; NO_TIMESTAMP when all is. */
  #audioFloor = NO_TIMESTAMP
  /** The source carries the encode of the one before: what that one has sent does not go out again. */
  #isTwin = false

  constructor(options: EmitterOptions) {
    this.#options = options
  }

  get record(): Readonly<JoinRecord> {
    return this.#record
  }

  get mediaTicks(): number {
    return this.#mediaTicks
  }

  /** See DecodingLag. */
  get lagTicks(): number {
    return this.#lag.ticks
  }

  get leader(): Track | undefined {
    return this.#leader
  }

  /** The next pictures of the leading stream are decoded early: see DecodingLag. */
  lag(ticks: number, pictureTicks: number): void {
    this.#lag.begin(ticks, pictureTicks)
  }

  /** A source begins; `audioFloor` bounds the audio of tracks that have sent none yet. */
  begin(audioFloor: number, firstDts: { readonly position: number; readonly sourceDts: number } | undefined): void {
    this.#isTwin = false
    this.#audioFloor = audioFloor
    this.#firstDts = firstDts
    this.#areTablesDue = true
    this.#numbers.join()
    this.#assemblers.clear()
    this.#record = { audioUnitsDropped: 0, audioHoleMs: undefined }
  }

  /** A source begins that carries the same encode as the one before, whose units it repeats first. */
  goOn(leader: Track): void {
    this.begin(leader.sending.lastDts, undefined)
    this.#numbers.goOn()
    this.#isTwin = true
  }

  lead(leader: Track | undefined): void {
    this.#leader = leader
  }

  requireTables(): void {
    this.#areTablesDue = true
  }

  /** A viewer can begin at this position; they come in ascending order. */
  markJoin(position: number): void {
    if (this.#joins.length >= JOINS_MAX) this.#joins.shift()
    this.#joins.push(position)
  }

  forgetJoins(): void {
    this.#joins = []
  }

  /** Sends everything before `limit`. The packets in the hold are changed. */
  send(hold: Hold, limit: number): void {
    const { buffer } = hold
    const { tracks, writer, clock } = this.#options
    const end = hold.offsetOf(limit)
    for (let at = hold.offsetOf(hold.begin); at < end; at += PACKET_BYTES) {
      if (buffer[at] === DROPPED) continue
      const pid = pidOf(buffer, at)
      if (pid === PID_CLOCK_ONLY) {
        clock.sendOnly(pid, buffer, at)
        continue
      }
      const track = tracks.at(pid)
      if (track !== undefined) this.#sendPacket(track, hold, at, end)
    }
    writer.settle()
    hold.release(limit)
  }

  #sendPacket(track: Track, hold: Hold, at: number, end: number): void {
    const { buffer } = hold
    const { sending } = track
    if (isPayloadUnitStart(buffer, at) && hasPayload(buffer, at)) {
      this.#beginUnit(track, hold, at, end)
      if (buffer[at] === DROPPED) return
    }
    if (sending.isSkipping) {
      sending.hasSkipped = true
      this.#options.clock.sendOnly(track.pid, buffer, at)
      return
    }
    if (this.#missingDts !== NO_TIMESTAMP) this.#sendDtsApart(track, buffer, at)
    if (hasAdaptationField(buffer, at) && (buffer[at + 4] ?? 0) > 0) this.#rewriteAdaptationField(track, buffer, at)
    if (track.format === 'splice-info') {
      this.#sendSpliceInfo(track, buffer, at)
      return
    }
    const control = buffer[at + 3] ?? 0
    const step = sending.hasSkipped ? (control >>> 4) & 1 : control & 0x0f
    if (hasPayload(buffer, at)) sending.hasSkipped = false
    sending.counter = (sending.counter + step) & 0x0f
    buffer[at + 3] = (control & 0xf0) | sending.counter
    if (sending.unitPts !== NO_TIMESTAMP && isAudio(track) && (control & 0xd0) === 0x10) {
      const from = isPayloadUnitStart(buffer, at) ? this.#header.dataAt : payloadOffset(buffer, at)
      sending.audio.push(track.output.codec, buffer, from, at + PACKET_BYTES)
    }
    this.#options.writer.keep(buffer, at)
  }

  /** Sends the header of the unit that the packet begins with a DTS that has no room in it. */
  #sendDtsApart(track: Track, buffer: Buffer, at: number): void {
    const { sending } = track
    const dts = this.#missingDts
    this.#missingDts = NO_TIMESTAMP
    const step = sending.hasSkipped ? 1 : (buffer[at + 3] ?? 0) & 0x0f
    if (!splitForDts(this.#packet, buffer, at, this.#header, dts)) {
      sending.lastDts = sending.unitPts
      return
    }
    this.#rewriteAdaptationField(track, this.#packet, 0)
    sending.hasSkipped = false
    sending.counter = (sending.counter + step) & 0x0f
    this.#packet[3] = ((this.#packet[3] ?? 0) & 0xf0) | sending.counter
    this.#options.writer.write(this.#packet)
  }

  /** Decides whether a unit goes out, places it in time and sends what belongs in front of it. */
  #beginUnit(track: Track, hold: Hold, at: number, end: number): void {
    const { buffer } = hold
    const { sending } = track
    endUnit(track)
    sending.isSkipping = false
    const isTimed = track.format === 'pes' && !isScrambled(buffer, at)
    if (isTimed) sending.isSkipping = !this.#placeUnit(track, hold, at, end)
    else if (this.#isTwin) sending.isSkipping = this.#wasPassed()
    // A viewer cannot begin where nothing goes out.
    if (sending.isSkipping && track === this.#leader) this.#takeJoin(hold.positionOf(at))
    if (sending.isSkipping) return
    if (isTimed && track === this.#leader && track.output.codec === 'h264') {
      const headerBytes = this.#header.dataAt - payloadOffset(buffer, at)
      this.#numbers.number({ buffer, from: at, to: end, pid: track.pid }, headerBytes)
    }
    const isJoin = track === this.#leader && this.#takeJoin(hold.positionOf(at))
    this.#sendTables(isJoin)
    if (sending.isRenewed) this.#announceDiscontinuity(track)
    if (track === this.#leader && !hasPcr(buffer, at)) this.#options.clock.sendIfDue()
  }

  /** False when the unit does not go out. */
  #placeUnit(track: Track, hold: Hold, at: number, end: number): boolean {
    const { buffer } = hold
    const { sending } = track
    const header = this.#header
    const kind = readPesHeader(buffer, payloadOffset(buffer, at), at + PACKET_BYTES, header)
    if (kind === 'cut-off') return false
    if (header.ptsAt < 0) {
      sending.untimedUnits += 1
      // Data without timestamps (KLV, private streams) belongs to no moment; pictures and sound do.
      const isMedia = isVideo(track) || isAudio(track)
      if (this.#isTwin && !isMedia && this.#wasPassed()) return false
      return !isMedia || sending.sourceDts !== NO_TIMESTAMP || kind === 'none'
    }
    const sourceDts = this.#firstDtsAt(hold.positionOf(at)) ?? header.dts
    const isFirst = sending.sourceDts === NO_TIMESTAMP
    if (isAudio(track) && track !== this.#leader && isDoubtful(track, sourceDts, unitTicksOf(track))) return false
    this.#options.timeline.place(track, sourceDts, track === this.#leader)
    const isRepeated = this.#isTwin && isFirst && !isAudio(track)
    if (isRepeated && wasSent(track, wrapTimestamp(sourceDts + sending.offset))) return false
    if (isFirst && isAudio(track) && !this.#trimFirstAudio(track, hold, at, end)) {
      if (!this.#isTwin) this.#record.audioUnitsDropped += 1
      return false
    }
    // Trimming has moved the timestamps; nothing else changes them between.
    if (isFirst && isAudio(track)) {
      readPesHeader(buffer, payloadOffset(buffer, at), at + PACKET_BYTES, header)
      this.#options.filler.end(track, wrapTimestamp(header.pts + sending.offset))
    }
    return this.#writeTimestamps(track, buffer, isFirst && !isAudio(track) ? sourceDts : header.dts)
  }

  #firstDtsAt(position: number): number | undefined {
    return this.#firstDts?.position === position ? this.#firstDts.sourceDts : undefined
  }

  /** Lets the first audio of a source begin where the old audio has ended; false when it lies before that. */
  #trimFirstAudio(track: Track, hold: Hold, at: number, end: number): boolean {
    const { sending, output, pid } = track
    const floor = sending.lastDts === NO_TIMESTAMP ? this.#audioFloor : sending.end
    const pts = wrapTimestamp(this.#header.pts + sending.offset)
    const overlap = floor === NO_TIMESTAMP ? 0 : timestampStep(floor, pts)
    // The frame that was begun ends in this unit.
    if (this.#isTwin && sending.audio.isMidFrame && Math.abs(overlap) <= OVERLAP_TOLERANCE_TICKS) return true
    if (!hasReadableFrames(output.codec)) return overlap <= OVERLAP_TOLERANCE_TICKS
    const isTrimmed = trimUnitStart({ buffer: hold.buffer, from: at, to: end, pid }, output.codec, Math.max(0, overlap))
    if (!isTrimmed && overlap > OVERLAP_TOLERANCE_TICKS) return false
    sending.audio.reset()
    return true
  }

  #writeTimestamps(track: Track, buffer: Buffer, sourceDts: number): boolean {
    const { sending } = track
    const header = this.#header
    const hasDecodingOrder = isVideo(track) || isAudio(track)
    const lagTicks = isVideo(track) && track === this.#leader ? this.#lag.take() : 0
    let dts = wrapTimestamp(sourceDts + sending.offset - lagTicks)
    let pts = wrapTimestamp(header.pts + sending.offset)
    const step = sending.lastDts === NO_TIMESTAMP ? 1 : timestampStep(dts, sending.lastDts)
    if (step < (hasDecodingOrder ? 1 : 0)) {
      if (!isVideo(track) || sending.sourceDts === NO_TIMESTAMP) return false
      dts = wrapTimestamp(sending.lastDts + 1)
      if (timestampStep(pts, dts) < 0) pts = dts
    }
    if (sending.sourceDts === NO_TIMESTAMP && isAudio(track)) this.#noteHole(track, pts)
    else if (sending.sourceDts !== NO_TIMESTAMP) {
      const sourceStep = timestampStep(sourceDts, sending.sourceDts) / (1 + sending.untimedUnits)
      if (sourceStep > 0 && sourceStep < STEP_TICKS_MAX) sending.steps.observe(sourceStep)
    }
    writeTimestamp(buffer, header.ptsAt, pts)
    if (header.dtsAt >= 0) writeTimestamp(buffer, header.dtsAt, dts)
    else if (isVideo(track) && dts !== pts) this.#missingDts = dts
    sending.sourceDts = sourceDts
    sending.untimedUnits = 0
    sending.lastDts = dts
    sending.mappedDts = wrapTimestamp(sourceDts + sending.offset)
    if (sending.maxPts === NO_TIMESTAMP || timestampStep(pts, sending.maxPts) > 0) sending.maxPts = pts
    sending.unitPts = pts
    if (isAudio(track)) sending.audio.beginUnit()
    if (track === this.#leader) this.#advance(dts)
    if (hasDecodingOrder) this.#options.clock.observeUnit(dts, track === this.#leader)
    return true
  }

  /** Whether data without a time of its own comes with pictures that were sent before. */
  #wasPassed(): boolean {
    return this.#leader?.sending.sourceDts === NO_TIMESTAMP
  }

  #noteHole(track: Track, pts: number): void {
    if (track.sending.lastDts === NO_TIMESTAMP) return
    const holeMs = timestampStep(pts, track.sending.end) / TICKS_PER_MS
    this.#record.audioHoleMs = Math.max(this.#record.audioHoleMs ?? holeMs, holeMs)
  }

  #advance(dts: number): void {
    if (this.#leadingDts !== NO_TIMESTAMP) this.#mediaTicks += Math.max(0, timestampStep(dts, this.#leadingDts))
    this.#leadingDts = dts
  }

  #takeJoin(position: number): boolean {
    let isJoin = false
    while (this.#joins.length > 0 && (this.#joins[0] ?? 0) <= position) {
      this.#joins.shift()
      isJoin = true
    }
    return isJoin
  }

  /** The packets of the track are of another kind from here on (ISO/IEC 13818-1 §2.4.3.5). */
  #announceDiscontinuity({ pid, sending }: Track): void {
    makeDiscontinuityPacket(this.#packet, 0, pid, sending.counter)
    this.#options.writer.write(this.#packet)
    sending.isRenewed = false
  }

  #sendTables(isMarked: boolean): void {
    const { programme, writer } = this.#options
    const isKnown = this.#leadingDts !== NO_TIMESTAMP && this.#tablesDts !== NO_TIMESTAMP
    const since = isKnown ? Math.abs(timestampStep(this.#leadingDts, this.#tablesDts)) : 0
    this.#unitsSinceTables += 1
    const isDue =
      this.#areTablesDue || since >= TABLES_INTERVAL_TICKS || this.#unitsSinceTables >= TABLES_INTERVAL_UNITS
    // Every audio unit is a random access point; tables before each would be as large as the audio.
    const isJoin = isMarked && (isDue || this.#leader?.output.kind === 'video')
    if (!isJoin && !isDue) return
    if (isJoin) writer.markJoin()
    writer.write(isJoin ? programme.joinTables() : programme.nextTables())
    this.#areTablesDue = false
    this.#unitsSinceTables = 0
    this.#tablesDts = this.#leadingDts
  }

  #rewriteAdaptationField(track: Track, buffer: Buffer, at: number): void {
    moveRareTimestamps(buffer, at, track.sending.offset)
    if (hasPcr(buffer, at)) this.#options.clock.rewrite(track, buffer, at)
    clearDiscontinuityIndicator(buffer, at)
  }

  /** Sections are put together, moved and cut into packets anew, since their CRC_32 stands at the end. */
  #sendSpliceInfo(track: Track, buffer: Buffer, at: number): void {
    const { timeline, writer } = this.#options
    let assembler = this.#assemblers.get(track.pid)
    if (assembler === undefined) {
      assembler = new SectionAssembler()
      this.#assemblers.set(track.pid, assembler)
    }
    assembler.push(buffer, at, (section) => {
      moveSpliceInfo(section, timeline.offset)
      const packets = packetiseSection(section, track.pid, (track.sending.counter + 1) & 0x0f)
      track.sending.counter = (track.sending.counter + packets.length / PACKET_BYTES) & 0x0f
      writer.write(packets)
    })
  }
}
