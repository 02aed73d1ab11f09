import { admits, afterAttempt, breakerAt } from './circuit-breaker.ts'
import type { CandidateId, CandidateState } from './candidate.ts'
import type { GroupPolicy } from './group-policy.ts'
import type { GroupState, Pin } from './group-state.ts'
import { activeActive } from './selection/active-active.ts'
import { activePassive } from './selection/active-passive.ts'
import { geographic, nearest } from './selection/geographic.ts'
import { priorityWeighted } from './selection/priority-weighted.ts'
import { noCredits, type Selected } from './selection/weighted-round-robin.ts'
import { preferenceOrder, standingOf, type Standing } from './standing.ts'

export interface PickRequest {
  /** What the same candidate should keep serving (a session, a channel); active-active groups only. */
  readonly key?: string
  /** Where the request comes from; geographic groups only. */
  readonly region?: string
  /** Candidates that this request has already tried. */
  readonly exclude?: readonly CandidateId[]
}

export type PickReason =
  | 'selected'
  | 'pinned'
  /** A single request to a candidate that is to show whether it has recovered. */
  | 'trial'
  /** Nothing is usable; the policy's answer for that case. */
  | 'highest_priority'
  | 'last_good'
  /** No candidate: the group is empty, this request has tried all, or nothing is usable and the policy says none. */
  | 'no_candidates'
  | 'all_excluded'
  | 'none_usable'

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
  const pin = state.pin !== null && isPinned(state.pin, nowMs) ? state.pin : null
  const open = admissible(state, pin, request)
  if (open.length === 0) return refused(state, state.candidates.length === 0 ? 'no_candidates' : 'all_excluded')
  const [pinned] = open
  if (pin !== null && pinned !== undefined) return granted(state, sole(pinned), 'pinned', nowMs, policy)
  const usable = bestTier(open, request, nowMs, policy)
  const trials = policy.trialByTraffic ? open.filter((candidate) => isDueForTrial(candidate, nowMs, policy)) : []
  const trialIds = new Set(trials.filter((candidate) => !usable.includes(candidate)).map(({ spec }) => spec.id))
  const pool = trialIds.size === 0 ? usable : open.filter((one) => usable.includes(one) || trialIds.has(one.spec.id))
  const selected = select(pool, trialIds, state, request, policy)
  if (selected === undefined) return whenNoneUsable(state, open, nowMs, policy)
  return granted(state, selected, trialIds.has(selected.id) ? 'trial' : 'selected', nowMs, policy)
}

/** A pin that has run out no longer holds, though its timer may not have fired yet. */
function isPinned({ untilMs }: Pin, nowMs: number): boolean {
  return untilMs === null || nowMs < untilMs
}

function admissible(state: GroupState, pin: Pin | null, { exclude }: PickRequest): readonly CandidateState[] {
  return state.candidates.filter(
    ({ spec }) => (pin === null || spec.id === pin.id) && !(exclude?.includes(spec.id) ?? false),
  )
}

/**
 * The healthy; if there are none the unknown; if there are none the drained. A listed order and nearness come before the
 * difference between healthy and unknown.
 */
function bestTier(
  candidates: readonly CandidateState[],
  request: PickRequest,
  nowMs: number,
  policy: GroupPolicy,
): readonly CandidateState[] {
  const { selection } = policy
  const near = (from: readonly CandidateState[]) =>
    selection.kind === 'geographic' ? nearest(from, request.region, selection.regions) : from
  const standings = new Map<CandidateState, Standing>()
  for (const candidate of candidates) {
    if (!admits(candidate.breaker, nowMs, policy.breaker)) continue
    standings.set(candidate, standingOf(candidate, nowMs, policy))
  }
  const of = (from: readonly CandidateState[], ...wanted: readonly Standing[]) =>
    from.filter((candidate) => wanted.some((standing) => standing === standings.get(candidate)))
  const usable = near(of(candidates, 'healthy', 'unknown'))
  if (usable.length === 0) return near(of(candidates, 'drained'))
  const healthy = selection.kind === 'ordered' ? [] : of(usable, 'healthy')
  return healthy.length > 0 ? healthy : usable
}

function select(
  usable: readonly CandidateState[],
  trialIds: ReadonlySet<CandidateId>,
  state: GroupState,
  request: PickRequest,
  policy: GroupPolicy,
): Selected | undefined {
  const { selection } = policy
  switch (selection.kind) {
    case 'ordered':
    case 'active_passive':
      return activePassive(preferenceOrder(usable, policy), trialIds, state.onAir?.id)
    case 'priority_weighted':
      return priorityWeighted(usable)
    case 'active_active':
      return activeActive(usable, request.key, selection.loadFactor)
    case 'geographic':
      return geographic(usable, request.region, selection.regions)
    default:
      return selection satisfies never
  }
}

/**
 * An unknown (again) or half-open candidate takes part in the choice although others are healthy, one request at a time,
 * so that it can come back without a prober.
 */
function isDueForTrial(candidate: CandidateState, nowMs: number, policy: GroupPolicy): boolean {
  if (candidate.inFlight > 0 || candidate.spec.weight === 0) return false
  if (!admits(candidate.breaker, nowMs, policy.breaker)) return false
  return breakerAt(candidate.breaker, nowMs) === 'half_open' || standingOf(candidate, nowMs, policy) === 'unknown'
}

function whenNoneUsable(
  state: GroupState,
  open: readonly CandidateState[],
  nowMs: number,
  policy: GroupPolicy,
): PickResult {
  if (policy.noneUsable === 'none') return refused(state, 'none_usable')
  const lastGood = open.find(({ spec }) => spec.id === state.lastGoodId)
  if (policy.noneUsable === 'last_good' && lastGood !== undefined) {
    return granted(state, sole(lastGood), 'last_good', nowMs, policy)
  }
  const [first] = open.toSorted(
    (a, b) =>
      Number(a.spec.weight === 0) - Number(b.spec.weight === 0) ||
      b.spec.priority - a.spec.priority ||
      b.spec.weight - a.spec.weight,
  )
  return first === undefined
    ? refused(state, 'none_usable')
    : granted(state, sole(first), 'highest_priority', nowMs, policy)
}

function sole({ spec }: CandidateState): Selected {
  return { id: spec.id, credits: noCredits }
}

function refused(state: GroupState, why: PickReason): PickResult {
  return { id: undefined, generation: 0, state, why }
}

function granted(
  state: GroupState,
  { id, credits }: Selected,
  why: PickReason,
  nowMs: number,
  policy: GroupPolicy,
): PickResult {
  let generation = 0
  const candidates = state.candidates.map((candidate) => {
    const smoothWeight = credits.get(candidate.spec.id) ?? candidate.smoothWeight
    if (candidate.spec.id !== id) {
      return smoothWeight === candidate.smoothWeight ? candidate : { ...candidate, smoothWeight }
    }
    // A request that goes to an open circuit for want of any other does not count as its trial: the time stays.
    const breaker = admits(candidate.breaker, nowMs, policy.breaker)
      ? afterAttempt(candidate.breaker, nowMs, policy.breaker)
      : candidate.breaker
    generation = breaker.generation
    return { ...candidate, smoothWeight, breaker, inFlight: candidate.inFlight + 1 }
  })
  return { id, generation, state: { ...state, candidates }, why }
}
