import type { Clock } from '../../lib/clock.ts'
import type { SwitchReceipt } from '../receipts/receipt.ts'
import type { Slice } from '../ring.ts'
import { SeamRecorder } from './seam-recorder.ts'

/** Where captures go; see CaptureFiles. */
export interface CaptureSink {
  readonly captureBytesMax: number
  keep(streamId: string, receiptId: string, pieces: readonly Buffer[]): void
}

export interface StreamCaptureOptions {
  readonly streamId: string
  readonly clock: Clock
  readonly captures: CaptureSink
  /** Whether the stream asks for captures, and how much later its viewers get what has arrived. */
  readonly isWanted: () => boolean
  readonly delayMs: () => number
  readonly observe: (observer: (slice: Slice) => void) => Disposable
}

/** The captures of one stream; a stream that does not ask for them pays nothing. */
export class StreamCapture {
  readonly #options: StreamCaptureOptions
  #recorder: SeamRecorder | undefined
  #observation: Disposable | undefined

  constructor(options: StreamCaptureOptions) {
    this.#options = options
    this.arrange()
  }

  /** What the stream asks for may have changed. */
  arrange(): void {
    const { streamId, clock, captures, isWanted, observe } = this.#options
    if (isWanted() === (this.#recorder !== undefined)) return
    if (this.#recorder !== undefined) {
      this.end()
      this.#observation?.[Symbol.dispose]()
      this.#recorder = undefined
      return
    }
    const { captureBytesMax } = captures
    const onCaptured = (receiptId: string, pieces: readonly Buffer[]) => captures.keep(streamId, receiptId, pieces)
    const recorder = new SeamRecorder({ clock, captureBytesMax, onCaptured })
    this.#recorder = recorder
    this.#observation = observe((slice) => recorder.published(slice))
  }

  switched({ receiptId, decidedWallMs }: SwitchReceipt): void {
    const { clock, delayMs } = this.#options
    const decidedAtMs = decidedWallMs - (clock.wallMs() - clock.nowMs())
    this.#recorder?.switched(receiptId, decidedAtMs, delayMs())
  }

  /** The stream is idle: what is under way is kept as far as it came. */
  end(): void {
    this.#recorder?.end()
  }
}
