import type { SourceNetwork } from '../../sources/http-client.ts'
import { HlsSession } from '../upstream/hls-session.ts'
import type { FetchTimeouts } from '../upstream/resource.ts'
import type { HlsProxySource } from './proxy-options.ts'

export interface SourceSessionsOptions {
  readonly network: SourceNetwork
  readonly timeouts: FetchTimeouts
  /** In which a segment of this source has to be complete; undefined: as long as any answer may take. */
  readonly segmentDeadlineMsOf: (candidateId: string) => number | undefined
  readonly source: (candidateId: string) => HlsProxySource | undefined
}

/** The cookies and connections of so many sources are kept; those of the one that nothing was asked of for longest go. */
const SESSIONS_MAX = 8

interface Kept {
  readonly source: HlsProxySource
  readonly session: HlsSession
}

/**
 * A session for each source that segments are still asked of: the one on air, and those before it whose segments players
 * still have in their playlists.
 */
export class SourceSessions implements Disposable {
  readonly #options: SourceSessionsOptions
  /** The one that was not used for longest first. */
  readonly #sessions = new Map<string, Kept>()

  constructor(options: SourceSessionsOptions) {
    this.#options = options
  }

  /** Of a source as it is put on air: it keeps its cookies if it is the same as it was. */
  open(source: HlsProxySource): HlsSession {
    const known = this.#sessions.get(source.candidateId)
    if (known !== undefined && isSame(known.source, source)) {
      known.session.resume()
      this.#used(source.candidateId, known)
      return known.session
    }
    known?.session[Symbol.dispose]()
    this.#sessions.delete(source.candidateId)
    const { network, timeouts, segmentDeadlineMsOf } = this.#options
    const { candidateId, url, headers, userAgent, operatorHosts, useStickySession } = source
    const session = new HlsSession({
      ...{ key: candidateId, url, headers, userAgent, operatorHosts, useStickySession },
      ...{ timeouts, network, segmentDeadlineMs: () => segmentDeadlineMsOf(candidateId) },
    })
    this.#used(candidateId, { source, session })
    for (const [id, { session: oldest }] of this.#sessions) {
      if (this.#sessions.size <= SESSIONS_MAX) break
      oldest[Symbol.dispose]()
      this.#sessions.delete(id)
    }
    return session
  }

  /** Of the source that a name is of; undefined when the stream has none like it. */
  find(candidateId: string): HlsSession | undefined {
    const known = this.#sessions.get(candidateId)
    if (known !== undefined) {
      this.#used(candidateId, known)
      return known.session
    }
    const source = this.#options.source(candidateId)
    return source === undefined ? undefined : this.open(source)
  }

  /** Its connections are closed until it is put on air again; what players still want of it can only come from memory. */
  suspend(candidateId: string): void {
    this.find(candidateId)?.suspend()
  }

  closeConnections(candidateId: string): void {
    const session = this.#sessions.get(candidateId)?.session
    session?.suspend()
    session?.resume()
  }

  [Symbol.dispose](): void {
    for (const { session } of this.#sessions.values()) session[Symbol.dispose]()
    this.#sessions.clear()
  }

  #used(candidateId: string, kept: Kept): void {
    this.#sessions.delete(candidateId)
    this.#sessions.set(candidateId, kept)
  }
}

function isSame(left: HlsProxySource, right: HlsProxySource): boolean {
  return (
    left.url === right.url &&
    left.userAgent === right.userAgent &&
    left.useStickySession === right.useStickySession &&
    JSON.stringify(left.headers) === JSON.stringify(right.headers) &&
    left.operatorHosts.size === right.operatorHosts.size &&
    [...left.operatorHosts].every((host) => right.operatorHosts.has(host))
  )
}
