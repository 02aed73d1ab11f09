import { redactUrl } from '../../lib/redact.ts'
import type { SourceFailure } from './http-failure.ts'

/** Redirects followed for one request. */
export const REDIRECTS_MAX = 5
const LOCATION_LENGTH_MAX = 8192
/** Those with a Location that a GET or HEAD follows unchanged (RFC 9110 §15.4). */
const REDIRECT_STATUSES: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

/** Custom headers that may carry a secret: they stay with the origin that the operator wrote them for. */
const SECRET_HEADER = /auth|cookie|token|secret|session|password|credential|api-?key|^host$|signature/i

/** One request on the way to the final response. Its URL has no credentials in it. */
export interface Hop {
  readonly url: URL
  /** The value for Basic authorization, from credentials in the URL. */
  readonly authorization: string | undefined
  readonly headers: Readonly<Record<string, string>>
  /** URLs asked so far, this one included. */
  readonly visited: readonly string[]
}

export type RedirectDecision =
  | { readonly kind: 'answer' }
  | { readonly kind: 'follow'; readonly hop: Hop }
  | { readonly kind: 'fail'; readonly failure: SourceFailure }

/** The first hop; undefined when the URL is not http(s). */
export function firstHop(text: string, headers: Readonly<Record<string, string>>): Hop | undefined {
  const url = parseHttpUrl(text, undefined)
  if (url === undefined) return undefined
  const { bare, authorization } = splitCredentials(url)
  return { url: bare, authorization, headers, visited: [bare.href] }
}

/**
 * What a response means for the request: it is the answer, or asks to go elsewhere. Credentials and secret headers never
 * follow to another origin (scheme, host and port), and do not come back when the way leads back.
 */
export function followRedirect(hop: Hop, status: number, location: string | undefined): RedirectDecision {
  if (!REDIRECT_STATUSES.has(status)) return { kind: 'answer' }
  if (location === undefined || location === '') return bad(status, 'a redirect without a Location', undefined)
  if (location.length > LOCATION_LENGTH_MAX) return bad(status, 'a redirect to an overlong Location', undefined)
  const target = parseHttpUrl(location, hop.url)
  if (target === undefined) return bad(status, 'a redirect to something that is not http(s)', location)
  const { bare, authorization } = splitCredentials(target)
  const httpLocation = redactUrl(bare.href)
  if (hop.visited.includes(bare.href)) {
    return { kind: 'fail', failure: tooMany(status, 'the redirects run in a circle', httpLocation) }
  }
  if (hop.visited.length > REDIRECTS_MAX) {
    return { kind: 'fail', failure: tooMany(status, `more than ${REDIRECTS_MAX} redirects`, httpLocation) }
  }
  const sameOrigin = bare.origin === hop.url.origin
  return {
    kind: 'follow',
    hop: {
      url: bare,
      authorization: authorization ?? (sameOrigin ? hop.authorization : undefined),
      headers: sameOrigin ? hop.headers : withoutSecrets(hop.headers),
      visited: [...hop.visited, bare.href],
    },
  }
}

function parseHttpUrl(text: string, base: URL | undefined): URL | undefined {
  if (!URL.canParse(text, base?.href)) return undefined
  const url = new URL(text, base)
  return url.protocol === 'http:' || url.protocol === 'https:' ? url : undefined
}

/** RFC 7617: the credentials as UTF-8. */
function splitCredentials(url: URL): { readonly bare: URL; readonly authorization: string | undefined } {
  const bare = new URL(url)
  bare.username = ''
  bare.password = ''
  bare.hash = ''
  if (url.username === '' && url.password === '') return { bare, authorization: undefined }
  const pair = `${percentDecoded(url.username)}:${percentDecoded(url.password)}`
  return { bare, authorization: `Basic ${Buffer.from(pair, 'utf8').toString('base64')}` }
}

function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    // A lone percent sign: the operator meant it as it stands.
    return text
  }
}

/**
 * The operator's headers for something that a source's playlists name, as if a redirect had led there: all of them, and
 * the credentials of the source's URL, at the source's own origin, and none that may be secret elsewhere.
 */
export function headersForOrigin(
  headers: Readonly<Record<string, string>>,
  sourceUrl: string,
  url: string,
): Readonly<Record<string, string>> {
  const target = parseHttpUrl(url, undefined)
  const source = parseHttpUrl(sourceUrl, undefined)
  if (target === undefined || source === undefined || target.origin !== source.origin) return withoutSecrets(headers)
  const { authorization } = splitCredentials(source)
  return authorization === undefined || target.username !== '' ? headers : { authorization, ...headers }
}

function withoutSecrets(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !SECRET_HEADER.test(name)))
}

function bad(status: number, message: string, location: string | undefined): RedirectDecision {
  const shown = location === undefined ? {} : { httpLocation: redactUrl(location.slice(0, 200)) }
  return { kind: 'fail', failure: { kind: 'bad_redirect', message, status, ...shown } }
}

function tooMany(status: number, message: string, httpLocation: string): SourceFailure {
  return { kind: 'too_many_redirects', message, status, httpLocation }
}
