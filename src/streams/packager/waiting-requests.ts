import type { ServerResponse } from 'node:http'
import type { Clock } from '../../lib/clock.ts'
import { HoldfastError } from '../../lib/errors.ts'

/** How waiting for media ended; `gone`: the client has left, `ended`: the stream has. */
export type WaitEnd = 'ready' | 'timeout' | 'gone' | 'ended'

/** Requests that wait for one stream at once; one more is refused. */
const WAITING_MAX = 10_000

interface Waiting {
  readonly isReady: () => boolean
  readonly end: (how: WaitEnd) => void
}

/** Requests that are answered when there is something to answer with (draft-pantos-hls-rfc8216bis §6.2.5.2). */
export class WaitingRequests {
  readonly #clock: Clock
  readonly #waiting = new Set<Waiting>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get size(): number {
    return this.#waiting.size
  }

  /** Waits until `isReady`, at most `timeoutMs`, while the client is there. Throws too_many_viewers. */
  async until(isReady: () => boolean, timeoutMs: number, response: ServerResponse): Promise<WaitEnd> {
    if (isReady()) return 'ready'
    if (this.#waiting.size >= WAITING_MAX) {
      throw new HoldfastError('too_many_viewers', `${WAITING_MAX} requests wait for media of this stream already`)
    }
    if (response.destroyed) return 'gone'
    return await new Promise((resolve) => {
      const left = () => waiting.end('gone')
      const timer = this.#clock.schedule(timeoutMs, () => waiting.end('timeout'))
      const waiting: Waiting = {
        isReady,
        end: (how) => {
          this.#waiting.delete(waiting)
          timer.cancel()
          response.off('close', left)
          resolve(how)
        },
      }
      this.#waiting.add(waiting)
      response.once('close', left)
    })
  }

  /** Something has changed. */
  wake(): void {
    for (const waiting of this.#waiting) {
      if (waiting.isReady()) waiting.end('ready')
    }
  }

  /** Nothing is to be expected for now: they have waited for long enough. */
  giveUp(): void {
    for (const waiting of this.#waiting) waiting.end('timeout')
  }

  /** There will be no more. */
  endAll(): void {
    for (const waiting of this.#waiting) waiting.end('ended')
  }
}
