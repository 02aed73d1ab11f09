import { readLines } from './playlist-text.ts'
import { violation } from './violation.ts'
import type { Violation } from './violation.ts'

/** Tags of which a media playlist has at most one (§4.3.1, §4.3.3, §4.3.5). */
const ONCE = new Set([
  'EXT-X-VERSION',
  'EXT-X-TARGETDURATION',
  'EXT-X-MEDIA-SEQUENCE',
  'EXT-X-DISCONTINUITY-SEQUENCE',
  'EXT-X-PLAYLIST-TYPE',
  'EXT-X-ENDLIST',
  'EXT-X-I-FRAMES-ONLY',
  'EXT-X-INDEPENDENT-SEGMENTS',
  'EXT-X-START',
  'EXT-X-SERVER-CONTROL',
  'EXT-X-PART-INF',
  'EXT-X-SKIP',
])
/** Tags that must stand before the first segment (§4.3.3.2, §4.3.3.3). */
const BEFORE_SEGMENTS = new Set(['EXT-X-MEDIA-SEQUENCE', 'EXT-X-DISCONTINUITY-SEQUENCE'])

/**
 * Carelessness in the text of a media playlist that the parser forgives and players may not.
 * @throws PlaylistError when it is no playlist at all.
 */
export function checkText(text: string): Violation[] {
  const found: Violation[] = []
  const complain = (rule: string, section: string, where: string, message: string) =>
    found.push(violation(rule, section, where, message))
  if (text.startsWith('\uFEFF')) complain('encoding', 'RFC 8216 §4', 'line 1', 'a byte order mark')
  // oxlint-disable-next-line no-control-regex -- control characters are what it looks for
  if (/[\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F-\u009F]/.test(text)) {
    complain('encoding', 'RFC 8216 §4', 'text', 'a control character')
  }
  const seen = new Set<string>()
  let hasSegment = false
  for (const line of readLines(text)) {
    const where = `line ${line.number}`
    if (line.kind === 'uri') {
      hasSegment = true
      continue
    }
    if (ONCE.has(line.name) && seen.has(line.name)) complain('once', 'RFC 8216 §4.3', where, `${line.name} again`)
    if (hasSegment && BEFORE_SEGMENTS.has(line.name)) {
      complain('order', 'RFC 8216 §4.3.3', where, `${line.name} after a segment`)
    }
    if (line.name === 'EXTINF' && !/^\d+(?:\.\d+)?,/.test(line.value)) {
      complain('extinf', 'RFC 8216 §4.3.2.1', where, `${line.text} is not <duration>,[<title>]`)
    }
    if (line.name === 'EXT-X-TARGETDURATION' && !/^\d+$/.test(line.value)) {
      complain('target-duration', 'RFC 8216 §4.3.3.1', where, `${line.value} is not a whole number`)
    }
    seen.add(line.name)
  }
  if (!seen.has('EXT-X-TARGETDURATION')) complain('target-duration', 'RFC 8216 §4.3.3.1', 'header', 'it is missing')
  return found
}
