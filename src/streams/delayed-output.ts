import type { Clock, Timer } from '../lib/clock.ts'
import type { StreamRing } from './ring.ts'

/**
 * The way from the splice into the ring: at once, or each piece a fixed time after it arrived from its source. What a
 * standby takes over from its history has arrived long ago, so it follows what went before without a gap as long as the
 * delay is longer than noticing the failure took.
 */
export interface DelayedOutputOptions {
  readonly ring: StreamRing
  readonly clock: Clock
  /** Milliseconds; may change at any time. 0: nothing is kept back or copied. */
  readonly delayMs: () => number
  /** Media is in the ring; `isUrgent` when viewers have been waiting for it. */
  readonly onReleased: (isUrgent: boolean) => void
}

interface Piece {
  readonly data: Buffer
  readonly joinOffsets: readonly number[]
  readonly preamble: () => Buffer
  readonly dueMs: number
  isUrgent: boolean
}

/** Past this the oldest goes out early, whatever the delay: a source that sends faster than real time. */
const BYTES_MAX = 67_108_864

export class DelayedOutput {
  readonly #options: DelayedOutputOptions
  readonly #pieces: Piece[] = []
  #bytes = 0
  #timer: Timer | undefined
  #lastDueMs = Number.NEGATIVE_INFINITY
  /** Bytes taken since the start, whether they have gone out or not. */
  takenBytes = 0

  constructor(options: DelayedOutputOptions) {
    this.#options = options
  }

  /** Bytes that wait for their time. */
  get waitingBytes(): number {
    return this.#bytes
  }

  /** When what arrived at `arrivedAtMs` would go out if it were appended now. */
  dueMs(arrivedAtMs: number): number {
    const { clock, delayMs } = this.#options
    return Math.max(clock.nowMs(), arrivedAtMs + delayMs(), this.#pieces.length > 0 ? this.#lastDueMs : 0)
  }

  /** Takes a run of packets; their memory is the caller's again after the call. */
  append(data: Buffer, joinOffsets: readonly number[], preamble: () => Buffer, arrivedAtMs: number): void {
    this.takenBytes += data.length
    if (this.#pieces.length === 0 && this.#options.delayMs() === 0) {
      this.#options.ring.append(data, joinOffsets, preamble)
      return
    }
    const dueMs = this.dueMs(arrivedAtMs)
    this.#lastDueMs = dueMs
    // The preamble as it is now: by the time this goes out the source may be another one.
    const tables = joinOffsets.length > 0 ? preamble() : undefined
    this.#pieces.push({
      data: Buffer.from(data),
      joinOffsets: [...joinOffsets],
      preamble: () => tables ?? preamble(),
      dueMs,
      isUrgent: false,
    })
    this.#bytes += data.length
  }

  /** Ends a run of appends: what is due goes to the ring and to the viewers. */
  settle(isUrgent: boolean): void {
    const last = this.#pieces.at(-1)
    if (last === undefined) this.#options.onReleased(isUrgent)
    else {
      if (isUrgent) last.isUrgent = true
      this.#release()
    }
  }

  /** Everything goes out at once: the stream ends. */
  flush(): void {
    this.#release(Number.POSITIVE_INFINITY)
  }

  /** Forgets what waits. */
  clear(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#pieces.length = 0
    this.#bytes = 0
  }

  #release(upToMs = this.#options.clock.nowMs()): void {
    const { ring, onReleased } = this.#options
    let count = 0
    let isUrgent = false
    for (const piece of this.#pieces) {
      if (piece.dueMs > upToMs && this.#bytes <= BYTES_MAX) break
      ring.append(piece.data, piece.joinOffsets, piece.preamble)
      this.#bytes -= piece.data.length
      if (piece.isUrgent) isUrgent = true
      count += 1
    }
    if (count > 0) {
      this.#pieces.splice(0, count)
      onReleased(isUrgent)
    }
    this.#arm()
  }

  #arm(): void {
    this.#timer?.cancel()
    const [next] = this.#pieces
    const { clock } = this.#options
    this.#timer =
      next === undefined
        ? undefined
        : clock.schedule(Math.max(0, next.dueMs - clock.nowMs()), () => {
            this.#timer = undefined
            this.#release()
          })
  }
}
