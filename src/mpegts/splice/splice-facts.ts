/** What the splicer did, for receipts and metrics. */

/**
 * How the present source was joined to the one before: `first` has nothing before it, `seamless` goes on in the same
 * programme, `hitless` goes on with the very next picture of the same encode, `discontinuity` had to change the codec of a
 * stream that was on air, or has no pictures or no sound where there were some, or the other way round.
 */
export type SeamKind = 'first' | 'seamless' | 'hitless' | 'discontinuity'

export interface SeamFacts {
  readonly kind: SeamKind
  /** What is added to the source's timestamps, 90 kHz ticks, 0 to 2^33 − 1. */
  readonly offsetTicks: number
  /** Units at the join that began before the audio on air had ended, or that no decoder could use. */
  readonly audioUnitsDropped: number
  readonly leadingPicturesDropped: number
  /** Time without audio between that of the old source and that of the new one, ms; undefined until the new one begins. */
  readonly audioHoleMs: number | undefined
  /** Silence that was put in between so that there is less of it, ms so far. */
  readonly audioFilledMs: number
  /** Audio of the source before has not been followed by that of the present one yet. */
  readonly isSoundAwaited: boolean
}

export interface SpliceFacts {
  /** Undefined until the first source has begun with media. */
  readonly seam: SeamFacts | undefined
  /** Joins so far, the first included. */
  readonly joins: number
  /** Media time that went out, ms, by the DTS of the stream that leads (video, or audio when there is none). */
  readonly mediaMs: number
  /** Units that a cut left incomplete and that were dropped. */
  readonly incompleteUnitsDropped: number
  /** Units that left in parts because holding them any longer would have taken too much time or memory. */
  readonly unitsReleasedEarly: number
  /** Timestamp jumps within a source that were closed. */
  readonly jumpsClosed: number
  /** Gaps in the sources' continuity counters: packets that never arrived here. They stay visible to the viewer. */
  readonly continuityErrors: number
  readonly isScrambled: boolean
  /** version_number of the output's PMT. */
  readonly programmeVersion: number
  /** Bytes that wait for their unit to be complete. */
  readonly heldBytes: number
}
