import {
  checkCandidates,
  newCandidate,
  type CandidateId,
  type CandidateSpec,
  type CandidateState,
} from './candidate.ts'
import { replaceRemoved } from './failover.ts'
import type { GroupPolicy } from './group-policy.ts'
import type { GroupEvent, GroupState } from './group-state.ts'
import { putOnAir, type Motive } from './on-air.ts'
import { badnessOf, bestOf, othersAfter, preferenceOrder, preferredTo } from './standing.ts'
import { change, findCandidate, type Turn } from './turn.ts'

type EventOf<Kind extends GroupEvent['kind']> = Extract<GroupEvent, { kind: Kind }>

/** Somebody wants output: the pinned candidate, or the one that a person chose, or else the best. */
export function start(turn: Turn): void {
  if (turn.state.wanted) return
  change(turn, { wanted: true, incident: null, pending: null })
  const first = firstChoice(turn)
  if (first === undefined) return
  const motive = { cause: 'start', reason: 'started', evidence: null, by: null } as const
  putOnAir(turn, { ...first, delayMs: 0, revertTo: null }, motive)
}

/** Nobody wants output any more. What is known of the candidates, a pin and a person's choice are kept. */
export function stop(turn: Turn): void {
  const { onAir } = turn.state
  if (onAir !== null) turn.effects.push({ kind: 'take_off_air', id: onAir.id })
  change(turn, { wanted: false, onAir: null, incident: null, pending: null })
}

/** By hand, whatever the health; a pin must be lifted first. */
export function switchRequested(turn: Turn, event: EventOf<'switch_requested'>): void {
  const refuse = (reason: 'unknown_candidate' | 'no_other_candidate' | 'pinned') =>
    turn.effects.push({ kind: 'request_refused', request: 'switch', reason })
  const { state } = turn
  const from = state.onAir?.id ?? firstChoice(turn)?.id
  if (from === undefined) return void refuse('no_other_candidate')
  const to = event.target ?? othersAfter(preferenceOrder(state.candidates, turn.policy), from)[0]?.spec.id
  if (to === undefined) return void refuse('no_other_candidate')
  if (findCandidate(state, to) === undefined) return void refuse('unknown_candidate')
  if (state.pin !== null && state.pin.id !== to) return void refuse('pinned')
  const { by, reason = 'requested', isRehearsal = false } = event
  move(turn, from, to, event.byHand ?? !isRehearsal, { cause: 'manual', reason, evidence: null, by, isRehearsal })
}

/** Only this candidate from now on, until it is unpinned or its time to live (from now, in ms) is over. */
export function pinRequested(turn: Turn, event: EventOf<'pin_requested'>): void {
  const { state, nowMs } = turn
  if (findCandidate(state, event.id) === undefined) {
    turn.effects.push({ kind: 'request_refused', request: 'pin', reason: 'unknown_candidate' })
    return
  }
  const untilMs = event.ttlMs === undefined ? null : nowMs + event.ttlMs
  const from = state.onAir?.id ?? firstChoice(turn)?.id
  change(turn, { pin: { id: event.id, untilMs, by: event.by, atMs: nowMs } })
  if (from === undefined) return
  move(turn, from, event.id, false, { cause: 'pin', reason: 'pinned', evidence: null, by: event.by })
}

/** Edits the list in place. Throws a RangeError, and changes nothing, when it cannot be ranked. */
export function candidatesChanged(turn: Turn, specs: readonly CandidateSpec[]): void {
  checkCandidates(specs)
  const former = turn.state
  const kept = new Map(former.candidates.map((candidate) => [candidate.spec.id, candidate]))
  const candidates = specs.map((spec) => {
    const known = kept.get(spec.id)
    kept.delete(spec.id)
    if (known === undefined) return newCandidate(spec)
    const { spec: knownSpec, idHash } = newCandidate(spec)
    return { ...known, spec: knownSpec, idHash }
  })
  for (const gone of kept.values()) {
    if (gone.probing !== null) turn.effects.push({ kind: 'stop_probing', id: gone.spec.id })
  }
  const isListed = (id: CandidateId | undefined) => id !== undefined && !kept.has(id)
  change(turn, {
    candidates,
    credits: creditsAfterEdit(former, candidates),
    pin: isListed(former.pin?.id) ? former.pin : null,
    resume: isListed(former.resume?.id) ? former.resume : null,
    lastGoodId: former.lastGoodId !== null && isListed(former.lastGoodId) ? former.lastGoodId : null,
    incident: former.incident && {
      ...former.incident,
      failed: former.incident.failed.filter(isListed),
      tried: former.incident.tried.filter(isListed),
    },
    onAir:
      former.onAir !== null && former.onAir.revertTo !== null && !isListed(former.onAir.revertTo.id)
        ? { ...former.onAir, revertTo: null }
        : former.onAir,
  })
  placeAfterEdit(turn, former)
}

/** Those that stay keep their credit, so that an edit does not begin the round anew. */
function creditsAfterEdit(former: GroupState, candidates: readonly CandidateState[]): readonly number[] {
  const credits = new Map(former.candidates.map(({ spec }, index) => [spec.id, former.credits[index] ?? 0]))
  return candidates.map(({ spec }) => credits.get(spec.id) ?? 0)
}

function placeAfterEdit(turn: Turn, former: GroupState): void {
  const { state } = turn
  if (!state.wanted) return
  if (state.onAir === null) {
    change(turn, { wanted: false })
    return start(turn)
  }
  if (findCandidate(state, state.onAir.id) === undefined) {
    if (state.candidates.length > 0) {
      return replaceRemoved(turn, preferenceOrder(former.candidates, turn.policy), state.onAir)
    }
    turn.effects.push({ kind: 'take_off_air', id: state.onAir.id })
    change(turn, { onAir: null, incident: null, pending: null, resume: null })
    return
  }
  if (turn.policy.onPriorityChange === 'switch') takeBetterRanked(turn, former)
}

/**
 * The best usable candidate takes the air when the edit ranked it above the present one. A person's choice gives way only
 * to an edit of candidates that were there when it was made, never to one that merely joins.
 */
function takeBetterRanked(turn: Turn, former: GroupState): void {
  const { state, nowMs, policy } = turn
  const { onAir } = state
  if (onAir === null || state.pin !== null) return
  const rankedBefore = new Set(preferredTo(former.candidates, onAir.id, policy).map(({ spec }) => spec.id))
  const joined = (id: CandidateId) => findCandidate(former, id) === undefined
  const better = preferredTo(state.candidates, onAir.id, policy).find(
    (candidate) =>
      !rankedBefore.has(candidate.spec.id) &&
      candidate.spec.weight > 0 &&
      badnessOf(candidate, nowMs, policy) === 0 &&
      !(onAir.byHand && joined(candidate.spec.id)),
  )
  if (better === undefined) return
  move(turn, onAir.id, better.spec.id, false, {
    cause: 'priority',
    reason: 'priority_changed',
    evidence: null,
    by: null,
  })
}

/** Moves on request: at once, with the way back kept until the target has delivered. */
function move(turn: Turn, from: CandidateId, to: CandidateId, byHand: boolean, motive: Motive): void {
  const { state, nowMs } = turn
  const { onAir } = state
  if (onAir === null) {
    change(turn, { resume: { id: to, byHand: byHand || (state.resume?.id === to && state.resume.byHand) } })
    if (from !== to) announceAtRest(turn, from, to, motive)
    return
  }
  if (from === to) {
    const kept = { id: to, byHand: onAir.byHand || byHand }
    return change(turn, { onAir: { ...onAir, ...kept }, resume: kept })
  }
  const back = onAir.firstSuccessAtMs === null ? onAir.revertTo : { id: onAir.id, byHand: onAir.byHand }
  const flap = { ...state.flap, failedBackTo: null, failedBackAtMs: nowMs }
  change(turn, { incident: null, ...(motive.isRehearsal === true ? {} : { flap }) })
  const revertTo = back === null || back.id === to ? null : back
  putOnAir(turn, { id: to, delayMs: 0, byHand, revertTo }, motive)
}

/** Nobody wants output: nothing is opened, but the move is told and recorded. */
function announceAtRest(turn: Turn, from: CandidateId, to: CandidateId, motive: Motive): void {
  const { cause, reason, evidence, by, isRehearsal = false } = motive
  const { nowMs } = turn
  const { epoch } = turn.state
  turn.effects.push({ kind: 'failover_triggered', from, to, reason, cause, attempt: 1, epoch })
  const times = { decidedAtMs: nowMs, settledAtMs: nowMs, attempts: 1 }
  turn.effects.push({
    kind: 'write_receipt',
    receipt: { from, to, trigger: cause, reason, evidence, by, epoch, ...times, isRehearsal },
  })
}

function firstChoice(turn: Turn): { readonly id: CandidateId; readonly byHand: boolean } | undefined {
  const { state, nowMs, policy } = turn
  if (state.pin !== null) return { id: state.pin.id, byHand: false }
  if (state.resume !== null && state.resume.byHand) return state.resume
  const best: CandidateState | undefined = bestOf(preferenceOrder(state.candidates, policy), nowMs, policy)
  if (best === undefined) return undefined
  const last = state.resume === null ? undefined : findCandidate(state, state.resume.id)
  // The one that was on air last is known to deliver; going back to what it was left for a moment ago would be a gamble.
  const isGamble = last !== undefined && failedLately(best, nowMs, policy) && !failedLately(last, nowMs, policy)
  const first = isGamble && badnessOf(last, nowMs, policy) === 0 ? last : best
  return { id: first.spec.id, byHand: false }
}

function failedLately({ health }: CandidateState, nowMs: number, policy: GroupPolicy): boolean {
  const { lastFailure, successesInRow } = health
  return lastFailure !== null && successesInRow === 0 && nowMs - lastFailure.atMs < policy.health.coolDownMs
}
