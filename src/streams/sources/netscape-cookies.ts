/** One line of a cookie file of Netscape's form: domain, subdomains too, path, secure, expiry (seconds), name, value. */
export interface NetscapeCookie {
  readonly domain: string
  readonly withSubdomains: boolean
  readonly path: string
  readonly isSecure: boolean
  /** Seconds since 1970; 0: with the session. */
  readonly expiresS: number
  readonly name: string
  readonly value: string
}

export const COOKIE_TEXT_CHARACTERS_MAX = 262_144
const FIELDS = 7

/** Reads a cookie file. Throws an Error that names the first line that is none. */
export function parseNetscapeCookies(text: string): readonly NetscapeCookie[] {
  if (text.length > COOKIE_TEXT_CHARACTERS_MAX) {
    throw new Error(`must have at most ${COOKIE_TEXT_CHARACTERS_MAX} characters`)
  }
  return text.split(/\r?\n/).flatMap((line, index) => {
    const plain = line.replace(/^#HttpOnly_/, '')
    if (plain.trim() === '' || plain.startsWith('#')) return []
    const cookie = cookieOf(plain)
    if (cookie === undefined) throw new Error(`line ${index + 1} is not a line of a Netscape cookie file`)
    return [cookie]
  })
}

function cookieOf(line: string): NetscapeCookie | undefined {
  const fields = line.split('\t')
  const [domain = '', subdomains = '', path = '', secure = '', expires = '', name = '', value = ''] = fields
  const isWhole = fields.length === FIELDS && /^\.?[\w.-]+$/.test(domain) && path.startsWith('/')
  // oxlint-disable-next-line no-control-regex
  if (!isWhole || name === '' || /[\u0000-\u001f;=]/.test(name) || /[\u0000-\u001f;]/.test(value)) return undefined
  return {
    ...{ domain: domain.toLowerCase(), withSubdomains: subdomains.toUpperCase() === 'TRUE', path },
    ...{ isSecure: secure.toUpperCase() === 'TRUE', expiresS: Number(expires) || 0, name, value },
  }
}

/** The cookies that go to a URL (RFC 6265 §5.4), of those that have not expired. */
export function cookiesFor(cookies: readonly NetscapeCookie[], url: string, wallMs: number): readonly NetscapeCookie[] {
  const { hostname, pathname, protocol } = new URL(url)
  return cookies.filter(({ domain, withSubdomains, path, isSecure, expiresS }) => {
    const bare = domain.replace(/^\./, '')
    const isHost = hostname === bare || (withSubdomains && hostname.endsWith(`.${bare}`))
    const isPath = pathname === path || pathname.startsWith(path.endsWith('/') ? path : `${path}/`)
    return isHost && isPath && (!isSecure || protocol === 'https:') && (expiresS === 0 || expiresS * 1_000 > wallMs)
  })
}
