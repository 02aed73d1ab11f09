import type { CandidateId, GroupEvent } from '../../failover/group.ts'
import type { Clock, Timer } from '../../lib/clock.ts'
import type { SessionFailure } from '../sources/session.ts'
import type { SourceOpener } from '../sources/source-opener.ts'
import type { StandbyKind } from '../service.ts'
import { probeSource } from './source-probe.ts'
import type { ProbeResult } from './source-probe.ts'

/** A way of taking in sources that can have one more ready than is on air. */
export interface StandbyLeg {
  /** Media of the stream flows in it, so that a standby is worth its connection. */
  isLive(): boolean
  /** What is received beside the source on air; `isReady`: it could take over now. */
  readonly standby: { readonly id: CandidateId; readonly isReady: boolean } | undefined
  /** Has this candidate ready from now on, and none if it is undefined. False when it cannot connect now. */
  prepare(id: CandidateId | undefined): boolean
}

export interface StandbyKeeperOptions {
  readonly clock: Clock
  readonly opener: Pick<SourceOpener, 'open'>
  readonly keyframeWaitMs: number
  readonly kind: () => StandbyKind
  /** Who would take over now. */
  readonly next: () => CandidateId | undefined
  /** The ways in which the stream takes in its sources; each has a standby of its own. */
  readonly legs: readonly StandbyLeg[]
  readonly dispatch: (event: GroupEvent) => void
  readonly onProbed: (id: CandidateId, result: ProbeResult) => void
}

/** The first look comes soon, not in the same breath as the switch that made it worthwhile. */
const FIRST_PROBE_MS = 1_000
/** A hot standby that could not connect is tried again after this. */
const RETRY_MS = 5_000

interface Watch {
  readonly intervalMs: number
  readonly abort: AbortController
  timer: Timer
}

/**
 * Keeps the sources that are not on air ready: receives the next one all the time where the stream asks for a hot
 * standby, and looks at those that the engine wants to know about. What it learns goes to the engine as probes.
 */
export class StandbyKeeper {
  readonly #options: StandbyKeeperOptions
  readonly #watches = new Map<CandidateId, Watch>()
  #retryTimer: Timer | undefined

  constructor(options: StandbyKeeperOptions) {
    this.#options = options
  }

  /** What is true of the stream has changed: another source may be the one to have ready. */
  arrange(): void {
    const { kind, next, legs } = this.#options
    if (this.#retryTimer !== undefined) return
    // While the stream recovers the standby is what it recovers with.
    const live = legs.filter((leg) => leg.isLive())
    if (live.length === 0) return
    const wanted = kind() === 'hot' ? next() : undefined
    const refused = live.filter(({ standby }) => standby?.id !== wanted).filter((leg) => !leg.prepare(wanted))
    if (refused.length > 0) this.#retryLater()
  }

  /** The hot standby failed. */
  failed(id: CandidateId, failure: SessionFailure): void {
    this.#retryLater()
    this.#options.dispatch({ kind: 'probe_failed', id, reason: failure.reason, evidence: failure.evidence })
  }

  /** The connection of a hot standby was needed elsewhere; its leg has none now. */
  revoked(): void {
    this.#retryLater()
  }

  startProbing(id: CandidateId, intervalMs: number): void {
    this.stopProbing(id)
    const watch: Watch = {
      intervalMs,
      abort: new AbortController(),
      timer: this.#options.clock.schedule(Math.min(FIRST_PROBE_MS, intervalMs), () => this.#probe(id, watch)),
    }
    this.#watches.set(id, watch)
  }

  stopProbing(id: CandidateId): void {
    const watch = this.#watches.get(id)
    this.#watches.delete(id)
    watch?.timer.cancel()
    watch?.abort.abort()
  }

  /** One look at a source now, whatever is watched. */
  async look(id: CandidateId, signal?: AbortSignal): Promise<ProbeResult> {
    const { clock, opener, keyframeWaitMs, onProbed } = this.#options
    const result = await probeSource({
      clock,
      joinWaitMs: keyframeWaitMs,
      createSession: (listener, onRevoked) => opener.open(id, listener, 'probe', { onRevoked }),
      ...(signal === undefined ? {} : { signal }),
    })
    onProbed(id, result)
    return result
  }

  /** The stream is idle. */
  stop(): void {
    this.#retryTimer?.cancel()
    this.#retryTimer = undefined
    for (const id of this.#watches.keys()) this.stopProbing(id)
  }

  #retryLater(): void {
    this.#retryTimer?.cancel()
    this.#retryTimer = this.#options.clock.schedule(RETRY_MS, () => {
      this.#retryTimer = undefined
      this.arrange()
    })
  }

  #probe(id: CandidateId, watch: Watch): void {
    const { legs, dispatch } = this.#options
    const again = () => {
      if (this.#watches.get(id) !== watch) return
      watch.timer = this.#options.clock.schedule(watch.intervalMs, () => this.#probe(id, watch))
    }
    const standing = legs.flatMap(({ standby }) => (standby?.id === id ? [standby] : []))
    if (standing.length > 0) {
      // It is received anyway: that it delivers is as good as a look.
      if (standing.every(({ isReady }) => isReady)) dispatch({ kind: 'probe_succeeded', id })
      again()
      return
    }
    void this.look(id, watch.abort.signal).then((result) => {
      if (this.#watches.get(id) !== watch) return
      if (result.kind === 'good') dispatch({ kind: 'probe_succeeded', id })
      else if (result.kind === 'bad') {
        const { reason, evidence } = result.failure
        dispatch({ kind: 'probe_failed', id, reason, evidence })
      }
      again()
    })
  }
}
