import { setTimeout as sleepFor } from 'node:timers/promises'

/**
 * Time as a parameter. `nowMs` is monotonic and measures durations; `wallMs` is for display and storage
 * (milliseconds since 1970-01-01 UTC). Tests pass a simulated clock.
 */
export interface Clock {
  /**
   * Monotonic milliseconds with a fraction. They begin at the wall time of the process's start, so that a time kept in
   * the store still means about the same after a restart; for anything shown to people use `wallMs`.
   */
  nowMs(): number
  /** Milliseconds since 1970-01-01 UTC. */
  wallMs(): number
  /** Resolves after `ms`; rejects with the signal's reason when it aborts first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  /**
   * Calls `task` once after `ms`, unless the returned timer is cancelled first. Never keeps the process alive. Where this
   * process stood still meanwhile, what has come by then is read first: silence that is ours is not taken for a peer's.
   */
  schedule(ms: number, task: () => void): Timer
}

export interface Timer {
  cancel(): void
}

/** It never changes, and asking for it costs as much as the time itself. */
const PROCESS_START_MS = performance.timeOrigin

/** A timer that is so much too late, in milliseconds, says that the process stood still: busy, or not given the processor. */
const STOOD_STILL_MS = 50

export const systemClock: Clock = {
  nowMs: () => PROCESS_START_MS + performance.now(),
  wallMs: () => Date.now(),
  sleep: async (ms, signal) => {
    await sleepFor(ms, undefined, signal === undefined ? {} : { signal })
  },
  schedule: (ms, task) => {
    const dueMs = performance.now() + ms
    let turn: NodeJS.Immediate | undefined
    const onDue = () => {
      if (performance.now() - dueMs < STOOD_STILL_MS) task()
      // Node.js runs timers before it looks at its sockets again; behind the next look is soon enough.
      else turn = setImmediate(task).unref()
    }
    const handle = setTimeout(onDue, ms).unref()
    return {
      cancel: () => {
        clearTimeout(handle)
        clearImmediate(turn)
      },
    }
  },
}
