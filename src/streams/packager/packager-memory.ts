import type { Json } from '../../store/store.ts'
import { lostRunOf, lostUntil } from './lost-segments.ts'
import type { TimelineStart } from './timeline.ts'

/**
 * Numbers are counted from the seconds since this time, 2026-01-01T00:00:00Z, where nothing better is known: segments last
 * a second at least, so that players of a stream that was forgotten and made again see numbers that go on rising.
 */
const EPOCH_MS = 1_767_225_600_000
/**
 * Discontinuities are counted from the tenths of hours since then, for the same reason. Not more finely: hls.js walks through
 * every number below the first of a playlist each time it loads one, and stands still for that long.
 */
const DISCONTINUITY_EPOCH_UNIT_MS = 360_000
/** Numbers that are taken ahead, so that those used since the last save are not used again after a crash. */
export const NUMBERS_AHEAD = 64

export interface PackagerMemory {
  /** No media sequence number from here on has been used. */
  readonly sequence: number
  /** No discontinuity sequence number from here on has been used. */
  readonly discontinuitySequence: number
  readonly targetDurationS: number | undefined
  readonly longestGroupMs: number
  /** The newest segments: what `lostRunJson` gives. */
  readonly window: Json
}

export function memoryJson(memory: PackagerMemory): { readonly [field: string]: Json } {
  const { sequence, discontinuitySequence, targetDurationS, longestGroupMs, window } = memory
  return {
    window,
    sequence,
    discontinuity_sequence: discontinuitySequence,
    target_duration_s: targetDurationS ?? null,
    longest_group_ms: Math.round(longestGroupMs),
  }
}

/** A value of the memory. */
export function memoryField(memory: Json | undefined, name: string): Json | undefined {
  const isObject = typeof memory === 'object' && memory !== null && !Array.isArray(memory)
  return isObject ? (memory as { readonly [key: string]: Json })[name] : undefined
}

/**
 * Where a run begins: with the newest segments of the one before as gaps, so that players find what they have in the
 * playlist, or with greater numbers where that is too long ago. What cannot be read counts as nothing.
 */
export function startOf(memory: Json | undefined, wallMs: number): TimelineStart {
  const read = (name: string): number | undefined => {
    const value = memoryField(memory, name)
    return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined
  }
  const remembered = read('sequence')
  const sinceMs = Math.max(0, wallMs - EPOCH_MS)
  const common = {
    isContinued: remembered !== undefined,
    targetDurationS: read('target_duration_s'),
    longestGroupMs: read('longest_group_ms') ?? 0,
  }
  const run = lostRunOf(memoryField(memory, 'window'))
  const lost = run === undefined ? undefined : lostUntil(run, wallMs)
  if (lost !== undefined && remembered !== undefined) {
    const { sequence, discontinuitySequence, segments } = lost
    return { ...common, sequence, discontinuitySequence, lost: segments }
  }
  return {
    ...common,
    lost: [],
    sequence: Math.max(remembered ?? 0, Math.floor(sinceMs / 1_000)),
    discontinuitySequence: Math.max(
      read('discontinuity_sequence') ?? 0,
      Math.floor(sinceMs / DISCONTINUITY_EPOCH_UNIT_MS),
    ),
  }
}
