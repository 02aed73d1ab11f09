/** Addresses in playlists (RFC 3986 as the WHATWG URL standard reads it, which is how the players do). */

/** Where a relative address is judged: any http address gives the same answer. */
const SOMEWHERE = 'http://playlist.invalid/'

/** No scheme and no host: by far the most, and quickly told. */
const PLAIN_RELATIVE = /^\/?[\w.~-][\w.~/?&=%-]*$/

/**
 * Whether an address as it stands in a playlist is http or https, or relative and so as the playlist itself. data:,
 * skd:, urn: and whatever else are not, and no address that cannot be read is.
 */
export function isFetchable(uri: string): boolean {
  if (PLAIN_RELATIVE.test(uri)) return true
  return resolveUri(uri, SOMEWHERE) !== undefined
}

/** The absolute http(s) address; `base` is the final one of the playlist, after redirects. Undefined for all others. */
export function resolveUri(uri: string, base: string): string | undefined {
  if (!URL.canParse(uri, base)) return undefined
  const { protocol, href } = new URL(uri, base)
  return protocol === 'http:' || protocol === 'https:' ? href : undefined
}

/** An address as it is asked for: what stands behind # is not sent (RFC 3986 §3.5). */
export function withoutFragment(url: string): string {
  return url.replace(/#.*$/s, '')
}
