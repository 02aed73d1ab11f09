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
  /** Calls `task` once after `ms`, unless the returned timer is cancelled first. Never keeps the process alive. */
  schedule(ms: number, task: () => void): Timer
}

export interface Timer {
  cancel(): void
}

/** It never changes, and asking for it costs as much as the time itself. */
const PROCESS_START_MS = performance.timeOrigin

export const systemClock: Clock = {
  nowMs: () => PROCESS_START_MS + performance.now(),
  wallMs: () => Date.now(),
  sleep: async (ms, signal) => {
    await sleepFor(ms, undefined, signal === undefined ? {} : { signal })
  },
  schedule: (ms, task) => {
    const handle = setTimeout(task, ms)
    handle.unref()
    return { cancel: () => clearTimeout(handle) }
  },
}
