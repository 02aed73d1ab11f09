import type { CandidateState } from './candidate.ts'
import { picksPastAir, type GroupPolicy } from './group-policy.ts'
import type { GroupState } from './group-state.ts'
import { putOnAir } from './on-air.ts'
import { preferredTo, standingOf } from './standing.ts'
import { switchAllowedAtMs } from './switch-limits.ts'
import { change, type Turn } from './turn.ts'

/** Goes back to the best preferred candidate whose probation is over, when manners allow it. */
export function considerFailback(turn: Turn): void {
  const due = nextFailback(turn.state, turn.nowMs, turn.policy)
  const { onAir, flap } = turn.state
  if (due === undefined || onAir === null || due.atMs > turn.nowMs) return
  change(turn, { flap: { level: flap.level, failedBackTo: due.to.spec.id, failedBackAtMs: turn.nowMs } })
  putOnAir(
    turn,
    { id: due.to.spec.id, delayMs: 0, byHand: false, revertTo: { id: onAir.id, byHand: onAir.byHand } },
    { cause: 'failback', reason: 'preferred_candidate_recovered', evidence: null, by: null },
  )
}

export interface DueFailback {
  readonly to: CandidateState
  readonly atMs: number
}

/**
 * The failback that comes next if all stays as it is: to the most preferred of those that can go first. It waits for the
 * probation, the hold-down since the last switch, and the limit on switches. Never away from a person's choice.
 */
export function nextFailback(state: GroupState, nowMs: number, policy: GroupPolicy): DueFailback | undefined {
  const { onAir, failback } = { onAir: state.onAir, failback: policy.failback }
  if (failback.kind !== 'auto' || !state.wanted || onAir === null || onAir.byHand || state.pin !== null)
    return undefined
  // Where requests go to the better one as soon as it is healthy, the air follows them.
  const follows = picksPastAir(policy)
  if ((!onAir.stable || state.incident !== null) && !follows) return undefined
  const held = Math.max(holdUntilMs(state, policy), switchAllowedAtMs(state, nowMs, policy))
  if (!Number.isFinite(held)) return undefined
  let next: DueFailback | undefined
  for (const to of preferredTo(state.candidates, onAir.id, policy)) {
    if (standingOf(to, nowMs, policy) !== 'healthy') continue
    const provenAtMs = follows ? nowMs : provedBy(to, failback.probationMs, policy)
    if (provenAtMs === undefined) continue
    const atMs = Math.max(nowMs, held, provenAtMs)
    if (next === undefined || atMs < next.atMs) next = { to, atMs }
  }
  return next
}

/** When the probation of a candidate is over, if its probes go on as they are; undefined while they are not good. */
function provedBy(to: CandidateState, probationMs: number, policy: GroupPolicy): number | undefined {
  if (to.probing === null || to.probing.goodSinceMs === null) return undefined
  if (to.health.successesInRow < policy.health.riseThreshold) return undefined
  return to.probing.goodSinceMs + probationMs
}

function holdUntilMs(state: GroupState, policy: GroupPolicy): number {
  if (policy.failback.kind !== 'auto' || state.lastSwitchAtMs === null) return Number.NEGATIVE_INFINITY
  const holdMs = policy.failback.holdDownMs * 2 ** Math.min(state.flap.level, 32)
  return state.lastSwitchAtMs + Math.min(Math.max(policy.failback.holdDownMsMax, policy.failback.holdDownMs), holdMs)
}
