import type { Json } from '../store/store.ts'
import type { BroadcastRequest } from './broadcast-request.ts'
import type { PendingCallback } from './callbacks.ts'
import type { WindowMemory } from './segment-window.ts'

export type BroadcastStatus = 'starting' | 'running' | 'stopped' | 'ended' | 'failed'

/** What is remembered of a network, as plain JSON. */
export interface BroadcastMemory {
  readonly networkId: string
  readonly status: BroadcastStatus
  readonly request: BroadcastRequest
  readonly window: WindowMemory
  /** Runs of ffmpeg so far: each names its files by its number. */
  readonly runs: number
  /** When the programme began, or the last one did. */
  readonly startedWallMs: number
  /** When it ended; undefined while it runs. */
  readonly endedWallMs: number | undefined
  readonly errorMessage: string | undefined
  readonly bytesWritten: number
  readonly callbacks: readonly PendingCallback[]
}

export function toJson(memory: BroadcastMemory): Json {
  // What cannot be JSON (undefined) is left out by it.
  return JSON.parse(JSON.stringify(memory)) as Json
}

/** Undefined for what is not one of ours. */
export function fromJson(value: Json): BroadcastMemory | undefined {
  const memory = value as Partial<BroadcastMemory> | null
  const isWhole =
    typeof memory?.networkId === 'string' &&
    typeof memory.status === 'string' &&
    Array.isArray(memory.request?.urls) &&
    Array.isArray(memory.window?.segments) &&
    typeof memory.runs === 'number'
  // Written by `toJson` of an earlier run.
  return isWhole ? ({ callbacks: [], ...memory } as BroadcastMemory) : undefined
}
