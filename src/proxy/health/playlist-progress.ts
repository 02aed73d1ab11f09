/** Where a live HLS media playlist stands (RFC 8216 section 4.3). */
export interface PlaylistEdge {
  readonly targetDurationMs: number
  /** Changes whenever the playlist gets on: its media sequence, its number of segments, and its last lines. */
  readonly mark: string
  /** EXT-X-ENDLIST: it is whole and will not change any more. */
  readonly isEnded: boolean
}

const TARGET_SECONDS_MAX = 3_600

/** Reads a playlist; undefined for what is no media playlist (a master playlist has no target duration). */
export function playlistEdge(text: string): PlaylistEdge | undefined {
  if (!/^\uFEFF?#EXTM3U\s/.test(text)) return undefined
  const target = /^#EXT-X-TARGETDURATION:\s*(\d{1,6})\s*$/m.exec(text)
  const seconds = target === null ? 0 : Number(target[1])
  if (seconds < 1 || seconds > TARGET_SECONDS_MAX) return undefined
  const sequence = /^#EXT-X-MEDIA-SEQUENCE:\s*(\d{1,20})\s*$/m.exec(text)?.[1] ?? '0'
  let segments = 0
  let last = ''
  // A part of a segment of low-latency HLS is progress too.
  for (const line of text.split(/\r?\n/)) {
    const isSegment = line !== '' && !line.startsWith('#')
    if (isSegment) segments += 1
    if (isSegment || line.startsWith('#EXT-X-PART:')) last = line
  }
  return {
    targetDurationMs: seconds * 1_000,
    mark: `${sequence}/${segments}/${last}`,
    isEnded: /^#EXT-X-ENDLIST\s*$/m.test(text),
  }
}

export type PlaylistVerdict =
  | { readonly kind: 'advancing' }
  | { readonly kind: 'waiting'; readonly stillMs: number }
  | { readonly kind: 'frozen'; readonly stillMs: number }
  | { readonly kind: 'ended' }

/** Whether a playlist gets on. Pure: time comes in, `nowMs` is monotonic milliseconds. */
export class PlaylistProgress {
  readonly #targetDurations: number
  #mark: string | undefined
  #sinceMs = 0

  /** `targetDurations`: without change for so many target durations it is frozen. */
  constructor(targetDurations: number) {
    this.#targetDurations = targetDurations
  }

  /** A playlist as it was seen at `nowMs`. */
  see({ mark, targetDurationMs, isEnded }: PlaylistEdge, nowMs: number): PlaylistVerdict {
    if (isEnded) {
      this.forget()
      return { kind: 'ended' }
    }
    if (mark !== this.#mark) {
      this.#mark = mark
      this.#sinceMs = nowMs
      return { kind: 'advancing' }
    }
    const stillMs = nowMs - this.#sinceMs
    return { kind: stillMs >= this.#targetDurations * targetDurationMs ? 'frozen' : 'waiting', stillMs }
  }

  /** What was seen no longer counts: the endpoint was not reached in between. */
  forget(): void {
    this.#mark = undefined
  }
}
