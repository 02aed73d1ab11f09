import { quoted, unquoted, writeAttributeList } from './attribute-list.ts'
import type { Attribute, AttributeList } from './attribute-list.ts'
import type { MasterPlaylist, MediaPlaylist, PreloadHint, RenditionReport, ServerControl, Start } from './playlist.ts'
import { writeKey, writeSegments } from './write-segments.ts'
import { formatSeconds, oneLine } from './write-values.ts'

/**
 * The text of a playlist, which `parsePlaylist` reads as the same playlist: UTF-8, lines end in LF. What is written is
 * canonical: tags in a fixed order, offsets of byte ranges told, variables replaced, comments gone.
 */
export function writePlaylist(playlist: MasterPlaylist | MediaPlaylist): string {
  const lines = playlist.kind === 'master' ? masterLines(playlist) : mediaLines(playlist)
  return `${lines.join('\n')}\n`
}

function mediaLines(playlist: MediaPlaylist): string[] {
  const { targetDurationS, partTargetS, mediaSequence, discontinuitySequence, skip } = playlist
  const lines = headLines(playlist)
  // Among the tags of the header: below them they would belong to the first segment.
  lines.push(...playlist.otherTags.map(oneLine))
  lines.push(`#EXT-X-TARGETDURATION:${targetDurationS}`)
  if (playlist.serverControl !== undefined) lines.push(serverControlLine(playlist.serverControl))
  if (partTargetS !== undefined) lines.push(`#EXT-X-PART-INF:PART-TARGET=${formatSeconds(partTargetS)}`)
  lines.push(`#EXT-X-MEDIA-SEQUENCE:${mediaSequence}`)
  if (discontinuitySequence > 0) lines.push(`#EXT-X-DISCONTINUITY-SEQUENCE:${discontinuitySequence}`)
  if (playlist.playlistType !== undefined) lines.push(`#EXT-X-PLAYLIST-TYPE:${playlist.playlistType}`)
  if (playlist.iFramesOnly) lines.push('#EXT-X-I-FRAMES-ONLY')
  if (skip !== undefined) {
    const removed = skip.recentlyRemovedDateRanges.join('\t')
    const attributes = [unquoted('SKIPPED-SEGMENTS', skip.segments)]
    if (removed !== '') attributes.push(quoted('RECENTLY-REMOVED-DATERANGES', removed))
    lines.push(tag('EXT-X-SKIP', attributes))
  }
  for (const { attributes } of playlist.dateRanges) lines.push(tag('EXT-X-DATERANGE', attributes))
  writeSegments(lines, playlist.segments, playlist.trailing)
  for (const hint of playlist.preloadHints) lines.push(preloadHintLine(hint))
  for (const report of playlist.renditionReports) lines.push(renditionReportLine(report))
  if (playlist.hasEndList) lines.push('#EXT-X-ENDLIST')
  return lines
}

function masterLines(playlist: MasterPlaylist): string[] {
  const { contentSteering } = playlist
  const lines = headLines(playlist)
  lines.push(...playlist.otherTags.map(oneLine))
  if (contentSteering !== undefined) {
    const { serverUri, attributes } = contentSteering
    lines.push(tag('EXT-X-CONTENT-STEERING', [quoted('SERVER-URI', serverUri), ...attributes]))
  }
  for (const { uri, attributes } of playlist.sessionData) {
    lines.push(tag('EXT-X-SESSION-DATA', withUri(uri, attributes)))
  }
  for (const key of playlist.sessionKeys) lines.push(writeKey('EXT-X-SESSION-KEY', key))
  for (const { uri, attributes } of playlist.renditions) lines.push(tag('EXT-X-MEDIA', withUri(uri, attributes)))
  for (const { uri, attributes } of playlist.variants) lines.push(tag('EXT-X-STREAM-INF', attributes), oneLine(uri))
  for (const each of playlist.trickPlayVariants) lines.push(tag(each.tag, withUri(each.uri, each.attributes)))
  return lines
}

function headLines({
  version,
  isIndependentSegments,
  start,
}: Pick<MediaPlaylist, 'version' | 'isIndependentSegments' | 'start'>): string[] {
  const lines = ['#EXTM3U']
  if (version > 1) lines.push(`#EXT-X-VERSION:${version}`)
  if (isIndependentSegments) lines.push('#EXT-X-INDEPENDENT-SEGMENTS')
  if (start !== undefined) lines.push(startLine(start))
  return lines
}

function startLine({ timeOffsetS, isPrecise }: Start): string {
  const attributes = [unquoted('TIME-OFFSET', formatSeconds(timeOffsetS))]
  if (isPrecise) attributes.push(unquoted('PRECISE', 'YES'))
  return tag('EXT-X-START', attributes)
}

function serverControlLine(control: ServerControl): string {
  const attributes: Attribute[] = []
  const { canSkipUntilS, holdBackS, partHoldBackS } = control
  if (control.canBlockReload) attributes.push(unquoted('CAN-BLOCK-RELOAD', 'YES'))
  if (canSkipUntilS !== undefined) attributes.push(unquoted('CAN-SKIP-UNTIL', formatSeconds(canSkipUntilS)))
  if (control.canSkipDateRanges) attributes.push(unquoted('CAN-SKIP-DATERANGES', 'YES'))
  if (holdBackS !== undefined) attributes.push(unquoted('HOLD-BACK', formatSeconds(holdBackS)))
  if (partHoldBackS !== undefined) attributes.push(unquoted('PART-HOLD-BACK', formatSeconds(partHoldBackS)))
  return tag('EXT-X-SERVER-CONTROL', [...attributes, ...control.otherAttributes])
}

function preloadHintLine(hint: PreloadHint): string {
  const attributes = [unquoted('TYPE', hint.type), quoted('URI', hint.uri)]
  if (hint.byteRangeStart > 0) attributes.push(unquoted('BYTERANGE-START', hint.byteRangeStart))
  if (hint.byteRangeLength !== undefined) attributes.push(unquoted('BYTERANGE-LENGTH', hint.byteRangeLength))
  return tag('EXT-X-PRELOAD-HINT', [...attributes, ...hint.otherAttributes])
}

function renditionReportLine(report: RenditionReport): string {
  const attributes = [quoted('URI', report.uri)]
  if (report.lastMediaSequence !== undefined) attributes.push(unquoted('LAST-MSN', report.lastMediaSequence))
  if (report.lastPart !== undefined) attributes.push(unquoted('LAST-PART', report.lastPart))
  return tag('EXT-X-RENDITION-REPORT', [...attributes, ...report.otherAttributes])
}

function withUri(uri: string | undefined, attributes: AttributeList): AttributeList {
  return uri === undefined ? attributes : [...attributes, quoted('URI', uri)]
}

function tag(name: string, attributes: AttributeList): string {
  return `#${name}:${writeAttributeList(attributes)}`
}
