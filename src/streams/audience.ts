import type { Clock, Timer } from '../lib/clock.ts'
import type { StreamRing } from './ring.ts'
import type { BytesListener, Viewer } from './viewer.ts'

/**
 * The viewers of one stream: those that wait for its first media, and those that read it. Decides how long media is
 * collected before it is handed out, drops viewers that take nothing for too long, and says whether the source should
 * be held back because even the fastest viewer cannot follow.
 */
export interface AudienceOptions {
  readonly ring: StreamRing
  readonly clock: Clock
  /** A viewer that takes no byte for this long is dropped. */
  readonly viewerStallMs: number
  readonly countBytes: BytesListener
  readonly onDropped: (viewer: Viewer, reason: string) => void
}

interface Waiting {
  readonly viewer: Viewer
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

/** Media is handed out at the latest after this many milliseconds for each viewer, up to the maximum: few viewers get it
 * soon, many get it in writes large enough to be cheap. */
const COLLECT_MS_PER_VIEWER = 25
const COLLECT_MS_MAX = 200
const SWEEP_INTERVAL_MS = 1_000
/** The source is held back when the fastest viewer is this share of the ring behind, and let go at half of that. */
const HOLD_BACK_SHARE = 0.5
/** … but no longer than this while no viewer takes anything: then the stream goes on without them. */
const HOLD_BACK_MS_MAX = 2_000

export class Audience {
  readonly #options: AudienceOptions
  readonly #viewers = new Set<Viewer>()
  readonly #waiting = new Map<Viewer, Waiting>()
  #collectTimer: Timer | undefined
  #sweepTimer: Timer | undefined
  #head: Readonly<Record<string, string>> | undefined

  constructor(options: AudienceOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#viewers.size + this.#waiting.size
  }

  get isWaiting(): boolean {
    return this.#waiting.size > 0
  }

  /** Viewers whose head has gone out. */
  get watching(): ReadonlySet<Viewer> {
    return this.#viewers
  }

  /** Any one of them, for a word about who is affected. */
  get first(): Viewer | undefined {
    const [viewer] = this.all()
    return viewer
  }

  *all(): Iterable<Viewer> {
    yield* this.#viewers
    yield* this.#waiting.keys()
  }

  /** Resolves when the viewer's head is sent; rejects with the error of `refuse`. */
  add(viewer: Viewer): Promise<void> {
    this.#armSweep()
    if (this.#head !== undefined) {
      this.#admit(viewer, this.#head)
      return Promise.resolve()
    }
    return new Promise((resolve, reject) => {
      this.#waiting.set(viewer, { viewer, resolve, reject })
    })
  }

  remove(viewer: Viewer): void {
    this.#viewers.delete(viewer)
    const waiting = this.#waiting.get(viewer)
    this.#waiting.delete(viewer)
    waiting?.resolve()
    if (this.size === 0) this.#sweepTimer?.cancel()
    if (this.size === 0) this.#sweepTimer = undefined
  }

  /** Media is there: sends their heads to those who wait, and from now on to whoever comes. */
  open(head: Readonly<Record<string, string>>): void {
    if (this.#head !== undefined) return
    this.#head = head
    this.#options.ring.publish()
    for (const { viewer, resolve } of this.#waiting.values()) {
      this.#waiting.delete(viewer)
      this.#admit(viewer, head)
      resolve()
    }
  }

  get isOpen(): boolean {
    return this.#head !== undefined
  }

  /** The stream went idle: the next viewers wait again. */
  close(): void {
    this.#head = undefined
    this.#collectTimer?.cancel()
    this.#collectTimer = undefined
  }

  /** Tells everybody who waits why there is nothing to see. */
  refuse(error: Error): void {
    for (const { viewer, reject } of this.#waiting.values()) {
      this.#waiting.delete(viewer)
      reject(error)
    }
  }

  /** Media was appended to the ring: hands it out, now or when enough has come together. */
  appended(isUrgent: boolean): void {
    if (isUrgent) {
      this.handOut()
      return
    }
    const collectMs = Math.min(COLLECT_MS_MAX, COLLECT_MS_PER_VIEWER * this.#viewers.size)
    this.#collectTimer ??= this.#options.clock.schedule(collectMs, () => this.handOut())
  }

  /** Publishes what was collected and gives it to every viewer that has room. */
  handOut(): void {
    this.#collectTimer?.cancel()
    this.#collectTimer = undefined
    this.#options.ring.publish()
    for (const viewer of this.#viewers) viewer.pump()
  }

  /** Whether the source should wait for the viewers: all of them are behind, yet at least one is still reading. */
  shouldHoldBack(isHeldBack: boolean): boolean {
    if (this.#viewers.size === 0) return false
    const limit = (isHeldBack ? HOLD_BACK_SHARE / 2 : HOLD_BACK_SHARE) * this.#options.ring.bytesMax
    const nowMs = this.#options.clock.nowMs()
    let isAnyReading = false
    for (const viewer of this.#viewers) {
      if (!viewer.blocked || viewer.lagBytes < limit) return false
      if (nowMs - viewer.lastProgressMs < HOLD_BACK_MS_MAX) isAnyReading = true
    }
    return isAnyReading
  }

  /** Ends the connections of one client. False if it has none. */
  cut(clientId: string): boolean {
    const found = Array.from(this.all()).filter((viewer) => viewer.clientId === clientId)
    for (const viewer of found) viewer.cut()
    return found.length > 0
  }

  /** Ends every connection cleanly. */
  endAll(): void {
    this.handOut()
    for (const viewer of this.#viewers) viewer.end()
  }

  #admit(viewer: Viewer, head: Readonly<Record<string, string>>): void {
    if (viewer.closed) return
    this.#viewers.add(viewer)
    viewer.attach(this.#options.ring, head, this.#options.countBytes)
  }

  #armSweep(): void {
    this.#sweepTimer ??= this.#options.clock.schedule(SWEEP_INTERVAL_MS, () => {
      this.#sweepTimer = undefined
      this.#dropStuck()
      if (this.size > 0) this.#armSweep()
    })
  }

  #dropStuck(): void {
    const nowMs = this.#options.clock.nowMs()
    for (const viewer of this.#viewers) {
      if (!viewer.blocked || nowMs - viewer.lastProgressMs < this.#options.viewerStallMs) continue
      this.#options.onDropped(viewer, 'no_progress')
      viewer.cut()
    }
  }
}
