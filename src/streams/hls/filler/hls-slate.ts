import type { Clock, Timer } from '../../../lib/clock.ts'
import { forgetOldest } from '../../../lib/forget-oldest.ts'
import type { CodecSignature } from '../../../mpegts/analyser/signature.ts'
import type { SlateMaker } from '../../outage.ts'
import type { SlateRequest } from '../../service.ts'
import type { SourceAccess } from '../upstream/hls-session.ts'
import { FillerOrigin } from './filler-origin.ts'
import { FillerSegments } from './filler-segments.ts'

/** Where a stream's slate comes from, and who is told of it. */
export interface SlateSupply {
  /** Undefined where none can be made. */
  readonly slates: SlateMaker | undefined
  readonly request: () => SlateRequest
  /** It is shown for so long at most, ms. */
  readonly holdMs: number
  readonly shown: () => void
  readonly unavailable: (error: unknown) => void
}

export interface HlsSlateOptions extends SlateSupply {
  readonly clock: Clock
  /** What players decode; undefined while nobody knows. */
  readonly signature: () => CodecSignature | undefined
  /** Of the playlists that players read, ms. */
  readonly targetMs: () => number
  /** Publishes what the origin has from now on, until a source delivers. */
  readonly fillIn: (origin: FillerOrigin) => void
  /** Publishes nothing of it any more. */
  readonly takeOff: (origin: FillerOrigin) => void
}

/** Making a slate takes a while the first time; it begins so long after the failure. */
const PREPARE_AFTER_MS = 500
/** Of slates that were shown, players may still load segments of so many. */
const ORIGINS_KEPT = 2
const ID_PREFIX = 'slate.'

/** Whether something was published by a slate, not by a source. */
export function isSlate(candidateId: string): boolean {
  return candidateId.startsWith(ID_PREFIX)
}

/** When players of passed-on playlists get a slate: from the configured silence until a source delivers, or nobody believes in it any more. */
export class HlsSlate implements Disposable {
  readonly #options: HlsSlateOptions
  /** The oldest first. */
  readonly #origins = new Map<string, FillerOrigin>()
  #timer: Timer | undefined
  #holdTimer: Timer | undefined
  #abort: AbortController | undefined
  #beganMs = 0
  #current: FillerOrigin | undefined

  constructor(options: HlsSlateOptions) {
    this.#options = options
  }

  get isOn(): boolean {
    return this.#current !== undefined
  }

  /** How a slate is asked for what its playlists name; undefined for what is no slate, or one of long ago. */
  session(candidateId: string): SourceAccess | undefined {
    return this.#origins.get(candidateId)
  }

  /** The source on air has failed. */
  failed(): void {
    // A source that had a playlist and no segments has taken the place of the slate.
    if (this.#current !== undefined) this.#options.fillIn(this.#current)
    if (this.#abort !== undefined) return
    const { clock, slates, request, holdMs } = this.#options
    if (slates === undefined || !request().isOn) return
    this.#abort = new AbortController()
    this.#beganMs = clock.nowMs()
    const { signal } = this.#abort
    this.#timer = clock.schedule(
      Math.min(PREPARE_AFTER_MS, request().afterMs),
      () => void this.#prepare(slates, signal),
    )
    this.#holdTimer = clock.schedule(holdMs, () => this.#letGo())
  }

  /** A source delivers, or nobody plays any more. */
  end(): void {
    this.#abort?.abort()
    this.#abort = undefined
    this.#timer?.cancel()
    this.#holdTimer?.cancel()
    this.#current = undefined
  }

  [Symbol.dispose](): void {
    this.end()
    this.#origins.clear()
  }

  /** Nobody believes in it any more; one that is still being made does not come either. */
  #letGo(): void {
    this.#abort?.abort()
    this.#timer?.cancel()
    if (this.#current !== undefined) this.#options.takeOff(this.#current)
    this.#current = undefined
  }

  async #prepare(slates: SlateMaker, signal: AbortSignal): Promise<void> {
    const { clock, request, signature, targetMs, unavailable } = this.#options
    const known = signature()
    if (known === undefined) return
    try {
      const slate = await slates.render(known, request(), signal)
      if (signal.aborted) return
      const segments = new FillerSegments(slate, targetMs())
      const waitMs = this.#beganMs + request().afterMs - clock.nowMs()
      this.#timer = clock.schedule(Math.max(0, waitMs), () => this.#show(segments))
    } catch (error) {
      if (!signal.aborted) unavailable(error)
    }
  }

  #show(segments: FillerSegments): void {
    const { clock, fillIn, shown } = this.#options
    const id = `${ID_PREFIX}${Math.round(clock.wallMs())}`
    const origin = new FillerOrigin({ id, segments, clock })
    this.#origins.set(id, origin)
    forgetOldest(this.#origins, ORIGINS_KEPT)
    this.#current = origin
    fillIn(origin)
    shown()
  }
}
