import { defaultBreaker, defaultFailback, defaultHealth, serviceDefaults } from '../../failover/group.ts'
import type { FailbackPolicy, GroupPolicy, ProbePolicy, SelectionPolicy } from '../../failover/group.ts'
import { defaultForwardPolicy, defaultHedgeBudget } from '../forward/forward-policy.ts'
import type { ForwardPolicy } from '../forward/forward-policy.ts'
import type { ServiceDefinition, Strategy } from './service-definition.ts'

/** What is heard by checks is not forgotten between two of them. */
const INTERVALS_REMEMBERED = 3
const PLAYLIST_INTERVAL_MS = 1_000

/** The engine's rules for a service. */
export function groupPolicyOf(service: ServiceDefinition): GroupPolicy {
  const { health, breaker, ejection, retry, slowStartMs } = service
  const probe = probePolicyOf(service)
  return {
    ...serviceDefaults,
    selection: selectionOf(service.strategy),
    health: {
      ...defaultHealth,
      failureThreshold: health.fall,
      riseThreshold: health.rise,
      rateThreshold: health.failureShare,
      coolDownMs: Math.max(health.forgetMs, probe.watch === 'none' ? 0 : INTERVALS_REMEMBERED * probe.intervalMs),
    },
    breaker: {
      ...defaultBreaker,
      failureThreshold: breaker.failures,
      openMs: breaker.openMs,
      openFactor: breaker.openFactor,
      openMsMax: Math.max(breaker.openMs, breaker.openMaxMs),
      halfOpenProbesMax: breaker.trials,
      halfOpenSuccesses: breaker.successes,
    },
    backoff: { ...serviceDefaults.backoff, initialMs: retry.delayMs, factor: retry.factor, maxMs: retry.delayMaxMs },
    failback: failbackOf(service),
    probe,
    ejectedShareMax: ejection.shareMax,
    panicShare: ejection.panicShare,
    slowStartMs,
  }
}

/** The limits of its requests. */
export function forwardPolicyOf(service: ServiceDefinition): ForwardPolicy {
  const { timeouts, retry, holdBack, hedge, resume } = service
  const { retry: usual } = defaultForwardPolicy
  const { connectMs, firstByteMs, idleMs, upgradeIdleMs, totalMs } = timeouts
  return {
    ...defaultForwardPolicy,
    ...{ connectMs, firstByteMs, idleMs, upgradeIdleMs },
    retry: {
      retriesMax: retry.max,
      backoff: { ...usual.backoff, initialMs: retry.delayMs, factor: retry.factor, maxMs: retry.delayMaxMs },
      deadlineMs: totalMs,
      retriableErrors: retry.errors,
      retriableStatuses: retry.statuses,
      budget: { ...usual.budget, share: retry.budgetShare },
    },
    retryNonIdempotent: retry.nonIdempotent,
    replayBytesMax: retry.bodyBytesMax,
    holdBack,
    isResumed: resume,
    hedge:
      hedge === undefined
        ? undefined
        : { afterMs: hedge.afterMs, budget: { ...defaultHedgeBudget, share: hedge.budgetShare } },
  }
}

function selectionOf(strategy: Strategy): SelectionPolicy {
  switch (strategy.kind) {
    case 'active_passive':
    case 'priority_weighted':
      return { kind: strategy.kind }
    case 'active_active':
      return { kind: 'active_active', loadFactor: strategy.loadFactor }
    case 'geographic':
      return { kind: 'geographic', regions: strategy.regions }
    default:
      return strategy satisfies never
  }
}

/**
 * With a check every endpoint is looked at all the time. Without one only those are that requests could come back to, by
 * whether they accept a connection: single requests show the rest.
 */
function probePolicyOf({ healthCheck, frozenPlaylist }: ServiceDefinition): ProbePolicy {
  const intervals = [
    ...(healthCheck.kind === 'none' ? [] : [healthCheck.intervalMs]),
    ...(frozenPlaylist === undefined ? [] : [PLAYLIST_INTERVAL_MS]),
  ]
  if (intervals.length === 0) return { ...serviceDefaults.probe, watch: 'none' }
  return { intervalMs: Math.min(...intervals), watch: 'always' }
}

function failbackOf({ failback: { mode, probationMs, holdDownMs } }: ServiceDefinition): FailbackPolicy {
  if (mode !== 'auto') return { kind: mode }
  return {
    ...defaultFailback,
    probationMs,
    holdDownMs,
    holdDownMsMax: Math.max(holdDownMs, defaultFailback.holdDownMsMax),
  }
}
