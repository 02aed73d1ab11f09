import { z } from 'zod'

/** Longest URL that is taken, in characters. */
export const URL_CHARACTERS_MAX = 8192

/** The address of a source or of a page that says which: absolute, http or https, kept as it was written. */
export const httpUrl = z
  .string()
  .max(URL_CHARACTERS_MAX, `must have at most ${URL_CHARACTERS_MAX} characters`)
  .refine(isHttpUrl, 'must be an absolute http or https URL without control characters, quotes or angle brackets')
  .meta({ description: 'Absolute http or https URL', example: 'http://primary.example/live/stream.ts' })

function isHttpUrl(text: string): boolean {
  // The parser drops tabs and line breaks silently, so that they would come back in logs and headers; markup has no
  // place in a URL either (RFC 3986 §2), and pages that show it may not escape it.
  // oxlint-disable-next-line no-control-regex
  if (/[\u0000-\u001f\u007f"<>]/.test(text) || text !== text.trim()) return false
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text)) return false
  return new URL(text).hostname !== ''
}
