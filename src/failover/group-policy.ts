import { defaultBackoff, type BackoffPolicy } from './backoff.ts'
import type { BreakerPolicy } from './circuit-breaker.ts'
import type { HealthPolicy } from './health.ts'

/** How candidates are ranked and how a request is given to one of them. */
export type SelectionPolicy =
  /** The listed order, going round after the last: streams. */
  | { readonly kind: 'ordered' }
  /** Healthy first, then unknown; the highest priority; smooth weighted round robin inside one priority: tunnels. */
  | { readonly kind: 'priority_weighted' }
  /** The highest priority that is usable gets everything; equal priorities in the listed order. */
  | { readonly kind: 'active_passive' }
  /**
   * The same key goes to the same candidate (consistent hash) while that one has at most `loadFactor` times its fair
   * share of the requests in flight; without a key, smooth weighted round robin over the healthy.
   */
  | { readonly kind: 'active_active'; readonly loadFactor: number }
  /** The request's region first, then `regions` in this order, then what is left in the listed order. */
  | { readonly kind: 'geographic'; readonly regions: readonly string[] }

/** What a request gets when no candidate is healthy or unknown. */
export type NoneUsable = 'highest_priority' | 'last_good' | 'none'

export type FailbackPolicy =
  /** Stay where we are; better candidates are not even probed. */
  | { readonly kind: 'off' }
  /** Better candidates are probed, so that the operator sees their health, but the operator decides. */
  | { readonly kind: 'manual' }
  | {
      readonly kind: 'auto'
      /** Good probes without a break for so long come before a failback. */
      readonly probationMs: number
      /** So long after a settled switch there is no failback. */
      readonly holdDownMs: number
      /** A failback that did not last this long doubles the hold-down for the next one. */
      readonly flapWindowMs: number
      readonly holdDownMsMax: number
    }

export interface ProbePolicy {
  /** Of candidates whose recovery matters now. */
  readonly intervalMs: number
  /**
   * Which candidates are probed while output is wanted, apart from those that failback watches: never the one on air, but
   * with `always`, which is for groups whose probes cost nothing and speak for requests: what they find of the one on air
   * leads where the same of a request would.
   */
  readonly watch: 'none' | 'unhealthy' | 'unhealthy_and_unknown' | 'all' | 'always'
  /** With `all`: of candidates that are probed only to know whether they could take over. */
  readonly standbyIntervalMs?: number
}

export interface GroupPolicy {
  readonly selection: SelectionPolicy
  readonly health: HealthPolicy
  readonly breaker: BreakerPolicy
  readonly backoff: BackoffPolicy
  /** False: the candidate on air is retried, never left, except by hand. */
  readonly automaticFailover: boolean
  /** Attempts of one incident that go without waiting, each to another candidate. 0: retry the same only. */
  readonly immediateAttempts: number
  /** Whether the first retry of the same candidate in an incident goes without waiting. */
  readonly immediateFirstRetry: boolean
  /** An incident is over when a candidate has delivered for so long without failing. */
  readonly stableMs: number
  /** At most so many automatic switches (failover, failback) settle within `switchWindowMs`. */
  readonly switchesMax: number
  readonly switchWindowMs: number
  readonly failback: FailbackPolicy
  readonly probe: ProbePolicy
  /** Whether an edited priority, or a better candidate that joins, takes the air at once. */
  readonly onPriorityChange: 'switch' | 'stay'
  readonly noneUsable: NoneUsable
  /** Request-style: candidates that are unknown or half open get single requests although healthy ones exist. */
  readonly trialByTraffic: boolean
  /**
   * Request-style: at most this share of the candidates, 0 to 1, and always one, is passed over for being unhealthy; those
   * that failed last come back first. 1 when it is left out.
   */
  readonly ejectedShareMax?: number
  /**
   * Request-style: when no larger share of the candidates than this, 0 to 1, is usable, their health is set aside (panic):
   * all whose circuits admit requests are used, so that the few are not drowned. Never when it is left out.
   */
  readonly panicShare?: number
  /** Request-style: for so long after a recovery the weight rises from a tenth to the whole. 0 when it is left out. */
  readonly slowStartMs?: number
}

/** Whether `pick` looks at each request alone, so that the candidate on air is no more than the first to be named. */
export function picksPastAir({ selection }: GroupPolicy): boolean {
  return selection.kind !== 'ordered' && selection.kind !== 'active_passive'
}

/** The seed's counter (unhealthy at 3) and half of the last 20 outcomes, judged from 10 on. */
export const defaultHealth: HealthPolicy = {
  failureThreshold: 3,
  riseThreshold: 2,
  rateOutcomes: 20,
  rateOutcomesMin: 10,
  rateThreshold: 0.5,
  rateMaxAgeMs: 600_000,
  coolDownMs: 30_000,
}

/** Opens at 5 failures in a row for 30 s (doubling up to 5 min when it reopens), closes after 3 good trials, one at a time. */
export const defaultBreaker: BreakerPolicy = {
  failureThreshold: 5,
  failureMaxAgeMs: 600_000,
  openMs: 30_000,
  openFactor: 2,
  openMsMax: 300_000,
  halfOpenProbesMax: 1,
  halfOpenSuccesses: 3,
  probeLeaseMs: 30_000,
}

/** 30 s of good probes, a minute after the last switch, doubling up to half an hour when a failback did not last 5 min. */
export const defaultFailback = {
  kind: 'auto',
  probationMs: 30_000,
  holdDownMs: 60_000,
  flapWindowMs: 300_000,
  holdDownMsMax: 1_800_000,
} as const satisfies FailbackPolicy

/**
 * A pulled stream: the listed order with wrap-around, 3 attempts without waiting, then 100 ms doubling to 5 s; at most 10
 * switches a minute. Failback is off (a probe opens a second connection to a provider that may allow one only).
 */
export const streamPolicy: GroupPolicy = {
  selection: { kind: 'ordered' },
  health: defaultHealth,
  breaker: { ...defaultBreaker, openMsMax: 60_000 },
  backoff: defaultBackoff,
  automaticFailover: true,
  immediateAttempts: 3,
  immediateFirstRetry: true,
  stableMs: 5_000,
  switchesMax: 10,
  switchWindowMs: 60_000,
  failback: { kind: 'off' },
  probe: { intervalMs: 10_000, watch: 'none' },
  onPriorityChange: 'stay',
  noneUsable: 'highest_priority',
  trialByTraffic: false,
}

/**
 * A tunnel: healthy before unknown before unhealthy, then priority, then weight. Unhealthy at 3, probed every 60 s, one
 * good probe restores. Bad news is kept for three probe intervals.
 */
export const tunnelPolicy: GroupPolicy = {
  ...streamPolicy,
  selection: { kind: 'priority_weighted' },
  health: { ...defaultHealth, riseThreshold: 1, coolDownMs: 180_000 },
  breaker: { ...defaultBreaker, halfOpenSuccesses: 1 },
  failback: { ...defaultFailback, probationMs: 0, holdDownMs: 0 },
  probe: { intervalMs: 60_000, watch: 'unhealthy_and_unknown' },
  onPriorityChange: 'switch',
}

/**
 * A reverse-proxy service: bounded-load consistent hash, recovery by single trial requests, a slow start after it. When
 * none is usable, those whose circuits are not open are used all the same; when all are open, requests are refused.
 */
export const serviceDefaults: GroupPolicy = {
  ...streamPolicy,
  selection: { kind: 'active_active', loadFactor: 1.25 },
  breaker: defaultBreaker,
  failback: defaultFailback,
  probe: { intervalMs: 5_000, watch: 'unhealthy' },
  onPriorityChange: 'switch',
  noneUsable: 'none',
  trialByTraffic: true,
  panicShare: 0,
  slowStartMs: 10_000,
}
