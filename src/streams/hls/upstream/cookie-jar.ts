/** Cookies kept for one source (RFC 6265), in memory only. */
interface Cookie {
  readonly name: string
  readonly value: string
  /** Lower case, without a leading dot. */
  readonly domain: string
  /** Only for `domain` itself, not for names below it (§5.3 step 6). */
  readonly isHostOnly: boolean
  readonly path: string
  readonly isSecure: boolean
  readonly expiresAtWallMs: number
}

/** The oldest goes when there are more. */
const COOKIES_MAX = 64
/** Longer ones are not kept. */
const COOKIE_BYTES_MAX = 4_096
const IPV4 = /^\d+\.\d+\.\d+\.\d+$/

/**
 * A small cookie jar (RFC 6265 §5.3, §5.4). There is no public suffix list, so a Domain attribute is only taken where it
 * has a dot inside and the host is that domain or below it; what leaves it too wide stays within one source's own hosts.
 */
export class CookieJar {
  readonly #wallMs: () => number
  #cookies: readonly Cookie[] = []

  /** `wallMs`: milliseconds since 1970-01-01 UTC, against which Expires and Max-Age count. */
  constructor(wallMs: () => number) {
    this.#wallMs = wallMs
  }

  get size(): number {
    return this.#cookies.length
  }

  /** Takes the Set-Cookie headers of an answer from `url`. */
  store(url: URL, setCookies: readonly string[]): void {
    for (const text of setCookies) {
      const cookie = parseCookie(text, url, this.#wallMs())
      if (cookie === undefined) continue
      const others = this.#cookies.filter((other) => !isSame(other, cookie))
      const isGone = cookie.expiresAtWallMs <= this.#wallMs()
      this.#cookies = isGone ? others : [...others, cookie].slice(-COOKIES_MAX)
    }
  }

  /** The value of the Cookie header for a request to `url`; undefined when there is none to send. */
  header(url: URL): string | undefined {
    const nowMs = this.#wallMs()
    this.#cookies = this.#cookies.filter(({ expiresAtWallMs }) => expiresAtWallMs > nowMs)
    const sent = this.#cookies.filter((cookie) => isFor(cookie, url))
    // Longer paths first (§5.4 step 2); the order of arrival is kept among equals.
    const ordered = sent.toSorted((left, right) => right.path.length - left.path.length)
    return ordered.length === 0 ? undefined : ordered.map(({ name, value }) => `${name}=${value}`).join('; ')
  }
}

function isSame(left: Cookie, right: Cookie): boolean {
  return left.name === right.name && left.domain === right.domain && left.path === right.path
}

function isFor(cookie: Cookie, url: URL): boolean {
  if (cookie.isSecure && url.protocol !== 'https:') return false
  const host = url.hostname.toLowerCase()
  const isHost = host === cookie.domain || (!cookie.isHostOnly && isBelow(host, cookie.domain))
  return isHost && isUnder(url.pathname, cookie.path)
}

/** Domain matching (§5.1.3): an address has no names below it. */
function isBelow(host: string, domain: string): boolean {
  return host.endsWith(`.${domain}`) && !IPV4.test(host) && !host.startsWith('[')
}

/** Path matching (§5.1.4). */
function isUnder(path: string, prefix: string): boolean {
  if (path === prefix) return true
  return path.startsWith(prefix) && (prefix.endsWith('/') || path[prefix.length] === '/')
}

function parseCookie(text: string, url: URL, nowMs: number): Cookie | undefined {
  if (text.length > COOKIE_BYTES_MAX) return undefined
  const [pair = '', ...attributes] = text.split(';')
  const [name, value] = splitPair(pair)
  // A line break or another control character would write into the request.
  if (name === '' || /[^\x20-\x7e\x80-\xff]/.test(pair)) return undefined
  const given = new Map(
    attributes.map((attribute) => {
      const [key, content] = splitPair(attribute)
      return [key.toLowerCase(), content] as const
    }),
  )
  const host = url.hostname.toLowerCase()
  const wanted = (given.get('domain') ?? '').replace(/^\./, '').toLowerCase()
  if (wanted !== '' && wanted !== host && !(wanted.includes('.') && isBelow(host, wanted))) return undefined
  const path = given.get('path') ?? ''
  return {
    name,
    value,
    domain: wanted === '' ? host : wanted,
    isHostOnly: wanted === '',
    path: path.startsWith('/') ? path : defaultPath(url.pathname),
    isSecure: given.has('secure'),
    expiresAtWallMs: expiry(given, nowMs),
  }
}

/** Max-Age goes before Expires (§5.3 step 3); neither means for as long as the session lasts. */
function expiry(given: ReadonlyMap<string, string>, nowMs: number): number {
  const maxAge = given.get('max-age')
  if (maxAge !== undefined && /^-?\d{1,12}$/.test(maxAge)) return nowMs + Number(maxAge) * 1_000
  const expiresMs = Date.parse(given.get('expires') ?? '')
  return Number.isNaN(expiresMs) ? Number.POSITIVE_INFINITY : expiresMs
}

function splitPair(text: string): readonly [string, string] {
  const at = text.indexOf('=')
  return at < 0 ? [text.trim(), ''] : [text.slice(0, at).trim(), text.slice(at + 1).trim()]
}

/** §5.1.4: up to, and without, the last slash. */
function defaultPath(path: string): string {
  const at = path.lastIndexOf('/')
  return at <= 0 ? '/' : path.slice(0, at)
}
