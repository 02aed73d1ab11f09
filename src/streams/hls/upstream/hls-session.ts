import { HttpConnections } from '../../sources/http-connections.ts'
import { openHttpSource } from '../../sources/http-client.ts'
import type { SourceNetwork, SourceReader, SourceResponseHandler } from '../../sources/http-client.ts'
import type { SourceFailure } from '../../sources/http-failure.ts'
import { headersForOrigin } from '../../sources/http-redirect.ts'
import { CookieJar } from './cookie-jar.ts'
import { fetchResource } from './resource.ts'
import type { FetchTimeouts, ResourceAnswer } from './resource.ts'

/** A playlist may be this long; hours of DVR are a few hundred kilobytes. */
export const PLAYLIST_BYTES_MAX = 4_194_304

export interface HlsSessionOptions {
  /** Tells this source from others of the stream, and one time on air from the next, wherever answers are kept. */
  readonly key: string
  /** The source's address as the operator gave it; may hold credentials. */
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly userAgent: string
  /** Hosts that may be private addresses; one that only a playlist names may not, unless it is one of these. */
  readonly operatorHosts: ReadonlySet<string>
  /** Whether requests go on to where the first answer came from after redirects (`use_sticky_session`). */
  readonly useStickySession: boolean
  readonly timeouts: FetchTimeouts
  /** A segment that is begun now has to be complete within so many milliseconds, where that is less than other answers have. */
  readonly segmentDeadlineMs?: () => number | undefined
  readonly network: SourceNetwork
}

/** What one request asks for besides its address. */
export interface SessionFetch {
  /** Value of the Range header. */
  readonly range?: string
  readonly bytesMax: number
  readonly signal: AbortSignal
  /** Where it differs from the session's: a blocking playlist reload waits longer. */
  readonly timeouts?: FetchTimeouts
}

/** What following a playlist takes of a session. */
export type PlaylistSession = Pick<HlsSession, 'fetch' | 'entryUrl' | 'entryAnswered' | 'entryFailed' | 'timeouts'>

/** What reading segments takes of a session. */
export type SegmentSession = Pick<HlsSession, 'key' | 'open' | 'timeouts'> &
  Partial<Pick<HlsSession, 'segmentTimeouts'>>

/** What can be asked as a source is, whether it is one or stands in for all of them. */
export type SourceAccess = Pick<HlsSession, keyof HlsSession>

const NEVER_ABORTED = new AbortController().signal

/**
 * Everything that requests to one HLS source have in common: its cookies, its connections, the place that a redirect led
 * to, and which headers may go where. Dispose of it to close its connections.
 */
export class HlsSession implements Disposable {
  readonly #options: HlsSessionOptions
  readonly #jar: CookieJar
  #connections: HttpConnections
  #network: SourceNetwork
  #stickyUrl: string | undefined
  #isSuspended = false

  constructor(options: HlsSessionOptions) {
    this.#options = options
    const { clock } = options.network
    this.#jar = new CookieJar(() => clock.wallMs())
    this.#connections = new HttpConnections()
    this.#network = { ...options.network, connections: this.#connections }
  }

  get key(): string {
    return this.#options.key
  }

  get timeouts(): FetchTimeouts {
    return this.#options.timeouts
  }

  /** Of a segment that is begun now. */
  get segmentTimeouts(): FetchTimeouts {
    const { timeouts } = this
    const deadlineMs = this.#options.segmentDeadlineMs?.() ?? timeouts.totalMs
    return { ...timeouts, totalMs: Math.min(deadlineMs, timeouts.totalMs) }
  }

  /** Where the source's playlist is asked for now. */
  get entryUrl(): string {
    return this.#stickyUrl ?? this.#options.url
  }

  /** The entry playlist was answered from here; with sticky sessions it is asked for here from now on. */
  entryAnswered(finalUrl: string): void {
    if (this.#options.useStickySession) this.#stickyUrl = finalUrl
  }

  /** The entry failed: it is asked for where the operator said. True when that is another place than the one that failed. */
  entryFailed(): boolean {
    const wasSticky = this.#stickyUrl !== undefined
    this.#stickyUrl = undefined
    return wasSticky
  }

  /** Its connections are closed, and nothing is asked for until `resume`: another source needs what its account allows. */
  suspend(): void {
    this.#isSuspended = true
    this.#connections.close()
    this.#connections = new HttpConnections()
    this.#network = { ...this.#options.network, connections: this.#connections }
  }

  resume(): void {
    this.#isSuspended = false
  }

  /** Fetches a playlist or key whole. Never rejects. */
  fetch(url: string, { range, bytesMax, signal, timeouts = this.timeouts }: SessionFetch): Promise<ResourceAnswer> {
    if (this.#isSuspended) return Promise.resolve({ kind: 'failed', failure: SUSPENDED })
    return fetchResource(
      { ...this.#common(url), ...(range === undefined ? {} : { range }), bytesMax, signal, timeouts },
      this.#network,
    )
  }

  /** Opens something that is read as it comes; the caller watches its body. */
  open(url: string, range: string | undefined, handler: SourceResponseHandler): SourceReader {
    if (this.#isSuspended) return refused(handler)
    const { connectMs, answerMs } = this.timeouts
    return openHttpSource(
      {
        ...this.#common(url),
        ...(range === undefined ? {} : { range }),
        method: 'GET',
        connectTimeoutMs: connectMs,
        answerTimeoutMs: answerMs,
        signal: NEVER_ABORTED,
      },
      handler,
      this.#network,
    )
  }

  [Symbol.dispose](): void {
    this.#connections.close()
  }

  #common(url: string) {
    const { url: entry, headers, userAgent, operatorHosts } = this.#options
    return { url, headers: headersForOrigin(headers, entry, url), userAgent, operatorHosts, cookies: this.#jar }
  }
}

/** What it has can only be had later, if at all; that is no fault of its own. */
const SUSPENDED: SourceFailure = { kind: 'segment_missing', message: 'its account has no connection left for it' }

function refused(handler: SourceResponseHandler): SourceReader {
  let isClosed = false
  queueMicrotask(() => {
    if (!isClosed) handler.onFailure(SUSPENDED)
  })
  return { close: () => void (isClosed = true), pause: () => {}, resume: () => {} }
}
