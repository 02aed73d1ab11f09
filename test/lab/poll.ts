import { systemClock } from '../../src/lib/clock.ts'

const POLL_INTERVAL_MS = 10
const DEADLINE_MS = 10_000
/**
 * A deadline ends a wait that would go on for ever; it measures nothing. Tests name what a calm machine needs with room to
 * spare, and here comes the room for one that has other work beside.
 */
const PATIENCE = 3

export interface UntilOptions {
  /** What is waited for, for the message when it does not happen. */
  readonly what: string
  readonly deadlineMs?: number
  /** Evidence for the message when it does not happen. */
  readonly evidence?: () => unknown
}

/** Polls until `probe` gives something other than undefined or false, and returns it; throws at the deadline. */
export async function until<Value>(
  probe: () => Value | Promise<Value>,
  { what, deadlineMs = DEADLINE_MS, evidence }: UntilOptions,
): Promise<Exclude<Value, undefined | false>> {
  const patienceMs = deadlineMs * PATIENCE
  const endMs = systemClock.nowMs() + patienceMs
  for (;;) {
    const value = await probe()
    if (value !== undefined && value !== false) return value as Exclude<Value, undefined | false>
    if (systemClock.nowMs() >= endMs) {
      const shown = evidence === undefined ? '' : `: ${JSON.stringify(evidence())}`
      throw new Error(`${what} did not happen within ${patienceMs} ms${shown}`)
    }
    await systemClock.sleep(POLL_INTERVAL_MS)
  }
}
