import { admits, afterAttempt } from './circuit-breaker.ts'
import type { CandidateId, CandidateState } from './candidate.ts'
import type { GroupPolicy } from './group-policy.ts'
import type { GroupState, Pin } from './group-state.ts'
import { activeActive } from './selection/active-active.ts'
import { activePassive } from './selection/active-passive.ts'
import { geographic } from './selection/geographic.ts'
import { priorityWeighted } from './selection/priority-weighted.ts'
import type { Pool, Selected } from './selection/weighted-round-robin.ts'
import { preferenceOrder } from './standing.ts'
import { usableFor } from './usable.ts'

export interface PickRequest {
  /** What the same candidate should keep serving (a session, a channel); active-active groups only. */
  readonly key?: string
  /** Where the request comes from; geographic groups only. */
  readonly region?: string
  /** Candidates that this request has already tried. */
  readonly exclude?: readonly CandidateId[]
  /** It cannot be sent again if it fails: it is not used to find out whether a candidate has recovered, unless nothing else does. */
  readonly noTrials?: boolean
}

export type PickReason =
  | 'selected'
  | 'pinned'
  /** A single request to a candidate that is to show whether it has recovered. */
  | 'trial'
  /** Nothing is usable; the policy's answer for that case. */
  | 'highest_priority'
  | 'last_good'
  /**
   * No candidate: the group is empty, this request has tried all, nothing is usable and the policy says none, or all that
   * could be used have as many requests as they take.
   */
  | 'no_candidates'
  | 'all_excluded'
  | 'none_usable'
  | 'all_busy'

export interface PickResult {
  readonly id: CandidateId | undefined
  /** Hand it back with the result, so that an answer from before the circuit changed does not count. */
  readonly generation: number
  readonly state: GroupState
  readonly why: PickReason
}

/**
 * Gives one request to one candidate. Report the outcome with `candidate_succeeded` or `candidate_failed` (no epoch) or
 * `request_abandoned`: until then the request counts as in flight.
 */
export function pick(state: GroupState, request: PickRequest, nowMs: number, policy: GroupPolicy): PickResult {
  const { candidates } = state
  if (state.pin !== null && isPinned(state.pin, nowMs)) return pickPinned(state, state.pin.id, request, nowMs, policy)
  const activeId = policy.selection.kind === 'active_passive' ? state.onAir?.id : undefined
  const { places, trials, untried, busy } = usableFor(candidates, request, nowMs, policy, activeId)
  if (untried === 0) return refused(state, candidates.length === 0 ? 'no_candidates' : 'all_excluded')
  const pool: Pool = {
    candidates,
    places,
    credits: state.credits,
    weights: risingWeights(state, places, nowMs, policy),
  }
  const selected = select(pool, trials, state, request, policy)
  if (selected !== undefined) {
    return granted(state, selected, trials.includes(selected.place) ? 'trial' : 'selected', nowMs, policy)
  }
  return busy > 0 ? refused(state, 'all_busy') : whenNoneUsable(state, request, nowMs, policy)
}

/** A pin that has run out no longer holds, though its timer may not have fired yet. */
function isPinned({ untilMs }: Pin, nowMs: number): boolean {
  return untilMs === null || nowMs < untilMs
}

/** A person's decision: neither health nor circuit counts, but a limit of requests does. */
function pickPinned(
  state: GroupState,
  id: CandidateId,
  { exclude }: PickRequest,
  nowMs: number,
  policy: GroupPolicy,
): PickResult {
  const place = state.candidates.findIndex(({ spec }) => spec.id === id)
  const pinned = state.candidates[place]
  if (pinned === undefined || exclude?.includes(id) === true) return refused(state, 'all_excluded')
  const { inFlightMax } = pinned.spec
  if (inFlightMax !== undefined && pinned.inFlight >= inFlightMax) return refused(state, 'all_busy')
  return granted(state, { place }, 'pinned', nowMs, policy)
}

/** One that has just recovered begins with a tenth of its weight. */
const SLOW_START_SHARE_MIN = 0.1

function risingWeights(
  { candidates }: GroupState,
  places: readonly number[],
  nowMs: number,
  { slowStartMs = 0 }: GroupPolicy,
): ReadonlyMap<number, number> | undefined {
  if (slowStartMs === 0) return undefined
  let weights: Map<number, number> | undefined
  for (const place of places) {
    const candidate = candidates[place]
    const recoveredAtMs = candidate?.health.recoveredAtMs
    if (candidate === undefined || recoveredAtMs === undefined) continue
    const share = (nowMs - recoveredAtMs) / slowStartMs
    if (share >= 1) continue
    weights ??= new Map()
    weights.set(place, candidate.spec.weight * Math.max(SLOW_START_SHARE_MIN, share))
  }
  return weights
}

function select(
  pool: Pool,
  trials: readonly number[],
  state: GroupState,
  request: PickRequest,
  policy: GroupPolicy,
): Selected | undefined {
  const { selection } = policy
  switch (selection.kind) {
    case 'ordered':
    case 'active_passive': {
      const present = pool.places.flatMap((place) => pool.candidates[place] ?? [])
      const isOnTrial = (candidate: CandidateState) => trials.includes(pool.candidates.indexOf(candidate))
      return activePassive(pool, preferenceOrder(present, policy), isOnTrial, state.onAir?.id)
    }
    case 'priority_weighted':
      return priorityWeighted(pool)
    case 'active_active':
      return activeActive(pool, request.key, selection.loadFactor)
    case 'geographic':
      return geographic(pool, request.region, selection.regions)
    default:
      return selection satisfies never
  }
}

function whenNoneUsable(state: GroupState, { exclude }: PickRequest, nowMs: number, policy: GroupPolicy): PickResult {
  if (policy.noneUsable === 'none') return refused(state, 'none_usable')
  const grantTo = (candidate: CandidateState, why: PickReason) =>
    granted(state, { place: state.candidates.indexOf(candidate) }, why, nowMs, policy)
  const untried = state.candidates.filter(({ spec }) => exclude?.includes(spec.id) !== true)
  const lastGood = untried.find(({ spec }) => spec.id === state.lastGoodId)
  if (policy.noneUsable === 'last_good' && lastGood !== undefined) return grantTo(lastGood, 'last_good')
  const [first] = untried.toSorted(
    (a, b) =>
      Number(a.spec.weight === 0) - Number(b.spec.weight === 0) ||
      b.spec.priority - a.spec.priority ||
      b.spec.weight - a.spec.weight,
  )
  return first === undefined ? refused(state, 'none_usable') : grantTo(first, 'highest_priority')
}

function refused(state: GroupState, why: PickReason): PickResult {
  return { id: undefined, generation: 0, state, why }
}

function granted(
  state: GroupState,
  { place, credits }: Selected,
  why: PickReason,
  nowMs: number,
  policy: GroupPolicy,
): PickResult {
  const candidate = state.candidates[place]
  if (candidate === undefined) return refused(state, 'none_usable')
  // A request that goes to an open circuit for want of any other does not count as its trial: the time stays.
  const breaker =
    candidate.breaker.kind !== 'closed' && admits(candidate.breaker, nowMs, policy.breaker)
      ? afterAttempt(candidate.breaker, nowMs, policy.breaker)
      : candidate.breaker
  const candidates = state.candidates.with(place, { ...candidate, breaker, inFlight: candidate.inFlight + 1 })
  const changed = credits === undefined ? { ...state, candidates } : { ...state, candidates, credits }
  return { id: candidate.spec.id, generation: breaker.generation, state: changed, why }
}
