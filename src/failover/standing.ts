import { breakerAt } from './circuit-breaker.ts'
import type { CandidateId, CandidateState } from './candidate.ts'
import type { GroupPolicy } from './group-policy.ts'
import { verdictAt } from './health.ts'

/**
 * How usable a candidate is, best first. `drained` (weight 0) is used only when nothing with a weight is usable, and
 * still before one that is known to be bad; `open` means that its circuit is open.
 */
export type Standing = 'healthy' | 'unknown' | 'drained' | 'unhealthy' | 'open'

const TIER: Record<Standing, number> = { healthy: 0, unknown: 1, drained: 2, unhealthy: 3, open: 4 }

export function standingOf(candidate: CandidateState, nowMs: number, policy: GroupPolicy): Standing {
  if (breakerAt(candidate.breaker, nowMs) === 'open') return 'open'
  const verdict = verdictAt(candidate.health, nowMs, policy.health)
  if (verdict === 'unhealthy') return 'unhealthy'
  return candidate.spec.weight === 0 ? 'drained' : verdict
}

/** Lower is better. */
function tierOf(candidate: CandidateState, nowMs: number, policy: GroupPolicy): number {
  const standing = standingOf(candidate, nowMs, policy)
  // In a listed order an unknown candidate is as good as a healthy one: the order is the operator's preference.
  if (standing === 'unknown' && policy.selection.kind === 'ordered') return TIER.healthy
  return TIER[standing]
}

/** 0 usable, 1 known to be unhealthy, 2 circuit open. A switch never goes to a worse one than it leaves. */
export function badnessOf(candidate: CandidateState, nowMs: number, policy: GroupPolicy): 0 | 1 | 2 {
  const standing = standingOf(candidate, nowMs, policy)
  if (standing === 'open') return 2
  return standing === 'unhealthy' ? 1 : 0
}

/** Candidates in the order of preference that the configuration gives, whatever their health. */
export function preferenceOrder(candidates: readonly CandidateState[], policy: GroupPolicy): readonly CandidateState[] {
  switch (policy.selection.kind) {
    case 'ordered':
    case 'active_active':
      return candidates
    case 'priority_weighted':
    case 'active_passive':
      return candidates.toSorted((a, b) => b.spec.priority - a.spec.priority)
    case 'geographic': {
      const { regions } = policy.selection
      const place = ({ spec }: CandidateState) => regionPlace(spec.region, regions)
      return candidates.toSorted((a, b) => place(a) - place(b) || b.spec.priority - a.spec.priority)
    }
    default:
      return policy.selection satisfies never
  }
}

/** The candidates that the configuration prefers to `id`, best first; equals do not count as better. */
export function preferredTo(
  candidates: readonly CandidateState[],
  id: CandidateId,
  policy: GroupPolicy,
): readonly CandidateState[] {
  const order = preferenceOrder(candidates, policy)
  const at = order.findIndex((candidate) => candidate.spec.id === id)
  const present = order[at]
  if (present === undefined) return []
  const before = order.slice(0, at)
  const { selection } = policy
  if (selection.kind === 'ordered') return before
  if (selection.kind === 'active_active') return []
  return before.filter(
    ({ spec }) =>
      spec.priority !== present.spec.priority ||
      (selection.kind === 'geographic' &&
        regionPlace(spec.region, selection.regions) !== regionPlace(present.spec.region, selection.regions)),
  )
}

function regionPlace(region: string | undefined, regions: readonly string[]): number {
  const index = region === undefined ? -1 : regions.indexOf(region)
  return index === -1 ? regions.length : index
}

/** The others in the order of preference, beginning after `id` and going round; all of them when `id` is not listed. */
export function othersAfter(order: readonly CandidateState[], id: CandidateId): readonly CandidateState[] {
  const at = order.findIndex((candidate) => candidate.spec.id === id)
  return at === -1 ? order : [...order.slice(at + 1), ...order.slice(0, at)]
}

/** The first of the lowest tier; among open circuits the one whose time comes first. */
export function bestOf(
  candidates: readonly CandidateState[],
  nowMs: number,
  policy: GroupPolicy,
): CandidateState | undefined {
  let best: CandidateState | undefined
  let bestTier = Number.POSITIVE_INFINITY
  for (const candidate of candidates) {
    const tier = tierOf(candidate, nowMs, policy)
    const sooner = tier === bestTier && tier === TIER.open && openUntilMs(candidate) < openUntilMs(best)
    if (tier < bestTier || sooner) {
      best = candidate
      bestTier = tier
    }
  }
  return best
}

function openUntilMs(candidate: CandidateState | undefined): number {
  return candidate?.breaker.kind === 'open' ? candidate.breaker.untilMs : 0
}
