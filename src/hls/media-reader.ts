import { attributeNumber, attributeText } from './attribute-list.ts'
import type { AttributeList } from './attribute-list.ts'
import { completeDelta } from './delta-update.ts'
import { MediaHeader } from './media-header.ts'
import type { TagLine } from './playlist-text.ts'
import { PlaylistError } from './playlist.ts'
import type {
  DateRange,
  MediaPlaylist,
  MediaSegment,
  PreloadHint,
  RenditionReport,
  SegmentHead,
  Skip,
} from './playlist.ts'
import { SegmentReader } from './segment-reader.ts'
import { preloadHintOf, renditionReportOf } from './tag-values.ts'
import type { Variables } from './variables.ts'

/** Segments of one playlist, parts not counted: a day of one-second segments. */
const SEGMENTS_MAX = 100_000
/** Of all parts and date ranges of one playlist. */
const PARTS_MAX = 100_000

/** Unknown tags that speak of the whole playlist, wherever they stand. */
const WHOLE_PLAYLIST =
  /^#(?:EXT-X-ALLOW-CACHE|EXT-X-FAXS-CM|EXT-X-TWITCH-INFO|EXT-X-TWITCH-ELAPSED-SECS|EXT-X-TWITCH-TOTAL-SECS)\b/

/** Reads the lines of a media playlist (§4.3.2, §4.3.3, bis §4.4.3 to §4.4.5). */
export class MediaReader {
  readonly #variables: Variables
  readonly #previous: MediaPlaylist | undefined
  readonly #header = new MediaHeader()
  readonly #segments: MediaSegment[] = []
  readonly #segment = new SegmentReader()
  readonly #dateRanges: DateRange[] = []
  readonly #preloadHints: PreloadHint[] = []
  readonly #renditionReports: RenditionReport[] = []
  readonly #otherTags: string[] = []
  /** Unknown tags of which it is not clear yet whether they belong to the header or to a segment. */
  readonly #undecided: string[] = []
  #skip: Skip | undefined
  #parts = 0

  constructor(variables: Variables, previous: MediaPlaylist | undefined) {
    this.#variables = variables
    this.#previous = previous
  }

  /** @throws PlaylistError for a tag that must not be wrong. */
  tag(line: TagLine): void {
    const attributes = () => this.#variables.attributes(line.value, line.number)
    if (this.#header.tag(line, attributes)) {
      // What stands among the header's tags is about the playlist; below them it is about the next segment.
      const isHeader = this.#segments.length === 0 && line.name !== 'EXT-X-ENDLIST'
      if (isHeader) this.#otherTags.push(...this.#undecided.splice(0))
      return
    }
    switch (line.name) {
      case 'EXT-X-PART':
        if (++this.#parts > PARTS_MAX) throw new PlaylistError(line.number, `more than ${PARTS_MAX} parts`)
        this.#settle()
        this.#segment.part(attributes(), line.number)
        return
      case 'EXT-X-DATERANGE':
        if (this.#dateRanges.length >= PARTS_MAX) throw new PlaylistError(line.number, 'too many date ranges')
        this.#dateRanges.push({ attributes: attributes() })
        return
      case 'EXT-X-SKIP':
        this.#skipSegments(attributes(), line.number)
        return
      case 'EXT-X-PRELOAD-HINT': {
        const hint = preloadHintOf(attributes())
        if (hint !== undefined) this.#preloadHints.push(hint)
        return
      }
      case 'EXT-X-RENDITION-REPORT': {
        const report = renditionReportOf(attributes())
        if (report !== undefined) this.#renditionReports.push(report)
        return
      }
      default:
        this.#segmentTag(line, attributes)
    }
  }

  #segmentTag(line: TagLine, attributes: () => AttributeList): void {
    if (this.#segment.tag(line, attributes)) this.#settle()
    else if (WHOLE_PLAYLIST.test(line.text)) this.#otherTags.push(line.text)
    else this.#undecided.push(line.text)
  }

  /** The header has ended: what is undecided stands before this segment. */
  #settle(): void {
    for (const text of this.#undecided.splice(0)) this.#segment.otherTag(text)
  }

  #skipSegments(attributes: AttributeList, number: number): void {
    const segments = attributeNumber(attributes, 'SKIPPED-SEGMENTS')
    if (segments === undefined || !Number.isSafeInteger(segments) || segments < 0 || this.#segments.length > 0) {
      throw new PlaylistError(number, 'EXT-X-SKIP without SKIPPED-SEGMENTS, or after a segment')
    }
    const removed = attributeText(attributes, 'RECENTLY-REMOVED-DATERANGES') ?? ''
    this.#skip = { segments, recentlyRemovedDateRanges: removed === '' ? [] : removed.split('\t') }
    if (this.#previous === undefined) return
    const known = completeDelta(this.#previous, this.#header.mediaSequence, segments)
    if (known === undefined) throw new PlaylistError(number, 'a delta update of a playlist that is not known')
    for (const segment of known) this.#segments.push(segment)
    const last = known.at(-1)
    if (last !== undefined) this.#segment.goOnFrom(last)
  }

  /** @throws PlaylistError for a URI without EXTINF and for a byte range that begins nowhere. */
  uri(uri: string, number: number): void {
    this.#settle()
    if (this.#segments.length >= SEGMENTS_MAX) throw new PlaylistError(number, `more than ${SEGMENTS_MAX} segments`)
    this.#segments.push(this.#segment.end(uri, number))
  }

  end(): MediaPlaylist {
    this.#settle()
    const skip = this.#previous === undefined ? this.#skip : undefined
    const trailing: SegmentHead | undefined = this.#segment.trailing()
    return {
      kind: 'media',
      ...this.#header.fields(this.#segments),
      defines: this.#variables.defines,
      otherTags: this.#otherTags,
      skip,
      segments: this.#segments,
      trailing,
      preloadHints: this.#preloadHints,
      renditionReports: this.#renditionReports,
      dateRanges: this.#allDateRanges(),
    }
  }

  /** A delta update that skips date ranges too names only the new ones and those that are gone (bis §6.2.5.1). */
  #allDateRanges(): readonly DateRange[] {
    if (this.#skip === undefined || this.#previous?.serverControl?.canSkipDateRanges !== true) return this.#dateRanges
    const idOf = (range: DateRange) => attributeText(range.attributes, 'ID') ?? ''
    const gone = new Set([...this.#skip.recentlyRemovedDateRanges, ...this.#dateRanges.map(idOf)])
    return [...this.#previous.dateRanges.filter((range) => !gone.has(idOf(range))), ...this.#dateRanges]
  }
}
