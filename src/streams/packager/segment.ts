import type { StoredMedia } from './stored-media.ts'

/** What every rendition of a segment has in common: they are cut at the same places. */
export interface SegmentIdentity {
  /** Media sequence number, RFC 8216 §3. */
  readonly sequence: number
  /** Milliseconds since 1970-01-01 UTC. */
  readonly dateMs: number
  readonly isDiscontinuity: boolean
  readonly isIndependent: boolean
  /** Decoding time of its first unit, 90 kHz, 0 to 2^33 − 1. */
  readonly dts: number
}

/** A complete segment. */
export interface Segment extends SegmentIdentity {
  readonly durationS: number
  /** Its media is gone with an earlier run: playlists name it as a gap, and nothing can be asked for. */
  readonly isLost: boolean
  readonly ts: StoredMedia
  /** Undefined before somebody asked for it, and while it is not complete. */
  readonly cmaf: CmafSegment | undefined
}

/** One as fragmented MP4. */
export interface CmafSegment {
  readonly media: StoredMedia
  readonly durationS: number
  /** Undefined where nothing could be made of the media: a gap. */
  readonly init: CmafInitFile | undefined
  readonly parts: readonly CmafPart[]
}

export interface CmafPart {
  readonly media: StoredMedia
  readonly durationS: number
  readonly isIndependent: boolean
}

export interface CmafInitFile {
  readonly media: StoredMedia
  /** RFC 6381. */
  readonly codecs: string
  readonly width: number | undefined
  readonly height: number | undefined
  readonly frameRate: number | undefined
}

/** A segment that is being made as fragmented MP4, as far as it can be had already. */
export interface OpenSegment extends SegmentIdentity {
  readonly init: CmafInitFile | undefined
  readonly parts: readonly CmafPart[]
}
