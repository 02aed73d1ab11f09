import { quoted, unquoted, writeAttributeList } from './attribute-list.ts'
import type { AttributeList } from './attribute-list.ts'
import type { ByteRange, Key, MediaMap, MediaSegment, Part, SegmentHead } from './playlist.ts'
import { IDENTITY } from './tag-values.ts'
import { oneLine } from './write-values.ts'

/** What is in effect for the next segment as far as the text before it says. */
interface InEffect {
  keys: readonly Key[]
  map: MediaMap | undefined
  bitrateKbps: number | undefined
}

/**
 * Writes segments and what stands after the last. Keys, maps and bitrates are written where they change. A playlist
 * cannot say that a map ends, so after a segment with a map one without keeps it: never put fragmented MP4 before TS.
 */
export function writeSegments(
  lines: string[],
  segments: readonly MediaSegment[],
  trailing: SegmentHead | undefined,
): void {
  const inEffect: InEffect = { keys: [], map: undefined, bitrateKbps: undefined }
  for (const segment of segments) {
    writeHead(lines, segment, inEffect)
    if (segment.isGap) lines.push('#EXT-X-GAP')
    lines.push(`#EXTINF:${segment.durationText},${oneLine(segment.title)}`)
    if (segment.byteRange !== undefined) lines.push(`#EXT-X-BYTERANGE:${byteRange(segment.byteRange)}`)
    lines.push(oneLine(segment.uri))
  }
  if (trailing !== undefined) writeHead(lines, trailing, inEffect)
}

function writeHead(lines: string[], head: SegmentHead, inEffect: InEffect): void {
  const { map, bitrateKbps, programDateTime } = head
  if (head.isDiscontinuity) lines.push('#EXT-X-DISCONTINUITY')
  if (map !== undefined && !isSameMap(map, inEffect.map)) {
    writeKeys(lines, map.keys, inEffect)
    lines.push(mapLine(map))
    inEffect.map = map
  }
  writeKeys(lines, head.keys, inEffect)
  if (programDateTime !== undefined) lines.push(`#EXT-X-PROGRAM-DATE-TIME:${oneLine(programDateTime.text)}`)
  if (bitrateKbps !== undefined && bitrateKbps !== inEffect.bitrateKbps) {
    lines.push(`#EXT-X-BITRATE:${bitrateKbps}`)
    inEffect.bitrateKbps = bitrateKbps
  }
  for (const text of head.otherTags) lines.push(oneLine(text))
  for (const part of head.parts) lines.push(partLine(part))
}

/**
 * A key takes the place of the one of its format. A format can only be ended together with all others, and so they are
 * all written again when one has gone or they stand in another order.
 */
function writeKeys(lines: string[], keys: readonly Key[], inEffect: InEffect): void {
  const before = inEffect.keys
  if (keys === before) return
  inEffect.keys = keys
  const isContinued = before.every(({ keyFormat }, index) => keys[index]?.keyFormat === keyFormat)
  if (!isContinued) lines.push('#EXT-X-KEY:METHOD=NONE')
  for (const [index, key] of keys.entries()) {
    const known = isContinued ? before[index] : undefined
    if (known === undefined || !isSameKey(known, key)) lines.push(writeKey('EXT-X-KEY', key))
  }
}

/** EXT-X-KEY or EXT-X-SESSION-KEY as a line. */
export function writeKey(name: 'EXT-X-KEY' | 'EXT-X-SESSION-KEY', key: Key): string {
  const attributes = [unquoted('METHOD', key.method)]
  if (key.uri !== undefined) attributes.push(quoted('URI', key.uri))
  if (key.iv !== undefined) attributes.push(unquoted('IV', key.iv))
  if (key.keyFormat !== IDENTITY) attributes.push(quoted('KEYFORMAT', key.keyFormat))
  if (key.keyFormatVersions !== undefined) attributes.push(quoted('KEYFORMATVERSIONS', key.keyFormatVersions))
  return `#${name}:${writeAttributeList([...attributes, ...key.otherAttributes])}`
}

function mapLine(map: MediaMap): string {
  const attributes = [quoted('URI', map.uri)]
  if (map.byteRange !== undefined) attributes.push(quoted('BYTERANGE', byteRange(map.byteRange)))
  return `#EXT-X-MAP:${writeAttributeList([...attributes, ...map.otherAttributes])}`
}

function partLine(part: Part): string {
  const attributes = [unquoted('DURATION', part.durationText), quoted('URI', part.uri)]
  if (part.byteRange !== undefined) attributes.push(quoted('BYTERANGE', byteRange(part.byteRange)))
  if (part.isIndependent) attributes.push(unquoted('INDEPENDENT', 'YES'))
  if (part.isGap) attributes.push(unquoted('GAP', 'YES'))
  return `#EXT-X-PART:${writeAttributeList([...attributes, ...part.otherAttributes])}`
}

function byteRange({ length, offset }: ByteRange): string {
  return `${length}@${offset}`
}

/** Whether two keys are the same, all attributes counted. */
export function isSameKey(a: Key, b: Key): boolean {
  return a === b || writeKey('EXT-X-KEY', a) === writeKey('EXT-X-KEY', b)
}

/** Whether two maps are the same section under the same keys. */
export function isSameMap(a: MediaMap | undefined, b: MediaMap | undefined): boolean {
  if (a === b) return true
  if (a === undefined || b === undefined) return false
  const keys = ({ keys: all }: MediaMap): AttributeList => all.map((key) => quoted('KEY', writeKey('EXT-X-KEY', key)))
  return mapLine(a) === mapLine(b) && writeAttributeList(keys(a)) === writeAttributeList(keys(b))
}
