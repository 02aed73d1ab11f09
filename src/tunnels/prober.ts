import type { Clock, Timer } from '../lib/clock.ts'
import type { Random } from '../lib/random.ts'
import type { Probe, ProbeOutcome, ProbeTarget } from './probe.ts'

interface ProberOptions {
  readonly clock: Clock
  readonly random: Random
  readonly probe: Probe
  /** Checks under way at once; further ones wait their turn. 32 by default. */
  readonly probesMax?: number
}

export interface Watch {
  /** What to look at, asked anew each time. */
  readonly target: () => ProbeTarget | undefined
  /** From the end of one check to the beginning of the next, give or take a tenth. */
  readonly intervalMs: number
  readonly firstAfterMs: number
  readonly onOutcome: (outcome: ProbeOutcome) => void
}

interface Watched {
  readonly watch: Watch
  readonly stop: AbortController
  timer: Timer | undefined
  isUnderWay: boolean
}

const PROBES_MAX = 32
const JITTER = 0.1

/** Checks endpoints at intervals, for as long as the engine wants them watched. There is one for the whole gateway. */
export class Prober implements Disposable {
  readonly #options: ProberOptions
  readonly #watched = new Map<string, Watched>()
  readonly #waiting = new Set<Watched>()
  #underWay = 0

  constructor(options: ProberOptions) {
    this.#options = options
  }

  /** How many endpoints are watched. */
  get size(): number {
    return this.#watched.size
  }

  /** `key` names the endpoint; one that is watched already begins anew. */
  start(key: string, watch: Watch): void {
    this.stop(key)
    const watched: Watched = { watch, stop: new AbortController(), timer: undefined, isUnderWay: false }
    this.#watched.set(key, watched)
    this.#plan(watched, watch.firstAfterMs)
  }

  /** Checks a watched endpoint now, unless that is under way. */
  hurry(key: string): void {
    const watched = this.#watched.get(key)
    if (watched === undefined || watched.isUnderWay) return
    watched.timer?.cancel()
    this.#begin(watched)
  }

  stop(key: string): void {
    const watched = this.#watched.get(key)
    if (watched === undefined) return
    this.#watched.delete(key)
    this.#waiting.delete(watched)
    watched.timer?.cancel()
    watched.stop.abort(new Error('no longer watched'))
  }

  [Symbol.dispose](): void {
    for (const key of [...this.#watched.keys()]) this.stop(key)
  }

  #plan(watched: Watched, afterMs: number): void {
    watched.timer = this.#options.clock.schedule(afterMs, () => this.#begin(watched))
  }

  #begin(watched: Watched): void {
    const { probesMax = PROBES_MAX } = this.#options
    if (watched.stop.signal.aborted || watched.isUnderWay) return
    if (this.#underWay >= probesMax) {
      this.#waiting.add(watched)
      return
    }
    this.#waiting.delete(watched)
    this.#underWay += 1
    watched.isUnderWay = true
    void this.#look(watched).finally(() => {
      this.#underWay -= 1
      watched.isUnderWay = false
      const [next] = this.#waiting
      if (next !== undefined) this.#begin(next)
    })
  }

  async #look(watched: Watched): Promise<void> {
    const { probe, random } = this.#options
    const { target, intervalMs, onOutcome } = watched.watch
    const { signal } = watched.stop
    const found = target()
    const outcome = found === undefined ? undefined : await probe(found, signal)
    if (signal.aborted) return
    // Planned first: what follows from the outcome may end the watch.
    this.#plan(watched, jittered(intervalMs, random))
    if (outcome !== undefined) onOutcome(outcome)
  }
}

/** `ms` give or take a tenth, so that checks that began together drift apart. */
export function jittered(ms: number, random: Random): number {
  return ms * (1 - JITTER + 2 * JITTER * random.next())
}
