import { PACKET_BYTES } from '../packet.ts'
import type { Pmt } from '../psi.ts'
import { ClockSender, PID_CLOCK_ONLY } from './clock-sender.ts'
import { Emitter } from './emitter.ts'
import { Hold, HOLD_BYTES_MAX, INTAKE_BYTES_MAX } from './hold.ts'
import { Intake } from './intake.ts'
import type { IntakeListener } from './intake.ts'
import { JoinSearch } from './join-search.ts'
import type { Joinable } from './join-search.ts'
import { Joiner } from './joiner.ts'
import type { JoinedSource } from './joiner.ts'
import { leadInBegin } from './lead-in.ts'
import { canGoOn, SuccessorWatch } from './known-join.ts'
import type { KnownTimeline } from './known-join.ts'
import { completeUntil, dropPackets, endOpenUnits, stopWaitingFor } from './open-units.ts'
import { OutputProgramme } from './output-programme.ts'
import { PacketWriter } from './packet-writer.ts'
import type { PesHeader } from './pes-header.ts'
import { Progress } from './progress.ts'
import { SoundFiller } from './silence/sound-filler.ts'
import { SoundJoin } from './sound-join.ts'
import { SeamLog } from './seam-log.ts'
import type { SeamFacts, SpliceFacts } from './splice-facts.ts'
import type { SpliceSink } from './splice-sink.ts'
import { endUnit, Timeline, unitTicksOf } from './timeline.ts'
import { TICKS_PER_MS, wrapTimestamp } from './timestamp.ts'
import { beginSending, beginTaking, isAudio, isSoundAwaited, isVideo } from './track.ts'
import type { Track } from './track.ts'
import { TrackTable } from './track-table.ts'

/** A unit that is not complete after this much media leaves as far as it has come. */
const HOLD_TICKS_MAX = 1_000 * TICKS_PER_MS

export interface SplicerOptions {
  /** Take this programme of each source; without it the first one with video, else the first with audio. */
  readonly programmeNumber?: number
}

/** `idle`: no source. `joining`: it has begun, nothing of it has gone out. */
type Phase = 'idle' | 'joining' | 'on-air'

/**
 * Joins sources, one after another, into one MPEG-TS programme that a decoder reads without noticing: fixed PIDs, own
 * continuity counters, one timeline, whole units at the cut and a picture that can be decoded first at the join.
 * Packets wait until the unit that they belong to is complete: for video as long as one picture lasts, less when the
 * source stuffs the ends of its units. Bounded by 1 s of media and 8 MiB. Never throws, whatever the bytes are.
 */
export class Splicer {
  readonly #options: SplicerOptions
  readonly #hold = new Hold()
  readonly #tracks = new TrackTable()
  readonly #programme = new OutputProgramme()
  readonly #timeline = new Timeline()
  readonly #writer = new PacketWriter()
  readonly #filler = new SoundFiller(this.#writer)
  readonly #sound = new SoundJoin(this.#filler)
  readonly #clock: ClockSender
  readonly #emitter: Emitter
  readonly #joiner: Joiner
  readonly #seamLog = new SeamLog()
  readonly #listener: IntakeListener
  #phase: Phase = 'idle'
  #intake: Intake
  /** Tracks of the source on air by its PIDs. */
  #byPid: ReadonlyMap<number, Track> = new Map()
  #main: Track | undefined
  #search = new JoinSearch()
  #progress = new Progress()
  #hasPushed = false
  /** Of a twin that has not shown yet that it goes on where the source before ended. */
  #successor: SuccessorWatch | undefined
  #isScrambled = false
  #leadingPicturesDropped = 0
  #incompleteUnitsDropped = 0
  #unitsReleasedEarly = 0
  /** Of the sources before the present one. */
  #continuityErrors = 0

  constructor(options: SplicerOptions = {}) {
    this.#options = options
    const shared = {
      tracks: this.#tracks,
      programme: this.#programme,
      timeline: this.#timeline,
      writer: this.#writer,
    }
    this.#clock = new ClockSender({ ...shared, filler: this.#filler })
    this.#emitter = new Emitter({ ...shared, clock: this.#clock, sound: this.#sound })
    const { hold, emitter, clock } = { hold: this.#hold, emitter: this.#emitter, clock: this.#clock }
    this.#joiner = new Joiner({ ...shared, hold, emitter, clock, filler: this.#filler })
    this.#listener = {
      programmeChanged: (pmt, position) => this.#changeProgramme(pmt, position),
      unitBegun: (track, position, header, isScrambled) => this.#unitBegun(track, position, header, isScrambled),
    }
    this.#intake = new Intake(this.#listener, options.programmeNumber)
  }

  get facts(): SpliceFacts {
    return {
      seam: this.#seamLog.joins === 0 ? undefined : this.#seam(),
      joins: this.#seamLog.joins,
      mediaMs: this.#emitter.mediaTicks / TICKS_PER_MS,
      incompleteUnitsDropped: this.#incompleteUnitsDropped,
      unitsReleasedEarly: this.#unitsReleasedEarly,
      jumpsClosed: this.#timeline.jumpsClosed,
      continuityErrors: this.#continuityErrors + this.#intake.continuityErrors,
      isScrambled: this.#isScrambled,
      programmeVersion: this.#programme.version,
      heldBytes: this.#hold.bytes,
    }
  }

  /**
   * A source goes on air. `tables` are its PAT and PMT packets as they stood before its first media. What the one before
   * has left complete goes to the sink first. The next push holds a random access point of the source; what lies before
   * it in that push gives audio only.
   * With `twin` the source carries the same encode as the one that is on air: it goes on with the very next unit of each
   * stream. What is pushed begins before the cut, at any packet. If it does not hold the next picture, it is joined at a
   * random access point as any other.
   */
  begin(tables: Buffer, sink: SpliceSink, twin?: KnownTimeline): void {
    this.cut(sink)
    this.#filler.reset()
    const wasScrambled = this.#isScrambled
    this.#continuityErrors += this.#intake.continuityErrors
    this.#intake = new Intake(this.#listener, this.#options.programmeNumber)
    this.#phase = 'joining'
    this.#byPid = new Map()
    this.#main = undefined
    this.#search = new JoinSearch()
    this.#progress = new Progress()
    this.#hasPushed = false
    this.#successor = undefined
    this.#isScrambled = false
    this.#seamLog.begin()
    for (const track of this.#tracks.all) beginSending(track)
    this.#intake.readTables(tables)
    if (twin !== undefined && !wasScrambled) this.#goOn(twin)
  }

  /** Whole packets of the source on air; `joinOffsets` are the offsets of its random access points, ascending. */
  push(packets: Buffer, joinOffsets: readonly number[], sink: SpliceSink): void {
    if (this.#phase === 'idle') return
    this.#writer.open(sink)
    if (!this.#hasPushed && this.#main !== undefined && isVideo(this.#main)) {
      this.#main.taking.awaitsJoin = joinOffsets.length > 0
    }
    const first = this.#hasPushed ? 0 : leadInBegin(joinOffsets[0] ?? 0)
    this.#hasPushed = true
    const begin = this.#hold.end - first
    const joins = joinOffsets.map((offset) => begin + offset)
    if (this.#phase === 'joining') this.#search.expectAt(joins[0] ?? begin)
    for (const join of joins) this.#emitter.tables.markJoin(join)
    const end = packets.length - (packets.length % PACKET_BYTES)
    for (let from = first; from < end; from += INTAKE_BYTES_MAX) {
      const to = Math.min(from + INTAKE_BYTES_MAX, end)
      const at = this.#hold.append(packets, from, to)
      this.#intake.take(this.#hold, at, at + to - from, joins)
      this.#release()
    }
    this.#writer.close()
  }

  /** The source on air has ended or failed: complete units go out, incomplete ones are dropped. */
  cut(sink: SpliceSink): void {
    if (this.#phase === 'on-air') {
      this.#writer.open(sink)
      this.#incompleteUnitsDropped += endOpenUnits(this.#hold, this.#byPid.values())
      if (this.#emitter.leader !== undefined) this.#clock.end(unitTicksOf(this.#emitter.leader))
      this.#emitter.send(this.#hold, this.#hold.end)
      for (const track of this.#tracks.all) endUnit(track)
      this.#writer.close()
    }
    this.#hold.release(this.#hold.end)
    this.#emitter.tables.forgetJoins()
    this.#phase = 'idle'
  }

  /** PAT and PMT of the output for a viewer that goes on at the latest join offset; empty before the first source. */
  preamble(): Buffer {
    return this.#programme.preamble()
  }

  #seam(): SeamFacts {
    const { audioUnitsDropped, audioHoleMs } = this.#sound.record
    return {
      kind: this.#seamLog.kind,
      offsetTicks: this.#timeline.offset,
      audioUnitsDropped,
      leadingPicturesDropped: this.#leadingPicturesDropped,
      audioHoleMs,
      audioFilledMs: this.#filler.filledTicks / TICKS_PER_MS,
      isSoundAwaited: isSoundAwaited(this.#byPid.values()),
    }
  }

  #changeProgramme(pmt: Pmt, position: number): void {
    if (this.#phase === 'on-air') {
      this.#releaseEarly(this.#byPid.values())
      this.#emitter.send(this.#hold, position)
    }
    const { streams, renewed, hasNewVersion } = this.#programme.adopt(pmt)
    const byPid = new Map<number, Track>()
    let main: Track | undefined
    for (const [source, output] of streams) {
      const track = this.#tracks.for(output)
      if (byPid.has(source.pid) || [...byPid.values()].includes(track)) continue
      byPid.set(source.pid, track)
      if (renewed.has(output)) track.sending.isRenewed = true
      if (this.#byPid.get(source.pid) !== track || renewed.has(output)) beginTaking(track, source, false)
      if (isVideo(track) && (main === undefined || !isVideo(main))) main = track
      else if (isAudio(track)) main ??= track
    }
    if (renewed.size > 0) this.#seamLog.break()
    if (hasNewVersion) this.#emitter.tables.change()
    this.#main = main
    this.#byPid = byPid
    this.#intake.map(byPid, pmt.pcrPid)
    this.#clock.listenTo(byPid.get(pmt.pcrPid)?.pid ?? PID_CLOCK_ONLY)
    if (this.#phase !== 'on-air') return
    this.#emitter.tables.announce()
    this.#emitter.lead(main)
    this.#seamLog.change(byPid.values())
  }

  #unitBegun(track: Track, position: number, header: PesHeader | undefined, isScrambled: boolean): void {
    if (isScrambled) this.#isScrambled = true
    if (header !== undefined && (isVideo(track) || isAudio(track))) this.#progress.observe(header.dts)
    track.taking.openedAtTicks = this.#progress.ticks
    this.#releaseOverdue()
    if (track === this.#main && this.#successor !== undefined && !this.#isSucceeding(track, position, header)) return
    if (track === this.#main && isVideo(track) && header !== undefined) {
      track.taking.group.beginPicture(position, header.pts, header.dts)
    }
    if (this.#phase !== 'joining') return
    const unit = { track, position, header, isScrambled }
    this.#join(this.#search.consider(unit, this.#main, this.#progress.ticks, this.#hold))
  }

  #join(joinable: Joinable | undefined): void {
    if (joinable === undefined) return
    const source = this.#joinedSource()
    this.#leadingPicturesDropped = joinable.kind === 'picture' ? joinable.opening.leadingPictures : 0
    if (joinable.kind === 'scrambled' || this.#joiner.isOwnTime) this.#seamLog.break()
    this.#enterAir()
    switch (joinable.kind) {
      case 'picture':
        this.#joiner.joinPicture(joinable.track, joinable.opening, source)
        return
      case 'sound':
        this.#joiner.joinSound(joinable.track, joinable.pts, source)
        return
      case 'scrambled':
        this.#joiner.joinScrambled(this.#main, source)
        return
      default:
        joinable satisfies never
    }
  }

  #joinedSource(): JoinedSource {
    const isFirst = this.#seamLog.joins === 0
    return { tracks: [...this.#byPid.values()], lateTicks: this.#intake.endLead(), isFirst }
  }

  #enterAir(): void {
    this.#phase = 'on-air'
    this.#seamLog.join(this.#byPid.values())
  }

  /** Puts the source on air in the time of its twin, if it has the same streams. */
  #goOn(twin: KnownTimeline): void {
    const { leader } = this.#emitter
    if (!canGoOn(leader) || leader !== this.#main || this.#seamLog.kind !== 'seamless') return
    this.#hasPushed = true
    this.#leadingPicturesDropped = 0
    this.#successor = new SuccessorWatch(leader)
    this.#intake.endLead()
    this.#enterAir()
    this.#joiner.goOn(leader, twin)
  }

  /** False when the unit is of no use: nothing between it and the last one is there, so a key picture is waited for. */
  #isSucceeding(track: Track, position: number, header: PesHeader | undefined): boolean {
    if (header === undefined || this.#successor === undefined) return true
    const mappedDts = wrapTimestamp(header.dts + this.#timeline.offset)
    const succession = this.#successor.judge(mappedDts, this.#intake.continuityErrors)
    if (succession === 'sent') return true
    this.#successor = undefined
    if (succession === 'next') {
      this.#seamLog.succeed()
      return true
    }
    this.#phase = 'joining'
    this.#seamLog.takeBack()
    this.#search.waitFrom(this.#progress.ticks)
    for (const each of this.#tracks.all) beginSending(each)
    if (isAudio(track)) return true
    dropPackets(this.#hold, (at, pid) => at < position && pid === track.pid)
    return this.#intake.awaitJoin(track, position)
  }

  #release(): void {
    if (this.#hold.bytes > HOLD_BYTES_MAX) {
      if (this.#phase === 'joining') this.#join(this.#search.settle(this.#main))
      // Neither a picture nor audio in so much: there is nothing to begin with.
      if (this.#phase === 'joining') this.#hold.release(this.#hold.end)
      this.#releaseEarly(this.#tracks.all)
    }
    if (this.#phase === 'on-air') this.#emitter.send(this.#hold, completeUntil(this.#hold, this.#byPid.values()))
  }

  #releaseOverdue(): void {
    const before = this.#progress.ticks - HOLD_TICKS_MAX
    for (const track of this.#byPid.values()) if (track.taking.openedAtTicks < before) this.#releaseEarly([track])
  }

  #releaseEarly(tracks: Iterable<Track>): void {
    this.#unitsReleasedEarly += stopWaitingFor(tracks)
  }
}
