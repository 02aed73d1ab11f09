import type { Slice, StreamRing } from './ring.ts'
import type { SessionFailure } from './sources/session.ts'

/** Somebody inside the gateway who takes what viewers get. */
export interface OutputSink {
  /** Takes whole units; the memory is shared and stays as it is. False: nothing more until `resume` of the tap. */
  write(media: Buffer): boolean
  /** The stream has ended. */
  end(): void
}

export interface OutputTapOptions {
  readonly ring: StreamRing
  readonly sink: OutputSink
  readonly onDisposed: () => void
  readonly onRejected: (failure: SessionFailure) => void
}

/** A cursor of a consumer inside the gateway. One that cannot keep up goes on at the latest point where a decoder can begin. */
export class OutputTap implements Disposable {
  readonly #options: OutputTapOptions
  readonly #ring: StreamRing
  readonly #sink: OutputSink
  readonly #observing: Disposable
  #cursor: number | undefined
  #isFull = false
  #isDisposed = false
  /** Times it fell behind what is kept. */
  skips = 0

  constructor(options: OutputTapOptions) {
    const { ring, sink } = options
    this.#options = options
    this.#ring = ring
    this.#sink = sink
    this.#observing = ring.observe((slice) => this.#published(slice))
    this.#pump()
  }

  /** The sink has room again. */
  resume(): void {
    this.#isFull = false
    this.#pump()
  }

  /** The sink can make nothing of what the source on air sends: the source counts as failed. Also when disposed of. */
  reject(failure: SessionFailure): void {
    this.#options.onRejected(failure)
  }

  /** The stream has ended; the sink is told. */
  end(): void {
    if (this.#isDisposed) return
    this[Symbol.dispose]()
    this.#sink.end()
  }

  [Symbol.dispose](): void {
    if (this.#isDisposed) return
    this.#isDisposed = true
    this.#observing[Symbol.dispose]()
    this.#options.onDisposed()
  }

  #published(slice: Slice): void {
    // What was read so far is gone when the ring began anew.
    if (this.#cursor !== undefined && this.#cursor > slice.sequence) this.#cursor = undefined
    this.#pump()
  }

  #pump(): void {
    const ring = this.#ring
    while (!this.#isFull && !this.#isDisposed) {
      if (this.#cursor === undefined || this.#cursor < ring.oldestSequence) {
        const { latestJoin } = ring
        if (latestJoin === undefined) return
        if (this.#cursor !== undefined) this.skips += 1
        this.#cursor = latestJoin.sequence
        if (latestJoin.preamble !== undefined && latestJoin.preamble.length > 0) this.#write(latestJoin.preamble)
        continue
      }
      const slice = ring.at(this.#cursor)
      if (slice === undefined) return
      this.#cursor += 1
      this.#write(slice.data)
    }
  }

  #write(media: Buffer): void {
    if (!this.#sink.write(media)) this.#isFull = true
  }
}
