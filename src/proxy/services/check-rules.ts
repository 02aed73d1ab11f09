import type { CheckRules } from '../health/endpoint-checks.ts'
import type { ServiceDefinition } from './service-definition.ts'

const PLAYLIST_INTERVAL_MS = 1_000
const PLAYLIST_TIMEOUT_MS = 2_000

/** How the endpoints of a service are looked at. */
export function checkRulesOf({ healthCheck, frozenPlaylist, health }: ServiceDefinition): CheckRules {
  return {
    check: checkOf(healthCheck),
    playlist:
      frozenPlaylist === undefined
        ? undefined
        : { rule: { ...frozenPlaylist, timeoutMs: PLAYLIST_TIMEOUT_MS }, intervalMs: PLAYLIST_INTERVAL_MS },
    fall: health.fall,
  }
}

function checkOf(check: ServiceDefinition['healthCheck']): CheckRules['check'] {
  if (check.kind === 'none') return undefined
  const { intervalMs, ...rule } = check
  return { rule, intervalMs }
}
