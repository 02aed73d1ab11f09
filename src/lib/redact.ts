const SECRET_PARAMETERS =
  /^(api_?token|token|password|pass|pwd|passphrase|streamid|srt_streamid|secret|key|auth|signature|sig|username|user)$/i

/**
 * The same URL with credentials replaced by `***`: userinfo, secret query parameters, and the two path segments
 * behind `/live/`, `/movie/`, `/series/` or `/timeshift/` (the user/password form of IPTV panels).
 * Text that is not a URL comes back unchanged.
 */
export function redactUrl(text: string): string {
  if (!URL.canParse(text)) return text
  const url = new URL(text)
  if (url.username !== '') url.username = '***'
  if (url.password !== '') url.password = '***'
  for (const name of [...url.searchParams.keys()]) {
    if (SECRET_PARAMETERS.test(name)) url.searchParams.set(name, '***')
  }
  url.pathname = url.pathname.replace(/\/(live|movie|series|timeshift)\/[^/]+\/[^/]+\//, '/$1/***/***/')
  return url.href
}

/** Redacts every URL of a network protocol inside a longer text, for log messages and errors that quote one. */
export function redactUrlsIn(text: string): string {
  return text.replace(/\b(?:https?|rtsps?|rtmp[st]?|srt|udp|rtp|hls):\/\/[^\s"'<>]+/g, (url) => redactUrl(url))
}
