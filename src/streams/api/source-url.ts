import { z } from 'zod'
import { RequestInvalid } from '../../http/error-body.ts'
import { httpUrl, URL_CHARACTERS_MAX } from '../../http/http-url.ts'
import { SOURCE_PROTOCOLS } from '../../config/source-process-settings.ts'
import type { StreamRequest } from '../service.ts'

/**
 * The address of a source: absolute, of a scheme that can be allowed, kept as it was written. Which schemes are allowed is a
 * setting: see `requireAllowedProtocols`.
 */
export const sourceUrl = z
  .string()
  .max(URL_CHARACTERS_MAX, `must have at most ${URL_CHARACTERS_MAX} characters`)
  .refine(
    (text) => httpUrl.safeParse(text).success || isOtherSourceUrl(text),
    'must be an absolute http or https URL without control characters, quotes or angle brackets, or one of rtsp, rtsps, srt, rtmp, rtmps, udp, rtp or file',
  )
  .meta({
    description: 'Absolute URL: http or https, or another scheme of SOURCE_PROTOCOLS (docs/SOURCES.md)',
    example: 'http://primary.example/live/stream.ts',
  })

function isOtherSourceUrl(text: string): boolean {
  // What the parser would drop silently, and what is no part of a URL (RFC 3986 §2).
  // oxlint-disable-next-line no-control-regex
  if (/[\u0000-\u0020\u007f"<>\\]/.test(text) || !URL.canParse(text)) return false
  const { protocol, hostname } = new URL(text)
  const scheme = protocol.slice(0, -1)
  if (!/^[a-z]+:\/\//i.test(text) || !SOURCE_PROTOCOLS.includes(scheme)) return false
  // A file lies on the gateway's machine; anything else has a host.
  return scheme === 'file' ? hostname === '' : hostname !== ''
}

/** Throws RequestInvalid, about `field`, for the first source whose scheme SOURCE_PROTOCOLS does not allow. */
export function requireAllowedProtocols(
  { url, sources }: Pick<StreamRequest, 'url' | 'sources'>,
  protocols: readonly string[] = ['http', 'https'],
  field = 'url',
): void {
  const schemes = [url, ...sources.map((source) => source.url)].map((each) => new URL(each).protocol.slice(0, -1))
  const refused = schemes.find((scheme) => !protocols.includes(scheme))
  if (refused === undefined) return
  const message = `SOURCE_PROTOCOLS does not allow ${refused}, only ${protocols.join(', ')}`
  throw new RequestInvalid([{ code: 'custom', path: [field], message, input: undefined }], 'body')
}
