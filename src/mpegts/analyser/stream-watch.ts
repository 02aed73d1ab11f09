import type { ElementaryStream } from '../elementary-stream.ts'
import { hasRandomAccessIndicator, isPayloadUnitStart, PACKET_BYTES, payloadOffset } from '../packet.ts'
import type { AudioFrame } from './audio-frame.ts'
import { AudioTimeline } from './audio-timeline.ts'
import { AudioWalk } from './audio-walk.ts'
import { IntervalWatch, TIMESTAMP_TICKS_PER_MS, timestampStep } from './clock.ts'
import { durationText } from './finding.ts'
import type { FindingLog, FoundPlace, Place } from './finding.ts'
import type { PcrWatch } from './pcr-watch.ts'
import { PesReader } from './pes-reader.ts'
import type { PesHeader } from './pes-reader.ts'
import type { StreamReport } from './report.ts'
import { formatText, isSameFormat } from './signature.ts'
import type { Format } from './signature.ts'
import { Distribution } from './spread.ts'
import { TimelineWatch } from './timeline-watch.ts'
import { VideoWatch } from './video-watch.ts'
import type { AccessUnit } from './video-watch.ts'

/** TR 101 290 leaves it to the user; five seconds are usual. */
const PID_MS_MAX = 5_000
const PTS_MS_MAX = 700
/** TS 101 154 §4.1.5 asks for 5 s; twice as much is met in practice and then noticed by those who join. */
const RANDOM_ACCESS_MS_MAX = 10_000
const FORMAT_CHANGES_MAX = 16

export interface StreamWatchOptions {
  readonly stream: ElementaryStream
  readonly log: FindingLog
  readonly pcr: PcrWatch
  /** It takes the place of another one in a programme that viewers decode already. */
  readonly isSuccessor: boolean
  /** A PES packet with a DTS began. */
  readonly onTimed: (place: Place, dts: number) => void
}

/** One elementary stream: its PES packets, timeline, access units and format. */
export class StreamWatch {
  readonly stream: ElementaryStream
  readonly timeline: TimelineWatch
  readonly #log: FindingLog
  readonly #pcr: PcrWatch
  readonly #isSuccessor: boolean
  readonly #onTimed: (place: Place, dts: number) => void
  readonly #pes: PesReader
  readonly #video: VideoWatch | undefined
  readonly #audio: AudioWalk | undefined
  readonly #audioTimeline: AudioTimeline
  readonly #presence = new IntervalWatch(PID_MS_MAX)
  readonly #ptsInterval = new IntervalWatch(PTS_MS_MAX)
  readonly #randomAccessSteps = new Distribution()
  readonly #formatChanges: FoundPlace[] = []
  #place: Place = { packet: 0, byteOffset: 0, mediaTimeMs: undefined }
  #firstPlace: Place | undefined
  /** Of the PES packet before the present one. */
  #lastPlace: Place | undefined
  #hasLost = false
  #isFlagged = false
  #isScrambled = false
  #packets = 0
  #pesPackets = 0
  #randomAccessPoints = 0
  #randomAccessDts: number | undefined
  #beginsWithRandomAccess: boolean | undefined
  #format: Format | undefined

  constructor({ stream, log, pcr, isSuccessor, onTimed }: StreamWatchOptions) {
    this.stream = stream
    this.#onTimed = onTimed
    this.#isSuccessor = isSuccessor
    this.#log = log
    this.#pcr = pcr
    const mayShareTime = stream.kind !== 'video' && stream.kind !== 'audio'
    this.timeline = new TimelineWatch({
      ...{ pid: stream.pid, measuresSteps: stream.kind === 'video', mayShareTime, log },
    })
    this.#audioTimeline = new AudioTimeline(stream.pid, log)
    this.#pes = new PesReader({
      onHeader: (header) => this.#begin(header),
      onDamage: (damage) => this.#found('pes_header_error', damage),
      onPayload: (buffer, from, to) => {
        this.#video?.push(buffer, from, to)
        this.#audio?.push(buffer, from, to)
      },
      onEnd: (header, received) => this.#end(header, received),
    })
    this.#video = stream.kind === 'video' ? this.#watchVideo() : undefined
    this.#audio = stream.kind === 'audio' ? this.#walkAudio() : undefined
  }

  get isMedia(): boolean {
    return this.stream.kind === 'video' || this.stream.kind === 'audio'
  }

  get format(): Format | undefined {
    return this.#format
  }

  get packets(): number {
    return this.#packets
  }

  /** Takes a packet of the PID in order, without duplicates; `place` is made only where it is needed. */
  push(buffer: Buffer, at: number, isScrambled: boolean, place: () => Place): void {
    this.#packets += 1
    this.#presence.arrived()
    this.#isScrambled = isScrambled
    if (isScrambled || !hasPes(this.stream)) return
    const isStart = isPayloadUnitStart(buffer, at)
    if (isStart) {
      const before = this.#place
      this.#place = place()
      this.#isFlagged = hasRandomAccessIndicator(buffer, at)
      this.#lastPlace = before
    }
    this.#pes.push(buffer, payloadOffset(buffer, at), at + PACKET_BYTES, isStart)
  }

  /** Packets of the PID are missing before the next one. */
  lose(): void {
    this.#hasLost = true
    this.#video?.lose()
    this.#audio?.lose()
  }

  /** The clock went on; `place` is where. */
  tick(nowMs: number, place: () => Place): void {
    if (!this.isMedia) return
    this.#overdue('pid_error', this.#presence.check(nowMs), place, 'no packet')
    if (!this.#isScrambled) this.#overdue('pts_error', this.#ptsInterval.check(nowMs), place, 'no PTS')
  }

  /** Judges what waits for more. */
  flush(): void {
    this.#video?.flush()
    this.timeline.flush()
  }

  /** Adds to `log` what is true if nothing more comes, and takes back what more has shown to be nothing. */
  conclude(log: FindingLog): void {
    const { pid } = this.stream
    const place = this.#place
    if (this.#video?.lacksParameterSets === true) {
      log.add({ code: 'parameter_sets_missing', pid, place, detail: 'no access unit brings a sequence parameter set' })
    }
    if (this.#beginsWithRandomAccess === false && !this.#isSuccessor) {
      const detail = this.#randomAccessPoints === 0 ? 'there is none' : 'the first access unit is none'
      log.add({ code: 'starts_without_random_access', pid, place: this.#firstPlace ?? place, detail })
    }
    // Many steps above 1.5 frames are a frame rate that varies, not frames that are missing.
    const { total } = this.timeline.steps
    if (total > 100 && log.countOf('dts_step', pid) * 20 > total) log.rename('dts_step', pid, 'variable_frame_rate')
    // Many gaps of frame_num are several access units to a PES packet.
    const accessUnits = this.#video?.accessUnits ?? 0
    if (log.countOf('picture_reference_missing', pid) * 5 > accessUnits && accessUnits > 20) {
      log.forget('picture_reference_missing', pid)
    }
  }

  report(packetsPerMs: number | undefined, packetsOfAll: number): StreamReport {
    const { pid, kind, codec, streamType, language } = this.stream
    const share = packetsOfAll === 0 ? 0 : this.#packets / packetsOfAll
    return {
      pid,
      kind,
      codec,
      streamType,
      language,
      packets: this.#packets,
      bitsPerSecond: packetsPerMs === undefined ? undefined : Math.round(packetsPerMs * share * PACKET_BYTES * 8_000),
      pesPackets: this.#pesPackets,
      dtsStep: this.timeline.steps.spread(TIMESTAMP_TICKS_PER_MS),
      decodeDelay: this.timeline.delays.spread(TIMESTAMP_TICKS_PER_MS),
      randomAccess: {
        points: this.#randomAccessPoints,
        beginsWithOne: this.#beginsWithRandomAccess,
        interval: this.#randomAccessSteps.spread(TIMESTAMP_TICKS_PER_MS),
      },
      audio: this.#audio === undefined ? undefined : this.#audioTimeline.report(),
      format: this.#format,
      formatChanges: [...this.#formatChanges],
    }
  }

  #begin(header: PesHeader): void {
    this.#pesPackets += 1
    this.#firstPlace ??= this.#place
    if (header.pts !== undefined) this.#ptsInterval.arrived()
    const course = this.timeline.observe(header, this.#place, this.#pcr)
    if (course === 'jumps as announced') this.#audioTimeline.restart()
    const isJoin = course !== 'goes on'
    if (isJoin) this.#randomAccessDts = undefined
    this.#video?.begin(this.#place, header.dts, { isFlagged: this.#isFlagged, isJoin })
    if (header.pts === undefined || header.dts === undefined) return
    this.#onTimed(this.#place, header.dts)
    this.#audioTimeline.begin(header.pts, this.#place)
    this.#audio?.beginPes()
  }

  #end({ lengthBytes }: PesHeader, received: number): void {
    const hasLost = this.#hasLost
    this.#hasLost = false
    if (lengthBytes === 0 || received === lengthBytes) return
    const detail = `${received} of ${lengthBytes} bytes${hasLost ? ', packets are missing' : ''}`
    const place = this.#lastPlace ?? this.#place
    const measure = Math.abs(lengthBytes - received)
    this.#log.add({ code: 'pes_length_error', pid: this.stream.pid, place, detail, measure })
  }

  #watchVideo(): VideoWatch {
    return new VideoWatch(this.stream.codec, {
      onAccessUnit: (unit) => this.#accessUnit(unit),
      onFormat: (place, format) => {
        this.#formatIs(format, place)
        if (format.framesPerSecond !== undefined) this.timeline.frameTicksTold = 90_000 / format.framesPerSecond
      },
      onReferenceMissing: (place, pictures) => {
        const detail = `frame_num goes on ${pictures} too far`
        const { pid } = this.stream
        this.#log.add({ code: 'picture_reference_missing', pid, place, detail, measure: pictures })
      },
    })
  }

  #walkAudio(): AudioWalk | undefined {
    return AudioWalk.for(this.stream.codec, {
      onFrame: (frame, isAnchor) => this.#audioFrame(frame, isAnchor),
      onBreak: () => this.#found('audio_frame_broken', 'no frame begins where the last one ends'),
    })
  }

  #audioFrame(frame: AudioFrame, isAnchor: boolean): void {
    this.#beginsWithRandomAccess ??= true
    this.#randomAccessPoints += 1
    this.#audioTimeline.frame(frame, isAnchor)
    if (frame.samples > 0 && frame.format.sampleRateHz !== undefined) this.#formatIs(frame.format, this.#place)
  }

  #accessUnit({ place, dts, isRandomAccess, isJoin }: AccessUnit): void {
    const isFirst = this.#beginsWithRandomAccess === undefined
    this.#beginsWithRandomAccess ??= isRandomAccess
    if (!isRandomAccess) {
      if (!isJoin && !(isFirst && this.#isSuccessor)) return
      const detail = 'a picture that needs others before it'
      this.#log.add({ code: 'jump_without_random_access', pid: this.stream.pid, place, detail })
      return
    }
    this.#randomAccessPoints += 1
    const last = this.#randomAccessDts
    this.#randomAccessDts = dts
    if (last === undefined || dts === undefined) return
    const ticks = timestampStep(last, dts)
    if (ticks <= 0) return
    this.#randomAccessSteps.add(ticks)
    const ms = ticks / TIMESTAMP_TICKS_PER_MS
    if (ms <= RANDOM_ACCESS_MS_MAX) return
    const detail = `${durationText(ms)} since the last one`
    this.#log.add({ code: 'random_access_rare', pid: this.stream.pid, place, detail, measure: ms })
  }

  #formatIs(format: Format, place: Place): void {
    const before = this.#format
    this.#format = format
    if (before === undefined || before === format || isSameFormat(before, format)) return
    const detail = `${formatText(before)} → ${formatText(format)}`
    if (this.#formatChanges.length < FORMAT_CHANGES_MAX) this.#formatChanges.push({ ...place, detail })
    this.#log.add({ code: 'signature_changed', pid: this.stream.pid, place, detail })
  }

  #overdue(
    code: 'pid_error' | 'pts_error',
    overdue: ReturnType<IntervalWatch['check']>,
    place: () => Place,
    what: string,
  ): void {
    if (overdue === undefined) return
    const { pid } = this.stream
    const { overMs, isNew } = overdue
    if (isNew) {
      this.#log.add({ code, pid, place: place(), detail: `${what} for ${durationText(overMs)}`, measure: overMs })
    } else this.#log.worsen(code, pid, overMs)
  }

  #found(code: 'pes_header_error' | 'audio_frame_broken', detail: string): void {
    this.#log.add({ code, pid: this.stream.pid, place: this.#place, detail })
  }
}

/** Whether it is known to come in PES packets, not in sections. */
function hasPes({ codec }: ElementaryStream): boolean {
  return codec !== 'scte35' && codec !== 'unknown'
}
