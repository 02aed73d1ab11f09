import type { AccessUnit } from '../../mpegts/units/access-unit.ts'
import type { SampleFormat } from './sample-format.ts'
import { SampleQueue } from './sample-queue.ts'
import type { QueuedSample } from './sample-queue.ts'

const TICKS_PER_SECOND = 90_000
/** Of a last sample of video, while nothing better is known. */
const FRAME_TICKS_DEFAULT = 3_600

/** A picture that claims to be shown further than a minute from its decoding has a damaged timestamp. */
const COMPOSITION_TICKS_MAX = 5_400_000

/**
 * One track of one initialisation segment: units go in, samples with times and durations come out. Audio runs on its own count of samples and
 * follows the timestamps only where they leave it by more than half a unit.
 */
export class TrackFeed {
  readonly trackId: number
  readonly format: SampleFormat
  readonly language: string | undefined
  readonly queue: SampleQueue
  /** Audio: where the next unit is expected, ticks of the track. */
  #nextTime: number | undefined
  #latestDuration = FRAME_TICKS_DEFAULT
  #isClosed = false

  constructor(trackId: number, format: SampleFormat, language: string | undefined) {
    this.trackId = trackId
    this.format = format
    this.language = language
    this.queue = new SampleQueue(format.track.timescale)
  }

  get isVideo(): boolean {
    return this.format.track.kind === 'video'
  }

  /** How many samples of the queue have their whole duration: a picture lasts until the next one. */
  get completeSamples(): number {
    const { length } = this.queue.samples
    return this.isVideo && !this.#isClosed ? Math.max(0, length - 1) : length
  }

  /** End of the last complete sample, 90 kHz DTS; undefined when there is none. */
  get completeEndDts(): number | undefined {
    const sample = this.queue.samples[this.completeSamples - 1]
    return sample === undefined
      ? undefined
      : this.queue.dtsOf(sample) + (sample.duration * TICKS_PER_SECOND) / this.queue.timescale
  }

  /** Takes a unit; false when it has no place, since it is no sample or is there already. */
  push(unit: AccessUnit): boolean {
    const data = this.format.toSample(unit)
    if (data === undefined) return false
    if (this.isVideo) this.#pushVideo(unit, data)
    else return this.#pushAudio(unit, data)
    return true
  }

  /** Takes over audio samples of the feed before this one, which has the same format. */
  adopt(samples: readonly QueuedSample[]): void {
    for (const sample of samples) this.queue.push(sample)
    const { last } = this.queue
    if (last !== undefined && !this.isVideo) this.#nextTime = last.time + last.duration
  }

  /** Nothing more comes to this track; its last sample ends at `endDts` (90 kHz) where that is known. */
  close(endDts?: number): void {
    if (this.#isClosed) return
    this.#isClosed = true
    const { last } = this.queue
    if (!this.isVideo || last === undefined) return
    this.queue.extendLast(endDts === undefined ? last.time + this.#latestDuration : Math.round(endDts))
  }

  #pushVideo({ pts, dts, isRandomAccess }: AccessUnit, data: Buffer): void {
    const { last } = this.queue
    // Times that stand still or go back a little are damage: decoding order is what came.
    const time = Math.max(Math.round(dts), (last?.time ?? -Infinity) + 1)
    if (last !== undefined) {
      this.queue.extendLast(time)
      this.#latestDuration = last.duration
    }
    const shownAfter = Math.round(pts) - time
    const compositionOffset = Math.abs(shownAfter) <= COMPOSITION_TICKS_MAX ? shownAfter : 0
    this.queue.push({ data, time, duration: this.#latestDuration, compositionOffset, isSync: isRandomAccess })
  }

  #pushAudio({ pts }: AccessUnit, data: Buffer): boolean {
    const { unitTicks } = this.format
    const actual = (pts * this.queue.timescale) / TICKS_PER_SECOND
    const expected = this.#nextTime ?? Math.round(actual)
    const tolerance = unitTicks / 2
    if (actual < expected - tolerance) return false
    let time = expected
    if (actual > expected + tolerance) {
      time = Math.round(actual)
      this.queue.extendLast(time)
    }
    this.queue.push({ data, time, duration: unitTicks, compositionOffset: 0, isSync: true })
    this.#nextTime = time + unitTicks
    return true
  }
}
