import type { TrackRun } from '../../isobmff/fragment-writer.ts'
import type { Sample } from '../../isobmff/track.ts'

const TICKS_PER_SECOND = 90_000
/** A duration is 32 bits in the file; a hole is never so long here. */
const DURATION_MAX = 0x7fff_ffff

export interface QueuedSample extends Sample {
  duration: number
  /** Decoding time in ticks of the track. */
  readonly time: number
}

/** Samples of one track that wait to be taken, with times in ticks of the track. */
export class SampleQueue {
  readonly timescale: number
  readonly #samples: QueuedSample[] = []
  #bytes = 0

  constructor(timescale: number) {
    this.timescale = timescale
  }

  get samples(): readonly QueuedSample[] {
    return this.#samples
  }

  get bytes(): number {
    return this.#bytes
  }

  get last(): QueuedSample | undefined {
    return this.#samples.at(-1)
  }

  push(sample: QueuedSample): void {
    this.#samples.push(sample)
    this.#bytes += sample.data.length
  }

  /** The last sample lasts until `time`, ticks of the track. */
  extendLast(time: number): void {
    const { last } = this
    if (last !== undefined) last.duration = Math.min(DURATION_MAX, Math.max(1, time - last.time))
  }

  /** Decoding and presentation time of a sample in 90 kHz, not rounded. */
  dtsOf(sample: QueuedSample): number {
    return (sample.time * TICKS_PER_SECOND) / this.timescale
  }

  ptsOf(sample: QueuedSample): number {
    return ((sample.time + sample.compositionOffset) * TICKS_PER_SECOND) / this.timescale
  }

  /** How many of the first samples begin before `dts`, 90 kHz. */
  countBefore(dts: number): number {
    const time = (dts * this.timescale) / TICKS_PER_SECOND
    let low = 0
    let high = this.#samples.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#samples[middle]?.time ?? 0) < time) low = middle + 1
      else high = middle
    }
    return low
  }

  /** How many of the first `count` samples end by `dts`, 90 kHz, but one of them at least. */
  countEnding(count: number, dts: number): number {
    const time = (dts * this.timescale) / TICKS_PER_SECOND
    let left = count
    for (; left > 1; left -= 1) {
      const last = this.#samples[left - 1]
      if (last === undefined || last.time + last.duration <= time) break
    }
    return left
  }

  /** Takes the first `count` samples. */
  take(count: number): readonly QueuedSample[] {
    const taken = this.#samples.splice(0, count)
    for (const { data } of taken) this.#bytes -= data.length
    return taken
  }

  /** Takes all samples from the `index`th on. */
  takeFrom(index: number): readonly QueuedSample[] {
    const taken = this.#samples.splice(index)
    for (const { data } of taken) this.#bytes -= data.length
    return taken
  }
}

export function runOf(trackId: number, samples: readonly QueuedSample[]): TrackRun {
  return { trackId, decodeTime: samples[0]?.time ?? 0, samples }
}
