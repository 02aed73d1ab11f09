import { hasAdaptationField, hasPayload, hasPcr, isPayloadUnitStart, isScrambled } from '../packet.ts'
import { PACKET_BYTES, payloadOffset, pidOf } from '../packet.ts'
import { clearDiscontinuityIndicator, makeDiscontinuityPacket, moveRareTimestamps } from './adaptation-field.ts'
import { DecodingLag, splitForDts } from './decoding-lag.ts'
import type { Hold } from './hold.ts'
import { wasSent } from './known-join.ts'
import { PID_CLOCK_ONLY } from './clock-sender.ts'
import type { ClockSender } from './clock-sender.ts'
import type { OutputProgramme } from './output-programme.ts'
import type { PacketWriter } from './packet-writer.ts'
import { makePesHeader, readPesHeader, writeTimestamp } from './pes-header.ts'
import { PictureNumbers } from './picture-numbers.ts'
import type { SoundJoin } from './sound-join.ts'
import { SpliceInfoSender } from './splice-info-sender.ts'
import { TableSender } from './table-sender.ts'
import { NO_TIMESTAMP, TICKS_PER_MS, timestampStep, wrapTimestamp } from './timestamp.ts'
import { endUnit, isDoubtful, unitTicksOf } from './timeline.ts'
import type { Timeline } from './timeline.ts'
import { isAudio, isVideo } from './track.ts'
import type { Track } from './track.ts'
import type { TrackTable } from './track-table.ts'
import { DROPPED } from './unit-rewrite.ts'

/** A longer step between units says nothing about how long they last. */
const STEP_TICKS_MAX = 1_000 * TICKS_PER_MS

export interface EmitterOptions {
  readonly tracks: TrackTable
  readonly programme: OutputProgramme
  readonly timeline: Timeline
  readonly clock: ClockSender
  readonly writer: PacketWriter
  readonly sound: SoundJoin
}

/** How a source begins, in the output's time, 90 kHz; NO_TIMESTAMP where nothing bounds it. */
export interface EmitterBegin {
  /** Sound of tracks that have sent none yet is of no use before this. */
  readonly soundFloor: number
  /** What is decoded before this would reach its decoder too late. */
  readonly inTimeFrom: number
  /** DTS for the first picture, in the source's time, when those between it and the next are left out. */
  readonly firstDts?: { readonly position: number; readonly sourceDts: number } | undefined
}

/** Sends packets that the hold lets go: rewrites them, and puts tables and clock references between them. */
export class Emitter {
  readonly #options: EmitterOptions
  readonly #header = makePesHeader()
  readonly #packet = Buffer.alloc(PACKET_BYTES)
  readonly #tables: TableSender
  readonly #spliceInfo: SpliceInfoSender
  /** Video, or audio when there is none: its DTS is the output's progress. */
  #leader: Track | undefined
  #leadingDts = NO_TIMESTAMP
  #mediaTicks = 0
  #bounds: EmitterBegin = { soundFloor: NO_TIMESTAMP, inTimeFrom: NO_TIMESTAMP }
  readonly #lag = new DecodingLag()
  readonly #numbers = new PictureNumbers()
  /** DTS of the unit in progress that its header has no field for. */
  #missingDts = NO_TIMESTAMP
  /** The source carries the encode of the one before: what that one has sent does not go out again. */
  #isTwin = false

  constructor(options: EmitterOptions) {
    this.#options = options
    this.#tables = new TableSender(options.programme, options.writer)
    this.#spliceInfo = new SpliceInfoSender(options.timeline, options.writer)
  }

  get tables(): TableSender {
    return this.#tables
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

  /** A source begins. */
  begin(begin: EmitterBegin): void {
    this.#start(begin, false)
    this.#numbers.join()
    if (this.#leadingDts !== NO_TIMESTAMP) this.#tables.announce()
  }

  /** A source begins that carries the same encode as the one before, whose units it repeats first. */
  goOn(begin: EmitterBegin): void {
    this.#start(begin, true)
    this.#numbers.join()
    this.#numbers.goOn()
  }

  #start(begin: EmitterBegin, isTwin: boolean): void {
    this.#bounds = begin
    this.#isTwin = isTwin
    this.#tables.require()
    this.#spliceInfo.begin()
    this.#options.sound.begin({ first: begin.soundFloor, inTimeFrom: begin.inTimeFrom }, isTwin)
  }

  lead(leader: Track | undefined): void {
    this.#leader = leader
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
      this.#spliceInfo.send(track, buffer, at)
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
    if (sending.isSkipping && track === this.#leader) this.#tables.takeJoin(hold.positionOf(at))
    if (sending.isSkipping) return
    if (isTimed && track === this.#leader && track.output.codec === 'h264') {
      const headerBytes = this.#header.dataAt - payloadOffset(buffer, at)
      this.#numbers.number({ buffer, from: at, to: end, pid: track.pid }, headerBytes)
    }
    const isJoin = track === this.#leader && this.#tables.takeJoin(hold.positionOf(at))
    this.#tables.send(isJoin, this.#leader?.output.kind === 'video', this.#leadingDts)
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
    if (isFirst && isAudio(track)) {
      const place = { buffer, from: at, to: end, pid: track.pid }
      if (!this.#options.sound.trim(track, place, wrapTimestamp(header.pts + sending.offset))) return false
      // Trimming has moved the timestamps; nothing else changes them between.
      readPesHeader(buffer, payloadOffset(buffer, at), at + PACKET_BYTES, header)
      this.#options.sound.enter(track, wrapTimestamp(header.pts + sending.offset))
    } else if (isFirst && this.#isPast(track, sourceDts)) return false
    return this.#writeTimestamps(track, buffer, isFirst && !isAudio(track) ? sourceDts : header.dts)
  }

  #firstDtsAt(position: number): number | undefined {
    const { firstDts } = this.#bounds
    return firstDts?.position === position ? firstDts.sourceDts : undefined
  }

  /** Whether viewers have had the first unit of a source already, or would have it too late. */
  #isPast(track: Track, sourceDts: number): boolean {
    const dts = wrapTimestamp(sourceDts + track.sending.offset)
    if (this.#isTwin) return wasSent(track, dts)
    const { inTimeFrom } = this.#bounds
    return track !== this.#leader && inTimeFrom !== NO_TIMESTAMP && timestampStep(dts, inTimeFrom) < 0
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
    if (sending.sourceDts !== NO_TIMESTAMP) {
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

  #advance(dts: number): void {
    if (this.#leadingDts !== NO_TIMESTAMP) this.#mediaTicks += Math.max(0, timestampStep(dts, this.#leadingDts))
    this.#leadingDts = dts
  }

  /** The packets of the track are of another kind from here on (ISO/IEC 13818-1 §2.4.3.5). */
  #announceDiscontinuity({ pid, sending }: Track): void {
    makeDiscontinuityPacket(this.#packet, 0, pid, sending.counter)
    this.#options.writer.write(this.#packet)
    sending.isRenewed = false
  }

  #rewriteAdaptationField(track: Track, buffer: Buffer, at: number): void {
    moveRareTimestamps(buffer, at, track.sending.offset)
    if (hasPcr(buffer, at)) this.#options.clock.rewrite(track, buffer, at)
    clearDiscontinuityIndicator(buffer, at)
  }
}
