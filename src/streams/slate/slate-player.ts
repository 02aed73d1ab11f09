import type { Clock, Timer } from '../../lib/clock.ts'
import { TICKS_PER_MS } from '../../mpegts/splice/timestamp.ts'
import type { Finding } from '../detect/conditions.ts'
import type { Unmonitored } from '../detect/content-watch.ts'
import type { FeedSource } from '../feed-track.ts'
import { TsFramer } from '../framing/ts-framer.ts'
import type { SessionListener } from '../sources/session.ts'
import { LoopReader } from './loop-reader.ts'
import type { Slate } from './slate.ts'

export interface SlatePlayerOptions {
  readonly slate: Slate
  readonly clock: Clock
  readonly listener: Pick<SessionListener, 'media'>
}

/** Given at once at the begin: what a player that has run dry needs before it shows anything. */
const AHEAD_MS = 1_000
const TICK_MS = 60
/** What a process that stood still for a while leaves out instead of sending it all at once. */
const LATE_MS_MAX = 1_000

/**
 * Plays a slate again and again in real time, from `open` until `close`, as a source of a feed. It begins with a picture
 * that can be decoded; the timestamps go on over the loops.
 */
export class SlatePlayer implements FeedSource {
  readonly framer = new TsFramer()
  readonly contentType = 'video/mp2t'
  readonly connectMs = undefined
  readonly #options: SlatePlayerOptions
  readonly #reader: LoopReader
  /** Monotonic time at which the first unit was due. */
  #startMs = 0
  #timer: Timer | undefined
  #pausedMs: number | undefined
  #hasBegun = false
  #ended = false

  constructor(options: SlatePlayerOptions) {
    this.#options = options
    this.#reader = new LoopReader(options.slate)
  }

  get ended(): boolean {
    return this.#ended
  }

  /** Nothing is ever wrong with it. */
  findings(): readonly Finding[] {
    return []
  }

  unmonitored(): readonly Unmonitored[] {
    return []
  }

  /** Calls the listener before it returns. */
  open(): void {
    if (this.#hasBegun || this.#ended) return
    this.#hasBegun = true
    this.#startMs = this.#options.clock.nowMs()
    this.#tick()
  }

  close(): void {
    this.#ended = true
    this.#timer?.cancel()
    this.#timer = undefined
  }

  /** Stops sending until `resume`, after which it goes on where it was. */
  pause(): void {
    if (this.#ended || this.#pausedMs !== undefined) return
    this.#pausedMs = this.#options.clock.nowMs()
    this.#timer?.cancel()
    this.#timer = undefined
  }

  resume(): void {
    if (this.#ended || this.#pausedMs === undefined) return
    this.#startMs += this.#options.clock.nowMs() - this.#pausedMs
    this.#pausedMs = undefined
    if (this.#hasBegun) this.#arm()
  }

  #tick(): void {
    this.#timer = undefined
    const nowMs = this.#options.clock.nowMs()
    const aheadMs = Math.max(0, this.#reader.nextDts) / TICKS_PER_MS
    const lateMs = nowMs - this.#startMs + AHEAD_MS - aheadMs
    if (lateMs > AHEAD_MS + LATE_MS_MAX) this.#startMs += lateMs - AHEAD_MS
    const untilMs = nowMs - this.#startMs + AHEAD_MS
    const packets = this.#reader.readUntil(untilMs * TICKS_PER_MS)
    // The listener may pause or close it.
    if (packets.length > 0) this.framer.push(packets, { packets: (data, joins) => this.#hand(data, joins) })
    if (!this.#ended && this.#pausedMs === undefined) this.#arm()
  }

  #hand(data: Buffer, joinOffsets: readonly number[]): void {
    if (!this.#ended) this.#options.listener.media(data, joinOffsets)
  }

  #arm(): void {
    this.#timer ??= this.#options.clock.schedule(TICK_MS, () => this.#tick())
  }
}
