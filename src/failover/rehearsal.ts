import { candidateId, createGroup, step } from './group.ts'
import type { CandidateSpec, GroupEffect, GroupEvent, GroupPolicy, GroupState } from './group.ts'

/** Plays a group in a test: holds its state and its time, and answers in short lines what each event led to. */
export class Rehearsal {
  readonly policy: GroupPolicy
  readonly #chance: { next(): number }
  state: GroupState
  nowMs = 1_000
  /** The effects of the last event. */
  effects: readonly GroupEffect[] = []

  constructor(names: string, policy: GroupPolicy, chance: { next(): number } = { next: () => 0.5 }) {
    this.policy = policy
    this.#chance = chance
    this.state = createGroup(specsOf(names))
  }

  /** Lets `afterMs` pass and sends an event; the lines say who was put on air, by what cause, after how long. */
  send(event: GroupEvent, afterMs = 0): readonly string[] {
    this.nowMs += afterMs
    const { state, effects } = step(this.state, event, this.nowMs, this.policy, this.#chance)
    this.state = state
    this.effects = effects
    return effects.flatMap((effect) => lineOf(effect) ?? [])
  }

  /** The candidate on air fails. */
  fail(afterMs = 10, reason = 'refused'): readonly string[] {
    return this.send({ kind: 'candidate_failed', ...this.#onAir(), reason }, afterMs)
  }

  /** The candidate on air delivers. */
  deliver(afterMs = 10): readonly string[] {
    return this.send({ kind: 'candidate_succeeded', ...this.#onAir() }, afterMs)
  }

  /** Started, delivered, and stayed so for the stable time. */
  live(): this {
    this.send({ kind: 'started' })
    this.deliver()
    this.send({ kind: 'tick' }, this.policy.stableMs)
    return this
  }

  probe(name: string, kind: 'probe_succeeded' | 'probe_failed', afterMs = 0): readonly string[] {
    return this.send({ kind, id: candidateId(name) }, afterMs)
  }

  get onAir(): string | undefined {
    return this.state.onAir?.id
  }

  #onAir(): Pick<CandidateSpec, 'id'> & { readonly epoch: number } {
    const { onAir } = this.state
    if (onAir === null) throw new Error('nobody is on air')
    return { id: onAir.id, epoch: onAir.epoch }
  }
}

/** 'a b c' as candidates in this order; 'a:2' has priority 2, 'a:2*3' weight 3 too, 'a:0*1@eu' a region. */
export function specsOf(names: string): readonly CandidateSpec[] {
  return names.split(' ').flatMap((name) => {
    const [, id, priority, weight, region] = /^(\w+)(?::(-?\d+))?(?:\*(\d+))?(?:@(\w+))?$/.exec(name) ?? []
    if (id === undefined) return []
    return {
      id: candidateId(id),
      priority: Number(priority ?? 0),
      weight: Number(weight ?? 1),
      ...(region === undefined ? {} : { region }),
    }
  })
}

function lineOf(effect: GroupEffect): string | undefined {
  switch (effect.kind) {
    case 'put_on_air':
      return `${effect.cause} ${effect.id}${effect.delayMs === 0 ? '' : ` in ${effect.delayMs}`}`
    case 'take_off_air':
      return `off ${effect.id}`
    case 'start_probing':
      return `probe ${effect.id}`
    case 'stop_probing':
      return `leave ${effect.id}`
    case 'exhausted':
      return 'exhausted'
    case 'request_refused':
      return `refused: ${effect.reason}`
    case 'failover_triggered':
    case 'write_receipt':
    case 'arm_timer':
    case 'cancel_timer':
    case 'health_changed':
      return undefined
    default:
      return effect satisfies never
  }
}
