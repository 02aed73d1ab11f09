import type { Clock, Timer } from '../../lib/clock.ts'
import type { Slice } from '../ring.ts'

export interface SeamRecorderOptions {
  readonly clock: Clock
  /** Bytes of one capture; past that its end is cut, and what is kept of the time before a seam is at most half of it. */
  readonly captureBytesMax: number
  /** A capture is complete: what goes into the file, in order. The memory is shared with the stream and is not written again. */
  readonly onCaptured: (receiptId: string, pieces: readonly Buffer[]) => void
}

/** What a capture shows of either side of the seam. */
const CAPTURE_MS = 10_000
/** Before that it begins at a join point, which may lie a group of pictures earlier; and an outage lies between. */
const KEPT_MS = 20_000
/** Seams that are captured at the same time; the captures share their slices. */
const CAPTURES_AT_ONCE_MAX = 8

interface Capture {
  readonly receiptId: string
  readonly slices: Slice[]
  bytes: number
  /** A slice did not fit: what comes after it is left out too, or the capture would have a hole. */
  isFull: boolean
  timer: Timer
}

/** Holds on to the latest slices of one stream, without copying them, and puts those around each seam together. */
export class SeamRecorder {
  readonly #options: SeamRecorderOptions
  readonly #captures = new Set<Capture>()
  #slices: Slice[] = []
  #bytes = 0

  constructor(options: SeamRecorderOptions) {
    this.#options = options
  }

  /** A slice went out to the viewers. */
  published(slice: Slice): void {
    this.#slices.push(slice)
    this.#bytes += slice.data.length
    for (const capture of this.#captures) this.#add(capture, slice)
    const { captureBytesMax } = this.#options
    let gone = 0
    for (const { data, publishedAtMs } of this.#slices) {
      if (slice.publishedAtMs - publishedAtMs <= KEPT_MS && this.#bytes <= captureBytesMax / 2) break
      this.#bytes -= data.length
      gone += 1
    }
    if (gone > 0) this.#slices.splice(0, gone)
  }

  /**
   * A switch was decided at `decidedAtMs` (monotonic) and has settled. What it changed goes out to viewers `delayMs`
   * from now.
   */
  switched(receiptId: string, decidedAtMs: number, delayMs: number): void {
    if (this.#captures.size >= CAPTURES_AT_ONCE_MAX) return
    const capture: Capture = {
      receiptId,
      slices: [],
      bytes: 0,
      isFull: false,
      timer: this.#options.clock.schedule(delayMs + CAPTURE_MS, () => this.#finish(capture)),
    }
    for (const slice of this.#from(decidedAtMs + delayMs - CAPTURE_MS)) this.#add(capture, slice)
    this.#captures.add(capture)
  }

  /** The stream ends or is captured no longer: what is under way is kept as far as it came. */
  end(): void {
    for (const capture of this.#captures) this.#finish(capture)
    this.#slices = []
    this.#bytes = 0
  }

  /** From the latest join point at or before this time on, else from the first one after it, else from that time. */
  #from(fromMs: number): readonly Slice[] {
    const isJoin = ({ preamble }: Slice) => preamble !== undefined
    const before = this.#slices.findLastIndex((slice) => isJoin(slice) && slice.publishedAtMs <= fromMs)
    if (before >= 0) return this.#slices.slice(before)
    const after = this.#slices.findIndex(isJoin)
    return after >= 0 ? this.#slices.slice(after) : this.#slices.filter((slice) => slice.publishedAtMs >= fromMs)
  }

  #add(capture: Capture, slice: Slice): void {
    if (capture.bytes + slice.data.length > this.#options.captureBytesMax) capture.isFull = true
    if (capture.isFull) return
    capture.slices.push(slice)
    capture.bytes += slice.data.length
  }

  #finish(capture: Capture): void {
    if (!this.#captures.delete(capture)) return
    capture.timer.cancel()
    const [first] = capture.slices
    if (first === undefined) return
    const preamble = first.preamble === undefined || first.preamble.length === 0 ? [] : [first.preamble]
    this.#options.onCaptured(capture.receiptId, [...preamble, ...capture.slices.map(({ data }) => data)])
  }
}
