import type { Clock, Timer } from '../lib/clock.ts'
import type { CodecSignature } from '../mpegts/analyser/signature.ts'
import type { FeedSource } from './feed-track.ts'
import type { SlateRequest } from './service.ts'
import type { Slate } from './slate/slate.ts'
import type { SessionListener } from './sources/session.ts'

/** Makes slates that a decoder takes as more of the same channel. */
export interface SlateMaker {
  /** Resolves with what plays it; rejects with an Error that says in words why there can be none. */
  prepare(signature: CodecSignature, slate: SlateRequest, signal: AbortSignal): Promise<PlaySlate>
  /** The slate itself, for whoever plays it in another way; rejects alike. */
  render(signature: CodecSignature, slate: SlateRequest, signal: AbortSignal): Promise<Slate>
}

export type PlaySlate = (listener: Pick<SessionListener, 'media'>) => FeedSource

export interface OutageOptions {
  readonly clock: Clock
  readonly slates: SlateMaker | undefined
  readonly slate: () => SlateRequest
  /** What viewers were watching; undefined when it is not known or cannot be joined with a slate. */
  readonly signature: () => CodecSignature | undefined
  readonly showSlate: (play: PlaySlate) => void
  readonly isSlateOn: () => boolean
  readonly slateFailed: (error: unknown) => void
  /** Sends viewers something that means nothing, so that their connections do not look dead. */
  readonly keepAlive: () => void
  /** How long viewers are kept without anything, and with a slate. */
  readonly holdMs: number
  readonly slateHoldMs: number
  readonly letGo: () => void
}

/** Most failovers are over by then, and nobody needs to be kept alive. */
const KEEP_ALIVE_AFTER_MS = 300
const KEEP_ALIVE_EVERY_MS = 200
/** Making a slate takes a while the first time; it begins so long after the failure. */
const PREPARE_AFTER_MS = 500

/** What viewers get from the failure of a source until another delivers: null packets, then a slate, then the end. */
export class Outage {
  readonly #options: OutageOptions
  readonly #timers = new Map<'alive' | 'slate' | 'hold', Timer>()
  #abort: AbortController | undefined
  #beganMs = 0

  constructor(options: OutageOptions) {
    this.#options = options
  }

  get isUnderWay(): boolean {
    return this.#abort !== undefined
  }

  /** The source on air has failed; nothing happens when that is known. */
  begin(): void {
    if (this.#abort !== undefined) return
    const { clock, slates, slate, holdMs } = this.#options
    this.#abort = new AbortController()
    this.#beganMs = clock.nowMs()
    this.#arm('alive', KEEP_ALIVE_AFTER_MS, () => this.#keepAlive())
    this.#arm('hold', holdMs, () => this.#holdExpired())
    const { signal } = this.#abort
    if (slates === undefined || !slate().isOn) return
    this.#arm('slate', Math.min(PREPARE_AFTER_MS, slate().afterMs), () => void this.#prepareSlate(slates, signal))
  }

  /** A source delivers again, or the stream ends. */
  end(): void {
    this.#abort?.abort()
    this.#abort = undefined
    for (const timer of this.#timers.values()) timer.cancel()
    this.#timers.clear()
  }

  async #prepareSlate(slates: SlateMaker, signal: AbortSignal): Promise<void> {
    const { clock, signature, slate, showSlate, slateFailed } = this.#options
    const known = signature()
    if (known === undefined) return
    try {
      const play = await slates.prepare(known, slate(), signal)
      if (signal.aborted) return
      const waitMs = this.#beganMs + slate().afterMs - clock.nowMs()
      this.#arm('slate', Math.max(0, waitMs), () => showSlate(play))
    } catch (error) {
      if (!signal.aborted) slateFailed(error)
    }
  }

  #keepAlive(): void {
    if (!this.#options.isSlateOn()) this.#options.keepAlive()
    this.#arm('alive', KEEP_ALIVE_EVERY_MS, () => this.#keepAlive())
  }

  #holdExpired(): void {
    const { clock, slateHoldMs, isSlateOn, letGo } = this.#options
    const leftMs = this.#beganMs + slateHoldMs - clock.nowMs()
    if (isSlateOn() && leftMs > 0) this.#arm('hold', leftMs, () => this.#holdExpired())
    else letGo()
  }

  #arm(name: 'alive' | 'slate' | 'hold', ms: number, task: () => void): void {
    this.#timers.get(name)?.cancel()
    this.#timers.set(name, this.#options.clock.schedule(ms, task))
  }
}
