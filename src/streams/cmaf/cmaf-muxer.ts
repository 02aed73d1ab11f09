import { DURATION_UNKNOWN, ID3_SCHEME, writeEventMessage } from '../../isobmff/event-message.ts'
import { writeFragment } from '../../isobmff/fragment-writer.ts'
import type { TrackRun } from '../../isobmff/fragment-writer.ts'
import type { ElementaryStream } from '../../mpegts/elementary-stream.ts'
import type { AccessUnit } from '../../mpegts/units/access-unit.ts'
import { UnitReader } from '../../mpegts/units/unit-reader.ts'
import type { Epoch } from './epoch.ts'
import type { CmafFragment, CmafInit, FragmentSource, TakeOptions } from './fragment.ts'
import { runOf } from './sample-queue.ts'
import { firstOfEach, isPackable } from './stream-selection.ts'
import type { StreamSelection } from './stream-selection.ts'
import { SILENCE_TICKS_MAX, UnitSorter } from './unit-sorter.ts'

const TICKS_PER_SECOND = 90_000
/** Other tracks are not waited for when they are further behind the leading one. */
const LAG_TICKS_MAX = TICKS_PER_SECOND
/** Above this nobody takes what is buffered: it is forgotten, and the next random access point begins anew. */
const BUFFER_BYTES_MAX = 128 * 1_024 * 1_024
const EVENTS_MAX = 256
/** Times are compared with this much of a tick to spare, since those of audio are fractions. */
const EPSILON = 0.01

export interface CmafMuxerOptions {
  /** Which streams of the programme go into the file; the first video and the first audio without it. */
  readonly select?: StreamSelection
}

interface TimedEvent {
  readonly pts: number
  readonly data: Buffer
}

/**
 * Makes fragments of MP4 out of an MPEG transport stream, ISO/IEC 23000-19 but with all tracks in one file. H.264, HEVC, MPEG-2 video, AAC (ADTS),
 * MPEG audio, AC-3 and E-AC-3; ID3 becomes emsg. Streams of other codecs are left out. Nothing throws, memory is bounded.
 */
export class CmafMuxer implements FragmentSource {
  readonly #reader: UnitReader
  readonly #sorter = new UnitSorter()
  #leftOut: readonly ElementaryStream[] = []
  #events: TimedEvent[] = []
  #sequenceNumber = 0
  #eventId = 0

  constructor(options: CmafMuxerOptions = {}) {
    const select = options.select ?? firstOfEach
    this.#reader = new UnitReader({
      select: (streams) => {
        this.#leftOut = streams.filter((stream) => !isPackable(stream))
        return select(streams)
      },
      onStreams: (streams) => this.#sorter.follow(streams),
      onUnit: (unit) => this.#takeUnit(unit),
    })
  }

  /** Streams of the programme whose codec has no place here: AAC in LATM, Opus, DTS and others. */
  get leftOut(): readonly ElementaryStream[] {
    return this.#leftOut
  }

  push(packets: Buffer, _joinOffsets?: readonly number[]): void {
    this.#reader.push(packets)
    const bytes = this.#sorter.epochs.reduce((sum, epoch) => sum + epoch.bytes, 0)
    if (bytes > BUFFER_BYTES_MAX) this.#sorter.clear()
  }

  get init(): CmafInit | undefined {
    const epoch = this.#front()
    return epoch !== undefined && this.#isReady(epoch) ? epoch.freeze() : undefined
  }

  get nextDts(): number | undefined {
    const epoch = this.#front()
    const first = epoch?.leader.queue.samples[0]
    if (epoch === undefined || first === undefined || this.#readySamples(epoch) === 0) return undefined
    return epoch.leader.queue.dtsOf(first)
  }

  get bufferedS(): number {
    const epoch = this.#front()
    if (epoch === undefined) return 0
    const { samples, timescale } = epoch.leader.queue
    const last = samples[this.#readySamples(epoch) - 1]
    return last === undefined ? 0 : (last.time + last.duration - (samples[0]?.time ?? 0)) / timescale
  }

  get isLastOfInit(): boolean {
    const epoch = this.#front()
    if (epoch === undefined || !epoch.isClosed) return false
    const { length } = epoch.leader.queue.samples
    return length > 0 && this.#readySamples(epoch) === length
  }

  randomAccessDts(fromDts: number): number | undefined {
    const epoch = this.#front()
    if (epoch === undefined) return undefined
    const { queue } = epoch.leader
    const ready = this.#readySamples(epoch)
    const { samples } = queue
    for (let index = Math.max(1, queue.countBefore(fromDts - EPSILON)); index <= ready; index += 1) {
      const sample = samples[index]
      if (sample?.isSync === true) return queue.dtsOf(sample)
    }
    return this.isLastOfInit ? epoch.leader.completeEndDts : undefined
  }

  take({ untilDts, endDts = Infinity }: TakeOptions = {}): CmafFragment | undefined {
    const epoch = this.#front()
    if (epoch === undefined) return undefined
    const { queue } = epoch.leader
    const ready = this.#readySamples(epoch)
    const begun = untilDts === undefined ? ready : Math.min(ready, queue.countBefore(untilDts - EPSILON))
    const count = queue.countEnding(begun, endDts + EPSILON)
    if (count === 0) return undefined
    const init = epoch.freeze()
    const isLast = epoch.isClosed && count === queue.samples.length
    const boundary = isLast ? undefined : queue.samples[count]
    const boundaryPts = this.#boundaryPts(epoch, count)
    const samples = queue.take(count)
    const startPts90k = samples.reduce((earliest, sample) => Math.min(earliest, queue.ptsOf(sample)), Infinity)
    const [first] = samples
    const durationTicks = samples.reduce((sum, { duration }) => sum + duration, 0)
    const runs = [runOf(epoch.leader.trackId, samples), ...this.#takeOthers(epoch, isLast ? Infinity : boundaryPts)]
    const latestSync = samples.findLast(({ isSync }) => isSync)
    if (latestSync !== undefined) epoch.lead = queue.ptsOf(latestSync) - queue.dtsOf(latestSync)
    this.#sequenceNumber += 1
    const fragment = writeFragment(this.#sequenceNumber, runs)
    const events = this.#takeEvents(boundary === undefined && this.#sorter.epochs.length === 1 ? Infinity : boundaryPts)
    return {
      bytes: events.length === 0 ? fragment : Buffer.concat([...events, fragment]),
      init,
      startPts90k: Math.round(startPts90k),
      startDts90k: Math.round(first === undefined ? 0 : queue.dtsOf(first)),
      durationS: durationTicks / queue.timescale,
      isIndependent: first?.isSync === true,
    }
  }

  end(): void {
    this.#reader.flush()
    this.#sorter.end()
  }

  #takeUnit(unit: AccessUnit): void {
    if (unit.stream.codec !== 'id3') this.#sorter.take(unit)
    else if (this.#events.length < EVENTS_MAX) this.#events.push({ pts: unit.pts, data: Buffer.from(unit.data) })
  }

  /** The epoch that is played next: one that is closed and empty makes way. */
  #front(): Epoch | undefined {
    const { epochs } = this.#sorter
    while (epochs.length > 1 && epochs[0]?.isClosed === true && epochs[0].leader.queue.samples.length === 0) {
      epochs.shift()
    }
    return epochs[0]
  }

  /** Whether all tracks that are to be in the initialisation segment have shown their format, or have been waited for. */
  #isReady(epoch: Epoch): boolean {
    if (epoch.leader.completeSamples === 0) return false
    if (epoch.isFrozen || epoch.isClosed || epoch.others.size === epoch.expected.size) return true
    return (this.#sorter.latestDts ?? 0) - epoch.startDts > SILENCE_TICKS_MAX
  }

  /** How many of the leading track's samples may go out: complete, and with the other tracks as far as they are. */
  #readySamples(epoch: Epoch): number {
    if (!this.#isReady(epoch)) return 0
    const { leader } = epoch
    const complete = leader.completeSamples
    const limit = this.#limitDts(epoch)
    const end = leader.completeEndDts
    if (end === undefined || end <= limit + EPSILON) return complete
    // A sample ends where the next begins, so of those that begin up to the limit the last does not count.
    return Math.min(complete, Math.max(0, leader.queue.countBefore(limit + EPSILON) - 1))
  }

  /** How far the leading track may go, 90 kHz DTS, so that the other tracks are not behind it. */
  #limitDts(epoch: Epoch): number {
    if (epoch.isFinal) return Infinity
    const newestDts = this.#sorter.latestDts ?? 0
    let limit = Infinity
    for (const pid of epoch.others.keys()) {
      const newest = this.#sorter.newestPts.get(pid)
      if (newest === undefined || newestDts - newest > LAG_TICKS_MAX) continue
      limit = Math.min(limit, newest - epoch.lead)
    }
    return limit
  }

  /** Up to which presentation time other tracks belong to the first `count` samples, 90 kHz. */
  #boundaryPts({ leader, lead }: Epoch, count: number): number {
    const { queue } = leader
    const next = queue.samples[count]
    if (next?.isSync === true) return queue.ptsOf(next)
    const dts = next === undefined ? (leader.completeEndDts ?? 0) : queue.dtsOf(next)
    const sync = queue.samples.slice(0, count).findLast(({ isSync }) => isSync)
    return dts + (sync === undefined ? lead : queue.ptsOf(sync) - queue.dtsOf(sync))
  }

  #takeOthers(epoch: Epoch, boundaryPts: number): readonly TrackRun[] {
    const runs: TrackRun[] = []
    for (const { trackId, queue } of epoch.others.values()) {
      const samples = queue.take(Number.isFinite(boundaryPts) ? queue.countBefore(boundaryPts - EPSILON) : Infinity)
      if (samples.length > 0) runs.push(runOf(trackId, samples))
    }
    return runs
  }

  #takeEvents(boundaryPts: number): readonly Buffer[] {
    const taken = this.#events.filter(({ pts }) => pts < boundaryPts)
    if (taken.length === 0) return []
    this.#events = this.#events.filter(({ pts }) => pts >= boundaryPts)
    return taken.map(({ pts, data }) => {
      this.#eventId += 1
      const time = BigInt(Math.max(0, Math.round(pts)))
      const common = { schemeIdUri: ID3_SCHEME, value: '', timescale: TICKS_PER_SECOND, duration: DURATION_UNKNOWN }
      return writeEventMessage({ ...common, time, id: this.#eventId, data })
    })
  }
}
