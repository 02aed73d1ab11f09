import type { AttributeList } from '../../hls/attribute-list.ts'
import { newMediaPlaylist, newPart, newProgramDateTime, newSegment } from '../../hls/new-playlist.ts'
import type { DateRange, MediaPlaylist, MediaSegment, Part, SegmentHead, ServerControl } from '../../hls/playlist.ts'
import type { CmafInitFile, CmafPart, OpenSegment, Segment } from './segment.ts'

/** What playlists are written from. */
export interface PlaylistState {
  readonly segments: readonly Segment[]
  readonly nextSequence: number
  readonly discontinuitySequence: number
  readonly targetDurationS: number
  readonly partTargetS: number
  readonly open: OpenSegment | undefined
  readonly nextPartName: string | undefined
  readonly dateRanges: readonly DateRangeAt[]
}

/** Something of interest at a time, which leaves the playlist together with its media. */
export interface DateRangeAt {
  /** Milliseconds since 1970-01-01 UTC. */
  readonly atMs: number
  readonly attributes: AttributeList
}

export interface PlaylistForm {
  readonly rendition: 'ts' | 'cmaf'
  /** In front of every URI, so that it leads to `/hls/{id}/`. */
  readonly base: string
  /** Behind every URI. */
  readonly suffix: string
  /** A delta update, as `_HLS_skip=YES` asks for. */
  readonly isDelta: boolean
}

/** draft-pantos-hls-rfc8216bis §4.4.3.8: at least six target durations. */
const SKIP_UNTIL_TARGETS = 6
const HOLD_BACK_TARGETS = 3
/** Three at least (§4.4.3.8); twice that, so that a switch of the source is over before a player has nothing left. */
const PART_HOLD_BACK_TARGETS = 6
/** Segments that are younger than this are named with their parts (§6.2.2). */
const PARTS_TARGETS = 3
/** EXT-X-GAP (bis §8): a version may not change, and after a restart there are gaps. */
const VERSION = 8
/** EXT-X-SKIP (bis §8). */
const VERSION_SKIP = 9

/**
 * Segments of a state that a rendition has: fragmented MP4 begins when somebody has asked for it, and is a little behind.
 * What the run before this one had of it comes first.
 */
function segmentsOf({ segments }: PlaylistState, rendition: 'ts' | 'cmaf'): readonly Segment[] {
  if (rendition === 'ts') return segments
  let first = segments.findIndex(({ cmaf }) => cmaf?.init !== undefined)
  if (first < 0) return []
  while (segments[first - 1]?.isLost === true && segments[first - 1]?.cmaf !== undefined) first -= 1
  return segments.slice(first, 1 + segments.findLastIndex(({ cmaf }) => cmaf !== undefined))
}

/** A live media playlist (RFC 8216, low latency as in draft-pantos-hls-rfc8216bis for fragmented MP4). */
export function mediaPlaylist(state: PlaylistState, form: PlaylistForm): MediaPlaylist {
  const { targetDurationS } = state
  const segments = segmentsOf(state, form.rendition)
  const first = segments[0]?.sequence ?? state.nextSequence
  const before = state.segments.filter(({ sequence }) => sequence < first)
  const isCmaf = form.rendition === 'cmaf'
  const skipped = form.isDelta ? skippable(segments, targetDurationS) : 0
  const open = isCmaf ? state.open : undefined
  return newMediaPlaylist({
    version: skipped > 0 ? VERSION_SKIP : VERSION,
    targetDurationS,
    isIndependentSegments: segments.every(({ isIndependent }) => isIndependent) && open?.isIndependent !== false,
    mediaSequence: first,
    discontinuitySequence: state.discontinuitySequence + before.filter(({ isDiscontinuity }) => isDiscontinuity).length,
    serverControl: serverControl(state, isCmaf),
    partTargetS: isCmaf ? state.partTargetS : undefined,
    skip: skipped > 0 ? { segments: skipped, recentlyRemovedDateRanges: [] } : undefined,
    segments: mediaSegments(segments, skipped, state, form),
    trailing: open === undefined || open.parts.length === 0 ? undefined : headOf(open, form),
    preloadHints: isCmaf && state.nextPartName !== undefined ? [preloadHint(state.nextPartName, form)] : [],
    dateRanges: dateRanges(state, segments[0]),
  })
}

function serverControl({ targetDurationS, partTargetS }: PlaylistState, isCmaf: boolean): ServerControl {
  return {
    canBlockReload: true,
    canSkipUntilS: SKIP_UNTIL_TARGETS * targetDurationS,
    canSkipDateRanges: false,
    holdBackS: HOLD_BACK_TARGETS * targetDurationS,
    partHoldBackS: isCmaf ? PART_HOLD_BACK_TARGETS * partTargetS : undefined,
    otherAttributes: [],
  }
}

/** How many segments lie before the skip boundary. */
function skippable(segments: readonly Segment[], targetDurationS: number): number {
  let leftS = SKIP_UNTIL_TARGETS * targetDurationS
  let count = segments.length
  while (count > 0 && leftS > 0) {
    count -= 1
    leftS -= segments[count]?.durationS ?? 0
  }
  return leftS > 0 ? 0 : count
}

function mediaSegments(
  segments: readonly Segment[],
  skipped: number,
  { targetDurationS }: PlaylistState,
  form: PlaylistForm,
): readonly MediaSegment[] {
  let leftS = PARTS_TARGETS * targetDurationS
  const withPartsFrom = segments.findLastIndex(({ durationS }) => (leftS -= durationS) < 0)
  return segments.slice(skipped).map((segment, index) => mediaSegment(segment, form, skipped + index > withPartsFrom))
}

function mediaSegment(segment: Segment, form: PlaylistForm, hasParts: boolean): MediaSegment {
  const { ts, cmaf, isDiscontinuity, isLost, dateMs } = segment
  const common = { isDiscontinuity, programDateTime: newProgramDateTime(dateMs) }
  if (form.rendition === 'ts') {
    return newSegment({ ...common, uri: uriOf(ts, form), durationS: segment.durationS, isGap: isLost })
  }
  if (cmaf?.init === undefined) {
    return newSegment({
      ...common,
      uri: uriOf(cmaf?.media ?? ts, form),
      durationS: cmaf?.durationS ?? segment.durationS,
      isGap: true,
    })
  }
  return newSegment({
    ...common,
    uri: uriOf(cmaf.media, form),
    durationS: cmaf.durationS,
    map: mapOf(cmaf.init, form),
    parts: hasParts ? partsOf(cmaf.parts, form) : [],
  })
}

function headOf({ isDiscontinuity, dateMs, init, parts }: OpenSegment, form: PlaylistForm): SegmentHead {
  return {
    isDiscontinuity,
    keys: [],
    map: init === undefined ? undefined : mapOf(init, form),
    programDateTime: newProgramDateTime(dateMs),
    bitrateKbps: undefined,
    parts: partsOf(parts, form),
    otherTags: [],
  }
}

function partsOf(parts: readonly CmafPart[], form: PlaylistForm): readonly Part[] {
  return parts.map(({ media, durationS, isIndependent }) =>
    newPart({ uri: uriOf(media, form), durationS, isIndependent }),
  )
}

function mapOf({ media }: CmafInitFile, form: PlaylistForm): NonNullable<MediaSegment['map']> {
  return { uri: uriOf(media, form), byteRange: undefined, keys: [], otherAttributes: [] }
}

function preloadHint(name: string, form: PlaylistForm): MediaPlaylist['preloadHints'][number] {
  const uri = uriOf({ name }, form)
  return { type: 'PART', uri, byteRangeStart: 0, byteRangeLength: undefined, otherAttributes: [] }
}

function uriOf({ name }: { readonly name: string }, { base, suffix }: PlaylistForm): string {
  return `${base}${name}${suffix}`
}

function dateRanges({ dateRanges: all }: PlaylistState, first: Segment | undefined): readonly DateRange[] {
  const fromMs = first?.dateMs ?? Infinity
  return all.filter(({ atMs }) => atMs >= fromMs).map(({ attributes }) => ({ attributes }))
}
