import type { GroupPolicy } from './group-policy.ts'
import type { Cause, GroupState } from './group-state.ts'
import { change, type Turn } from './turn.ts'

/** Causes that count towards the limit. A person's wish, and going back from an attempt that never delivered, do not. */
const LIMITED: ReadonlySet<Cause> = new Set(['failover', 'failback', 'retry'])

/** Remembers a switch that has settled; at most `switchesMax` of them are kept. */
export function countSettledSwitch(turn: Turn, trigger: Cause): void {
  const { nowMs, policy } = turn
  change(turn, { lastSwitchAtMs: nowMs })
  if (!LIMITED.has(trigger)) return
  const kept = turn.state.settledSwitchesAtMs.filter((atMs) => nowMs - atMs < policy.switchWindowMs)
  change(turn, { settledSwitchesAtMs: [...kept, nowMs].slice(-Math.max(1, policy.switchesMax)) })
}

/** When the next automatic switch is allowed: now or earlier when the window has room. */
export function switchAllowedAtMs(state: GroupState, nowMs: number, policy: GroupPolicy): number {
  const recent = state.settledSwitchesAtMs.filter((atMs) => nowMs - atMs < policy.switchWindowMs)
  if (recent.length < policy.switchesMax) return nowMs
  const oldest = recent[recent.length - policy.switchesMax]
  return oldest === undefined ? Number.POSITIVE_INFINITY : oldest + policy.switchWindowMs
}
