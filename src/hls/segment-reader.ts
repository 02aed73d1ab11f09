import { attributeText, withoutAttributes } from './attribute-list.ts'
import type { AttributeList } from './attribute-list.ts'
import { parseDateTime } from './date-time.ts'
import type { TagLine } from './playlist-text.ts'
import { PlaylistError } from './playlist.ts'
import type { ByteRange, Key, MediaMap, MediaSegment, Part, ProgramDateTime, SegmentHead } from './playlist.ts'
import { byteRangeText, durationOf, keyOf, partOf, resolveByteRange } from './tag-values.ts'
import type { ByteRangeText } from './tag-values.ts'

/** Key formats in effect at once. */
const KEY_FORMATS_MAX = 32

/** The sub-range that a byte range without an offset goes on from. */
interface RangeEnd {
  readonly uri: string
  readonly end: number
}

/** Reads the tags before a segment's URI, and keeps what is in effect from one segment to the next. */
export class SegmentReader {
  #keys: readonly Key[] = []
  #map: MediaMap | undefined
  #bitrateKbps: number | undefined
  #segmentRange: RangeEnd | undefined
  #partRange: RangeEnd | undefined
  #next = emptyNext()

  /** What is in effect after this segment, which stood in the playlist before. */
  goOnFrom(segment: MediaSegment): void {
    this.#keys = segment.keys
    this.#map = segment.map
    this.#bitrateKbps = segment.bitrateKbps
    this.#segmentRange = rangeEnd(segment.uri, segment.byteRange)
  }

  /** Whether it was a tag of a segment. @throws PlaylistError for one that must not be wrong. */
  tag(line: TagLine, attributes: () => AttributeList): boolean {
    switch (line.name) {
      case 'EXTINF':
        this.#next.duration = durationOf(line)
        return true
      case 'EXT-X-BYTERANGE':
        this.#next.byteRange = byteRangeText(line.value, line.number)
        return true
      case 'EXT-X-DISCONTINUITY':
        this.#next.isDiscontinuity = true
        return true
      case 'EXT-X-GAP':
        this.#next.isGap = true
        return true
      case 'EXT-X-PROGRAM-DATE-TIME': {
        const ms = parseDateTime(line.value)
        if (ms !== undefined) this.#next.programDateTime = { ms, text: line.value }
        return true
      }
      case 'EXT-X-BITRATE':
        if (/^\d{1,12}$/.test(line.value)) this.#bitrateKbps = Number(line.value)
        return true
      case 'EXT-X-KEY':
        this.#key(keyOf(attributes(), line.number), line.number)
        return true
      case 'EXT-X-MAP':
        this.#map = this.#mapOf(attributes(), line.number)
        return true
      default:
        return false
    }
  }

  otherTag(text: string): void {
    this.#next.otherTags.push(text)
  }

  /** EXT-X-PART. @throws PlaylistError */
  part(attributes: AttributeList, number: number): void {
    const part = partOf(attributes, number)
    const text = attributeText(attributes, 'BYTERANGE')
    const before = this.#partRange?.uri === part.uri ? this.#partRange.end : undefined
    const byteRange = text === undefined ? undefined : resolveByteRange(byteRangeText(text, number), before, number)
    this.#partRange = rangeEnd(part.uri, byteRange)
    this.#next.parts.push({ ...part, byteRange })
  }

  /** The segment that this URI names. @throws PlaylistError */
  end(uri: string, number: number): MediaSegment {
    const { duration, byteRange: range, isGap } = this.#next
    if (duration === undefined) throw new PlaylistError(number, 'a URI without EXTINF')
    const before = this.#segmentRange?.uri === uri ? this.#segmentRange.end : undefined
    const byteRange = range === undefined ? undefined : resolveByteRange(range, before, number)
    this.#segmentRange = rangeEnd(uri, byteRange)
    const segment = { ...this.#head(), uri, ...duration, byteRange, isGap }
    this.#next = emptyNext()
    return segment
  }

  /** What stands after the last segment; undefined when nothing does. */
  trailing(): SegmentHead | undefined {
    const { isDiscontinuity, programDateTime, parts, otherTags } = this.#next
    if (!isDiscontinuity && programDateTime === undefined && parts.length === 0 && otherTags.length === 0) {
      return undefined
    }
    return this.#head()
  }

  #head(): SegmentHead {
    const { isDiscontinuity, programDateTime, parts, otherTags } = this.#next
    return {
      isDiscontinuity,
      keys: this.#keys,
      map: this.#map,
      programDateTime,
      bitrateKbps: this.#bitrateKbps,
      parts,
      otherTags,
    }
  }

  /** A key takes the place of the one of its format; METHOD=NONE ends them all (§4.3.2.4). */
  #key(key: Key | undefined, number: number): void {
    if (key === undefined) {
      this.#keys = []
      return
    }
    const at = this.#keys.findIndex(({ keyFormat }) => keyFormat === key.keyFormat)
    this.#keys = at === -1 ? [...this.#keys, key] : this.#keys.with(at, key)
    if (this.#keys.length > KEY_FORMATS_MAX) {
      throw new PlaylistError(number, `more than ${KEY_FORMATS_MAX} key formats`)
    }
  }

  #mapOf(attributes: AttributeList, number: number): MediaMap {
    const uri = attributeText(attributes, 'URI')
    if (uri === undefined) throw new PlaylistError(number, 'EXT-X-MAP without URI')
    const text = attributeText(attributes, 'BYTERANGE')
    return {
      uri,
      // The RFC does not say where a range without an offset begins here; every player takes the beginning.
      byteRange: text === undefined ? undefined : resolveByteRange(byteRangeText(text, number), 0, number),
      keys: this.#keys,
      otherAttributes: withoutAttributes(attributes, ['URI', 'BYTERANGE']),
    }
  }
}

interface Next {
  isDiscontinuity: boolean
  isGap: boolean
  programDateTime: ProgramDateTime | undefined
  duration: ReturnType<typeof durationOf> | undefined
  byteRange: ByteRangeText | undefined
  readonly parts: Part[]
  readonly otherTags: string[]
}

function emptyNext(): Next {
  return {
    isDiscontinuity: false,
    isGap: false,
    programDateTime: undefined,
    duration: undefined,
    byteRange: undefined,
    parts: [],
    otherTags: [],
  }
}

function rangeEnd(uri: string, range: ByteRange | undefined): RangeEnd | undefined {
  return range === undefined ? undefined : { uri, end: range.offset + range.length }
}
