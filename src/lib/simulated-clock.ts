import { setImmediate as turn } from 'node:timers/promises'
import type { Clock, Timer } from './clock.ts'

/** Time that moves only when a test says so. */
export interface SimulatedClock extends Clock {
  /**
   * Moves time forward by `ms` and runs whatever falls due on the way, in the order of its due time, each with `nowMs`
   * at exactly that time. Between two of them promises are allowed to settle, so that a loop of sleeps runs as it would
   * in real time. Throws when a thousand timers a millisecond fall due, which means that something spins.
   */
  advance(ms: number): Promise<void>
  /** Lets promises settle without moving time. */
  settle(): Promise<void>
  /** How many timers and sleeps wait. Zero at the end of a test means that nothing was left behind. */
  readonly pending: number
}

interface Waiting {
  readonly dueMs: number
  readonly order: number
  readonly run: () => void
}

/** 2026-01-01T00:00:00Z. */
const START_WALL_MS = 1_767_225_600_000
/** Turns of the event loop in which promises and local callbacks may settle before time moves on. */
const SETTLE_TURNS = 4
const RUNS_PER_MS_MAX = 1_000

/** A clock for tests and simulations. `startWallMs` is its wall time at the start, milliseconds since 1970-01-01 UTC. */
export function createSimulatedClock({ startWallMs = START_WALL_MS }: { startWallMs?: number } = {}): SimulatedClock {
  const waiting = new Set<Waiting>()
  let nowMs = startWallMs
  let nextOrder = 0

  const schedule = (ms: number, task: () => void): Timer => {
    const entry: Waiting = { dueMs: nowMs + Math.max(0, ms), order: nextOrder++, run: task }
    waiting.add(entry)
    return { cancel: () => void waiting.delete(entry) }
  }

  const sleep = (ms: number, signal?: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(abortReason(signal))
        return
      }
      const onAbort = () => {
        timer.cancel()
        if (signal !== undefined) reject(abortReason(signal))
      }
      const timer = schedule(ms, () => {
        signal?.removeEventListener('abort', onAbort)
        resolve()
      })
      signal?.addEventListener('abort', onAbort, { once: true })
    })

  const advance = async (ms: number): Promise<void> => {
    const untilMs = nowMs + ms
    const runsMax = RUNS_PER_MS_MAX * (Math.ceil(ms) + 1)
    await settle()
    for (let runs = 0; ; runs += 1) {
      const next = firstDue(waiting, untilMs)
      if (next === undefined) break
      if (runs >= runsMax) throw new Error(`more than ${runsMax} timers fell due within ${ms} ms: something spins`)
      waiting.delete(next)
      nowMs = Math.max(nowMs, next.dueMs)
      next.run()
      await settle()
    }
    nowMs = untilMs
  }

  return {
    nowMs: () => nowMs,
    wallMs: () => Math.floor(nowMs),
    sleep,
    schedule,
    advance,
    settle,
    get pending() {
      return waiting.size
    },
  }
}

async function settle(): Promise<void> {
  for (let turns = 0; turns < SETTLE_TURNS; turns += 1) {
    await turn()
  }
}

function firstDue(waiting: ReadonlySet<Waiting>, untilMs: number): Waiting | undefined {
  let first: Waiting | undefined
  for (const entry of waiting) {
    if (entry.dueMs > untilMs) continue
    if (
      first === undefined ||
      entry.dueMs < first.dueMs ||
      (entry.dueMs === first.dueMs && entry.order < first.order)
    ) {
      first = entry
    }
  }
  return first
}

function abortReason(signal: AbortSignal): Error {
  return signal.reason instanceof Error ? signal.reason : new Error(`aborted: ${String(signal.reason)}`)
}
