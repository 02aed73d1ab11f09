import type { ElementaryStream } from '../elementary-stream.ts'
import type { Pmt } from '../psi.ts'
import { IntervalWatch, TIMESTAMP_TICKS_PER_MS, timestampStep } from './clock.ts'
import { durationText, pidText } from './finding.ts'
import type { FindingLog, Place } from './finding.ts'
import { PcrWatch } from './pcr-watch.ts'
import type { ProgrammeReport } from './report.ts'
import { codecText } from './signature.ts'
import type { CodecSignature } from './signature.ts'
import { StreamWatch } from './stream-watch.ts'

/** TR 101 290 1.5.a. */
const PMT_MS_MAX = 500
const SKEW_MS_MAX = 2_000
/** What is further apart is not one timeline any more, which other findings tell. */
const SKEW_MS_MEANT_MAX = 10_000

/** Told of each PES packet with a DTS. */
export type TimedHandler = (pid: number, dts: number) => void

export interface ProgrammeWatchOptions {
  readonly programmeNumber: number
  readonly pmtPid: number
  readonly log: FindingLog
  readonly onTimed: TimedHandler
}

/** One programme: its PMT, its clock references and its streams. */
export class ProgrammeWatch {
  readonly programmeNumber: number
  readonly pcr: PcrWatch
  readonly #log: FindingLog
  readonly #onTimed: TimedHandler
  readonly #pmtInterval = new IntervalWatch(PMT_MS_MAX)
  #pmtPid: number
  #pmt: Pmt | undefined
  #streams: readonly StreamWatch[] = []
  #skewMinMs = Infinity
  #skewMaxMs = -Infinity
  #isSkewed = false

  constructor({ programmeNumber, pmtPid, log, onTimed }: ProgrammeWatchOptions) {
    this.programmeNumber = programmeNumber
    this.#pmtPid = pmtPid
    this.#log = log
    this.#onTimed = onTimed
    this.pcr = new PcrWatch(log)
  }

  get pmtPid(): number {
    return this.#pmtPid
  }

  get pmt(): Pmt | undefined {
    return this.#pmt
  }

  get streams(): readonly StreamWatch[] {
    return this.#streams
  }

  get hasVideo(): boolean {
    return this.#streams.some(({ stream }) => stream.kind === 'video')
  }

  /** The PAT says that the PMT is on another PID now. */
  moveTo(pmtPid: number, place: Place): void {
    if (pmtPid === this.#pmtPid) return
    const detail = `the PMT of programme ${this.programmeNumber} moves from ${pidText(this.#pmtPid)} to ${pidText(pmtPid)}`
    this.#log.add({ code: 'programme_changed', place, detail })
    this.#pmtPid = pmtPid
    this.#pmtInterval.arrived()
  }

  pmtArrived(): void {
    this.#pmtInterval.arrived()
  }

  /** Takes a PMT that differs from the one before. */
  apply(pmt: Pmt, place: Place): void {
    const before = this.#pmt
    this.#pmt = pmt
    const known = this.#streams
    this.#streams = pmt.streams.map((stream) => {
      const same = known.find(({ stream: { pid, streamType, codec } }) => {
        return pid === stream.pid && streamType === stream.streamType && codec === stream.codec
      })
      return same ?? this.#watch(stream, before !== undefined)
    })
    const was = before === undefined ? undefined : layoutText(before)
    const is = layoutText(pmt)
    if (was === undefined || was === is) return
    this.#log.add({ code: 'programme_changed', pid: this.#pmtPid, place, detail: `${was} → ${is}` })
  }

  tick(nowMs: number, place: () => Place): void {
    const overdue = this.#pmtInterval.check(nowMs)
    if (overdue !== undefined) {
      const { overMs, isNew } = overdue
      const detail = `no PMT of programme ${this.programmeNumber} for ${durationText(overMs)}`
      if (isNew) this.#log.add({ code: 'pmt_error', pid: this.#pmtPid, place: place(), detail, measure: overMs })
      else this.#log.worsen('pmt_error', this.#pmtPid, overMs)
    }
    for (const stream of this.#streams) stream.tick(nowMs, place)
  }

  flush(): void {
    for (const stream of this.#streams) stream.flush()
  }

  /** Adds to `log` what is true if nothing more comes. */
  conclude(log: FindingLog, place: Place): void {
    for (const stream of this.#streams) {
      stream.conclude(log)
      const { pid } = stream.stream
      if (stream.packets > 0 || !stream.isMedia || log.countOf('pid_error', pid) > 0) continue
      log.add({ code: 'pid_error', pid, place, detail: 'no packet at all' })
    }
    if (this.#pmt === undefined) {
      if (log.countOf('pmt_error', this.#pmtPid) > 0) return
      const detail = `no PMT of programme ${this.programmeNumber} at all`
      log.add({ code: 'pmt_error', pid: this.#pmtPid, place, detail })
    } else if (this.pcr.base === undefined) {
      const { pcrPid } = this.#pmt
      log.add({ code: 'pcr_repetition_error', pid: pcrPid, place, detail: 'no PCR at all' })
    }
  }

  report(packetsPerMs: number | undefined, packetsOfAll: number): ProgrammeReport {
    return {
      programmeNumber: this.programmeNumber,
      pmtPid: this.#pmtPid,
      pcrPid: this.#pmt?.pcrPid ?? 0x1fff,
      streams: this.#streams.map((stream) => stream.report(packetsPerMs, packetsOfAll)),
      skew: this.#skewMinMs > this.#skewMaxMs ? undefined : { minMs: this.#skewMinMs, maxMs: this.#skewMaxMs },
    }
  }

  signature(): CodecSignature {
    return {
      streams: this.#streams.map(({ stream: { kind, codec, streamType, language }, format }) => {
        return { kind, codec, streamType, language, format }
      }),
    }
  }

  #watch(stream: ElementaryStream, isSuccessor: boolean): StreamWatch {
    const onTimed = (place: Place, dts: number) => {
      this.#compare(stream, place)
      this.#onTimed(stream.pid, dts)
    }
    return new StreamWatch({ stream, log: this.#log, pcr: this.pcr, isSuccessor, onTimed })
  }

  /** Compares what arrives of the first video and the first audio. */
  #compare({ pid, kind }: ElementaryStream, place: Place): void {
    if (kind !== 'video' && kind !== 'audio') return
    const video = this.#streams.find(({ stream }) => stream.kind === 'video')
    const audio = this.#streams.find(({ stream }) => stream.kind === 'audio')
    if (pid !== video?.stream.pid && pid !== audio?.stream.pid) return
    const [videoDts, audioDts] = [video?.timeline.dts, audio?.timeline.dts]
    if (videoDts === undefined || audioDts === undefined) return
    const skewMs = timestampStep(videoDts, audioDts) / TIMESTAMP_TICKS_PER_MS
    if (Math.abs(skewMs) > SKEW_MS_MEANT_MAX) return
    this.#skewMinMs = Math.min(this.#skewMinMs, skewMs)
    this.#skewMaxMs = Math.max(this.#skewMaxMs, skewMs)
    const isSkewed = Math.abs(skewMs) > SKEW_MS_MAX
    if (isSkewed && !this.#isSkewed) {
      const detail = `audio ${durationText(Math.abs(skewMs))} ${skewMs > 0 ? 'ahead of' : 'behind'} video`
      this.#log.add({ code: 'av_skew', pid: audio?.stream.pid, place, detail, measure: Math.abs(skewMs) })
    }
    this.#isSkewed = isSkewed
  }
}

/** `0x100 H.264, 0x101 AAC; PCR on 0x100`. */
function layoutText({ streams, pcrPid }: Pmt): string {
  const listed = streams.map(({ pid, codec }) => `${pidText(pid)} ${codecText(codec)}`)
  return `${listed.join(', ')}; PCR on ${pidText(pcrPid)}`
}
