import { attributeText, withQuoted } from './attribute-list.ts'
import type { AttributeList } from './attribute-list.ts'
import type {
  ByteRange,
  DateRange,
  Key,
  MasterPlaylist,
  MediaMap,
  MediaPlaylist,
  MediaSegment,
  Part,
  SegmentHead,
} from './playlist.ts'
import { isFetchable } from './uri.ts'

/** What an address leads to. */
export type UriKind =
  | 'variant'
  | 'rendition'
  | 'trick-play'
  | 'segment'
  | 'part'
  | 'map'
  | 'key'
  | 'session-key'
  | 'session-data'
  | 'preload-part'
  | 'preload-map'
  | 'rendition-report'
  | 'asset'
  | 'asset-list'
  | 'steering'

export interface UriContext {
  /**
   * Whether it is an http or https address or relative to one. Others (data:, skd:, urn:) are for the player itself and
   * must be given back as they are, or keys of DRM no longer work.
   */
  readonly isFetchable: boolean
  /** Media sequence number of the segment; undefined where there is none. */
  readonly mediaSequence: number | undefined
  readonly byteRange: ByteRange | undefined
  /** For keys, and for the `key` in effect with maps and segments. */
  readonly keys: readonly Key[]
  /** Attributes of the variant, rendition, key or date range. */
  readonly attributes: AttributeList
}

export type RewriteUri = (uri: string, kind: UriKind, context: UriContext) => string

export interface RewriteOptions {
  /**
   * What becomes of an unknown tag: another line, or undefined to leave it out. Without it they stay word for word, and
   * with them any address that stands there. `withoutAddress` leaves those out that hold one.
   */
  readonly otherTag?: (line: string) => string | undefined
}

/**
 * The playlist with EVERY address in a tag of the RFC or of bis given to `rewrite`: each once per place. Addresses are
 * as they stand in the text, with variables replaced; `resolveUri` makes them absolute. Attributes named X-, other than
 * X-ASSET-URI and X-ASSET-LIST of interstitials, are the business of player and server and stay.
 */
export function rewriteUris<P extends MasterPlaylist | MediaPlaylist>(
  playlist: P,
  rewrite: RewriteUri,
  options?: RewriteOptions,
): P
export function rewriteUris(
  playlist: MasterPlaylist | MediaPlaylist,
  rewrite: RewriteUri,
  options: RewriteOptions = {},
): MasterPlaylist | MediaPlaylist {
  const rewriter = new Rewriter(rewrite, options)
  return playlist.kind === 'master' ? rewriter.master(playlist) : rewriter.media(playlist)
}

/** For `otherTag`: leaves out unknown tags in which an address could stand (`://`, or an attribute named URI). */
export function withoutAddress(line: string): string | undefined {
  return /:\/\/|\bURI\s*=|\bURL\s*=/i.test(line) ? undefined : line
}

class Rewriter {
  readonly #rewrite: RewriteUri
  readonly #otherTag: (line: string) => string | undefined
  /** Keys and maps are shared by the segments that they hold for, and stay shared. */
  readonly #keyLists = new Map<readonly Key[], readonly Key[]>()
  readonly #keys = new Map<Key, Key>()
  readonly #maps = new Map<MediaMap, MediaMap>()

  constructor(rewrite: RewriteUri, options: RewriteOptions) {
    this.#rewrite = rewrite
    this.#otherTag = options.otherTag ?? ((line) => line)
  }

  master(playlist: MasterPlaylist): MasterPlaylist {
    const { contentSteering } = playlist
    return {
      ...playlist,
      defines: [],
      otherTags: this.#otherTags(playlist.otherTags),
      variants: playlist.variants.map((each) => ({ ...each, uri: this.#uri(each.uri, 'variant', each) })),
      renditions: playlist.renditions.map((each) => this.#optional(each, 'rendition')),
      trickPlayVariants: playlist.trickPlayVariants.map((each) => ({
        ...each,
        uri: this.#uri(each.uri, 'trick-play', each),
      })),
      sessionKeys: playlist.sessionKeys.map((each) => this.#key(each, 'session-key', undefined)),
      sessionData: playlist.sessionData.map((each) => this.#optional(each, 'session-data')),
      contentSteering:
        contentSteering === undefined
          ? undefined
          : { ...contentSteering, serverUri: this.#uri(contentSteering.serverUri, 'steering', contentSteering) },
    }
  }

  media(playlist: MediaPlaylist): MediaPlaylist {
    const { trailing, skip } = playlist
    const first = playlist.mediaSequence + (skip?.segments ?? 0)
    return {
      ...playlist,
      defines: [],
      otherTags: this.#otherTags(playlist.otherTags),
      segments: playlist.segments.map((each, index) => this.#segment(each, first + index)),
      trailing: trailing === undefined ? undefined : this.#head(trailing, first + playlist.segments.length),
      preloadHints: playlist.preloadHints.map((each) => ({
        ...each,
        uri: this.#uri(each.uri, each.type === 'MAP' ? 'preload-map' : 'preload-part', {}),
      })),
      renditionReports: playlist.renditionReports.map((each) => ({
        ...each,
        uri: this.#uri(each.uri, 'rendition-report', {}),
      })),
      dateRanges: playlist.dateRanges.map((each) => this.#dateRange(each)),
    }
  }

  #segment(segment: MediaSegment, mediaSequence: number): MediaSegment {
    const { byteRange, keys } = segment
    const uri = this.#uri(segment.uri, 'segment', { mediaSequence, byteRange, keys })
    return { ...segment, ...this.#head(segment, mediaSequence), uri }
  }

  #head(head: SegmentHead, mediaSequence: number): SegmentHead {
    const { isDiscontinuity, programDateTime, bitrateKbps, map } = head
    return {
      isDiscontinuity,
      programDateTime,
      bitrateKbps,
      keys: this.#keyList(head.keys, mediaSequence),
      map: map === undefined ? undefined : this.#map(map, mediaSequence),
      parts: head.parts.map((part) => this.#part(part, mediaSequence, head.keys)),
      otherTags: this.#otherTags(head.otherTags),
    }
  }

  #part(part: Part, mediaSequence: number, keys: readonly Key[]): Part {
    return { ...part, uri: this.#uri(part.uri, 'part', { mediaSequence, byteRange: part.byteRange, keys }) }
  }

  #keyList(keys: readonly Key[], mediaSequence: number): readonly Key[] {
    const known = this.#keyLists.get(keys)
    if (known !== undefined) return known
    const rewritten = keys.map((each) => this.#key(each, 'key', mediaSequence))
    this.#keyLists.set(keys, rewritten)
    return rewritten
  }

  #key(key: Key, kind: 'key' | 'session-key', mediaSequence: number | undefined): Key {
    const known = this.#keys.get(key)
    if (known !== undefined) return known
    const attributes = key.otherAttributes
    const uri = key.uri === undefined ? undefined : this.#uri(key.uri, kind, { mediaSequence, keys: [key], attributes })
    const rewritten = { ...key, uri }
    this.#keys.set(key, rewritten)
    return rewritten
  }

  #map(map: MediaMap, mediaSequence: number): MediaMap {
    const known = this.#maps.get(map)
    if (known !== undefined) return known
    const { byteRange, keys } = map
    const uri = this.#uri(map.uri, 'map', { mediaSequence, byteRange, keys })
    const rewritten = { ...map, uri, keys: this.#keyList(keys, mediaSequence) }
    this.#maps.set(map, rewritten)
    return rewritten
  }

  #dateRange({ attributes }: DateRange): DateRange {
    const rewrite = (list: AttributeList, name: string, kind: UriKind) => {
      const uri = attributeText(list, name)
      return uri === undefined ? list : withQuoted(list, name, this.#uri(uri, kind, { attributes }))
    }
    return { attributes: rewrite(rewrite(attributes, 'X-ASSET-URI', 'asset'), 'X-ASSET-LIST', 'asset-list') }
  }

  #optional<T extends { readonly uri: string | undefined; readonly attributes: AttributeList }>(
    each: T,
    kind: UriKind,
  ): T {
    return each.uri === undefined ? each : { ...each, uri: this.#uri(each.uri, kind, each) }
  }

  #otherTags(tags: readonly string[]): readonly string[] {
    if (tags.length === 0) return tags
    return tags.map(this.#otherTag).filter((line) => line !== undefined)
  }

  #uri(uri: string, kind: UriKind, context: Partial<UriContext>): string {
    const { mediaSequence, byteRange, keys = [], attributes = [] } = context
    return this.#rewrite(uri, kind, { isFetchable: isFetchable(uri), mediaSequence, byteRange, keys, attributes })
  }
}
