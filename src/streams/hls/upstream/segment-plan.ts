import type { ByteRange, Key, MediaPlaylist, MediaSegment } from '../../../hls/playlist.ts'
import { resolveUri } from '../../../hls/uri.ts'
import type { FollowedPlaylist } from './playlist-follower.ts'
import { UnreadableSegment } from './unreadable-segment.ts'

/** How a segment is encrypted as a whole (AES-128, RFC 8216 §4.3.2.4). */
export interface SegmentKey {
  readonly url: string
  /** 16 bytes. */
  readonly iv: Buffer
}

export interface SegmentSource {
  /** Absolute http(s). */
  readonly url: string
  readonly byteRange: ByteRange | undefined
  readonly key: SegmentKey | undefined
}

/** A segment that is to be read, in its turn. */
export interface PlannedSegment extends SegmentSource {
  readonly sequence: number
  readonly durationS: number
  /** What comes before it is not what the source had before it: a discontinuity, or something was left out. */
  readonly isDiscontinuity: boolean
  /** Media Initialization Section; undefined in MPEG-TS and packed audio. */
  readonly map: SegmentSource | undefined
}

/** A live programme is begun so many target durations from its end (RFC 8216 §6.3.3). */
const START_TARGETS = 3
/** However far back a live playlist would have players begin. */
const START_TARGETS_MAX = 4
/** Further behind the end than this, in target durations, reading goes on nearer to it. */
const BEHIND_TARGETS_MAX = 8

/** Which segments of one playlist are read, in which order, each once. */
export class SegmentPlan {
  #waiting: PlannedSegment[] = []
  #nextSequence: number | undefined
  /** Something was left out before the next one. */
  #isBroken = false
  #isComplete = false

  /** No other segment follows those that wait. */
  get isComplete(): boolean {
    return this.#isComplete
  }

  get waiting(): readonly PlannedSegment[] {
    return this.#waiting
  }

  /** The media sequence number with which reading began or goes on; undefined before the first playlist. */
  get nextSequence(): number | undefined {
    return this.#waiting[0]?.sequence ?? this.#nextSequence
  }

  /**
   * Takes a newer version of the playlist. `startAt` is the media sequence number to begin with, where that is known and
   * the playlist has it. Throws UnreadableSegment for one that is not for us: DRM, or an address that is not http(s).
   */
  add({ playlist, finalUrl }: FollowedPlaylist, startAt?: number): void {
    const first = playlist.mediaSequence + (playlist.skip?.segments ?? 0)
    const from = this.#from(playlist, first, startAt)
    for (const [index, segment] of playlist.segments.entries()) {
      if (first + index < from) continue
      if (segment.isGap) this.#isBroken = true
      else {
        const isDiscontinuity = segment.isDiscontinuity || this.#isBroken
        this.#waiting.push({ ...planned(segment, first + index, finalUrl), isDiscontinuity })
        this.#isBroken = false
      }
    }
    this.#nextSequence = Math.max(from, first + playlist.segments.length)
    this.#isComplete = playlist.hasEndList
    if (!playlist.hasEndList) this.#dropBehind(playlist.targetDurationS)
  }

  take(): PlannedSegment | undefined {
    return this.#waiting.shift()
  }

  /** The numbering began anew: what waits is still read, then what the next playlist has. */
  restart(): void {
    this.#nextSequence = undefined
    this.#isBroken = true
  }

  #from(playlist: MediaPlaylist, first: number, startAt: number | undefined): number {
    if (this.#nextSequence !== undefined) {
      if (first > this.#nextSequence) this.#isBroken = true
      return this.#nextSequence
    }
    const isThere = startAt !== undefined && startAt >= first && startAt < first + playlist.segments.length
    return isThere ? startAt : first + startIndex(playlist)
  }

  #dropBehind(targetDurationS: number): void {
    let behindS = this.#waiting.reduce((sum, { durationS }) => sum + durationS, 0)
    if (behindS <= BEHIND_TARGETS_MAX * targetDurationS) return
    while (behindS > START_TARGETS * targetDurationS && this.#waiting.length > 1) {
      behindS -= this.#waiting.shift()?.durationS ?? 0
    }
    const [next, ...others] = this.#waiting
    if (next !== undefined) this.#waiting = [{ ...next, isDiscontinuity: true }, ...others]
  }
}

/** Where a player begins (RFC 8216 §4.3.5.2, §6.3.3). */
function startIndex({ segments, start, hasEndList, targetDurationS }: MediaPlaylist): number {
  const totalS = segments.reduce((sum, { durationS }) => sum + durationS, 0)
  const defaultS = hasEndList ? 0 : totalS - START_TARGETS * targetDurationS
  const wantedS = start === undefined ? defaultS : start.timeOffsetS + (start.timeOffsetS < 0 ? totalS : 0)
  // Nearer to the end there would be nothing to go on with; further away viewers would be late for nothing.
  const latestS = hasEndList ? totalS : totalS - targetDurationS
  const earliestS = hasEndList ? 0 : totalS - START_TARGETS_MAX * targetDurationS
  const startS = Math.max(earliestS, Math.min(wantedS, latestS))
  let beginsS = 0
  let index = 0
  for (const { durationS } of segments) {
    if (beginsS + durationS > startS + 0.001) break
    beginsS += durationS
    index += 1
  }
  return Math.min(index, Math.max(0, segments.length - 1))
}

/** Where a segment is, and how it is decrypted. Throws UnreadableSegment as `SegmentPlan.add` does. */
export function planned(
  segment: MediaSegment,
  sequence: number,
  base: string,
): Omit<PlannedSegment, 'isDiscontinuity'> {
  const { uri, byteRange, durationS, keys, map } = segment
  return {
    sequence,
    durationS,
    ...sourceOf(uri, byteRange, keys, sequence, base),
    // Its key has an IV of its own, since it has no number (§4.3.2.5).
    map: map === undefined ? undefined : sourceOf(map.uri, map.byteRange, map.keys, sequence, base),
  }
}

function sourceOf(
  uri: string,
  byteRange: ByteRange | undefined,
  keys: readonly Key[],
  sequence: number,
  base: string,
): SegmentSource {
  return { url: absolute(uri, base), byteRange, key: keyOf(keys, sequence, base) }
}

function keyOf(keys: readonly Key[], sequence: number, base: string): SegmentKey | undefined {
  if (keys.length === 0) return undefined
  const key = keys.find(({ method, keyFormat }) => method === 'AES-128' && keyFormat === 'identity')
  if (key?.uri === undefined) {
    const methods = [...new Set(keys.map(({ method, keyFormat }) => `${method} (${keyFormat})`))].join(', ')
    throw new UnreadableSegment(`its segments are protected with ${methods}, which only a player can decrypt`)
  }
  return { url: absolute(key.uri, base), iv: ivOf(key.iv, sequence) }
}

/** §5.2: the attribute, or the media sequence number as 128 bits. */
function ivOf(text: string | undefined, sequence: number): Buffer {
  const digits = text === undefined ? sequence.toString(16) : text.replace(/^0x/i, '')
  if (!/^[0-9a-f]{1,32}$/i.test(digits)) throw new UnreadableSegment('a key has an IV that is not 128 bits')
  return Buffer.from(digits.padStart(32, '0'), 'hex')
}

function absolute(uri: string, base: string): string {
  const url = resolveUri(uri, base)
  if (url === undefined) throw new UnreadableSegment('it names something that is not http or https')
  return url
}
