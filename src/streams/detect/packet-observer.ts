import { MediaClock } from '../../mpegts/media-clock.ts'
import {
  hasDiscontinuityIndicator,
  hasPcr,
  isScrambled,
  PACKET_BYTES,
  payloadOffset,
  PCR_MODULUS,
  pcrOf,
  PID_COUNT,
  PID_NULL,
  PID_PAT,
} from '../../mpegts/packet.ts'
import { ProgrammeTables } from '../../mpegts/programme-tables.ts'
import type { ChosenProgramme } from '../../mpegts/programme-tables.ts'
import { TABLE_ID_PAT, TABLE_ID_PMT } from '../../mpegts/psi.ts'
import { makePesHeader, readPesHeader } from '../../mpegts/splice/pes-header.ts'
import { NO_TIMESTAMP } from '../../mpegts/splice/timestamp.ts'
import { BitRateBaseline } from './bit-rate-watch.ts'
import type { ContentPids } from './content-watch.ts'
import { ErrorRate } from './error-rate.ts'
import { IntervalWatch } from './interval-watch.ts'
import { LoopWatch } from './loop-watch.ts'
import { ProgressClock } from './progress-clock.ts'
import { ScramblingWatch } from './scrambling-watch.ts'
import { thresholds } from './thresholds.ts'
import { TimestampWatch } from './timestamp-watch.ts'
import { Track } from './track.ts'

/** What a PID is to the observer; bits of a byte. */
const ROLE_TABLE = 1
const ROLE_VIDEO = 2
const ROLE_AUDIO = 4
const ROLE_PCR = 8
const ROLE_MEDIA = ROLE_VIDEO | ROLE_AUDIO

const COUNTER_UNKNOWN = 0xff
/** Bit beside a stored continuity counter: its packet has come twice already. */
const COUNTER_REPEATED = 0x10
/** Streams of a programme that are followed. */
const TRACKS_MAX = 16
const SECOND_MS = 1_000
const PCR_TICKS_PER_MS = 27_000
const NO_JOINS: readonly number[] = []

/**
 * Reads packets as they pass and keeps, for one source, what the conditions are judged by. One pass by index, nothing
 * allocated per packet, memory bounded whatever comes. Media time is that of the `ProgressClock`.
 */
export class PacketObserver {
  readonly clock = new ProgressClock()
  /** Media time of the PCR alone, for comparison with the wall clock. */
  readonly pcrClock = new MediaClock()
  readonly pcrSteps = new IntervalWatch(thresholds.pcr_stalled)
  readonly videoUnits = new IntervalWatch(thresholds.no_video)
  readonly audioUnits = new IntervalWatch(thresholds.no_audio)
  readonly keyframes = new IntervalWatch(thresholds.no_keyframe)
  readonly pats = new IntervalWatch(thresholds.tables_missing)
  readonly pmts = new IntervalWatch(thresholds.tables_missing)
  readonly continuityErrors = new ErrorRate(thresholds.continuity_errors)
  readonly transportErrors = new ErrorRate(thresholds.transport_errors)
  readonly scrambling = new ScramblingWatch()
  readonly bitRate = new BitRateBaseline()
  readonly loop = new LoopWatch()
  readonly #tables = new ProgrammeTables()
  readonly #pcrs = new TimestampWatch(PCR_MODULUS, PCR_TICKS_PER_MS)
  readonly #pes = makePesHeader()
  readonly #roles = new Uint8Array(PID_COUNT)
  readonly #counters = new Uint8Array(PID_COUNT).fill(COUNTER_UNKNOWN)
  /** By PID. */
  readonly #tracks = new Map<number, Track>()
  #pcrPositionMs = 0
  #pcrPid = -1
  #pmtPid = -1
  #contentPids: ContentPids | undefined
  #nowMs = 0
  #joinOffsets = NO_JOINS
  #nextJoin = 0
  #secondBeganMs = 0
  #secondBeganNowMs = Number.NaN
  #secondBytes = 0
  #secondPackets = 0
  #secondScrambled = 0
  #secondContinuityErrors = 0
  #secondTransportErrors = 0
  /** Bytes of the picture that is coming, and where its latest packet is in this run, or what that ended with. */
  #pictureBytes = 0
  #pictureEndAt = -1
  #pictureTail = 0
  #clockMsAtRunEnd = 0
  /** The programme as it was at first, and when the present one was seen, in media time. */
  programmeSinceMs = 0
  programmeSeenNowMs = 0
  hadVideo = false
  hadAudio = false
  /** Stream types of the programme's media, and what they were before they changed. */
  signature = ''
  signatureBefore = ''
  signatureChangedNowMs = Number.NaN
  /** Since a timestamp or the PCR moved: bytes of media, damaged packets, and when the first of them came. */
  frozenBytes = 0
  frozenTransportErrors = 0
  frozenSinceMs = Number.NaN
  /** Media bytes of the latest run. */
  runBytes = 0

  constructor() {
    this.#roles[PID_PAT] = ROLE_TABLE
  }

  get programme(): ChosenProgramme | undefined {
    return this.#tables.chosen
  }

  /** The same object until the programme changes. */
  get contentPids(): ContentPids | undefined {
    return this.#contentPids
  }

  get tracks(): Iterable<Track> {
    return this.#tracks.values()
  }

  /** PID of the PCR, −1 while unknown or when the programme has none. */
  get pcrPid(): number {
    return this.#pcrPid
  }

  /**
   * Reads whole packets. `nowMs` is monotonic, `joinOffsets` are those of the framer: where keyframes begin. Returns
   * whether any packet belonged to the programme’s media: padding and tables alone are no sign of life.
   */
  observe(run: Buffer, nowMs: number, joinOffsets: readonly number[] = NO_JOINS): boolean {
    this.#nowMs = nowMs
    if (Number.isNaN(this.#secondBeganNowMs)) this.#secondBeganNowMs = nowMs
    this.#joinOffsets = joinOffsets
    this.#nextJoin = 0
    this.runBytes = 0
    const roles = this.#roles
    let isAlive = false
    for (let at = 0; at + PACKET_BYTES <= run.length; at += PACKET_BYTES) {
      const flags = run[at + 1] ?? 0
      const pid = ((flags & 0x1f) << 8) | (run[at + 2] ?? 0)
      const role = roles[pid] ?? 0
      if ((flags & 0x80) !== 0 && pid !== PID_NULL) {
        this.#damaged(pid)
        isAlive = true
      } else if ((role & ROLE_MEDIA) !== 0) {
        this.#readMedia(run, at, pid, role, (flags & 0x40) !== 0)
        isAlive = true
      } else if (role !== 0) this.#readOther(run, at, pid, role, (flags & 0x40) !== 0)
      else if (pid !== PID_NULL && this.#tables.chosen === undefined) isAlive = true
    }
    this.#endRun(run)
    return isAlive
  }

  #readMedia(run: Buffer, at: number, pid: number, role: number, isStart: boolean): void {
    const control = run[at + 3] ?? 0
    const fieldBytes = (control & 0x20) === 0 ? 0 : 1 + (run[at + 4] ?? 0)
    if (fieldBytes > 1 && (role & ROLE_PCR) !== 0) this.#readPcr(run, at)
    if ((control & 0x10) === 0) {
      if (fieldBytes > 1 && hasDiscontinuityIndicator(run, at)) this.#counters[pid] = COUNTER_UNKNOWN
      return
    }
    if (isStart) this.#unitStarts(run, at, pid, role)
    const counter = control & 0x0f
    const last = this.#counters[pid] ?? COUNTER_UNKNOWN
    this.#counters[pid] = counter
    // §2.4.3.3: counts up with each payload, and may come twice.
    if (last !== COUNTER_UNKNOWN && counter !== ((last + 1) & 0x0f)) this.#checkCounter(run, at, pid, counter, last)
    const bytes = Math.max(0, PACKET_BYTES - 4 - fieldBytes)
    this.runBytes += bytes
    this.#secondBytes += bytes
    this.#secondPackets += 1
    if ((control & 0xc0) !== 0) this.#secondScrambled += 1
    if ((role & ROLE_VIDEO) !== 0) {
      this.#pictureBytes += bytes
      this.#pictureEndAt = at + PACKET_BYTES
    }
  }

  #checkCounter(run: Buffer, at: number, pid: number, counter: number, last: number): void {
    if (counter === last) this.#counters[pid] = counter | COUNTER_REPEATED
    else if (!hasDiscontinuityIndicator(run, at)) this.#secondContinuityErrors += 1
  }

  #readOther(run: Buffer, at: number, pid: number, role: number, isStart: boolean): void {
    if ((role & ROLE_PCR) !== 0) this.#readPcr(run, at)
    if ((role & ROLE_TABLE) === 0) return
    if (isStart) this.#tableStarts(run, at, pid)
    if (this.#tables.push(pid, run, at)) this.#programmeChanged()
  }

  #damaged(pid: number): void {
    this.#counters[pid] = COUNTER_UNKNOWN
    this.#secondTransportErrors += 1
    this.frozenTransportErrors += 1
  }

  #readPcr(run: Buffer, at: number): void {
    if (!hasPcr(run, at)) return
    const pcr = pcrOf(run, at)
    const isAnnounced = hasDiscontinuityIndicator(run, at)
    this.pcrClock.observe(pcr, isAnnounced)
    if (isAnnounced) this.#pcrs.restart()
    const stepMs = this.#pcrs.observe(pcr)
    if (stepMs === undefined) return
    this.#pcrPositionMs = this.clock.advance(this.#pcrPositionMs, stepMs)
    this.pcrSteps.arrived(this.clock.ms, this.#nowMs)
    this.#endSeconds()
  }

  #unitStarts(run: Buffer, at: number, pid: number, role: number): void {
    const track = this.#tracks.get(pid)
    if (track === undefined) return
    if ((role & ROLE_VIDEO) !== 0) this.#pictureStarts(run, at)
    else this.audioUnits.arrived(this.clock.ms, this.#nowMs)
    if (isScrambled(run, at)) return
    readPesHeader(run, payloadOffset(run, at), at + PACKET_BYTES, this.#pes)
    if (this.#pes.dts === NO_TIMESTAMP) return
    track.observe(this.#pes.dts, this.clock, this.#nowMs)
    this.#endSeconds()
  }

  #pictureStarts(run: Buffer, at: number): void {
    if (this.#pictureBytes > 0) {
      this.loop.pictureEnded(this.#pictureBytes, this.#tailOf(run))
      this.#pictureBytes = 0
    }
    this.videoUnits.arrived(this.clock.ms, this.#nowMs)
    const joins = this.#joinOffsets
    while ((joins[this.#nextJoin] ?? Number.POSITIVE_INFINITY) < at) this.#nextJoin += 1
    if (joins[this.#nextJoin] !== at) return
    this.keyframes.arrived(this.clock.ms, this.#nowMs)
    this.loop.groupEnded(this.#nowMs)
  }

  #tailOf(run: Buffer): number {
    return this.#pictureEndAt < 0 ? this.#pictureTail : run.readInt32BE(this.#pictureEndAt - 4)
  }

  #tableStarts(run: Buffer, at: number, pid: number): void {
    const from = payloadOffset(run, at)
    const tableAt = from + 1 + (run[from] ?? 0)
    if (tableAt >= at + PACKET_BYTES) return
    const tableId = run[tableAt]
    if (pid === PID_PAT && tableId === TABLE_ID_PAT) this.pats.arrived(this.clock.ms, this.#nowMs)
    if (pid === this.#pmtPid && tableId === TABLE_ID_PMT) this.pmts.arrived(this.clock.ms, this.#nowMs)
  }

  #endSeconds(): void {
    const lastedMs = this.clock.ms - this.#secondBeganMs
    if (lastedMs < SECOND_MS) return
    const beganMs = this.#secondBeganNowMs
    this.continuityErrors.secondEnded(this.#secondContinuityErrors, beganMs)
    this.transportErrors.secondEnded(this.#secondTransportErrors, beganMs)
    this.scrambling.secondEnded(this.#secondScrambled, this.#secondPackets, beganMs)
    this.bitRate.secondEnded((this.#secondBytes * SECOND_MS) / lastedMs, beganMs)
    this.#secondContinuityErrors = 0
    this.#secondTransportErrors = 0
    this.#secondScrambled = 0
    this.#secondPackets = 0
    this.#secondBytes = 0
    // The clock may have moved by up to a second past it; what is left of that would be a second without anything.
    this.#secondBeganMs = this.clock.ms
    this.#secondBeganNowMs = this.#nowMs
  }

  #endRun(run: Buffer): void {
    if (this.#pictureEndAt >= 0) this.#pictureTail = run.readInt32BE(this.#pictureEndAt - 4)
    this.#pictureEndAt = -1
    this.#joinOffsets = NO_JOINS
    if (this.clock.ms !== this.#clockMsAtRunEnd) {
      this.#clockMsAtRunEnd = this.clock.ms
      this.frozenBytes = 0
      this.frozenTransportErrors = 0
      this.frozenSinceMs = Number.NaN
      return
    }
    this.frozenBytes += this.runBytes
    if (Number.isNaN(this.frozenSinceMs) && (this.runBytes > 0 || this.frozenTransportErrors > 0)) {
      this.frozenSinceMs = this.#nowMs
    }
  }

  #programmeChanged(): void {
    const chosen = this.#tables.chosen
    const roles = this.#roles.fill(0)
    const grant = (pid: number, role: number) => {
      roles[pid] = (roles[pid] ?? 0) | role
    }
    grant(PID_PAT, ROLE_TABLE)
    for (const { pmtPid } of this.#tables.entries) grant(pmtPid, ROLE_TABLE)
    const audio = (chosen?.pmt.streams ?? []).filter(({ kind }) => kind === 'audio')
    const media = [...(chosen?.video === undefined ? [] : [chosen.video]), ...audio].slice(0, TRACKS_MAX)
    for (const pid of this.#tracks.keys()) if (!media.some((stream) => stream.pid === pid)) this.#tracks.delete(pid)
    for (const { pid, kind } of media) {
      const isVideo = kind === 'video'
      grant(pid, isVideo ? ROLE_VIDEO : ROLE_AUDIO)
      if (!this.#tracks.has(pid)) this.#tracks.set(pid, new Track(pid, isVideo ? 'video' : 'audio'))
    }
    const pcrPid = chosen !== undefined && chosen.pmt.pcrPid < PID_NULL ? chosen.pmt.pcrPid : -1
    if (pcrPid !== this.#pcrPid) {
      this.pcrClock.restart()
      this.#pcrs.restart()
    }
    this.#pcrPid = pcrPid
    if (pcrPid >= 0) grant(pcrPid, ROLE_PCR)
    this.#noteProgramme(chosen)
  }

  #noteProgramme(chosen: ChosenProgramme | undefined): void {
    if (chosen === undefined) return
    const { programmeNumber } = chosen.pmt
    this.#pmtPid = this.#tables.entries.find((entry) => entry.programmeNumber === programmeNumber)?.pmtPid ?? -1
    if (this.signature === '') {
      this.programmeSinceMs = this.clock.ms
      this.programmeSeenNowMs = this.#nowMs
    }
    this.#contentPids = {
      video: chosen.video?.pid,
      audio: chosen.audio?.pid,
      tables: [PID_PAT, this.#pmtPid],
    }
    this.hadVideo ||= chosen.video !== undefined
    this.hadAudio ||= chosen.audio !== undefined
    const signature = chosen.pmt.streams
      .filter(({ kind }) => kind === 'video' || kind === 'audio')
      .map(({ codec }) => codec)
      .toSorted()
      .join('+')
    if (this.signature !== '' && signature !== this.signature) {
      this.signatureBefore = this.signature
      this.signatureChangedNowMs = this.#nowMs
    }
    this.signature = signature
  }
}
