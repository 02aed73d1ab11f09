import type { HlsMemory } from './hls/hls-side.ts'
import type { StreamSnapshot } from './service.ts'
import type { StreamGroupMemory } from './stream-group.ts'

/** What a stream remembers across restarts. Plain JSON data. */
export interface StreamMemory {
  readonly group: StreamGroupMemory
  readonly failoverAttempts: number
  readonly lastFailoverWallMs: number | null
  readonly errorCount: number
  readonly bytesServed: number
  readonly segmentsServed?: number
  readonly lastAccessWallMs?: number
  readonly hls?: HlsMemory
}

/** What is counted of a stream, whatever its kind; it outlives a restart. */
export class StreamCounters {
  failoverAttempts: number
  lastFailoverWallMs: number | undefined
  errorCount: number
  bytesServed: number
  segmentsServed: number
  lastAccessWallMs: number

  constructor(memory: StreamMemory | undefined, createdWallMs: number) {
    this.failoverAttempts = memory?.failoverAttempts ?? 0
    this.lastFailoverWallMs = memory?.lastFailoverWallMs ?? undefined
    this.errorCount = memory?.errorCount ?? 0
    this.bytesServed = memory?.bytesServed ?? 0
    this.segmentsServed = memory?.segmentsServed ?? 0
    this.lastAccessWallMs = memory?.lastAccessWallMs ?? createdWallMs
  }

  countFailover(nowWallMs: number): void {
    this.failoverAttempts += 1
    this.lastFailoverWallMs = nowWallMs
  }

  /** As a snapshot of the stream shows them. */
  get snapshot() {
    return {
      failoverAttempts: this.failoverAttempts,
      lastFailoverWallMs: this.lastFailoverWallMs,
      errorCount: this.errorCount,
      totalBytesServed: this.bytesServed,
      totalSegmentsServed: this.segmentsServed,
      lastAccessWallMs: this.lastAccessWallMs,
    } satisfies Partial<StreamSnapshot>
  }

  memory(group: StreamGroupMemory): StreamMemory {
    return {
      group,
      failoverAttempts: this.failoverAttempts,
      lastFailoverWallMs: this.lastFailoverWallMs ?? null,
      errorCount: this.errorCount,
      bytesServed: this.bytesServed,
      segmentsServed: this.segmentsServed,
      lastAccessWallMs: this.lastAccessWallMs,
    }
  }
}
