import { backoffMs } from './backoff.ts'
import type { CandidateId, CandidateState } from './candidate.ts'
import { picksPastAir } from './group-policy.ts'
import type { Choice, Incident, OnAir } from './group-state.ts'
import type { Evidence } from './health.ts'
import { putOnAir, type Motive, type Placement } from './on-air.ts'
import { badnessOf, bestOf, othersAfter, preferenceOrder } from './standing.ts'
import { switchAllowedAtMs } from './switch-limits.ts'
import { change, findCandidate, recordFailure, type Turn } from './turn.ts'

interface Failure {
  readonly reason: string
  readonly evidence: Evidence | null
  readonly avoid: readonly CandidateId[]
}

/** The candidate on air failed: record it, then revert, go to the next, or retry. */
export function onAirFailed(turn: Turn, onAir: OnAir, { reason, evidence, avoid }: Failure): void {
  const { nowMs, policy } = turn
  recordFailure(turn, onAir.id, { reason, atMs: nowMs, epoch: onAir.epoch, evidence })
  noteFlap(turn, onAir.id)
  const incident = withFailed(turn.state.incident, onAir.id, nowMs)
  change(turn, { incident })
  const motive = { reason, evidence, by: null }
  if (turn.state.pin !== null) return retry(turn, onAir, motive)
  const back = wayBack(turn, onAir)
  if (back !== null) return putOnAir(turn, { ...back, delayMs: 0, revertTo: null }, { ...motive, cause: 'revert' })
  const next = mayFailOver(turn) ? nextInRound(turn, onAir.id, incident, avoid) : undefined
  if (next !== undefined) {
    const isImmediate = incident.attempts < policy.immediateAttempts && !incident.tried.includes(next.spec.id)
    const delayMs = isImmediate ? 0 : waitMs(turn, incident)
    return putOnAir(turn, automatic(next.spec.id, delayMs), { ...motive, cause: 'failover' })
  }
  nextRound(turn, onAir, motive)
}

/**
 * The candidate on air was made to look as if it had failed: the switch that a failure leads to, with nothing held
 * against anybody, and the way back kept until the other has delivered. Without anywhere to go the same is opened again.
 */
export function failureRehearsed(turn: Turn, onAir: OnAir, reason: string, evidence: Evidence | null): void {
  const next = turn.state.pin === null && mayFailOver(turn) ? nextAfterFailure(turn, onAir) : undefined
  const { id, byHand } = onAir
  const motive = { reason, evidence, by: null, isRehearsal: true }
  if (next === undefined) {
    putOnAir(turn, { id, delayMs: 0, byHand, revertTo: null }, { ...motive, cause: 'retry' })
    return
  }
  putOnAir(turn, { ...automatic(next, 0), revertTo: { id, byHand } }, { ...motive, cause: 'failover' })
}

/** Where a failure of the candidate on air would lead now; undefined when to nobody else. */
export function nextAfterFailure(turn: Turn, onAir: OnAir): CandidateId | undefined {
  return nextInRound(turn, onAir.id, withFailed(turn.state.incident, onAir.id, turn.nowMs))?.spec.id
}

/**
 * Leaves a candidate that does not deliver for a better one that has just become known (a good probe, the end of a pin,
 * a request that failed), without waiting. Nothing happens when there is none.
 */
export function leaveForBetter(turn: Turn, onAir: OnAir, reason: string): void {
  if (!mayFailOver(turn)) return
  const { state, nowMs, policy } = turn
  const present = findCandidate(state, onAir.id)
  if (present === undefined) return
  const better = bestOf(
    alternatives(turn, onAir.id).filter((other) => badnessOf(other, nowMs, policy) < badnessOf(present, nowMs, policy)),
    nowMs,
    policy,
  )
  if (better === undefined) return
  change(turn, { incident: withFailed(state.incident, onAir.id, nowMs) })
  const evidence = present.health.lastFailure?.evidence ?? null
  putOnAir(turn, automatic(better.spec.id, 0), { cause: 'failover', reason, evidence, by: null })
}

/** A pin was lifted while its candidate fails, or is known to be bad: go on as after any other failure. */
export function resumeAfterPin(turn: Turn): void {
  const { onAir, incident } = turn.state
  if (onAir === null || !mayFailOver(turn)) return
  // Media that flows goes on; that a request was answered some time ago says nothing about the next one.
  const isDelivering = onAir.firstSuccessAtMs !== null
  if (isDelivering && !picksPastAir(turn.policy)) return
  if (isDelivering || incident === null) return leaveForBetter(turn, onAir, 'unpinned')
  const next = nextInRound(turn, onAir.id, incident)
  if (next === undefined) return
  putOnAir(turn, automatic(next.spec.id, 0), { cause: 'failover', reason: 'unpinned', evidence: null, by: null })
}

/** The candidate on air is no longer listed: the next one takes its place without waiting, whatever the limits. */
export function replaceRemoved(turn: Turn, formerOrder: readonly CandidateState[], removed: OnAir): void {
  const { nowMs, policy, state } = turn
  const survivors = othersAfter(formerOrder, removed.id).flatMap(({ spec }) => findCandidate(state, spec.id) ?? [])
  const known = new Set(survivors.map(({ spec }) => spec.id))
  const added = state.candidates.filter(({ spec }) => !known.has(spec.id))
  const order =
    policy.selection.kind === 'ordered' ? [...survivors, ...added] : preferenceOrder(state.candidates, policy)
  const failed = new Set(state.incident?.failed)
  const usable = leastBad(turn, order)
  const untried = usable.filter(({ spec }) => !failed.has(spec.id))
  const next = bestOf(untried, nowMs, policy) ?? bestOf(usable, nowMs, policy)
  if (next === undefined) return
  const delayMs = untried.length > 0 || state.incident === null ? 0 : waitMs(turn, state.incident)
  const motive = { cause: 'failover', reason: 'candidate_removed', evidence: null, by: null } as const
  putOnAir(turn, automatic(next.spec.id, delayMs), motive)
}

/** Everything was tried: begin again with the best, which may be the same, after a wait. */
function nextRound(turn: Turn, onAir: OnAir, motive: Omit<Motive, 'cause'>): void {
  const { nowMs, policy } = turn
  const present = findCandidate(turn.state, onAir.id)
  if (present === undefined || !mayFailOver(turn)) return retry(turn, onAir, motive)
  const all = [...alternatives(turn, onAir.id), present]
  const next = bestOf(leastBad(turn, all), nowMs, policy) ?? present
  if (next.spec.id === onAir.id) return retry(turn, onAir, motive)
  const incident = { ...withFailed(turn.state.incident, onAir.id, nowMs), failed: [] }
  change(turn, { incident })
  const delayMs = waitMs(turn, incident)
  turn.effects.push({ kind: 'exhausted', retryInMs: delayMs })
  putOnAir(turn, automatic(next.spec.id, delayMs), { ...motive, cause: 'failover' })
}

function retry(turn: Turn, onAir: OnAir, motive: Omit<Motive, 'cause'>): void {
  const incident = withFailed(turn.state.incident, onAir.id, turn.nowMs)
  change(turn, { incident: { ...incident, failed: [] } })
  const immediate = turn.policy.immediateFirstRetry && incident.attempts === 0
  const delayMs = immediate ? 0 : waitMs(turn, incident)
  if (!immediate) turn.effects.push({ kind: 'exhausted', retryInMs: delayMs })
  const placement = { id: onAir.id, delayMs, byHand: onAir.byHand, revertTo: null }
  putOnAir(turn, placement, { ...motive, cause: 'retry' })
}

/** The best untried candidate of this round that is not known to be worse than any other. */
function nextInRound(
  turn: Turn,
  leaving: CandidateId,
  incident: Incident,
  avoid: readonly CandidateId[] = [],
): CandidateState | undefined {
  const present = findCandidate(turn.state, leaving)
  if (present === undefined) return undefined
  const usable = leastBad(turn, [...alternatives(turn, leaving), present])
  const untried = usable.filter(({ spec }) => spec.id !== leaving && !incident.failed.includes(spec.id))
  const preferred = untried.filter(({ spec }) => !avoid.includes(spec.id))
  return bestOf(preferred, turn.nowMs, turn.policy) ?? bestOf(untried, turn.nowMs, turn.policy)
}

/** Those that are as good as the best of them: nobody is sent to a candidate known to be worse than another. */
function leastBad(turn: Turn, candidates: readonly CandidateState[]): readonly CandidateState[] {
  const badness = candidates.map((candidate) => badnessOf(candidate, turn.nowMs, turn.policy))
  const least = Math.min(...badness)
  return candidates.filter((_, index) => badness[index] === least)
}

function alternatives(turn: Turn, leaving: CandidateId): readonly CandidateState[] {
  const order = preferenceOrder(turn.state.candidates, turn.policy)
  if (turn.policy.selection.kind === 'ordered') return othersAfter(order, leaving)
  return order.filter(({ spec }) => spec.id !== leaving)
}

function mayFailOver(turn: Turn): boolean {
  const { state, nowMs, policy } = turn
  if (!policy.automaticFailover || policy.immediateAttempts === 0 || state.pin !== null) return false
  return switchAllowedAtMs(state, nowMs, policy) <= nowMs
}

/** Where an attempt that has not delivered goes back to, if that is not known to be bad. Settling clears it. */
function wayBack(turn: Turn, { revertTo }: OnAir): Choice | null {
  const target = revertTo === null ? undefined : findCandidate(turn.state, revertTo.id)
  return target !== undefined && badnessOf(target, turn.nowMs, turn.policy) === 0 ? revertTo : null
}

/** A failback that did not last lengthens the next hold-down; one that did clears the record. */
function noteFlap(turn: Turn, id: CandidateId): void {
  const { state, nowMs, policy } = turn
  if (state.flap.failedBackTo !== id || policy.failback.kind !== 'auto') return
  const lasted = nowMs - state.flap.failedBackAtMs >= policy.failback.flapWindowMs
  change(turn, { flap: { level: lasted ? 0 : state.flap.level + 1, failedBackTo: null, failedBackAtMs: 0 } })
}

function withFailed(incident: Incident | null, id: CandidateId, nowMs: number): Incident {
  if (incident === null) return { startedAtMs: nowMs, attempts: 0, delayedAttempts: 0, failed: [id], tried: [id] }
  return { ...incident, failed: withId(incident.failed, id), tried: withId(incident.tried, id) }
}

function withId(ids: readonly CandidateId[], id: CandidateId): readonly CandidateId[] {
  return ids.includes(id) ? ids : [...ids, id]
}

function waitMs(turn: Turn, incident: Incident): number {
  return backoffMs(turn.policy.backoff, incident.delayedAttempts, turn.chance)
}

function automatic(id: CandidateId, delayMs: number): Placement {
  return { id, delayMs, byHand: false, revertTo: null }
}
