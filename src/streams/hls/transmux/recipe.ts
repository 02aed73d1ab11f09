import type { ByteRange } from '../../../hls/playlist.ts'
import type { ProgrammeLayout } from '../../../mpegts/programme-layout.ts'
import type { SegmentSource } from '../upstream/segment-plan.ts'
import type { TrackLayout } from './track-layout.ts'

/** What of a segment goes into a file: all of it, or one kind where the other has a playlist of its own. */
export type WantedStreams = 'all' | 'video' | 'audio'

/** What segments of one source between two of its discontinuities share, so that their timestamps go on. */
interface MadeOfOneRun {
  /** Tells it from others of the same span. */
  readonly run: string
  /** The source's media sequence number. */
  readonly sequence: number
  /** Decrypted with this first (AES-128). */
  readonly key: SegmentKeySource | undefined
}

export interface SegmentKeySource {
  readonly url: string
  /** 32 hexadecimal digits. */
  readonly iv: string
}

export interface MapSource {
  readonly url: string
  readonly byteRange: ByteRange | undefined
  readonly key: SegmentKeySource | undefined
}

/** How a segment of a source becomes one that players of a playlist can go on with. Plain JSON data. */
export type Recipe =
  /** Fragmented MP4 to MPEG-TS. */
  | (MadeOfOneRun & {
      readonly to: 'mpegts'
      readonly map: MapSource
      /** The PIDs that players know. */
      readonly layout: ProgrammeLayout | undefined
    })
  /** MPEG-TS or packed audio to fragmented MP4: the segment, or the media initialisation section that the run has. */
  | (MadeOfOneRun & {
      readonly to: 'fmp4' | 'fmp4_map'
      readonly streams: WantedStreams
      readonly tracks: TrackLayout | undefined
    })
  /** MPEG-TS on other PIDs. */
  | { readonly to: 'pids'; readonly layout: ProgrammeLayout }

/** Those for which a segment has to be there whole. */
export type WholeRecipe = Exclude<Recipe, { readonly to: 'pids' }>

/** What a name of ours ends with. */
export const EXTENSION_OF: Readonly<Record<WholeRecipe['to'], string>> = {
  mpegts: 'ts',
  fmp4: 'm4s',
  fmp4_map: 'mp4',
}

/** What is made, as HTTP calls it. */
export const CONTENT_TYPES: Readonly<Record<WholeRecipe['to'], string>> = {
  mpegts: 'video/mp2t',
  fmp4: 'video/mp4',
  fmp4_map: 'video/mp4',
}

/** The key of a segment as plain data. */
export function keySource({ key }: SegmentSource): SegmentKeySource | undefined {
  return key === undefined ? undefined : { url: key.url, iv: key.iv.toString('hex') }
}

/** One line of text; `parseRecipe` reads it. */
export function recipeText(recipe: Recipe): string {
  return JSON.stringify(recipe)
}

/** Of text that `recipeText` gave, and nobody else can have written; undefined for anything else. */
export function parseRecipe(text: string): Recipe | undefined {
  const parsed: unknown = JSON.parse(text)
  if (typeof parsed !== 'object' || parsed === null || !('to' in parsed)) return undefined
  return typeof parsed.to === 'string' && (parsed.to === 'pids' || parsed.to in EXTENSION_OF)
    ? (parsed as Recipe)
    : undefined
}
