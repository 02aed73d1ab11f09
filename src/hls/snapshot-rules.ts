import { attributeNumber, attributeText, isYes } from './attribute-list.ts'
import { parseDateTime } from './date-time.ts'
import { partRules } from './part-rules.ts'
import type { MediaPlaylist, MediaSegment } from './playlist.ts'
import { IDENTITY } from './tag-values.ts'
import { firstSequence } from './timeline.ts'
import { violation } from './violation.ts'
import type { Violation } from './violation.ts'

export interface Tolerances {
  /** Between EXT-X-PROGRAM-DATE-TIME and the durations before it, milliseconds. */
  readonly programDateTimeMs: number
  /** Between a segment's duration and the sum of its parts, seconds. */
  readonly partsS: number
}

export const TOLERANCES: Tolerances = { programDateTimeMs: 500, partsS: 0.05 }

/** What one media playlist must satisfy whatever stood in the ones before it. */
export function checkMediaPlaylist(playlist: MediaPlaylist, tolerances: Tolerances = TOLERANCES): Violation[] {
  return [
    ...targetDurationRules(playlist),
    ...versionRules(playlist),
    ...segmentRules(playlist),
    ...dateRules(playlist, tolerances.programDateTimeMs),
    ...dateRangeRules(playlist),
    ...partRules(playlist, tolerances.partsS),
  ]
}

function targetDurationRules(playlist: MediaPlaylist): Violation[] {
  const { targetDurationS, segments } = playlist
  const first = firstSequence(playlist)
  const found: Violation[] = []
  if (!Number.isSafeInteger(targetDurationS) || targetDurationS < 1) {
    found.push(violation('target-duration', 'RFC 8216 §4.3.3.1', 'header', `it is ${targetDurationS}`))
  }
  for (const [index, { durationS, durationText }] of segments.entries()) {
    if (Math.round(durationS) <= targetDurationS) continue
    const message = `${durationText} s, rounded, is more than the target duration of ${targetDurationS} s`
    found.push(violation('target-duration', 'RFC 8216 §4.3.3.1', `segment ${first + index}`, message))
  }
  return found
}

/** The lowest version for the tags used (RFC 8216 §7, bis §8), and the tag that asks for it. */
function requiredVersion(playlist: MediaPlaylist): { readonly version: number; readonly because: string } {
  const { segments, trailing, iFramesOnly, skip } = playlist
  const heads = trailing === undefined ? segments : [...segments, trailing]
  const keys = [...new Set(heads.flatMap((head) => [...head.keys, ...(head.map?.keys ?? [])]))]
  const needs: readonly (readonly [number, string, boolean])[] = [
    [10, 'EXT-X-SKIP with date ranges', (skip?.recentlyRemovedDateRanges.length ?? 0) > 0],
    [9, 'EXT-X-SKIP', skip !== undefined],
    [6, 'EXT-X-MAP without EXT-X-I-FRAMES-ONLY', !iFramesOnly && heads.some(({ map }) => map !== undefined)],
    [5, 'EXT-X-MAP', heads.some(({ map }) => map !== undefined)],
    [5, 'KEYFORMAT', keys.some((key) => key.keyFormat !== IDENTITY || key.keyFormatVersions !== undefined)],
    [4, 'EXT-X-BYTERANGE', segments.some(({ byteRange }) => byteRange !== undefined)],
    [4, 'EXT-X-I-FRAMES-ONLY', iFramesOnly],
    [3, 'a fractional EXTINF', segments.some(({ durationText }) => durationText.includes('.'))],
    [2, 'IV', keys.some(({ iv }) => iv !== undefined)],
  ]
  const [version, because] = needs.find(([, , isUsed]) => isUsed) ?? [1, 'nothing']
  return { version, because }
}

function versionRules(playlist: MediaPlaylist): Violation[] {
  const { version, because } = requiredVersion(playlist)
  if (playlist.version >= version) return []
  const message = `${playlist.version} is less than ${version}, which ${because} needs`
  return [violation('version', 'RFC 8216 §7', 'header', message)]
}

function segmentRules(playlist: MediaPlaylist): Violation[] {
  const first = firstSequence(playlist)
  const found: Violation[] = []
  const seen = new Map<string, number>()
  let previous: MediaSegment | undefined
  for (const [index, segment] of playlist.segments.entries()) {
    const where = `segment ${first + index}`
    const name = resourceName(segment)
    const before = seen.get(name)
    if (before !== undefined && !segment.isGap) {
      found.push(violation('uri-unique', 'house', where, `${name} is segment ${before} too`))
    }
    if (!segment.isGap) seen.set(name, first + index)
    if (previous !== undefined && (previous.map === undefined) !== (segment.map === undefined)) {
      if (!segment.isDiscontinuity) {
        found.push(violation('discontinuity', 'RFC 8216 §4.3.2.3', where, 'the file format changes without one'))
      }
    }
    if (segment.keys.some(({ uri }) => uri === undefined)) {
      found.push(violation('key-uri', 'RFC 8216 §4.3.2.4', where, 'a key without URI'))
    }
    previous = segment
  }
  return found
}

/** What a segment fetches: its address and the bytes of it. */
export function resourceName({ uri, byteRange }: Pick<MediaSegment, 'uri' | 'byteRange'>): string {
  return byteRange === undefined ? uri : `${uri} ${byteRange.length}@${byteRange.offset}`
}

function dateRules(playlist: MediaPlaylist, toleranceMs: number): Violation[] {
  const first = firstSequence(playlist)
  const found: Violation[] = []
  let expectedMs: number | undefined
  let lastMs = -Infinity
  for (const [index, { programDateTime, isDiscontinuity, durationS }] of playlist.segments.entries()) {
    const where = `segment ${first + index}`
    if (programDateTime !== undefined) {
      const { ms, text } = programDateTime
      const offMs = expectedMs === undefined || isDiscontinuity ? 0 : ms - expectedMs
      if (Math.abs(offMs) > toleranceMs) {
        const message = `${text} is ${Math.round(offMs)} ms from where the durations lead`
        found.push(violation('date-time', 'RFC 8216 §4.3.2.6', where, message))
      } else if (ms < lastMs - toleranceMs) {
        found.push(violation('date-time-order', 'house', where, `${text} is before the segment before it`))
      }
      expectedMs = ms
    }
    if (expectedMs !== undefined) lastMs = expectedMs
    if (expectedMs !== undefined) expectedMs += durationS * 1000
  }
  return found
}

function dateRangeRules({ dateRanges, segments, trailing }: MediaPlaylist): Violation[] {
  const section = 'RFC 8216 §4.3.2.7'
  const found: Violation[] = []
  const hasDate = segments.some((each) => each.programDateTime !== undefined) || trailing?.programDateTime !== undefined
  if (dateRanges.length > 0 && !hasDate) {
    found.push(violation('date-range', section, 'header', 'date ranges without an EXT-X-PROGRAM-DATE-TIME'))
  }
  const values = new Map<string, string>()
  for (const { attributes } of dateRanges) {
    const text = (name: string) => attributeText(attributes, name)
    const id = text('ID')
    const where = `date range ${id ?? 'without ID'}`
    const complain = (message: string) => found.push(violation('date-range', section, where, message))
    const startMs = parseDateTime(text('START-DATE') ?? '')
    const endMs = text('END-DATE') === undefined ? undefined : parseDateTime(text('END-DATE') ?? '')
    const durationS = attributeNumber(attributes, 'DURATION')
    if (id === undefined) complain('it has no ID')
    for (const { name, value } of attributes) {
      const key = `${id} ${name}`
      if ((values.get(key) ?? value) !== value) complain(`${name} has two values`)
      values.set(key, value)
    }
    if (startMs === undefined) continue
    if (endMs !== undefined && endMs < startMs) complain('END-DATE is before START-DATE')
    if (durationS !== undefined && durationS < 0) complain('DURATION is negative')
    if (endMs !== undefined && durationS !== undefined && Math.abs(startMs + durationS * 1000 - endMs) > 1) {
      complain('DURATION does not lead to END-DATE')
    }
    if (isYes(attributes, 'END-ON-NEXT') && text('CLASS') === undefined) complain('END-ON-NEXT without CLASS')
  }
  const starts = new Set(
    dateRanges.filter((each) => attributeText(each.attributes, 'START-DATE') !== undefined).map(idOf),
  )
  for (const range of dateRanges) {
    if (starts.has(idOf(range))) continue
    found.push(violation('date-range', section, `date range ${idOf(range)}`, 'it has no START-DATE'))
  }
  return found
}

function idOf({ attributes }: { readonly attributes: Parameters<typeof attributeText>[0] }): string | undefined {
  return attributeText(attributes, 'ID')
}
