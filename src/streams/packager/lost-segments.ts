import type { Json } from '../../store/store.ts'
import type { Segment } from './segment.ts'
import type { SegmentWindow } from './segment-window.ts'

/** A segment of an earlier run: playlists have named it, and its media is gone with the memory it was in. */
export interface LostSegment {
  readonly durationS: number
  /** Milliseconds since 1970-01-01 UTC. */
  readonly dateMs: number
  readonly isDiscontinuity: boolean
  readonly tsName: string
  /** Undefined where there was no fragmented MP4. */
  readonly cmaf: { readonly name: string; readonly durationS: number } | undefined
}

/** Those that follow each other, oldest first. */
export interface LostRun {
  /** Media sequence number of the first. */
  readonly sequence: number
  /** EXT-X-DISCONTINUITY-SEQUENCE of a playlist that begins with it. */
  readonly discontinuitySequence: number
  readonly segments: readonly LostSegment[]
}

/** What a player has in its hands is among so many of the newest segments, however late it asked. */
const KEPT_SEGMENTS = 8
/** Whoever has waited for longer does not play any more; the playlist begins anew. */
const OUTAGE_MS_MAX = 300_000
/** Segments that may have been published after the last that was saved. */
const UNSAVED_SEGMENTS_MIN = 2
/** A segment is not shorter, also where the dates of the run before are ahead of the clock. */
const SEGMENT_MS_MIN = 100

/** The newest segments of a window, for the memory of the stream. */
export function lostRunJson({ segments, nextSequence, discontinuitySequence }: SegmentWindow): Json {
  const kept = segments.slice(-KEPT_SEGMENTS)
  const before = segments.slice(0, segments.length - kept.length)
  return {
    sequence: nextSequence - kept.length,
    discontinuity_sequence: discontinuitySequence + before.filter(({ isDiscontinuity }) => isDiscontinuity).length,
    segments: kept.map(rowOf),
  }
}

function rowOf({ durationS, dateMs, isDiscontinuity, ts, cmaf }: Segment): Json {
  const row = [durationS, dateMs, isDiscontinuity, ts.name]
  return cmaf === undefined ? row : [...row, cmaf.media.name, cmaf.durationS]
}

/** What `lostRunJson` gave; undefined where that cannot be read. */
export function lostRunOf(json: Json | undefined): LostRun | undefined {
  if (typeof json !== 'object' || json === null || !('segments' in json)) return undefined
  const { sequence, discontinuity_sequence: discontinuitySequence, segments: rows } = json
  if (!isCount(sequence) || !isCount(discontinuitySequence) || !Array.isArray(rows) || rows.length === 0)
    return undefined
  const segments = (rows as readonly Json[]).slice(-KEPT_SEGMENTS).map(segmentOf)
  const known = segments.filter((segment) => segment !== undefined)
  return known.length < rows.length ? undefined : { sequence, discontinuitySequence, segments: known }
}

function segmentOf(row: Json): LostSegment | undefined {
  if (!Array.isArray(row)) return undefined
  const [durationS, dateMs, isDiscontinuity, tsName, cmafName, cmafS] = row as readonly Json[]
  if (!isTime(durationS) || !isTime(dateMs) || typeof isDiscontinuity !== 'boolean') return undefined
  if (typeof tsName !== 'string') return undefined
  const cmaf = typeof cmafName === 'string' && isTime(cmafS) ? { name: cmafName, durationS: cmafS } : undefined
  return { durationS, dateMs, isDiscontinuity, tsName, cmaf }
}

const isCount = (value: Json | undefined): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
const isTime = (value: Json | undefined): value is number =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0

/**
 * The run with what would have come until `wallMs`, in segments of the length they had: time goes on for players as it did
 * for everybody else, and no number is used twice that was published after the last save. Undefined after so long an outage
 * that nobody can be waiting any more.
 */
export function lostUntil(run: LostRun, wallMs: number): LostRun | undefined {
  const last = run.segments.at(-1)
  if (last === undefined) return undefined
  const endMs = endOf(last)
  const missedMs = wallMs - endMs
  if (missedMs > OUTAGE_MS_MAX) return undefined
  const meanMs = (1_000 * run.segments.reduce((sum, { durationS }) => sum + durationS, 0)) / run.segments.length
  const count = Math.max(UNSAVED_SEGMENTS_MIN, Math.ceil(missedMs / Math.max(meanMs, SEGMENT_MS_MIN)))
  const eachMs = Math.max(SEGMENT_MS_MIN, Math.floor(missedMs / count))
  const missed = Array.from({ length: count }, (_, index) => ({
    durationS: eachMs / 1_000,
    dateMs: endMs + index * eachMs,
    isDiscontinuity: false,
  }))
  return named(run, [...run.segments, ...missed])
}

/** `base` under the names that another rendition has: cut at the same places, it has all else in common. */
export function lostUnderNamesOf(base: readonly LostSegment[], sequence: number, own: LostRun): readonly LostSegment[] {
  const dropped = sequence - own.sequence
  const names = base.map((segment, index) => {
    const { durationS, dateMs, isDiscontinuity } = segment
    const mine = own.segments[index + dropped]
    return { durationS, dateMs, isDiscontinuity, ...(mine && { tsName: mine.tsName, cmaf: mine.cmaf }) }
  })
  return named({ ...own, sequence }, names).segments
}

/** The date at which a segment ends. */
export function endOf({ dateMs, durationS }: Pick<LostSegment, 'dateMs' | 'durationS'>): number {
  return dateMs + durationS * 1_000
}

type Unnamed = Omit<LostSegment, 'tsName' | 'cmaf'> & Partial<Pick<LostSegment, 'tsName' | 'cmaf'>>

/**
 * Names that are not known are those that the segments would have had, and that one of them may have: players take a
 * playlist for broken in which a segment that they know has another name.
 */
function named(run: LostRun, unnamed: readonly Unnamed[]): LostRun {
  let tsPrefix = prefixOf(run.segments[0]?.tsName ?? '')
  let cmafPrefix: string | undefined
  const segments = unnamed.map((segment, index) => {
    if (segment.tsName !== undefined) tsPrefix = prefixOf(segment.tsName)
    if (segment.cmaf !== undefined) cmafPrefix = prefixOf(segment.cmaf.name)
    const number = run.sequence + index
    const { tsName = `${tsPrefix}${number}.ts`, durationS } = segment
    const assumed = cmafPrefix === undefined ? undefined : { name: `${cmafPrefix}${number}.m4s`, durationS }
    return { ...segment, tsName, cmaf: segment.cmaf ?? assumed }
  })
  return { ...run, segments }
}

/** All of a name but its number and extension. */
function prefixOf(name: string): string {
  return name.slice(0, name.lastIndexOf('-') + 1)
}
