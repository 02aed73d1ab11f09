import type { Segment } from './segment.ts'
import type { StoredMedia } from './stored-media.ts'

export interface WindowLimits {
  /** Media that a playlist names, ms; never less than three target durations. */
  readonly windowMs: number
  /** Media in memory. Past it the oldest goes to disk where there is one, or out of the playlist. */
  readonly bytesMax: number
}

export interface WindowOptions {
  readonly limits: WindowLimits
  readonly nowMs: () => number
  readonly targetDurationS: () => number
  /** Media sequence number of the first segment, and EXT-X-DISCONTINUITY-SEQUENCE at it. */
  readonly firstSequence: number
  readonly discontinuitySequence: number
  readonly spill: WindowSpill | undefined
}

/** Where segments go when memory is full. */
export interface WindowSpill {
  /** Writes it, some time later `moved` is called, with false when it could not be; false when that is refused at once. */
  move(media: StoredMedia, moved: (isMoved: boolean) => void): boolean
  /** Nobody can ask for it any more. */
  forget(media: StoredMedia): void
}

/** Segments that a playlist names at least (RFC 8216 §6.2.2 wants three target durations). */
const SEGMENTS_MIN = 3
/** A playlist with more lines serves nobody, and parsers refuse it. */
const SEGMENTS_MAX = 90_000
/** Writing to disk begins before memory is full. */
const SPILL_SHARE = 0.75
/** Parts are kept for so many target durations behind the newest segment; playlists name them for half of that. */
const PARTS_KEPT = 6

interface Retired {
  readonly segment: Segment
  readonly untilMs: number
}

/** The segments that playlists name, and those that may still be fetched because a playlist has named them. */
export class SegmentWindow {
  readonly #options: WindowOptions
  readonly #segments: Segment[] = []
  readonly #retired: Retired[] = []
  readonly #named = new Map<string, StoredMedia>()
  readonly #moving = new Set<StoredMedia>()
  #bytes = 0
  /** Of what can be asked for: what is lost leaves when there is enough of that. */
  #durationMs = 0
  #nextSequence: number
  #discontinuitySequence: number

  constructor(options: WindowOptions) {
    this.#options = options
    this.#nextSequence = options.firstSequence
    this.#discontinuitySequence = options.discontinuitySequence
  }

  /** Oldest first. */
  get segments(): readonly Segment[] {
    return this.#segments
  }

  /** Media sequence number of the segment that is added next. */
  get nextSequence(): number {
    return this.#nextSequence
  }

  /** EXT-X-DISCONTINUITY-SEQUENCE: rises when a segment that began with a discontinuity has left. */
  get discontinuitySequence(): number {
    return this.#discontinuitySequence
  }

  /** No discontinuity sequence number from here on has been used. */
  get nextDiscontinuity(): number {
    return 1 + this.#discontinuitySequence + this.#segments.filter(({ isDiscontinuity }) => isDiscontinuity).length
  }

  /** Bytes in memory. */
  get bytes(): number {
    return this.#bytes
  }

  /** What may be asked for by this name. */
  find(name: string): StoredMedia | undefined {
    return this.#named.get(name)
  }

  /** Something can be asked for from now on: a part of the segment at work, an initialisation segment. */
  name(media: StoredMedia): void {
    if (this.#named.has(media.name)) return
    this.#named.set(media.name, media)
    this.#bytes += media.bytesInMemory
  }

  /** Appends the segment `nextSequence`; what is too old, or too much, leaves at the other end. */
  add(segment: Segment): void {
    this.#segments.push(segment)
    this.#nextSequence += 1
    if (!segment.isLost) this.#durationMs += segment.durationS * 1_000
    for (const media of mediaOf(segment)) this.name(media)
    const windowMs = Math.max(this.#options.limits.windowMs, 3_000 * this.#options.targetDurationS())
    while (this.#isTooLong(windowMs)) this.#retireOldest()
    this.#dropParts()
    this.#trim()
  }

  /** A segment that playlists name. */
  at(sequence: number): Segment | undefined {
    return this.#segments[this.#segments.length - (this.#nextSequence - sequence)]
  }

  /** A segment has been made as fragmented MP4 after the fact. */
  replace(segment: Segment): void {
    const index = this.#segments.length - (this.#nextSequence - segment.sequence)
    if (this.#segments[index] === undefined) return
    this.#segments[index] = segment
    for (const media of mediaOf(segment)) this.name(media)
  }

  /** Nothing can be asked for any more; numbers go on rising. */
  clear(): void {
    for (const media of this.#named.values()) this.#options.spill?.forget(media)
    this.#named.clear()
    this.#segments.length = 0
    this.#retired.length = 0
    this.#bytes = 0
  }

  #isTooLong(windowMs: number): boolean {
    const [oldest] = this.#segments
    if (oldest === undefined || this.#segments.length <= SEGMENTS_MIN) return false
    const ownMs = oldest.isLost ? 0 : oldest.durationS * 1_000
    return this.#durationMs - ownMs >= windowMs || this.#segments.length > SEGMENTS_MAX
  }

  /** A removed segment stays for as long as the playlist that named it, and itself, last (RFC 8216 §6.2.2). */
  #retireOldest(): void {
    const segment = this.#segments.shift()
    if (segment === undefined) return
    const untilMs = this.#options.nowMs() + this.#durationMs
    if (!segment.isLost) this.#durationMs -= segment.durationS * 1_000
    if (segment.isDiscontinuity) this.#discontinuitySequence += 1
    this.#retired.push({ segment, untilMs })
  }

  #trim(): void {
    const nowMs = this.#options.nowMs()
    const { bytesMax } = this.#options.limits
    while ((this.#retired[0]?.untilMs ?? Infinity) <= nowMs) this.#forgetOldest()
    this.#spillOldest(bytesMax * SPILL_SHARE)
    while (this.#bytes > bytesMax && this.#retired.length > 0) this.#forgetOldest()
    while (this.#bytes > bytesMax && this.#segments.length > SEGMENTS_MIN) {
      this.#retireOldest()
      this.#forgetOldest()
    }
  }

  #forgetOldest(): void {
    const retired = this.#retired.shift()
    if (retired === undefined) return
    const keptInit = (this.#retired[0]?.segment ?? this.#segments[0])?.cmaf?.init?.media
    for (const media of mediaOf(retired.segment)) {
      if (media !== keptInit) this.#forget(media)
    }
  }

  #forget(media: StoredMedia): void {
    if (!this.#named.delete(media.name)) return
    this.#bytes -= media.bytesInMemory
    this.#options.spill?.forget(media)
  }

  #dropParts(): void {
    let behindMs = 0
    for (let index = this.#segments.length - 1; index >= 0; index -= 1) {
      const segment = this.#segments[index]
      behindMs += (segment?.durationS ?? 0) * 1_000
      if (behindMs <= PARTS_KEPT * 1_000 * this.#options.targetDurationS()) continue
      if (segment?.cmaf === undefined || segment.cmaf.parts.length === 0) return
      for (const { media } of segment.cmaf.parts) this.#forget(media)
      this.#segments[index] = { ...segment, cmaf: { ...segment.cmaf, parts: [] } }
    }
  }

  #spillOldest(bytesWanted: number): void {
    const { spill } = this.#options
    if (spill === undefined) return
    let excess = this.#bytes - bytesWanted
    for (const media of this.#moving) excess -= media.bytesInMemory
    const oldestFirst = [...this.#retired.map(({ segment }) => segment), ...this.#segments.slice(0, -SEGMENTS_MIN)]
    for (const segment of oldestFirst) {
      for (const media of [segment.ts, segment.cmaf?.media]) {
        if (excess <= 0) return
        if (media === undefined || media.bytesInMemory === 0 || this.#moving.has(media)) continue
        if (!spill.move(media, (isMoved) => this.#moved(media, isMoved))) return
        this.#moving.add(media)
        excess -= media.bytesInMemory
      }
    }
  }

  /** The content of a media that was moved is on disk now; `bytes` is what it had in memory. */
  #moved(media: StoredMedia, isMoved: boolean): void {
    this.#moving.delete(media)
    if (this.#named.get(media.name) !== media) this.#options.spill?.forget(media)
    else if (isMoved) this.#bytes -= media.bytes
  }
}

/** A media is named once however many segments share it. */
function mediaOf({ ts, cmaf, isLost }: Segment): readonly StoredMedia[] {
  if (isLost) return []
  if (cmaf === undefined) return [ts]
  const init = cmaf.init === undefined ? [] : [cmaf.init.media]
  return [ts, cmaf.media, ...init, ...cmaf.parts.map(({ media }) => media)]
}
