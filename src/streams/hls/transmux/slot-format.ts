import type { MediaPlaylist, MediaSegment } from '../../../hls/playlist.ts'
import type { ProgrammeLayout } from '../../../mpegts/programme-layout.ts'
import { planned } from '../upstream/segment-plan.ts'
import { UnreadableSegment } from '../upstream/unreadable-segment.ts'
import { keySource } from './recipe.ts'
import type { MapSource, Recipe, WantedStreams } from './recipe.ts'
import type { TrackLayout } from './track-layout.ts'

/** What segments are, as their playlist shows it: with an EXT-X-MAP, or everything else (MPEG-TS, packed audio, WebVTT). */
export type Container = 'fmp4' | 'plain'

/** What players of a playlist have, and keep for as long as it is published. Plain JSON data. */
export interface SlotFormat {
  readonly container: Container
  /** Undefined where it is not known, and where segments are no MPEG-TS. */
  readonly layout?: ProgrammeLayout
  /** Undefined where it is not known, and where segments are no fragmented MP4. */
  readonly tracks?: TrackLayout
}

/** The format of a playlist's segments; undefined while it has none. */
export function formatOfPlaylist({ segments }: MediaPlaylist): SlotFormat | undefined {
  const [first] = segments
  return first === undefined ? undefined : { container: containerOf(first) }
}

function containerOf({ map }: MediaSegment): Container {
  return map === undefined ? 'plain' : 'fmp4'
}

export interface SlotTarget {
  readonly slot: number
  readonly format: SlotFormat
  readonly streams: WantedStreams
  /** Parts are passed on: their PIDs stay as they are, so those of the segments do. */
  readonly hasParts: boolean
}

/** A segment where it stands in its source's playlist. */
export interface PlacedSegment {
  readonly segment: MediaSegment
  readonly sequence: number
  readonly discontinuity: number
  /** What its addresses are relative to. */
  readonly base: string
}

/** Why a source's segments cannot become what players have; undefined when they can. */
export function cannotBecome(
  format: SlotFormat,
  { segments, mediaSequence }: MediaPlaylist,
  base: string,
): string | undefined {
  for (const [index, segment] of segments.entries()) {
    if (containerOf(segment) === format.container || segment.isGap) continue
    const read = readable(segment, mediaSequence + index, base)
    if (read instanceof UnreadableSegment)
      return `has segments of another format than players have, and ${read.message}`
  }
  return undefined
}

/** Whether a playlist has segments that are made into something else as a whole. */
export function isOtherFormat(format: SlotFormat, { segments }: MediaPlaylist): boolean {
  return segments.some((segment) => containerOf(segment) !== format.container)
}

/** How a segment becomes what players have; undefined when it is passed on as it is. Throws what `cannotBecome` tells in words. */
export function recipeOf(
  { segment, sequence, discontinuity, base }: PlacedSegment,
  target: SlotTarget,
): Recipe | undefined {
  const { container, layout } = target.format
  const own = containerOf(segment)
  if (own === container) {
    const isRelaid = container === 'plain' && layout !== undefined && segment.keys.length === 0 && !target.hasParts
    return isRelaid ? { to: 'pids', layout } : undefined
  }
  const source = readable(segment, sequence, base)
  if (source instanceof UnreadableSegment) {
    // Nobody asks for a gap, so nothing is made of it.
    if (segment.isGap) return undefined
    throw source
  }
  const common = { run: `${target.slot}.${discontinuity}`, sequence, key: keySource(source) }
  if (source.map === undefined) return { ...common, to: 'fmp4', streams: target.streams, tracks: target.format.tracks }
  const { url, byteRange } = source.map
  const map: MapSource = { url, byteRange, key: keySource(source.map) }
  return { ...common, to: 'mpegts', map, layout }
}

function readable(
  segment: MediaSegment,
  sequence: number,
  base: string,
): ReturnType<typeof planned> | UnreadableSegment {
  try {
    return planned(segment, sequence, base)
  } catch (error) {
    if (!(error instanceof UnreadableSegment)) throw error
    return error
  }
}
