/** Chance as the engine needs it; the gateway's `Random` fits. */
export interface Chance {
  /** A number in [0, 1). */
  next(): number
}

export interface BackoffPolicy {
  readonly initialMs: number
  readonly factor: number
  readonly maxMs: number
  /** No wait is shorter than this, so that chance never makes a busy loop. */
  readonly floorMs: number
  /** `full`: anywhere between the floor and the step's length, so that many clients do not return together. */
  readonly jitter: 'full' | 'none'
}

/** 100 ms, doubled up to 5 s, full jitter, never under 20 ms. */
export const defaultBackoff: BackoffPolicy = { initialMs: 100, factor: 2, maxMs: 5_000, floorMs: 20, jitter: 'full' }

/** Milliseconds to wait before the retry number `attempt` (0 is the first), whole and within [floorMs, maxMs]. */
export function backoffMs(policy: BackoffPolicy, attempt: number, chance: Chance): number {
  const stepMs = Math.min(policy.maxMs, policy.initialMs * policy.factor ** Math.min(attempt, 64))
  const ceilingMs = Math.max(policy.floorMs, stepMs)
  if (policy.jitter === 'none') return Math.round(ceilingMs)
  return Math.round(policy.floorMs + chance.next() * (ceilingMs - policy.floorMs))
}
