import type { Hop } from './http-redirect.ts'

/**
 * Not the operator's to set: they frame the message or the connection (RFC 9110 §7.6.1, RFC 9112 §6), or would change
 * the bytes of the body (encoding, a range, metadata woven into the sound).
 */
const RESERVED: ReadonlySet<string> = new Set([
  'accept-encoding',
  'connection',
  'content-length',
  'expect',
  'icy-metadata',
  'keep-alive',
  'proxy-connection',
  'range',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/**
 * The headers of a request to a source. The operator's own go before the user agent and the URL's credentials; cookies
 * that the source has set go with the operator's.
 */
export function requestHeaders(
  hop: Hop,
  userAgent: string,
  range: string | undefined,
  cookies?: string,
): Record<string, string> {
  const headers: Record<string, string> = { accept: '*/*' }
  if (userAgent !== '') headers['user-agent'] = userAgent
  if (hop.authorization !== undefined) headers['authorization'] = hop.authorization
  for (const [name, value] of Object.entries(hop.headers)) {
    const key = name.toLowerCase()
    if (!RESERVED.has(key)) headers[key] = value
  }
  if (cookies !== undefined) {
    const own = headers['cookie']
    headers['cookie'] = own === undefined ? cookies : `${own}; ${cookies}`
  }
  if (range !== undefined) headers['range'] = range
  headers['accept-encoding'] = 'identity'
  return headers
}
