/** What of one kind of media (all its tracks together) is in a segment. Milliseconds on the segment's own clock. */
export interface KindFacts {
  /** PES packets, or samples of fragmented MP4. */
  readonly units: number
  /** Where the first unit begins and the last one ends; equal where no timestamp ever moved. */
  readonly startMs: number
  readonly endMs: number
  /** The longest time between the beginnings of two units that follow each other. */
  readonly longestIntervalMs: number
}

/** A picture by what no multiplexer changes. */
export interface PictureFacts {
  readonly bytes: number
  /** Its last four bytes. */
  readonly tail: number
  readonly isKeyframe: boolean
}

/** What is in one segment, whoever sent it and whatever its playlist says of it. */
export interface SegmentFacts {
  readonly format: 'mpegts' | 'fmp4'
  readonly bytes: number
  /** The same for the same bytes, and for others most likely another. */
  readonly digest: string
  /** Kinds of its programme map, or of its initialisation section; those of which nothing came included. */
  readonly listsVideo: boolean
  readonly listsAudio: boolean
  /** Its codecs, in alphabetical order: `aac+h264`. Empty where they are not known. */
  readonly signature: string
  readonly video: KindFacts | undefined
  readonly audio: KindFacts | undefined
  /** It ends within a packet or a box, so there was more of it. */
  readonly isCutOff: boolean
  /** 0 to 1: bytes that are no packets. */
  readonly unreadableShare: number
  /** 0 to 1: packets of its media that are scrambled. */
  readonly scrambledShare: number
  readonly continuityErrors: number
  readonly transportErrors: number
  /** Timestamps that went where nobody can tell how much media lies between. */
  readonly jumps: number
  /** The first timestamp of its media in ticks of its own clock: the same again is no progress. */
  readonly firstTimestamp: number | undefined
  readonly pictures: readonly PictureFacts[]
}

/** How long its media lasts, ms: from the first to the last of whatever kind. 0 where there is none. */
export function spanMs({ video, audio }: Pick<SegmentFacts, 'video' | 'audio'>): number {
  const { startMs, endMs } = boundsOf({ video, audio })
  return endMs - startMs
}

/** Where its media begins and ends, ms on its own clock. */
export function boundsOf({ video, audio }: Pick<SegmentFacts, 'video' | 'audio'>): {
  readonly startMs: number
  readonly endMs: number
} {
  const kinds = [video, audio].filter((kind) => kind !== undefined)
  if (kinds.length === 0) return { startMs: 0, endMs: 0 }
  return {
    startMs: Math.min(...kinds.map(({ startMs }) => startMs)),
    endMs: Math.max(...kinds.map(({ endMs }) => endMs)),
  }
}

/** Of several tracks of one kind: what at least one of them has. */
export function together(tracks: readonly KindFacts[]): KindFacts | undefined {
  if (tracks.length === 0) return undefined
  return {
    units: tracks.reduce((sum, { units }) => sum + units, 0),
    startMs: Math.min(...tracks.map(({ startMs }) => startMs)),
    endMs: Math.max(...tracks.map(({ endMs }) => endMs)),
    longestIntervalMs: Math.min(...tracks.map(({ longestIntervalMs }) => longestIntervalMs)),
  }
}
