import type { Clock, Timer } from '../lib/clock.ts'
import type { LiveStream } from '../streams/live-stream.ts'
import type { OutputTap } from '../streams/output-tap.ts'
import type { SessionFailure } from '../streams/sources/session.ts'
import type { TranscoderInput, TranscoderSink, TranscoderTap } from './transcoder-transport.ts'

/** The next encoder waits for the next source, but no longer than this. */
const SWITCH_WAIT_MS = 5_000

/** What encoders read: the stream that takes in the sources, and while it changes because of them, the next source. */
export class SwitchingInput implements TranscoderInput {
  readonly #stream: Pick<LiveStream, 'tap'>
  readonly #clock: Clock
  readonly #waiting = new Set<WaitingTap>()
  /** What an encoder read last. */
  #tap: OutputTap | undefined
  #isSwitching = false
  #timer: Timer | undefined

  constructor(stream: Pick<LiveStream, 'tap'>, clock: Clock) {
    this.#stream = stream
    this.#clock = clock
  }

  /** The stream, from its latest keyframe on; or, while it changes to another source, from that one's first. */
  attach(sink: TranscoderSink): TranscoderTap {
    const open = (): TranscoderTap => {
      const opened = this.#stream.tap(sink)
      this.#tap = opened
      return opened
    }
    if (!this.#isSwitching) return open()
    const tap = new WaitingTap(open, () => this.#waiting.delete(tap))
    this.#waiting.add(tap)
    return tap
  }

  /** The source on air is one that no encoder gets along with: those to come are to read the next. */
  reject(failure: SessionFailure): void {
    this.#isSwitching = true
    this.#timer?.cancel()
    this.#timer = this.#clock.schedule(SWITCH_WAIT_MS, () => this.switched())
    this.#tap?.reject(failure)
  }

  /** Another source is on air. */
  switched(): void {
    this.#timer?.cancel()
    this.#isSwitching = false
    for (const tap of this.#waiting) tap.attach()
    this.#waiting.clear()
  }

  close(): void {
    this.#timer?.cancel()
  }
}

/** Stands in for a tap until there is something to tap. */
class WaitingTap implements TranscoderTap {
  readonly #open: () => TranscoderTap
  readonly #onDisposed: () => void
  #tap: TranscoderTap | undefined
  #isDisposed = false

  constructor(open: () => TranscoderTap, onDisposed: () => void) {
    this.#open = open
    this.#onDisposed = onDisposed
  }

  get skips(): number {
    return this.#tap?.skips ?? 0
  }

  attach(): void {
    if (!this.#isDisposed) this.#tap = this.#open()
  }

  resume(): void {
    this.#tap?.resume()
  }

  [Symbol.dispose](): void {
    this.#isDisposed = true
    this.#tap?.[Symbol.dispose]()
    this.#onDisposed()
  }
}
