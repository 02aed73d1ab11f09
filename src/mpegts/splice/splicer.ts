import type { SpliceFacts } from './splice-facts.ts'
import type { SpliceSink } from './splice-sink.ts'

export interface SplicerOptions {
  /** Take this programme of each source; without it the first one with video, else the first with audio. */
  readonly programmeNumber?: number
}

/** Joins sources, one after another, into one MPEG-TS programme that a decoder reads without noticing. */
export declare class Splicer {
  constructor(options?: SplicerOptions)
  begin(tables: Buffer, sink: SpliceSink): void
  push(packets: Buffer, joinOffsets: readonly number[], sink: SpliceSink): void
  cut(sink: SpliceSink): void
  preamble(): Buffer
  get facts(): SpliceFacts
}
