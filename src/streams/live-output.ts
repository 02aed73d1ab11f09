import type { Clock } from '../lib/clock.ts'
import { Audience } from './audience.ts'
import { StreamCapture } from './capture/stream-capture.ts'
import type { CaptureSink } from './capture/stream-capture.ts'
import { DelayedOutput } from './delayed-output.ts'
import type { FeedSource } from './feed-track.ts'
import { liveHead } from './outputs/live-head.ts'
import { NULL_PACKETS } from './outputs/null-packets.ts'
import { StreamRing } from './ring.ts'
import type { StreamLimits } from './stream-context.ts'
import type { BytesListener, Viewer } from './viewer.ts'

export interface LiveOutputOptions {
  readonly streamId: string
  readonly clock: Clock
  readonly limits: Pick<StreamLimits, 'bufferBytesMax' | 'bufferMsMax' | 'viewerStallMs'>
  readonly delayMs: () => number
  readonly captures: CaptureSink
  /** Whether what goes out around a switch is to be kept. */
  readonly isCaptured: () => boolean
  /** What viewers read now, or will read first. */
  readonly source: () => FeedSource | undefined
  readonly countBytes: BytesListener
  readonly onDropped: (viewer: Viewer, reason: string) => void
}

/** From the splice to the viewers: what is kept back, what can still be read, and who reads it. */
export class LiveOutput {
  readonly #options: LiveOutputOptions
  readonly ring: StreamRing
  readonly audience: Audience
  /** Where the splice puts what viewers are to get. */
  readonly way: DelayedOutput
  readonly capture: StreamCapture

  constructor(options: LiveOutputOptions) {
    const { clock, limits, delayMs } = options
    this.#options = options
    const bounds = { bytesMax: limits.bufferBytesMax, ageMsMax: limits.bufferMsMax }
    this.ring = new StreamRing(bounds, () => clock.nowMs())
    this.audience = new Audience({ ...options, ring: this.ring, viewerStallMs: limits.viewerStallMs })
    this.way = new DelayedOutput({
      ring: this.ring,
      clock,
      delayMs,
      onReleased: (isUrgent) => this.#released(isUrgent),
    })
    this.capture = new StreamCapture({
      ...options,
      isWanted: () => options.isCaptured(),
      observe: (observer) => this.ring.observe(observer),
    })
  }

  /** The head of an answer to a viewer. */
  get head(): Readonly<Record<string, string>> {
    return liveHead(this.#options.source())
  }

  /** Null packets between whole packets of an MPEG-TS stream that waits, so that its connections do not look dead. */
  keepAlive(): void {
    if (this.way.waitingBytes > 0) return
    this.ring.append(NULL_PACKETS, [], () => NULL_PACKETS)
    this.audience.appended(true)
  }

  /** Everything goes out, and then every connection ends cleanly. */
  end(): void {
    this.way.flush()
    this.audience.endAll()
  }

  /** The stream is idle: nothing of it is kept, and the next viewers wait again. */
  clear(): void {
    this.capture.end()
    this.way.clear()
    this.audience.close()
    this.ring.clear()
  }

  #released(isUrgent: boolean): void {
    const hasMedia = this.ring.publishedBytes + this.ring.pendingBytes > 0
    if (!this.audience.isOpen && hasMedia) this.audience.open(this.head)
    this.audience.appended(isUrgent)
  }
}
