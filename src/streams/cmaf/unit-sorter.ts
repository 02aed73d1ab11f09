import type { ElementaryStream } from '../../mpegts/elementary-stream.ts'
import type { AccessUnit } from '../../mpegts/units/access-unit.ts'
import { audioHeaderKey, readAudioFormat } from './audio-format.ts'
import { Epoch } from './epoch.ts'
import type { SampleFormat } from './sample-format.ts'
import { TrackFeed } from './track-feed.ts'
import { readVideoFormat } from './video-format.ts'

const TICKS_PER_SECOND = 90_000
/** A step of the leading track above this, or back by more than that, is another timeline. */
const STEP_TICKS_MAX = 10 * TICKS_PER_SECOND
const BACK_TICKS_MAX = TICKS_PER_SECOND
/** A track without a unit for so long is not in the next initialisation segment. */
export const SILENCE_TICKS_MAX = 3 * TICKS_PER_SECOND
/** Audio alone goes out when the pictures that the tables tell of have not come for so long. */
const VIDEO_PATIENCE_TICKS = 12 * TICKS_PER_SECOND
/** How far from a random access point a change of audio may be to belong to it. */
const CHANGE_TICKS_MAX = TICKS_PER_SECOND
/** An audio unit that begins so little before the picture may go with it where nothing was before. */
const EARLY_TICKS_MAX = 4_500
const ROUNDING_TICKS = 1
/** Units that wait for an epoch, per muxer. */
const EARLY_UNITS_MAX = 2_000
const EARLY_BYTES_MAX = 4 * 1_024 * 1_024

/**
 * Sorts units into epochs. An epoch begins at a random access point of the leading track, when parameter sets, codecs or tracks change or the
 * timeline jumps; audio of another format waits for one, or takes the one that it came with.
 */
export class UnitSorter {
  /** Oldest first. */
  readonly epochs: Epoch[] = []
  /** PTS of the newest unit of each PID, 90 kHz. */
  readonly newestPts = new Map<number, number>()
  #streams: readonly ElementaryStream[] = []
  #isVideoMissing = false
  #isRenewalDue = false
  #early: AccessUnit[] = []
  #earlyBytes = 0
  #nextId = 1
  #latestDts: number | undefined
  readonly #audioFormats = new Map<number, { readonly header: number; readonly format: SampleFormat | undefined }>()

  /** Decoding time of the newest unit of the leading track, 90 kHz. */
  get latestDts(): number | undefined {
    return this.#latestDts
  }

  /** Other streams from here on. */
  follow(streams: readonly ElementaryStream[]): void {
    this.#streams = streams.filter(({ kind }) => kind === 'video' || kind === 'audio')
    this.#isVideoMissing = false
    this.#isRenewalDue = true
    this.#audioFormats.clear()
  }

  take(unit: AccessUnit): void {
    const { pid, kind } = unit.stream
    if (kind === 'video' && unit.isRandomAccess) this.#isVideoMissing = false
    this.newestPts.set(pid, unit.pts)
    if (pid === this.#leaderPid()) this.#takeLeader(unit)
    else if (kind === 'audio') this.#takeOther(unit)
  }

  /** Nothing more comes. */
  end(): void {
    for (const epoch of this.epochs) epoch.finish()
  }

  /** Forgets all that was buffered; the next random access point begins anew. */
  clear(): void {
    this.epochs.length = 0
    this.#forgetEarly()
  }

  #leaderPid(): number | undefined {
    const video = this.#isVideoMissing ? undefined : this.#streams.find(({ kind }) => kind === 'video')
    return (video ?? this.#streams.find(({ kind }) => kind === 'audio'))?.pid
  }

  #formatOf(unit: AccessUnit): SampleFormat | undefined {
    if (unit.stream.kind === 'video') return readVideoFormat(unit)
    const header = audioHeaderKey(unit)
    const known = this.#audioFormats.get(unit.stream.pid)
    if (known?.header === header && known.format !== undefined) return known.format
    const format = readAudioFormat(unit)
    this.#audioFormats.set(unit.stream.pid, { header, format })
    return format
  }

  #takeLeader(unit: AccessUnit): void {
    const { pid } = unit.stream
    const step = this.#latestDts === undefined ? 0 : unit.dts - this.#latestDts
    const isJump = step > STEP_TICKS_MAX || step < -BACK_TICKS_MAX
    if (isJump) this.#leaveTimeline()
    this.#latestDts = unit.dts
    const latest = this.epochs.at(-1)
    const current = latest?.leaderPid === pid && !latest.isClosed ? latest : undefined
    if (!unit.isRandomAccess) {
      current?.leader.push(unit)
      return
    }
    const format = this.#formatOf(unit) ?? current?.leader.format
    if (format === undefined) return
    const isSame = current !== undefined && current.leader.format.key === format.key && !this.#isChangeDue(current)
    const epoch = isSame ? current : this.#begin(unit, format)
    epoch.leader.push(unit)
  }

  #leaveTimeline(): void {
    this.end()
    this.newestPts.clear()
    this.#forgetEarly()
  }

  /** Tracks came, or one of the epoch's has been silent. */
  #isChangeDue(epoch: Epoch): boolean {
    if (this.#isRenewalDue) return true
    return [...epoch.others.keys()].some((pid) => !this.#isAlive(pid))
  }

  #isAlive(pid: number): boolean {
    const newest = this.newestPts.get(pid)
    return newest !== undefined && newest > (this.#latestDts ?? 0) - SILENCE_TICKS_MAX
  }

  #begin(start: AccessUnit, format: SampleFormat): Epoch {
    const { pid, language } = start.stream
    const before = this.epochs.at(-1)
    const beside = this.#streams.filter((stream) => stream.kind === 'audio' && stream.pid !== pid)
    const expected = beside.filter((stream) => before === undefined || this.#isAlive(stream.pid))
    const epoch = new Epoch(
      this.#nextId,
      pid,
      new TrackFeed(1, format, language),
      start,
      expected.map((stream) => stream.pid),
    )
    this.#nextId += 1
    this.#isRenewalDue = false
    if (before !== undefined) this.#handOver(before, epoch)
    this.epochs.push(epoch)
    const early = this.#early
    this.#forgetEarly()
    for (const unit of early) if (unit.stream.pid !== pid) this.#takeOther(unit)
    return epoch
  }

  /** What the epoch before has of later times goes into the new one. */
  #handOver(before: Epoch, epoch: Epoch): void {
    if (!before.isClosed) before.close(epoch.startDts)
    for (const [pid, feed] of before.others) {
      const index = feed.queue.countBefore(epoch.startPts - ROUNDING_TICKS)
      const samples = feed.queue.takeFrom(index)
      if (!epoch.expected.has(pid) || samples.length === 0) continue
      const next = this.#addTrack(epoch, pid, feed.format, feed.language)
      next.adopt(samples)
    }
  }

  #addTrack(epoch: Epoch, pid: number, format: SampleFormat, language: string | undefined): TrackFeed {
    const order = [...epoch.expected].indexOf(pid)
    const feed = new TrackFeed(2 + Math.max(0, order), format, language)
    epoch.others.set(pid, feed)
    return feed
  }

  #takeOther(unit: AccessUnit): void {
    const { pid, language } = unit.stream
    const epoch = this.epochs.at(-1)
    if (epoch === undefined) {
      this.#keepEarly(unit)
      this.#loseVideoPatience(unit)
      return
    }
    const format = this.#formatOf(unit)
    if (format === undefined) return
    if (unit.pts < epoch.startPts - ROUNDING_TICKS) {
      const late = this.epochs.at(-2)?.others.get(pid)
      if (late?.format.key === format.key) {
        late.push(unit)
        return
      }
      if (unit.pts < epoch.startPts - EARLY_TICKS_MAX) return
    }
    let feed = epoch.others.get(pid)
    if (feed === undefined && epoch.expected.has(pid) && !epoch.isFrozen) {
      feed = this.#addTrack(epoch, pid, format, language)
    }
    if (feed !== undefined && feed.format.key !== format.key) feed = this.#changeFormat(epoch, unit, format)
    if (feed !== undefined) feed.push(unit)
    else {
      this.#keepEarly(unit)
      this.#isRenewalDue = true
    }
  }

  /** Audio goes on in another format: the track that takes it, or undefined when it has to wait for a random access point. */
  #changeFormat(epoch: Epoch, unit: AccessUnit, format: SampleFormat): TrackFeed | undefined {
    const { pid, language } = unit.stream
    const isAtStart = unit.pts - epoch.startPts < CHANGE_TICKS_MAX && !epoch.isFrozen
    if (isAtStart) {
      epoch.others.delete(pid)
      return this.#addTrack(epoch, pid, format, language)
    }
    const { queue } = epoch.leader
    const near = queue.samples.findLastIndex(
      (sample) => sample.isSync && Math.abs(queue.ptsOf(sample) - unit.pts) < CHANGE_TICKS_MAX,
    )
    if (near < 0 || !epoch.leader.isVideo) return undefined
    const next = this.#split(epoch, near)
    next.others.delete(pid)
    return this.#addTrack(next, pid, format, language)
  }

  /** The samples of the leading track from `index` on make an epoch of their own. */
  #split(epoch: Epoch, index: number): Epoch {
    const { queue, format, language } = epoch.leader
    const samples = queue.takeFrom(index)
    const [first] = samples
    const start = first === undefined ? epoch.startDts : queue.dtsOf(first)
    const pts = first === undefined ? epoch.startPts : queue.ptsOf(first)
    const leader = new TrackFeed(1, format, language)
    leader.adopt(samples)
    const next = new Epoch(this.#nextId, epoch.leaderPid, leader, { pts, dts: start }, epoch.expected)
    this.#nextId += 1
    this.#handOver(epoch, next)
    this.epochs.push(next)
    return next
  }

  #keepEarly(unit: AccessUnit): void {
    if (this.#early.length >= EARLY_UNITS_MAX || this.#earlyBytes + unit.data.length > EARLY_BYTES_MAX) {
      const dropped = this.#early.shift()
      this.#earlyBytes -= dropped?.data.length ?? 0
    }
    this.#early.push({ ...unit, data: Buffer.from(unit.data) })
    this.#earlyBytes += unit.data.length
  }

  #forgetEarly(): void {
    this.#early = []
    this.#earlyBytes = 0
  }

  #loseVideoPatience(unit: AccessUnit): void {
    const first = this.#early.find(({ stream }) => stream.pid === unit.stream.pid)
    if (first === undefined || unit.pts - first.pts < VIDEO_PATIENCE_TICKS) return
    this.#isVideoMissing = true
    this.#latestDts = undefined
    const early = this.#early
    this.#forgetEarly()
    for (const each of early) this.take(each)
  }
}
