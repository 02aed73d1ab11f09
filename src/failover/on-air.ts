import type { CandidateId } from './candidate.ts'
import type { Cause, Choice, PendingSwitch } from './group-state.ts'
import type { Evidence } from './health.ts'
import { countSettledSwitch } from './switch-limits.ts'
import { change, recordAttempt, recordFirstSign, type Turn } from './turn.ts'

/** What is said about a switch: its cause, and who or what asked for it. */
export interface Motive {
  readonly cause: Cause
  readonly reason: string
  readonly evidence: Evidence | null
  readonly by: string | null
  /** It is part of a rehearsal: it counts for nothing but itself. */
  readonly isRehearsal?: boolean
}

export interface Placement {
  readonly id: CandidateId
  readonly delayMs: number
  readonly byHand: boolean
  readonly revertTo: Choice | null
}

/** Puts a candidate on air under a new epoch and, when it is another one, tells of the move. */
export function putOnAir(turn: Turn, placement: Placement, motive: Motive): void {
  const { id, delayMs, byHand, revertTo } = placement
  const previous = turn.state.onAir?.id
  const epoch = turn.state.epoch + 1
  const moved = previous !== undefined && previous !== id
  const incident = turn.state.incident
  if (moved) {
    const attempt = (incident?.attempts ?? 0) + 1
    const { cause, reason, isRehearsal } = motive
    turn.effects.push({
      ...{ kind: 'failover_triggered', from: previous, to: id, reason, cause, attempt, epoch },
      ...(isRehearsal === true ? { isRehearsal } : {}),
    })
  }
  turn.effects.push({
    kind: 'put_on_air',
    id,
    epoch,
    delayMs,
    cause: motive.cause,
    ...(moved ? { previous } : {}),
  })
  change(turn, {
    epoch,
    onAir: {
      id,
      byHand,
      epoch,
      cause: motive.cause,
      startsAtMs: turn.nowMs + delayMs,
      firstSuccessAtMs: null,
      stable: false,
      revertTo,
    },
    resume: { id, byHand },
    pending: previous === undefined ? null : pendingAfter(turn.state.pending, previous, id, motive, turn.nowMs),
    incident:
      incident === null
        ? null
        : {
            ...incident,
            attempts: incident.attempts + 1,
            delayedAttempts: incident.delayedAttempts + (delayMs > 0 ? 1 : 0),
          },
  })
  recordAttempt(turn, id)
}

/** The first media or answer of the candidate on air: the switch has settled, its receipt is written. */
export function settle(turn: Turn): void {
  const { onAir, pending } = turn.state
  if (onAir === null || onAir.firstSuccessAtMs !== null) return
  change(turn, {
    onAir: { ...onAir, firstSuccessAtMs: turn.nowMs, revertTo: null },
    pending: null,
    lastGoodId: onAir.id,
  })
  recordFirstSign(turn, onAir.id)
  if (pending === null) return
  const trigger = pending.trigger === 'failover' && pending.from === onAir.id ? 'retry' : pending.trigger
  if (pending.from !== onAir.id && !pending.isRehearsal) countSettledSwitch(turn, trigger)
  turn.effects.push({
    kind: 'write_receipt',
    receipt: { ...pending, trigger, to: onAir.id, epoch: onAir.epoch, settledAtMs: turn.nowMs },
  })
}

const AFTER_FAILURE: ReadonlySet<Cause> = new Set(['failover', 'retry', 'revert'])

/**
 * One receipt covers everything from the first decision until a candidate delivers: attempts add up, and the first
 * reason stays. What a person asks for in between starts a new account, but `from` remains what viewers saw last.
 */
function pendingAfter(
  pending: PendingSwitch | null,
  leaving: CandidateId,
  to: CandidateId,
  motive: Motive,
  nowMs: number,
): PendingSwitch {
  const { cause, reason, evidence, by, isRehearsal = false } = motive
  const fresh = { trigger: cause, reason, evidence, by, decidedAtMs: nowMs, isRehearsal }
  if (pending === null) return { ...fresh, from: leaving, attempts: 1 }
  if (!AFTER_FAILURE.has(cause)) return { ...fresh, from: pending.from, attempts: 1 }
  const attempts = pending.attempts + 1
  if (cause === 'revert') return { ...fresh, from: leaving, by: pending.by, attempts }
  if (cause === 'retry' && pending.from !== to) return { ...pending, attempts }
  if (AFTER_FAILURE.has(pending.trigger) && pending.trigger !== 'revert') {
    return { ...pending, trigger: cause, attempts }
  }
  const from = pending.trigger === 'revert' ? leaving : pending.from
  return { ...fresh, from, attempts }
}
