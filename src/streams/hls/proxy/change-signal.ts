import type { Clock } from '../../../lib/clock.ts'
import { HoldfastError } from '../../../lib/errors.ts'

export interface WaitOptions {
  /** On the clock; what is asked for is looked at a last time then. */
  readonly deadlineMs: number
  /** The player has left. */
  readonly signal: AbortSignal
}

/** Requests that wait for one stream at once; one more is refused. */
const WAITING_MAX = 10_000

/** Lets requests wait until something that they look at has changed. */
export class ChangeSignal {
  readonly #clock: Clock
  #waiting = new Set<() => void>()
  #timesGivenUp = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Something has changed: whoever waits looks again. */
  changed(): void {
    const waiting = this.#waiting
    this.#waiting = new Set()
    for (const wake of waiting) wake()
  }

  /** Nothing is to be expected for now: whoever waits has waited for long enough. */
  giveUp(): void {
    this.#timesGivenUp += 1
    this.changed()
  }

  /**
   * What `look` finds, as soon as it finds something; undefined at the deadline, when the signal aborts, or on `giveUp`. Throws
   * too_many_viewers.
   */
  async until<T>(look: () => T | undefined, { deadlineMs, signal }: WaitOptions): Promise<T | undefined> {
    const timesBefore = this.#timesGivenUp
    for (;;) {
      const found = look()
      if (found !== undefined) return found
      const leftMs = deadlineMs - this.#clock.nowMs()
      if (leftMs <= 0 || signal.aborted || this.#timesGivenUp > timesBefore) return undefined
      if (this.#waiting.size >= WAITING_MAX) {
        throw new HoldfastError('too_many_viewers', `${WAITING_MAX} requests wait for this stream already`)
      }
      await this.#next(leftMs, signal)
    }
  }

  #next(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        timer.cancel()
        signal.removeEventListener('abort', leave)
        resolve()
      }
      const leave = (): void => {
        this.#waiting.delete(wake)
        wake()
      }
      const timer = this.#clock.schedule(ms, leave)
      signal.addEventListener('abort', leave, { once: true })
      this.#waiting.add(wake)
    })
  }
}

/** One for all: to make one for each answer takes longer than most of what else is done for it. */
const LEFT = new Error('the player has left, or has its answer')

/** Aborts when the response closes; the player of one that is still being answered has left. */
export function goneSignal(response: {
  once(event: 'close', listener: () => void): unknown
  readonly destroyed: boolean
}): AbortSignal {
  const gone = new AbortController()
  if (response.destroyed) gone.abort(LEFT)
  else response.once('close', () => gone.abort(LEFT))
  return gone.signal
}
