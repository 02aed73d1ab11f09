import { attributeText, quoted, unquoted, withQuoted } from '../../../hls/attribute-list.ts'
import { formatDateTime, parseDateTime } from '../../../hls/date-time.ts'
import { newProgramDateTime } from '../../../hls/new-playlist.ts'
import type { DateRange, MediaPlaylist, MediaSegment, RenditionReport, ServerControl } from '../../../hls/playlist.ts'
import { formatOfPlaylist } from '../transmux/slot-format.ts'
import type { SlotFormat } from '../transmux/slot-format.ts'
import type { PublishedSegment, SlotTimeline } from './slot-timeline.ts'
import type { Span } from './span.ts'
import type { SwitchMark } from './stitch.ts'

/** What a player is told of a switch, besides when it was. */
export interface SwitchWords {
  /** manual, failover, failback and so on. */
  readonly trigger: string
  readonly reason: string
}

export interface PublishedOptions {
  readonly timeline: SlotTimeline
  readonly span: Span
  /** The latest playlist of the source on air, with names of ours. */
  readonly latest: MediaPlaylist
  /** The first that was published, which decides what players may rely on. */
  readonly features: PlaylistFeatures
  readonly marks: readonly SwitchMark[]
  readonly wordsOf: (span: number) => SwitchWords | undefined
  readonly reports: readonly RenditionReport[]
}

/** What a playlist offers, chosen at the start: players are not told otherwise later. */
export interface PlaylistFeatures {
  readonly version: number
  readonly playlistType: 'EVENT' | undefined
  readonly isIndependentSegments: boolean
  readonly iFramesOnly: boolean
  readonly canBlockReload: boolean
  readonly holdBackS: number | undefined
  readonly partHoldBackS: number | undefined
  readonly partTargetS: number | undefined
  /** What its segments are; undefined in memories of before it was kept. */
  readonly format?: SlotFormat
}

/** RFC 8216bis §4.4.3.8: at least so many target durations. */
const HOLD_BACK_TARGETS = 3
/** A version may not change later, when a source has EXT-X-MAP (6, RFC 8216 §7) or a segment becomes a gap (8, bis). */
const VERSION_MIN = 8

/** What the first playlist of a slot lets players rely on. */
export function featuresOf(playlist: MediaPlaylist): PlaylistFeatures {
  const { serverControl, partTargetS } = playlist
  const canBlockReload = serverControl?.canBlockReload === true
  const format = formatOfPlaylist(playlist)
  return {
    ...(format === undefined ? {} : { format }),
    version: Math.max(playlist.version, VERSION_MIN),
    playlistType: playlist.playlistType === 'EVENT' ? 'EVENT' : undefined,
    isIndependentSegments: playlist.isIndependentSegments,
    iFramesOnly: playlist.iFramesOnly,
    canBlockReload,
    holdBackS: serverControl?.holdBackS,
    // Parts without blocking reload only make players ask more often.
    partHoldBackS: canBlockReload ? serverControl.partHoldBackS : undefined,
    partTargetS: canBlockReload ? partTargetS : undefined,
  }
}

/** Whether the parts of a source can be passed on: what was promised of them still holds. */
export function passesParts({ partTargetS }: PlaylistFeatures, latest: MediaPlaylist): boolean {
  return partTargetS !== undefined && latest.partTargetS !== undefined && latest.partTargetS <= partTargetS
}

/** The playlist of a slot as it is now. Its names are relative to the stream. */
export function publishedPlaylist(options: PublishedOptions): MediaPlaylist {
  const { timeline, latest, features, span } = options
  const [first] = timeline.segments
  const hasParts = passesParts(features, latest)
  const isAtEdge = timeline.span === span.number
  const { trailing } = latest
  return {
    ...latest,
    version: features.version,
    isIndependentSegments: features.isIndependentSegments,
    iFramesOnly: features.iFramesOnly,
    start: span.number === 1 ? latest.start : undefined,
    defines: [],
    targetDurationS: timeline.targetDurationS,
    mediaSequence: first?.sequence ?? timeline.nextSequence,
    discontinuitySequence: first === undefined ? timeline.discontinuity : numberBefore(first),
    playlistType: features.playlistType,
    hasEndList: false,
    serverControl: serverControlOf(features, timeline.targetDurationS),
    partTargetS: features.partTargetS,
    skip: undefined,
    segments: timeline.segments.map((published, index) => segmentOf(published, index, hasParts ? span.number : 0)),
    trailing: hasParts && isAtEdge && trailing !== undefined ? { ...trailing, programDateTime: undefined } : undefined,
    preloadHints: hasParts && isAtEdge ? latest.preloadHints : [],
    renditionReports: features.canBlockReload ? options.reports : [],
    dateRanges: dateRangesOf(options),
  }
}

/** A playlist begins with the number of discontinuities before the tag at its first segment, where it has one. */
function numberBefore({ discontinuity, startsDiscontinuity }: PublishedSegment): number {
  return Math.max(0, startsDiscontinuity ? discontinuity - 1 : discontinuity)
}

function segmentOf(published: PublishedSegment, index: number, spanWithParts: number): MediaSegment {
  const { segment, startMs, startsDiscontinuity, isLost } = published
  const isDated = index === 0 || startsDiscontinuity || segment.programDateTime !== undefined
  const given = segment.programDateTime
  const isAsGiven = given !== undefined && startMs !== undefined && Math.abs(given.ms - startMs) < 0.5
  return {
    ...segment,
    isDiscontinuity: startsDiscontinuity,
    programDateTime: startMs === undefined || !isDated ? undefined : isAsGiven ? given : newProgramDateTime(startMs),
    isGap: segment.isGap || isLost,
    parts: published.span === spanWithParts ? segment.parts : [],
  }
}

function serverControlOf(features: PlaylistFeatures, targetDurationS: number): ServerControl | undefined {
  const { canBlockReload, holdBackS, partHoldBackS } = features
  if (!canBlockReload && holdBackS === undefined) return undefined
  return {
    canBlockReload,
    // Delta updates are left to the origin's own players.
    canSkipUntilS: undefined,
    canSkipDateRanges: false,
    holdBackS: holdBackS === undefined ? undefined : Math.max(holdBackS, HOLD_BACK_TARGETS * targetDurationS),
    partHoldBackS,
    otherAttributes: [],
  }
}

function dateRangesOf({ timeline, span, latest, marks, wordsOf }: PublishedOptions): readonly DateRange[] {
  if (timeline.segments.every(({ startMs }) => startMs === undefined)) return []
  const { dates } = span
  const shiftMs = dates.kind === 'shifted' ? dates.shiftMs : 0
  const firstMs = timeline.segments.find(({ startMs }) => startMs !== undefined)?.startMs ?? 0
  const switches = marks.filter((mark) => mark.startMs >= firstMs).map((mark) => markRange(mark, wordsOf(mark.span)))
  return [...latest.dateRanges.map((range) => shifted(range, shiftMs)), ...switches]
}

function markRange({ span, fromIndex, toIndex, startMs }: SwitchMark, words: SwitchWords | undefined): DateRange {
  const attributes = [
    quoted('ID', `holdfast-switch-${span}`),
    quoted('CLASS', 'holdfast.switch'),
    quoted('START-DATE', formatDateTime(startMs)),
    unquoted('X-HOLDFAST-FROM', fromIndex),
    unquoted('X-HOLDFAST-TO', toIndex),
  ]
  if (words === undefined) return { attributes }
  return {
    attributes: [...attributes, quoted('X-HOLDFAST-TRIGGER', words.trigger), quoted('X-HOLDFAST-REASON', words.reason)],
  }
}

/** Dates of a source that was moved on the timeline move with it. */
function shifted({ attributes }: DateRange, shiftMs: number): DateRange {
  if (shiftMs === 0) return { attributes }
  let moved = attributes
  for (const name of ['START-DATE', 'END-DATE']) {
    const ms = parseDateTime(attributeText(attributes, name) ?? '')
    if (ms !== undefined) moved = withQuoted(moved, name, formatDateTime(ms + shiftMs))
  }
  return { attributes: moved }
}
