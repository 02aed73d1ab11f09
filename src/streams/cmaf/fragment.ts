/** What a player needs before the first fragment: an initialisation segment (ISO/IEC 23000-19 §7.3.2) and what playlists say of it. */
export interface CmafInit {
  /** Rises by one whenever fragments need another initialisation segment: other parameter sets, codecs, tracks or a timeline that jumped. */
  readonly id: number
  /** ftyp and moov. */
  readonly bytes: Buffer
  /** For CODECS of a playlist and the type of a source buffer, RFC 6381: `avc1.64001f,mp4a.40.2`. */
  readonly codecs: string
  /** Luma samples as shown; undefined without video. */
  readonly width: number | undefined
  readonly height: number | undefined
  /** Frames per second as the stream tells it, else as its first timestamps do; undefined without video or while unknown. */
  readonly frameRate: number | undefined
  readonly tracks: readonly CmafTrack[]
}

export interface CmafTrack {
  readonly trackId: number
  readonly kind: 'video' | 'audio'
  /** RFC 6381. */
  readonly codec: string
  /** ISO 639-2, lower case. */
  readonly language: string | undefined
  /** Channels and Hz; undefined for video. */
  readonly channels: number | undefined
  readonly sampleRateHz: number | undefined
}

/** One moof with its mdat, perhaps with emsg boxes in front: a part, or a whole segment. */
export interface CmafFragment {
  readonly bytes: Buffer
  /** What it is to be played with; where `init.id` differs from the fragment before, a playlist has EXT-X-DISCONTINUITY and a new EXT-X-MAP. */
  readonly init: CmafInit
  /** Earliest presentation time of the leading track (video, else audio), 90 kHz, from the timeline of the stream without its wrap. */
  readonly startPts90k: number
  /** Decoding time of the leading track's first sample, on the same timeline. The next fragment's is this plus the duration. */
  readonly startDts90k: number
  /** Of the leading track, in seconds. */
  readonly durationS: number
  /** The leading track begins with a random access point: a segment may begin here, a part is INDEPENDENT=YES. */
  readonly isIndependent: boolean
}

export interface TakeOptions {
  /** 90 kHz: leave what the leading track decodes at or behind this time. Without it all that is complete is taken. */
  readonly untilDts?: number
  /** 90 kHz: leave also samples of the leading track that last beyond this time, but take one. */
  readonly endDts?: number
}

/**
 * Where a packager takes fragments from. After each `push` it looks at `bufferedS` and `randomAccessDts`: a segment ends at a random access
 * point (`take({ untilDts: randomAccessDts(segmentStart + target) })`), a part after its target duration.
 */
export interface FragmentSource {
  /** Takes packets of one programme on one timeline: the output of a splice. Offsets say where tables and a random access point begin. */
  push(packets: Buffer, joinOffsets: readonly number[]): void
  /** For the next fragment that `take` gives; undefined while that is not known. It goes over to the next one when all of the old is taken. */
  readonly init: CmafInit | undefined
  /** 90 kHz DTS of the next fragment's first sample; undefined while nothing is complete. */
  readonly nextDts: number | undefined
  /** Seconds that `take({})` would give now; they are all of one `init`. */
  readonly bufferedS: number
  /** Whether what is buffered is all that will ever belong to the present `init`: take it all, and end the segment there. */
  readonly isLastOfInit: boolean
  /**
   * The first random access point of the leading track at or behind `fromDts` (90 kHz) and behind `nextDts` that is buffered, where a fragment may
   * be cut; the end of what is buffered where `isLastOfInit`. Undefined when there is none yet.
   */
  randomAccessDts(fromDts: number): number | undefined
  /** All complete samples before `untilDts` of one `init` as one fragment; undefined when there are none. */
  take(options?: TakeOptions): CmafFragment | undefined
  /** Nothing more comes: what is held becomes complete. */
  end(): void
}
