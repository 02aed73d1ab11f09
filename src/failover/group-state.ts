import type { CandidateId, CandidateSpec, CandidateState } from './candidate.ts'
import type { Evidence, Verdict } from './health.ts'

/** Why a candidate was put on air. */
export type Cause = 'start' | 'failover' | 'retry' | 'manual' | 'failback' | 'revert' | 'pin' | 'priority'

/**
 * All that a group knows, as plain JSON data: `JSON.parse(JSON.stringify(state))` is the same state. Times are the
 * caller's monotonic milliseconds; `restoreGroup` moves them to a new process's clock.
 */
export interface GroupState {
  readonly version: 1
  /** In the order of the configuration. */
  readonly candidates: readonly CandidateState[]
  /** The running credits of smooth weighted round robin, one for each candidate; all are 0 when the lengths differ. */
  readonly credits: readonly number[]
  /** Somebody wants output. */
  readonly wanted: boolean
  /** Rises at each put_on_air. */
  readonly epoch: number
  readonly onAir: OnAir | null
  /** Where `started` begins: the candidate that was on air last, or that was chosen while nobody wanted output. */
  readonly resume: Choice | null
  readonly incident: Incident | null
  /** The switch under way whose receipt is not written yet. */
  readonly pending: PendingSwitch | null
  readonly pin: Pin | null
  /** The candidate that delivered last. */
  readonly lastGoodId: CandidateId | null
  /** When automatic switches settled, oldest first, those inside the policy's window only. */
  readonly settledSwitchesAtMs: readonly number[]
  /** When any switch settled last. */
  readonly lastSwitchAtMs: number | null
  readonly flap: Flap
  readonly timerAtMs: number | null
}

/** A candidate and whether a person chose it; failback and a fresh start leave a person's choice alone. */
export interface Choice {
  readonly id: CandidateId
  readonly byHand: boolean
}

export interface OnAir extends Choice {
  readonly epoch: number
  readonly cause: Cause
  /** When its attempt begins: the decision and the delay. */
  readonly startsAtMs: number
  /** First media or answer in this epoch. */
  readonly firstSuccessAtMs: number | null
  /** It has delivered for the policy's stable time. */
  readonly stable: boolean
  /** Where to go back to when it fails before its first success. */
  readonly revertTo: Choice | null
}

/** From the first failure until a candidate has delivered for the policy's stable time. */
export interface Incident {
  readonly startedAtMs: number
  /** put_on_air effects since it began. */
  readonly attempts: number
  /** Of these, how many had to wait. */
  readonly delayedAttempts: number
  /** Candidates that failed in the present round. */
  readonly failed: readonly CandidateId[]
  /** Candidates that failed in any round; another attempt at one of them waits. */
  readonly tried: readonly CandidateId[]
}

export interface PendingSwitch {
  readonly from: CandidateId
  readonly trigger: Cause
  readonly reason: string
  readonly evidence: Evidence | null
  readonly by: string | null
  readonly decidedAtMs: number
  readonly attempts: number
  /** It is part of a rehearsal. */
  readonly isRehearsal: boolean
}

export interface Pin {
  readonly id: CandidateId
  readonly untilMs: number | null
  readonly by: string
  readonly atMs: number
}

/** How often failback did not last, which lengthens the hold-down. */
export interface Flap {
  readonly level: number
  /** The failback that is under observation. */
  readonly failedBackTo: CandidateId | null
  readonly failedBackAtMs: number
}

export type GroupEvent =
  /** Somebody wants output: choose a candidate and put it on air. */
  | { readonly kind: 'started' }
  /** Nobody wants output: off air, timers and probes cancelled, health kept. */
  | { readonly kind: 'stopped' }
  /**
   * With an epoch: the candidate on air delivers media (send the first, later ones change nothing). Without: a request
   * that `pick` handed out was answered; `generation` is what `pick` returned with it.
   */
  | {
      readonly kind: 'candidate_succeeded'
      readonly id: CandidateId
      readonly epoch?: number
      readonly generation?: number
      /** The request was answered and is not over: its place stays taken until `request_left`. */
      readonly goesOn?: boolean
    }
  | {
      readonly kind: 'candidate_failed'
      readonly id: CandidateId
      readonly epoch?: number
      readonly generation?: number
      readonly reason: string
      readonly evidence?: Evidence
      /** Others that would be no better than the one on air is now: gone to only when nobody else is left. */
      readonly avoid?: readonly CandidateId[]
      /** The failure of the candidate on air was only played: it leads where it would lead, and nothing is held against it. */
      readonly isRehearsal?: boolean
    }
  /** A request that `pick` handed out ended without saying anything about the candidate. */
  | { readonly kind: 'request_abandoned'; readonly id: CandidateId; readonly generation?: number }
  /** A request that went on after its answer is over. */
  | { readonly kind: 'request_left'; readonly id: CandidateId }
  | { readonly kind: 'probe_succeeded'; readonly id: CandidateId }
  | {
      readonly kind: 'probe_failed'
      readonly id: CandidateId
      readonly reason?: string
      readonly evidence?: Evidence
    }
  /**
   * By hand: to `target`, or without one exactly one step in the order with wrap-around, whatever the health. Part of a
   * rehearsal, it counts neither as a switch nor as a person's choice, unless `byHand` says that it is one.
   */
  | {
      readonly kind: 'switch_requested'
      readonly target?: CandidateId
      readonly by: string
      readonly reason?: string
      readonly isRehearsal?: boolean
      readonly byHand?: boolean
    }
  | { readonly kind: 'pin_requested'; readonly id: CandidateId; readonly ttlMs?: number; readonly by: string }
  | { readonly kind: 'unpin_requested' }
  /** Forget what is held against a candidate: nothing is known of it then, or, when `trusted`, it is healthy at once. */
  | { readonly kind: 'failures_reset'; readonly id: CandidateId; readonly trusted?: boolean }
  /** Edited in place: those that stay keep health and epoch. Throws a RangeError on a list that cannot be ranked. */
  | { readonly kind: 'candidates_changed'; readonly candidates: readonly CandidateSpec[] }
  /** An armed timer fired; the step works out itself what is due. */
  | { readonly kind: 'tick' }

export type GroupEffect =
  /**
   * Open this candidate after `delayMs` and report with `epoch`. It replaces every earlier put_on_air, one that still
   * waits included; `previous` may keep going out until the new one delivers.
   */
  | {
      readonly kind: 'put_on_air'
      readonly id: CandidateId
      readonly epoch: number
      readonly delayMs: number
      readonly cause: Cause
      readonly previous?: CandidateId
    }
  | { readonly kind: 'take_off_air'; readonly id: CandidateId }
  /** A move to another candidate was decided; `attempt` counts from 1 within one incident. */
  | {
      readonly kind: 'failover_triggered'
      readonly from: CandidateId
      readonly to: CandidateId
      readonly reason: string
      readonly cause: Cause
      readonly attempt: number
      readonly epoch: number
      /** Present and true when it is part of a rehearsal. */
      readonly isRehearsal?: true
    }
  | { readonly kind: 'write_receipt'; readonly receipt: Receipt }
  | { readonly kind: 'start_probing'; readonly id: CandidateId; readonly intervalMs: number }
  | { readonly kind: 'stop_probing'; readonly id: CandidateId }
  /** One timer per group: the latest replaces the former. */
  | { readonly kind: 'arm_timer'; readonly atMs: number }
  | { readonly kind: 'cancel_timer' }
  | {
      readonly kind: 'health_changed'
      readonly id: CandidateId
      readonly from: Verdict
      readonly to: Verdict
      readonly reason: string
    }
  /** Every candidate that may be tried has failed in this incident; the next attempt waits. */
  | { readonly kind: 'exhausted'; readonly retryInMs: number }
  /** What the operator asked for cannot be done; nothing has changed. */
  | { readonly kind: 'request_refused'; readonly request: 'switch' | 'pin' | 'reset'; readonly reason: RefusalReason }

export type RefusalReason = 'unknown_candidate' | 'no_other_candidate' | 'pinned'

/** The record of a settled switch, or of an outage that a retry of the same candidate ended (`trigger` 'retry'). */
export interface Receipt {
  readonly from: CandidateId
  readonly to: CandidateId
  readonly trigger: Cause
  readonly reason: string
  readonly evidence: Evidence | null
  readonly by: string | null
  readonly epoch: number
  readonly decidedAtMs: number
  /** When the new candidate delivered; the same as the decision when nobody wanted output. */
  readonly settledAtMs: number
  readonly attempts: number
  /** It was part of a rehearsal. */
  readonly isRehearsal: boolean
}

export interface StepResult {
  readonly state: GroupState
  readonly effects: readonly GroupEffect[]
}
