import type { SegmentFormat } from './segment-format.ts'

/** The rendition with the pictures (or the only one), and the audio that is beside it. */
export type Track = 'main' | 'audio'

/** Makes one continuous body out of the segments of one or two renditions. `begin` and `push` throw UnreadableSegment. */
export interface SegmentAssembler {
  readonly contentType: string
  /** A segment begins; `map` is its Media Initialization Section. */
  begin(track: Track, format: SegmentFormat, isDiscontinuity: boolean, map: Buffer | undefined): void
  /** What can be handed on now; may be empty. The bytes given are not changed. */
  push(track: Track, bytes: Buffer): Buffer
  /** Nothing more comes. */
  end(): Buffer
}
