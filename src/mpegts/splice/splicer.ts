import { PACKET_BYTES } from '../packet.ts'
import type { Pmt } from '../psi.ts'
import { ClockSender, PID_CLOCK_ONLY } from './clock-sender.ts'
import { Emitter } from './emitter.ts'
import { Hold, HOLD_BYTES_MAX, INTAKE_BYTES_MAX } from './hold.ts'
import { Intake } from './intake.ts'
import type { IntakeListener } from './intake.ts'
import { markBrokenLink } from './broken-link.ts'
import { areLeadingDecodable, JoinGate } from './join-gate.ts'
import type { Opening } from './join-gate.ts'
import { leadInBegin, stripClockBefore } from './lead-in.ts'
import { canGoOn, offsetOfTwin, SuccessorWatch } from './known-join.ts'
import type { KnownTimeline } from './known-join.ts'
import { dropPackets, endOpenUnits } from './open-units.ts'
import { OutputProgramme } from './output-programme.ts'
import { PacketWriter } from './packet-writer.ts'
import type { PesHeader } from './pes-header.ts'
import { Progress } from './progress.ts'
import { SoundFiller } from './silence/sound-filler.ts'
import type { SeamFacts, SeamKind, SpliceFacts } from './splice-facts.ts'
import type { SpliceSink } from './splice-sink.ts'
import { endUnit, joinDtsOf, shownLaterBy, Timeline, unitTicksOf } from './timeline.ts'
import { NO_TIMESTAMP, TICKS_PER_MS, timestampStep, wrapTimestamp } from './timestamp.ts'
import { beginSending, beginTaking, isAudio, isSoundAwaited, isVideo } from './track.ts'
import type { Track } from './track.ts'
import { TrackTable } from './track-table.ts'

/** A unit that is not complete after this much media leaves as far as it has come. */
const HOLD_TICKS_MAX = 1_000 * TICKS_PER_MS
/** A source that has not shown two pictures this much media after its join point begins with what it has. */
const JOIN_TICKS_MAX = 1_000 * TICKS_PER_MS
/** At the very begin, audio may be this much earlier than the picture: one unit. */
const AUDIO_LEAD_TICKS = 24 * TICKS_PER_MS

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
  readonly #clock: ClockSender
  readonly #emitter: Emitter
  readonly #listener: IntakeListener
  #phase: Phase = 'idle'
  #intake: Intake
  /** Tracks of the source on air by its PIDs. */
  #byPid: ReadonlyMap<number, Track> = new Map()
  #main: Track | undefined
  #gate = new JoinGate()
  /** Position of the first join point, and progress of the source when it or the first picture came. */
  #joinPosition = 0
  #joinFromTicks = 0
  #firstAudio: { readonly track: Track; readonly pts: number } | undefined
  #progress = new Progress()
  #hasPushed = false
  #seamKind: SeamKind = 'first'
  /** Of a twin that has not shown yet that it goes on where the source before ended. */
  #successor: SuccessorWatch | undefined
  #isScrambled = false
  #leadingPicturesDropped = 0
  #joins = 0
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
      filler: this.#filler,
    }
    this.#clock = new ClockSender(shared)
    this.#emitter = new Emitter({ ...shared, clock: this.#clock })
    this.#listener = {
      programmeChanged: (pmt, position) => this.#changeProgramme(pmt, position),
      unitBegun: (track, position, header, isScrambled) => this.#unitBegun(track, position, header, isScrambled),
    }
    this.#intake = new Intake(this.#listener, options.programmeNumber)
  }

  get facts(): SpliceFacts {
    return {
      seam: this.#joins === 0 ? undefined : this.#seam(),
      joins: this.#joins,
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
    this.#gate = new JoinGate()
    this.#firstAudio = undefined
    this.#joinPosition = Infinity
    this.#joinFromTicks = 0
    this.#progress = new Progress()
    this.#hasPushed = false
    this.#successor = undefined
    this.#isScrambled = false
    this.#seamKind = this.#joins === 0 ? 'first' : 'seamless'
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
    if (this.#phase === 'joining') this.#joinPosition = Math.min(this.#joinPosition, joins[0] ?? begin)
    for (const join of joins) this.#emitter.markJoin(join)
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
    this.#emitter.forgetJoins()
    this.#phase = 'idle'
  }

  /** PAT and PMT of the output for a viewer that goes on at the latest join offset; empty before the first source. */
  preamble(): Buffer {
    return this.#programme.preamble()
  }

  #seam(): SeamFacts {
    const { audioUnitsDropped, audioHoleMs } = this.#emitter.record
    return {
      kind: this.#seamKind,
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
      for (const { taking } of this.#byPid.values()) this.#releaseEarly(taking)
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
    if (renewed.size > 0 && this.#joins > 0) this.#seamKind = 'discontinuity'
    if (hasNewVersion) this.#emitter.requireTables()
    this.#main = main
    this.#byPid = byPid
    this.#intake.map(byPid, pmt.pcrPid)
    this.#clock.listenTo(byPid.get(pmt.pcrPid)?.pid ?? PID_CLOCK_ONLY)
    if (this.#phase === 'on-air') this.#emitter.lead(main)
  }

  #unitBegun(track: Track, position: number, header: PesHeader | undefined, isScrambled: boolean): void {
    if (isScrambled) this.#isScrambled = true
    if (header !== undefined && (isVideo(track) || isAudio(track))) {
      this.#progress.observe(header.dts)
      this.#releaseOverdue()
    }
    track.taking.openedAtTicks = this.#progress.ticks
    if (track === this.#main && this.#successor !== undefined && !this.#isSucceeding(track, position, header)) return
    if (track === this.#main && isVideo(track) && header !== undefined) {
      track.taking.group.beginPicture(position, header.pts, header.dts)
    }
    if (this.#phase === 'joining') this.#considerJoin(track, position, header, isScrambled)
  }

  #considerJoin(track: Track, position: number, header: PesHeader | undefined, isScrambled: boolean): void {
    if (header !== undefined && isAudio(track)) this.#firstAudio ??= { track, pts: header.pts }
    if (track === this.#main && isScrambled) this.#joinScrambled()
    else if (track === this.#main && header !== undefined) {
      if (isAudio(track)) this.#joinAudio()
      else {
        if (!this.#gate.hasKey) this.#joinFromTicks = this.#progress.ticks
        const opening = this.#gate.offer({ position, pts: header.pts, dts: header.dts }, (key, leading) =>
          areLeadingDecodable(
            track.output.codec,
            this.#hold.buffer,
            this.#hold.offsetOf(key.position),
            this.#hold.offsetOf(leading.position),
          ),
        )
        if (opening !== undefined) this.#joinVideo(track, opening)
      }
    }
    if (position < this.#joinPosition) this.#joinFromTicks = this.#progress.ticks
    const ticks = this.#progress.ticks - this.#joinFromTicks
    if (this.#phase === 'joining' && ticks > JOIN_TICKS_MAX) this.#joinAnyhow()
  }

  /** Puts the source on air in the time of its twin, if it has the same streams. */
  #goOn(twin: KnownTimeline): void {
    const { leader } = this.#emitter
    if (!canGoOn(leader) || leader !== this.#main || this.#seamKind !== 'seamless') return
    this.#hasPushed = true
    this.#leadingPicturesDropped = 0
    this.#successor = new SuccessorWatch(leader)
    this.#timeline.goOn(offsetOfTwin(this.#timeline.offset, twin))
    this.#intake.endLead()
    this.#clock.begin(false, this.#emitter.lagTicks)
    this.#clock.wait()
    this.#enterAir(leader)
    this.#emitter.goOn(leader)
  }

  /** False when the unit is of no use: nothing between it and the last one is there, so a key picture is waited for. */
  #isSucceeding(track: Track, position: number, header: PesHeader | undefined): boolean {
    if (header === undefined || this.#successor === undefined) return true
    const mappedDts = wrapTimestamp(header.dts + this.#timeline.offset)
    const succession = this.#successor.judge(mappedDts, this.#intake.continuityErrors)
    if (succession === 'sent') return true
    this.#successor = undefined
    if (succession === 'next') {
      this.#seamKind = 'hitless'
      return true
    }
    this.#phase = 'joining'
    this.#joins -= 1
    this.#joinFromTicks = this.#progress.ticks
    for (const each of this.#tracks.all) beginSending(each)
    if (isAudio(track)) return true
    dropPackets(this.#hold, (at, pid) => at < position && pid === track.pid)
    return this.#intake.awaitJoin(track, position)
  }

  /** Begins with what there is: without a picture, with the audio. */
  #joinAnyhow(): void {
    const opening = this.#gate.settle()
    if (opening !== undefined && this.#main !== undefined) this.#joinVideo(this.#main, opening)
    else if (this.#firstAudio !== undefined) this.#joinAudio()
  }

  #joinVideo(track: Track, opening: Opening): void {
    const { key, firstDts, pictureTicks } = opening
    this.#joinAt(track, firstDts, key.pts, pictureTicks ?? 0)
    if (pictureTicks !== undefined && pictureTicks > 0) track.sending.steps.restart(pictureTicks)
    const keyPts = wrapTimestamp(key.pts + this.#timeline.offset)
    this.#leadingPicturesDropped = opening.leadingPictures
    dropPackets(this.#hold, (position, pid) =>
      pid === PID_CLOCK_ONLY
        ? position < key.position
        : pid === track.pid && position >= opening.dropFrom && position < opening.dropTo,
    )
    stripClockBefore(this.#hold, key.position)
    if (track.output.codec === 'hevc' && this.#joins > 1) {
      const { buffer } = this.#hold
      const from = this.#hold.offsetOf(key.position)
      const to = this.#hold.offsetOf(this.#hold.end)
      markBrokenLink({ buffer, from, to, pid: track.pid }, opening.hasLeadingPictures)
    }
    const override = firstDts === key.dts ? undefined : { position: key.position, sourceDts: firstDts }
    this.#emitter.begin(wrapTimestamp(keyPts - AUDIO_LEAD_TICKS), override)
    this.#filler.begin(this.#byPid.values(), keyPts)
  }

  #joinAudio(): void {
    if (this.#firstAudio === undefined) return
    this.#leadingPicturesDropped = 0
    const { track, pts } = this.#firstAudio
    this.#joinAt(track, pts, pts, 0)
    this.#emitter.begin(NO_TIMESTAMP, undefined)
    this.#filler.begin(this.#byPid.values(), wrapTimestamp(pts + this.#timeline.offset))
  }

  /** Timestamps of scrambled units cannot be read or changed: the source goes on in its own time. */
  #joinScrambled(): void {
    this.#leadingPicturesDropped = 0
    if (this.#joins > 0) this.#seamKind = 'discontinuity'
    for (const track of this.#byPid.values()) if (this.#joins > 0) track.sending.isRenewed = true
    this.#timeline.join(0, 0)
    this.#intake.endLead()
    this.#clock.begin(true, 0)
    this.#enterAir(this.#main)
    this.#emitter.begin(NO_TIMESTAMP, undefined)
  }

  /** The leading track's first timestamps fall where the output goes on. */
  #joinAt(track: Track, sourceDts: number, sourcePts: number, pictureTicks: number): void {
    const target = joinDtsOf(track, this.#tracks.all, this.#emitter.leader) ?? sourceDts
    const lagTicks = shownLaterBy(track, target, timestampStep(sourcePts, sourceDts))
    this.#timeline.join(sourceDts, wrapTimestamp(target + lagTicks))
    this.#clock.begin(false, lagTicks + this.#intake.endLead())
    this.#emitter.lag(lagTicks, pictureTicks)
    this.#enterAir(track)
  }

  #enterAir(leader: Track | undefined): void {
    this.#emitter.lead(leader)
    this.#phase = 'on-air'
    this.#joins += 1
  }

  #release(): void {
    if (this.#hold.bytes > HOLD_BYTES_MAX) {
      if (this.#phase === 'joining') this.#joinAnyhow()
      // Neither a picture nor audio in so much: there is nothing to begin with.
      if (this.#phase === 'joining') this.#hold.release(this.#hold.end)
      for (const { taking } of this.#tracks.all) this.#releaseEarly(taking)
    }
    if (this.#phase !== 'on-air') return
    let limit = this.#hold.end
    for (const track of this.#byPid.values()) {
      const { openAt, group } = track.taking
      if (openAt >= 0) limit = Math.min(limit, openAt)
      if (group.beginsAt >= 0) limit = Math.min(limit, group.beginsAt)
    }
    this.#emitter.send(this.#hold, limit)
  }

  #releaseOverdue(): void {
    for (const { taking } of this.#byPid.values()) {
      if (this.#progress.ticks - taking.openedAtTicks > HOLD_TICKS_MAX) this.#releaseEarly(taking)
    }
  }

  #releaseEarly(taking: Track['taking']): void {
    taking.group.release()
    if (taking.openAt < 0) return
    taking.openAt = -1
    this.#unitsReleasedEarly += 1
  }
}
