import type { CandidateId } from '../failover/candidate.ts'
import type { Clock } from '../lib/clock.ts'
import type { DelayedOutput } from './delayed-output.ts'
import type { FeedSource } from './feed-track.ts'
import type { Container } from './framing/framing.ts'
import type { SeamMeasure } from './seam-meter.ts'
import type { SessionFailure, SessionListener } from './sources/session.ts'
import type { Splice } from './splice.ts'

/** What a feed works with. */
export interface FeedOptions {
  readonly output: DelayedOutput
  /** The seam for a stream of this container, anew each time that the stream comes on air. */
  readonly createSplice: (container: Container) => Splice
  readonly clock: Clock
  /** How long a new source may deliver media without a keyframe before it goes on air without one. */
  readonly keyframeWaitMs: number
  /** How long media waits for packets that a standby of the same encode may still bring, ms. */
  readonly twinHoldMs: () => number
  /** Undefined when the source's account has no connection left; `present` will be closed as soon as this one is ready. */
  readonly openSession: (
    candidateId: CandidateId,
    listener: SessionListener,
    purpose: 'on_air' | 'standby',
    present: CandidateId | undefined,
  ) => FeedSource | 'no_connection_left' | 'close_present_first'
  /** What was opened as a standby takes over. */
  readonly standbyTakesOver: (source: FeedSource) => void
  readonly listener: FeedListener
}

/** How a source came on air. */
export interface Entry {
  readonly source: FeedSource
  /** It was received before it was needed. */
  readonly wasStandby: boolean
  /** Undefined when nothing went before it. */
  readonly seam: SeamMeasure | undefined
}

/** … in whatever way the stream takes it in: of playlists that are passed on nothing else is known. */
export type Arrival = Pick<Entry, 'wasStandby'> & Partial<Entry>

export interface FeedListener {
  /** The first media of a source is on its way to viewers, or the one on air was chosen again. */
  onAir(candidateId: CandidateId, epoch: number, entry: Entry): void
  /** The source that the engine has put on air failed, before or after its first media. */
  failed(candidateId: CandidateId, epoch: number, failure: SessionFailure): void
  /** The standby failed. */
  standbyFailed(candidateId: CandidateId, failure: SessionFailure): void
  /** What a source that has ended left behind, or the tables of one to come, are on their way. */
  flushed(): void
  /** Whether reading should pause until viewers have caught up. */
  shouldHoldBack(isHeldBack: boolean): boolean
}
