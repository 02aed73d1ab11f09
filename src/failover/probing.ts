import type { CandidateId, CandidateState } from './candidate.ts'
import type { GroupPolicy } from './group-policy.ts'
import type { GroupState } from './group-state.ts'
import { preferredTo } from './standing.ts'
import { change, type Turn } from './turn.ts'

const nobody: ReadonlySet<CandidateId> = new Set()

/** Starts and stops probes so that exactly the candidates are probed whose recovery matters now. */
export function arrangeProbes(turn: Turn): void {
  const { probe, failback } = turn.policy
  const neverProbes = probe.watch === 'none' && failback.kind === 'off'
  const watched = neverProbes ? nobody : watchedCandidates(turn.state, turn.policy)
  const unchanged = turn.state.candidates.every(
    (candidate) => watched.has(candidate.spec.id) === (candidate.probing !== null),
  )
  if (unchanged) return
  const candidates = turn.state.candidates.map((candidate) => {
    const { id } = candidate.spec
    if (watched.has(id) === (candidate.probing !== null)) return candidate
    if (candidate.probing !== null) {
      turn.effects.push({ kind: 'stop_probing', id })
      return { ...candidate, probing: null }
    }
    turn.effects.push({ kind: 'start_probing', id, intervalMs: intervalOf(turn, id) })
    return { ...candidate, probing: { sinceMs: turn.nowMs, goodSinceMs: null } }
  })
  change(turn, { candidates })
}

function watchedCandidates(state: GroupState, policy: GroupPolicy): ReadonlySet<CandidateId> {
  const watched = new Set<CandidateId>()
  if (!state.wanted) return watched
  for (const candidate of state.candidates) if (isWatched(candidate, state, policy)) watched.add(candidate.spec.id)
  if (policy.failback.kind !== 'off' && state.onAir !== null) {
    for (const { spec } of preferredTo(state.candidates, state.onAir.id, policy)) watched.add(spec.id)
  }
  return watched
}

function intervalOf({ state, policy }: Turn, id: CandidateId): number {
  const { watch, intervalMs, standbyIntervalMs } = policy.probe
  if (watch !== 'all' || standbyIntervalMs === undefined || state.onAir === null) return intervalMs
  const isPreferred = preferredTo(state.candidates, state.onAir.id, policy).some(({ spec }) => spec.id === id)
  return isPreferred ? intervalMs : standbyIntervalMs
}

function isWatched({ health, breaker, spec }: CandidateState, { onAir }: GroupState, policy: GroupPolicy): boolean {
  if (policy.probe.watch === 'none') return false
  if (policy.probe.watch === 'always') return true
  if (policy.probe.watch === 'all') return onAir?.id !== spec.id
  if (health.verdict === 'unknown') return policy.probe.watch === 'unhealthy_and_unknown'
  return health.verdict === 'unhealthy' || breaker.kind !== 'closed'
}
