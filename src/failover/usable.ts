import { admits, breakerAt } from './circuit-breaker.ts'
import type { CandidateId, CandidateState } from './candidate.ts'
import type { GroupPolicy } from './group-policy.ts'
import { nearest } from './selection/geographic.ts'
import { standingOf } from './standing.ts'

/** The candidates that a request has not tried, sorted by how usable they are; each as its place in the group's list. */
interface Sorted {
  /** Healthy or unknown, and admitted by their circuits. */
  readonly usable: number[]
  /** Of these, how many are healthy. */
  healthy: number
  /** Weight 0. */
  readonly drained: number[]
  /** Unhealthy, though the circuit admits requests. */
  readonly unhealthy: number[]
  readonly open: number[]
  /** May be given a single request to show whether they have recovered. */
  readonly trials: number[]
  /** Not tried, those without room included. */
  untried: number
  /** Without room for one more request. */
  busy: number
}

export interface Usable {
  /** Ascending. */
  readonly places: readonly number[]
  /** Those of the places that are there for a trial only. */
  readonly trials: readonly number[]
  readonly untried: number
  readonly busy: number
}

export interface Question {
  readonly region?: string
  readonly exclude?: readonly CandidateId[]
  readonly noTrials?: boolean
}

/**
 * Whom a request may be given to: the healthy; if there are none the unknown; if there are none the drained. A listed order
 * and nearness come before the difference between healthy and unknown; so does `activeId`, who has the requests while
 * nothing is held against it. Those due for a trial take part as well.
 */
export function usableFor(
  candidates: readonly CandidateState[],
  question: Question,
  nowMs: number,
  policy: GroupPolicy,
  activeId?: CandidateId,
): Usable {
  const sorted = sort(candidates, question, nowMs, policy)
  const { untried, busy } = sorted
  const isPanic = setHealthAside(sorted, candidates, policy)
  const best = bestTier(sorted, isPanic, candidates, { ...question, activeId }, nowMs, policy)
  if (sorted.trials.length === 0) return { places: best, trials: sorted.trials, untried, busy }
  return { ...joined(best, sorted.trials), untried, busy }
}

/** Both lists, which are ascending, as one; and what only the second has. */
function joined(best: readonly number[], trials: readonly number[]): Pick<Usable, 'places' | 'trials'> {
  const places: number[] = []
  const added: number[] = []
  let at = 0
  for (const place of trials) {
    for (let next = best[at]; next !== undefined && next < place; next = best[at]) {
      places.push(next)
      at += 1
    }
    if (best[at] === place) continue
    places.push(place)
    added.push(place)
  }
  places.push(...best.slice(at))
  return { places, trials: added }
}

function sort(
  candidates: readonly CandidateState[],
  { exclude, noTrials }: Question,
  nowMs: number,
  policy: GroupPolicy,
): Sorted {
  const sorted: Sorted = {
    ...{ usable: [], healthy: 0, drained: [], unhealthy: [], open: [], trials: [] },
    ...{ untried: 0, busy: 0 },
  }
  const isCautious = noTrials === true
  for (let place = 0; place < candidates.length; place += 1) {
    const candidate = candidates[place]
    if (candidate === undefined || exclude?.includes(candidate.spec.id) === true) continue
    sorted.untried += 1
    const { inFlightMax } = candidate.spec
    if (inFlightMax !== undefined && candidate.inFlight >= inFlightMax) {
      sorted.busy += 1
      continue
    }
    sortOne(sorted, candidate, place, isCautious, nowMs, policy)
  }
  return sorted
}

function sortOne(
  sorted: Sorted,
  candidate: CandidateState,
  place: number,
  isCautious: boolean,
  nowMs: number,
  policy: GroupPolicy,
): void {
  const standing = standingOf(candidate, nowMs, policy)
  if (standing === 'open') {
    sorted.open.push(place)
    return
  }
  if (candidate.breaker.kind !== 'closed' && !admits(candidate.breaker, nowMs, policy.breaker)) return
  const isTrial = standing === 'unknown' || breakerAt(candidate.breaker, nowMs) === 'half_open'
  if (
    isTrial &&
    candidate.inFlight === candidate.goingOn &&
    candidate.spec.weight > 0 &&
    mayTry(candidate, isCautious, nowMs, policy)
  ) {
    sorted.trials.push(place)
  }
  if (standing === 'unhealthy') sorted.unhealthy.push(place)
  else if (standing === 'drained') sorted.drained.push(place)
  else {
    sorted.usable.push(place)
    if (standing === 'healthy') sorted.healthy += 1
  }
}

/** So many times the cool-down after its last outcome a candidate is tried even by a request that cannot be repeated. */
const CAUTION = 2

/**
 * A request that cannot be sent again is a trial only of a candidate that nothing is held against, or that nobody else has
 * tried for long: where all requests are of that kind it would never come back.
 */
function mayTry({ health }: CandidateState, isCautious: boolean, nowMs: number, policy: GroupPolicy): boolean {
  if (!policy.trialByTraffic) return false
  if (!isCautious || health.lastFailure === null) return true
  return nowMs - health.lastOutcomeAtMs >= CAUTION * policy.health.coolDownMs
}

/** Readmits those whom the policy's limits do not allow to be passed over. True when health no longer counts (panic). */
function setHealthAside(sorted: Sorted, candidates: readonly CandidateState[], policy: GroupPolicy): boolean {
  const { usable, unhealthy, open, drained } = sorted
  const passedOver = unhealthy.length + open.length
  if (passedOver === 0) return false
  const { ejectedShareMax = 1, panicShare } = policy
  const rated = usable.length + passedOver
  const hasBetter = usable.length === 0 && drained.length > 0
  if (panicShare !== undefined && usable.length <= panicShare * rated && !hasBetter) {
    readmit(usable, unhealthy)
    return true
  }
  const readmitted = passedOver - Math.max(1, Math.floor(ejectedShareMax * rated))
  if (readmitted <= 0) return false
  const failedAtMs = (place: number) => candidates[place]?.health.lastOutcomeAtMs ?? 0
  const latestFirst = (places: readonly number[]) => places.toSorted((a, b) => failedAtMs(b) - failedAtMs(a))
  readmit(usable, [...latestFirst(unhealthy), ...latestFirst(open)].slice(0, readmitted))
  return true
}

function readmit(usable: number[], places: readonly number[]): void {
  usable.push(...places)
  // oxlint-disable-next-line unicorn/no-array-sort -- the list is this request's own
  usable.sort((a, b) => a - b)
}

function bestTier(
  sorted: Sorted,
  isPanic: boolean,
  candidates: readonly CandidateState[],
  question: Question & { readonly activeId: CandidateId | undefined },
  nowMs: number,
  policy: GroupPolicy,
): readonly number[] {
  const usable = near(sorted.usable, candidates, question, policy)
  if (usable.length === 0) return near(sorted.drained, candidates, question, policy)
  if (isPanic || policy.selection.kind === 'ordered') return usable
  if (sorted.healthy === sorted.usable.length || sorted.healthy === 0) return usable
  const healthy = usable.filter((place) => {
    const candidate = candidates[place]
    if (candidate === undefined) return false
    return candidate.spec.id === question.activeId || standingOf(candidate, nowMs, policy) === 'healthy'
  })
  return healthy.length > 0 ? healthy : usable
}

function near(
  places: readonly number[],
  candidates: readonly CandidateState[],
  { region }: Question,
  { selection }: GroupPolicy,
): readonly number[] {
  if (selection.kind !== 'geographic' || places.length < 2) return places
  const there = new Set(
    nearest(
      places.flatMap((place) => candidates[place] ?? []),
      region,
      selection.regions,
    ),
  )
  return places.filter((place) => {
    const candidate = candidates[place]
    return candidate !== undefined && there.has(candidate)
  })
}
