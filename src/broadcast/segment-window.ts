import { newMediaPlaylist, newProgramDateTime, newSegment } from '../hls/new-playlist.ts'
import { writePlaylist } from '../hls/write-playlist.ts'

export interface BroadcastSegment {
  /** Unique within the network, for ever. */
  readonly file: string
  readonly durationS: number
  readonly bytes: number
  /** When its first picture was on air: milliseconds since 1970. */
  readonly dateMs: number
  readonly isDiscontinuity: boolean
}

/** A segment that is in no playlist any more, and until when players may still come for it. */
interface LeavingSegment {
  readonly file: string
  readonly bytes: number
  readonly untilWallMs: number
}

/** Plain JSON: it is what survives a restart. */
export interface WindowMemory {
  readonly segments: readonly BroadcastSegment[]
  readonly leaving: readonly LeavingSegment[]
  /** Of the first segment. */
  readonly mediaSequence: number
  readonly discontinuitySequence: number
  readonly targetDurationS: number
  readonly isRecording: boolean
  readonly hasEnded: boolean
  /** There has been a segment, so whatever comes next is a discontinuity. */
  readonly hasPublished: boolean
}

export interface WindowShape {
  readonly segmentS: number
  readonly listSize: number
  readonly isRecording: boolean
}

/** RFC 8216 §6.2.2: a live playlist is never shorter than three target durations. */
const TARGETS_MIN = 3
/** A source that is copied is cut at its own keyframes, which may lie further apart than a segment should be long. */
const TARGET_FACTOR = 2
const MS_PER_S = 1_000
const VERSION = 3

/**
 * The segments of one network and their playlist (RFC 8216 §6.2): numbers go on over programmes and restarts, a
 * discontinuity stands exactly where a programme begins, and what has left the playlist can be had for as long as a player
 * may still come for it.
 */
export class SegmentWindow {
  readonly #segments: BroadcastSegment[]
  #leaving: LeavingSegment[]
  #mediaSequence: number
  #discontinuitySequence: number
  #targetDurationS: number
  #isRecording: boolean
  #hasEnded: boolean
  #hasPublished: boolean
  #listSize = 0
  #isDiscontinuityDue = false
  #text: string | undefined

  /** Without a memory the first segment has the number `startNumber`. */
  constructor(memory: WindowMemory | undefined, startNumber: number) {
    this.#segments = [...(memory?.segments ?? [])]
    this.#leaving = [...(memory?.leaving ?? [])]
    this.#mediaSequence = memory?.mediaSequence ?? startNumber
    this.#discontinuitySequence = memory?.discontinuitySequence ?? 0
    this.#targetDurationS = memory?.targetDurationS ?? 0
    this.#isRecording = memory?.isRecording ?? false
    this.#hasEnded = memory?.hasEnded ?? false
    this.#hasPublished = memory?.hasPublished ?? false
  }

  get memory(): WindowMemory {
    return {
      ...{ segments: this.#segments, leaving: this.#leaving, mediaSequence: this.#mediaSequence },
      ...{ discontinuitySequence: this.#discontinuitySequence, targetDurationS: this.#targetDurationS },
      ...{ isRecording: this.#isRecording, hasEnded: this.#hasEnded, hasPublished: this.#hasPublished },
    }
  }

  get isEmpty(): boolean {
    return this.#segments.length === 0
  }

  get isRecording(): boolean {
    return this.#isRecording
  }

  /** The number that the next segment will have. */
  get nextNumber(): number {
    return this.#mediaSequence + this.#segments.length
  }

  /** On disk, what is leaving included. */
  get bytes(): number {
    return [...this.#segments, ...this.#leaving].reduce((sum, { bytes }) => sum + bytes, 0)
  }

  get targetDurationS(): number {
    return this.#targetDurationS
  }

  /** Every file that may be asked for. */
  files(): ReadonlySet<string> {
    return new Set([...this.#segments, ...this.#leaving].map(({ file }) => file))
  }

  has(file: string): boolean {
    return this.#segments.some((each) => each.file === file) || this.#leaving.some((each) => each.file === file)
  }

  /** A programme begins, or one goes on after a break: its timestamps begin anew. */
  begin({ segmentS, listSize, isRecording }: WindowShape): void {
    this.#listSize = listSize
    this.#isRecording ||= isRecording
    this.#hasEnded = false
    // Once chosen it stays (RFC 8216 §6.2.1).
    if (this.#targetDurationS === 0) this.#targetDurationS = segmentS * TARGET_FACTOR
    this.#isDiscontinuityDue = this.#hasPublished
    this.#text = undefined
  }

  /** Adds a complete segment. True when it is longer than the target duration was, which had to be raised for it. */
  add(segment: { readonly file: string; readonly durationS: number; readonly bytes: number }, wallMs: number): boolean {
    const last = this.#segments.at(-1)
    const endMs = last === undefined ? 0 : last.dateMs + last.durationS * MS_PER_S
    const isDiscontinuity = this.#isDiscontinuityDue
    const startMs = wallMs - segment.durationS * MS_PER_S
    // Within a programme dates follow the media; between two they follow the clock, never backwards.
    const dateMs = Math.round(isDiscontinuity || last === undefined ? Math.max(startMs, endMs) : endMs)
    this.#segments.push({ ...segment, dateMs, isDiscontinuity })
    this.#isDiscontinuityDue = false
    this.#hasPublished = true
    const neededS = Math.round(segment.durationS)
    const isRaised = neededS > this.#targetDurationS
    if (isRaised) this.#targetDurationS = neededS
    this.#shorten(wallMs)
    this.#text = undefined
    return isRaised
  }

  /** Nothing follows, for now: a recording is complete. */
  end(): void {
    this.#hasEnded = this.#isRecording && !this.isEmpty
    this.#text = undefined
  }

  /** Takes all segments out of the playlist, when nobody watches any more; the next has the number that it would have had. */
  clear(): void {
    while (this.#segments.length > 0) this.#dropFirst(0)
    this.#leaving = []
    this.#text = undefined
  }

  /** Files that nobody may come for any more. */
  takeExpired(wallMs: number): readonly string[] {
    const expired = this.#leaving.filter(({ untilWallMs }) => untilWallMs <= wallMs)
    if (expired.length > 0) this.#leaving = this.#leaving.filter(({ untilWallMs }) => untilWallMs > wallMs)
    return expired.map(({ file }) => file)
  }

  /** The media playlist; undefined while there is no segment. Segments are at `segment/…` beside it. */
  playlist(): string | undefined {
    if (this.isEmpty) return undefined
    this.#text ??= writePlaylist(
      newMediaPlaylist({
        version: VERSION,
        targetDurationS: this.#targetDurationS,
        mediaSequence: this.#mediaSequence,
        discontinuitySequence: this.#discontinuitySequence,
        playlistType: this.#isRecording ? 'EVENT' : undefined,
        hasEndList: this.#hasEnded,
        segments: this.#segments.map(({ file, durationS, dateMs, isDiscontinuity }) =>
          newSegment({
            uri: `segment/${file}`,
            ...{ durationS, isDiscontinuity, programDateTime: newProgramDateTime(dateMs) },
          }),
        ),
      }),
    )
    return this.#text
  }

  #shorten(wallMs: number): void {
    if (this.#isRecording) return
    let durationS = this.#durationS()
    for (;;) {
      const first = this.#segments[0]
      if (first === undefined || this.#segments.length <= this.#listSize) return
      if (durationS - first.durationS < TARGETS_MIN * this.#targetDurationS) return
      // RFC 8216 §6.2.2: as long as the segment and the longest playlist that named it, which did not have the newest yet.
      this.#dropFirst(wallMs + durationS * MS_PER_S)
      durationS -= first.durationS
    }
  }

  #durationS(): number {
    return this.#segments.reduce((sum, segment) => sum + segment.durationS, 0)
  }

  #dropFirst(untilWallMs: number): void {
    const first = this.#segments.shift()
    if (first === undefined) return
    this.#mediaSequence += 1
    if (first.isDiscontinuity) this.#discontinuitySequence += 1
    this.#leaving.push({ file: first.file, bytes: first.bytes, untilWallMs })
  }
}
