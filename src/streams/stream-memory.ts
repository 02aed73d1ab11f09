import type { GroupMemory } from './stream-group.ts'

/** What a stream remembers across restarts. Plain JSON data. */
export interface StreamMemory {
  readonly group: GroupMemory
  readonly failoverAttempts: number
  readonly lastFailoverWallMs: number | null
  readonly errorCount: number
  readonly bytesServed: number
}
