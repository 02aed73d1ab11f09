import type { CandidateId } from '../../../failover/candidate.ts'
import type { Clock } from '../../../lib/clock.ts'
import type { HoldfastError } from '../../../lib/errors.ts'
import type { Json } from '../../../store/store.ts'
import type { DetectionPolicy, Finding } from '../../detect/conditions.ts'
import type { SlateSupply } from '../filler/hls-slate.ts'
import type { SourceNetwork } from '../../sources/http-client.ts'
import type { SessionFailure } from '../../sources/session.ts'
import type { FetchTimeouts } from '../upstream/resource.ts'

/** One HLS source, as the stream names it. */
export interface HlsProxySource {
  readonly candidateId: CandidateId
  /** 0 is the primary, 1 the first failover URL. */
  readonly index: number
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly userAgent: string
  /** Hosts that may be private addresses, because the operator named them. */
  readonly operatorHosts: ReadonlySet<string>
  readonly useStickySession: boolean
}

/** Waits and sizes; durations in milliseconds. */
export interface HlsProxyLimits {
  /** For playlists, keys and segments. */
  readonly timeouts: FetchTimeouts
  /** The longest that a player waits for its first playlist. */
  readonly startTimeoutMs: number
  /** While a source is looked for, players are given the playlist as it was for so long; then they are told. */
  readonly viewerHoldMs: number
  /** Segments kept in memory. */
  readonly cacheBytesMax: number
  /**
   * The target duration published is at least this, whole seconds: so much room is there for a failover source with
   * longer segments. 0: as the first source has it.
   */
  readonly targetDurationFloorS: number
}

export interface HlsProxyListener {
  /** The source on air delivers media; `wasStandby`: what it needed for that was here before it was put on air. */
  delivered(candidateId: CandidateId, epoch: number, wasStandby: boolean): void
  /** Something is wrong with what the source on air sends, and it stays. */
  warned(candidateId: CandidateId, finding: Finding): void
  /** The source on air has failed; told once for each time it is put on air. */
  failed(candidateId: CandidateId, epoch: number, failure: SessionFailure): void
}

export interface HlsProxyOptions {
  readonly streamId: string
  readonly clock: Clock
  /** Keys of the references come from it: text that outlives restarts and only the gateway knows. */
  readonly secret: string
  readonly network: SourceNetwork
  readonly limits: HlsProxyLimits
  /** As `HlsProxy.memory` gave it; anything else is no memory. */
  readonly memory: Json | undefined
  readonly onMemoryChanged: () => void
  /** What a candidate is now, for names of it that players still hold. */
  readonly source: (candidateId: string) => HlsProxySource | undefined
  /** Whether another source could take over; without one, what is only suspicious is no failure. */
  readonly hasAlternative: () => boolean
  /** What is done about conditions of segments. */
  readonly detection: Pick<DetectionPolicy, 'actionOf' | 'hasAlternative'>
  /** What players get while no source delivers. */
  readonly slate: SlateSupply
  readonly listener: HlsProxyListener
  /** What to answer while no source delivers. */
  readonly failure: () => HoldfastError
}

/** A switch of the stream's source that has settled, as players are told of it. */
export interface SettledSwitch {
  readonly to: { readonly index: number }
  readonly trigger: string
  readonly reason: string
}
