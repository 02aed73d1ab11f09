import type { CandidateId } from '../../../failover/candidate.ts'
import type { Clock } from '../../../lib/clock.ts'
import { fillerPlaylist } from '../filler/filler-origin.ts'
import type { WantedStreams } from '../transmux/recipe.ts'
import type { SourceAccess } from '../upstream/hls-session.ts'
import { SourceRun } from './source-run.ts'
import type { SourceRunListener } from './source-run.ts'

/** What stands in for all sources while none of them delivers. */
export interface Filler {
  readonly candidateId: CandidateId
  readonly session: SourceAccess
}

/** No source is put on air with it. */
const FILLER_EPOCH = -1
const NO_SOURCE = { index: -1, headers: {}, userAgent: '', operatorHosts: new Set<string>(), useStickySession: false }

/** A run of what is no source: nobody is told that it delivers. `streamsOf` says what players of a slot expect. */
export function createFillerRun(
  { candidateId, session }: Filler,
  clock: Clock,
  listener: SourceRunListener,
  streamsOf: (slot: number) => WantedStreams | undefined,
): SourceRun {
  const run = new SourceRun({
    source: { ...NO_SOURCE, candidateId, url: session.entryUrl },
    ...{ epoch: FILLER_EPOCH, session, clock, listener },
    match: (slot) => {
      const streams = streamsOf(slot)
      return streams === undefined ? undefined : fillerPlaylist(streams)
    },
  })
  run.hasDelivered = true
  return run
}

export function isFiller({ epoch }: SourceRun): boolean {
  return epoch === FILLER_EPOCH
}
