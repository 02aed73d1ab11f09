import type { Clock, Timer } from '../../lib/clock.ts'
import type { Random } from '../../lib/random.ts'
import type { Check, CheckOutcome } from './health-check.ts'

interface CheckScheduleOptions {
  readonly clock: Clock
  readonly random: Random
  /** Looks under way at once; further ones wait their turn. */
  readonly checksMax?: number
}

export interface Watch {
  /** Asked anew each time; undefined: there is nothing to look at now. */
  readonly check: () => Check | undefined
  /** From the end of one look to the beginning of the next, give or take a tenth. */
  readonly intervalMs: number
  readonly firstAfterMs: number
  readonly onOutcome: (outcome: CheckOutcome) => void
}

interface Watched {
  readonly watch: Watch
  readonly stop: AbortController
  timer: Timer | undefined
  isUnderWay: boolean
}

/** A hundred services with ten replicas each, checked every 5 s, with room for those that hang. */
const CHECKS_MAX = 256
const JITTER = 0.1

/** Looks at endpoints at intervals for as long as somebody wants them watched. One for the whole process. */
export class CheckSchedule implements Disposable {
  readonly #options: CheckScheduleOptions
  readonly #watched = new Map<string, Watched>()
  readonly #waiting = new Set<Watched>()
  #underWay = 0

  constructor(options: CheckScheduleOptions) {
    this.#options = options
  }

  /** How many are watched. */
  get size(): number {
    return this.#watched.size
  }

  /** `key` names what is watched; if it is watched already it begins anew. */
  start(key: string, watch: Watch): void {
    this.stop(key)
    const watched: Watched = { watch, stop: new AbortController(), timer: undefined, isUnderWay: false }
    this.#watched.set(key, watched)
    this.#plan(watched, watch.firstAfterMs)
  }

  /** Looks at once at what is watched, unless that is under way. */
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
    const { checksMax = CHECKS_MAX } = this.#options
    if (watched.stop.signal.aborted || watched.isUnderWay) return
    if (this.#underWay >= checksMax) {
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
    const { check, intervalMs, onOutcome } = watched.watch
    const { signal } = watched.stop
    const look = check()
    const outcome = look === undefined ? undefined : await look(signal)
    if (signal.aborted) return
    // Planned first: what follows from the outcome may end the watch.
    this.#plan(watched, jittered(intervalMs, this.#options.random))
    if (outcome !== undefined) onOutcome(outcome)
  }
}

/** `ms` give or take a tenth, so that looks that began together drift apart. */
export function jittered(ms: number, random: Random): number {
  return ms * (1 - JITTER + 2 * JITTER * random.next())
}
