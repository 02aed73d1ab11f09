import type { Chance } from './backoff.ts'
import type { CandidateSpec } from './candidate.ts'
import { createGroup, step } from './group.ts'
import type { GroupPolicy } from './group-policy.ts'
import type { GroupEffect, GroupEvent, GroupState } from './group-state.ts'
import { pick } from './pick.ts'
import type { PickRequest, PickResult } from './pick.ts'
import { restoreGroup } from './restore.ts'

/** What a group knows, for the store: plain JSON data. */
export interface GroupMemory {
  readonly state: GroupState
  readonly savedAtMs: number
}

/** Time as the runner needs it, passed in like everything else. */
export interface RunnerClock {
  /** Monotonic milliseconds. */
  nowMs(): number
  /** Calls `task` once after `ms`, unless it is cancelled first. */
  schedule(ms: number, task: () => void): { cancel(): void }
}

export interface GroupRunnerOptions {
  readonly candidates: readonly CandidateSpec[]
  /** What was saved of it; its candidates give way to those above. */
  readonly memory: GroupMemory | undefined
  /** Asked anew at each step. */
  readonly policy: () => GroupPolicy
  readonly clock: RunnerClock
  readonly chance: Chance
  /**
   * Acts on what one event led to, in order; the timers among it have been taken care of. Called once for each event, also
   * when nothing followed from it. What it dispatches is handled afterwards.
   */
  readonly act: (effects: readonly GroupEffect[], event: GroupEvent) => void
  /** Everything that followed from a dispatch is done. */
  readonly onSettled?: () => void
}

/**
 * Runs a group for its owner: keeps the state and the one timer, and handles events one after the other, so that no effect
 * is acted on in the middle of a step.
 */
export class GroupRunner implements Disposable {
  readonly #options: GroupRunnerOptions
  readonly #queue: GroupEvent[] = []
  #state: GroupState
  #timer: { cancel(): void } | undefined
  #isStepping = false
  #isDisposed = false

  /** Throws a RangeError when the candidates cannot be ranked. */
  constructor(options: GroupRunnerOptions) {
    this.#options = options
    const { candidates, memory } = options
    this.#state = memory === undefined ? createGroup(candidates) : this.#restored(memory)
  }

  get state(): GroupState {
    return this.#state
  }

  get memory(): GroupMemory {
    return { state: this.#state, savedAtMs: this.#options.clock.nowMs() }
  }

  dispatch(event: GroupEvent): void {
    if (this.#isDisposed) return
    this.#queue.push(event)
    if (this.#isStepping) return
    this.#isStepping = true
    try {
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) this.#step(next)
    } finally {
      this.#isStepping = false
    }
    this.#options.onSettled?.()
  }

  /** Gives one request to one candidate; see `pick`. */
  pick(request: PickRequest): PickResult {
    const { clock, policy } = this.#options
    const result = pick(this.#state, request, clock.nowMs(), policy())
    if (result.id !== undefined) this.#state = result.state
    return result
  }

  [Symbol.dispose](): void {
    this.#isDisposed = true
    this.#timer?.cancel()
  }

  /** The remembered state at rest, with today's candidates; nothing of it needs to be acted on. */
  #restored({ state: saved, savedAtMs }: GroupMemory): GroupState {
    const { candidates, clock, policy } = this.#options
    const nowMs = clock.nowMs()
    // The time that the process was down has passed for the candidates too; only a clock that was set back is made up for.
    const restored = restoreGroup(saved, Math.min(0, nowMs - savedAtMs))
    return step(restored, { kind: 'candidates_changed', candidates }, nowMs, policy()).state
  }

  #step(event: GroupEvent): void {
    const { clock, policy, chance, act } = this.#options
    const { state, effects } = step(this.#state, event, clock.nowMs(), policy(), chance)
    this.#state = state
    for (const effect of effects) {
      if (effect.kind === 'arm_timer') {
        this.#timer?.cancel()
        this.#timer = clock.schedule(Math.max(0, effect.atMs - clock.nowMs()), () => this.dispatch({ kind: 'tick' }))
      } else if (effect.kind === 'cancel_timer') {
        this.#timer?.cancel()
        this.#timer = undefined
      }
    }
    act(effects, event)
  }
}
