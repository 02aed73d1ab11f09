import type { AttributeList } from './attribute-list.ts'

/**
 * Playlists of HTTP Live Streaming as data: RFC 8216, and draft-pantos-hls-rfc8216bis ("bis") for Low-Latency HLS,
 * variables and content steering. Parsed playlists are meant to be copied with changes: `{ ...segment, uri }`.
 *
 * Where a tag's attributes are all known they are fields, and what else stood there is in `otherAttributes`. Tags that
 * are not known are in `otherTags`, each a whole line as it stood.
 */

/** A sub-range of a resource, in bytes (§4.3.2.2). The offset is always told, also where the text left it out. */
export interface ByteRange {
  readonly length: number
  readonly offset: number
}

/** EXT-X-KEY (§4.3.2.4) without METHOD=NONE, which is the absence of keys; EXT-X-SESSION-KEY has the same shape. */
export interface Key {
  /** AES-128, SAMPLE-AES, SAMPLE-AES-CTR or what a later version brings. */
  readonly method: string
  readonly uri: string | undefined
  /** As it stood: 0x and 32 hexadecimal digits. Undefined: the media sequence number of the segment is the IV. */
  readonly iv: string | undefined
  /** "identity" when the text names none. */
  readonly keyFormat: string
  readonly keyFormatVersions: string | undefined
  readonly otherAttributes: AttributeList
}

/** EXT-X-MAP (§4.3.2.5): the Media Initialization Section. */
export interface MediaMap {
  readonly uri: string
  readonly byteRange: ByteRange | undefined
  /** The keys in effect where the tag stood: they encrypt the section, not those of the segment. */
  readonly keys: readonly Key[]
  readonly otherAttributes: AttributeList
}

/** EXT-X-PROGRAM-DATE-TIME (§4.3.2.6). */
export interface ProgramDateTime {
  /** Milliseconds since 1970 UTC, with fractions when the text has them. */
  readonly ms: number
  /** As it stood: it is what is written. */
  readonly text: string
}

/** EXT-X-PART (bis §4.4.4.9): a partial segment. */
export interface Part {
  readonly uri: string
  readonly durationS: number
  /** As it stood: it is what is written. */
  readonly durationText: string
  readonly isIndependent: boolean
  readonly byteRange: ByteRange | undefined
  readonly isGap: boolean
  readonly otherAttributes: AttributeList
}

/** What is known of a segment before its URI: all of a segment that is still being made, but its duration. */
export interface SegmentHead {
  /** EXT-X-DISCONTINUITY stands before it. */
  readonly isDiscontinuity: boolean
  /** The keys in effect, by KEYFORMAT; none when it is in the clear. */
  readonly keys: readonly Key[]
  readonly map: MediaMap | undefined
  /** Of the tag at this segment; use `programDateTimesMs` for what follows from it. */
  readonly programDateTime: ProgramDateTime | undefined
  /** EXT-X-BITRATE in effect, kbit/s. */
  readonly bitrateKbps: number | undefined
  readonly parts: readonly Part[]
  /** Unknown tags that stood before its URI, in order, each a whole line. */
  readonly otherTags: readonly string[]
}

export interface MediaSegment extends SegmentHead {
  readonly uri: string
  readonly durationS: number
  /** As it stood: it is what is written. */
  readonly durationText: string
  readonly title: string
  readonly byteRange: ByteRange | undefined
  /** EXT-X-GAP: there is nothing to fetch. */
  readonly isGap: boolean
}

/** EXT-X-SERVER-CONTROL (bis §4.4.3.8). */
export interface ServerControl {
  readonly canBlockReload: boolean
  readonly canSkipUntilS: number | undefined
  readonly canSkipDateRanges: boolean
  readonly holdBackS: number | undefined
  readonly partHoldBackS: number | undefined
  readonly otherAttributes: AttributeList
}

/** EXT-X-START (§4.3.5.2). A negative offset counts from the end. */
export interface Start {
  readonly timeOffsetS: number
  readonly isPrecise: boolean
}

/** EXT-X-SKIP (bis §4.4.5.2): the playlist is a delta update. */
export interface Skip {
  readonly segments: number
  readonly recentlyRemovedDateRanges: readonly string[]
}

/** EXT-X-PRELOAD-HINT (bis §4.4.5.3). */
export interface PreloadHint {
  readonly type: 'PART' | 'MAP'
  readonly uri: string
  readonly byteRangeStart: number
  readonly byteRangeLength: number | undefined
  readonly otherAttributes: AttributeList
}

/** EXT-X-RENDITION-REPORT (bis §4.4.5.4). */
export interface RenditionReport {
  readonly uri: string
  readonly lastMediaSequence: number | undefined
  readonly lastPart: number | undefined
  readonly otherAttributes: AttributeList
}

/** EXT-X-DATERANGE (§4.3.2.7): all of its attributes, as they stood. `attributeText(attributes, 'ID')` and the like. */
export interface DateRange {
  readonly attributes: AttributeList
}

/** EXT-X-DEFINE (bis §4.4.2.3). */
export interface Define {
  readonly kind: 'name' | 'import' | 'queryparam'
  readonly name: string
  readonly value: string
}

interface Playlist {
  /** EXT-X-VERSION; 1 when the text names none. */
  readonly version: number
  readonly isIndependentSegments: boolean
  readonly start: Start | undefined
  /** What the text defined. References are replaced when parsed, so these are not written again. */
  readonly defines: readonly Define[]
  /** Unknown tags of the whole playlist, each a whole line. */
  readonly otherTags: readonly string[]
}

export interface MediaPlaylist extends Playlist {
  readonly kind: 'media'
  /** Whole seconds, at least 1. */
  readonly targetDurationS: number
  /** The number of the first segment, skipped ones included. */
  readonly mediaSequence: number
  readonly discontinuitySequence: number
  readonly playlistType: 'EVENT' | 'VOD' | undefined
  readonly hasEndList: boolean
  readonly iFramesOnly: boolean
  readonly serverControl: ServerControl | undefined
  /** PART-TARGET of EXT-X-PART-INF, seconds. */
  readonly partTargetS: number | undefined
  readonly skip: Skip | undefined
  readonly segments: readonly MediaSegment[]
  /** What stands after the last segment: the beginning of the one that is still being made. */
  readonly trailing: SegmentHead | undefined
  readonly preloadHints: readonly PreloadHint[]
  readonly renditionReports: readonly RenditionReport[]
  readonly dateRanges: readonly DateRange[]
}

/** EXT-X-STREAM-INF and the URI after it (§4.3.4.2). */
export interface Variant {
  readonly uri: string
  readonly attributes: AttributeList
}

/** EXT-X-I-FRAME-STREAM-INF (§4.3.4.3), and EXT-X-IMAGE-STREAM-INF, which services add; URI is not among the attributes. */
export interface TrickPlayVariant {
  readonly tag: 'EXT-X-I-FRAME-STREAM-INF' | 'EXT-X-IMAGE-STREAM-INF'
  readonly uri: string
  readonly attributes: AttributeList
}

/** EXT-X-MEDIA (§4.3.4.1); URI is not among the attributes. */
export interface Rendition {
  /** Undefined when it is muxed into the variants, and for closed captions. */
  readonly uri: string | undefined
  readonly attributes: AttributeList
}

/** EXT-X-SESSION-DATA (§4.3.4.4); URI is not among the attributes. */
export interface SessionData {
  readonly uri: string | undefined
  readonly attributes: AttributeList
}

/** EXT-X-CONTENT-STEERING (bis §4.4.6.6). */
export interface ContentSteering {
  readonly serverUri: string
  readonly attributes: AttributeList
}

export interface MasterPlaylist extends Playlist {
  readonly kind: 'master'
  readonly variants: readonly Variant[]
  readonly trickPlayVariants: readonly TrickPlayVariant[]
  readonly renditions: readonly Rendition[]
  readonly sessionKeys: readonly Key[]
  readonly sessionData: readonly SessionData[]
  readonly contentSteering: ContentSteering | undefined
}

/** Why a text is not a playlist, and in which line, counted from 1. */
export class PlaylistError extends Error {
  readonly line: number

  constructor(line: number, message: string) {
    super(`line ${line}: ${message}`)
    this.name = 'PlaylistError'
    this.line = line
  }
}
