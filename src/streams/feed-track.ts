import type { CandidateId } from '../failover/candidate.ts'
import type { Finding } from './detect/conditions.ts'
import type { Unmonitored } from './detect/content-watch.ts'
import type { Framer } from './framing/framing.ts'
import type { StagedFault } from './sources/staged-fault.ts'
import { MediaHistory } from './media-history.ts'
import type { HistoryBounds } from './media-history.ts'
import type { Delivery } from './seam-meter.ts'

/** What the feed needs of whatever delivers media: a session with a source, or a slate. */
export interface FeedSource {
  readonly framer: Framer | undefined
  readonly ended: boolean
  readonly contentType: string
  /** Milliseconds from opening to the head of the answer. */
  readonly connectMs: number | undefined
  /** What is wrong with what it sends now. */
  findings(): readonly Finding[]
  /** What was asked to be looked for in it and is not, with the reason. */
  unmonitored(): readonly Unmonitored[]
  open(): void
  close(): void
  pause(): void
  resume(): void
  /** Puts a fault between the source and whatever looks at it, or takes it away; not of a slate. */
  stage?(fault: StagedFault | undefined): boolean
}

/** One source of a feed, whatever its part: on air, on its way in, standing by, or a slate. */
export interface Track {
  /** Undefined for a slate. */
  readonly candidateId: CandidateId | undefined
  epoch: number
  readonly source: FeedSource
  /** What it has delivered before it went on air. */
  readonly history: MediaHistory
  /** Monotonic time of the first media, from which the wait for a keyframe counts. */
  firstMediaMs: number | undefined
  /** The tables with which it was announced to viewers before it had a join point. */
  introducedWith: Buffer | undefined
  /** Monotonic time at which it took over. */
  tookOverMs: number
  /** Of the first media of it that viewers were given; undefined before. */
  firstDelivery: Delivery | undefined
  /** That it is on air has been told. */
  isAnnounced: boolean
  /** It was received before it was needed. */
  wasStandby: boolean
  /** It carries the same encode as the source before it. */
  isTwin: boolean
}

export function newTrack(
  candidateId: CandidateId | undefined,
  epoch: number,
  source: FeedSource,
  bounds: HistoryBounds,
): Track {
  return {
    candidateId,
    epoch,
    source,
    history: new MediaHistory(bounds),
    firstMediaMs: undefined,
    introducedWith: undefined,
    tookOverMs: Number.NaN,
    firstDelivery: undefined,
    isAnnounced: false,
    wasStandby: false,
    isTwin: false,
  }
}
