import type { CandidateId } from '../../failover/group.ts'
import type { CodecSignature } from '../../mpegts/analyser/signature.ts'
import type { ConnectionLease, ConnectionPurpose } from '../connection-budget.ts'
import type { Condition, Finding } from '../detect/conditions.ts'
import { detectionPolicy } from '../detect/policy.ts'
import type { Container } from '../framing/framing.ts'
import { PlaylistEdge } from '../hls/upstream/playlist-edge.ts'
import type { SegmentReader, SegmentRequest } from '../hls/upstream/segment.ts'
import type { StreamRequest } from '../service.ts'
import { SignatureReader } from '../standby/signature-reader.ts'
import type { StreamContext } from '../stream-context.ts'
import { SourceSession } from './session.ts'
import type { SessionListener } from './session.ts'
import { operatorHostsOf } from './source-list.ts'
import type { Source } from './source-list.ts'
import type { TransportWishes } from './transports.ts'

/** What the opener asks of the stream it works for, each time anew. */
export interface SourceOpenerOptions extends StreamContext {
  readonly streamId: string
  readonly request: () => StreamRequest
  readonly source: (id: CandidateId) => Source
  readonly resolvedUrls: () => readonly string[]
  /** Whether another source is there to try, and whether one is that is not known to be bad. */
  readonly hasAlternative: () => boolean
  readonly hasUsableAlternative: () => boolean
  /** Whether one is that was not itself left for this condition, or a worse one, a while ago. */
  readonly hasBetterThan: (condition: Condition) => boolean
  /** What viewers read already, when they do. */
  readonly expectedContainer: () => Container | undefined
  /** A segment of a candidate that is read for others too. */
  readonly shared: (id: CandidateId, request: SegmentRequest) => SegmentReader | undefined
  readonly onSignature: (id: CandidateId, signature: CodecSignature) => void
  readonly onWarning: (id: CandidateId, finding: Finding) => void
}

/** Opens sessions with the sources of one stream, within what their accounts allow. */
export class SourceOpener {
  readonly #options: SourceOpenerOptions
  readonly #leases = new WeakMap<object, ConnectionLease>()
  /** What looks have seen of playlists. */
  readonly #edges = new Map<CandidateId, PlaylistEdge>()

  constructor(options: SourceOpenerOptions) {
    this.#options = options
  }

  /**
   * A session that is not opened yet, or why there is none. `present` is the source that it is to take over from: where
   * both belong to one account that has no room for two, that one has to be closed first. `onRevoked` is called when
   * the connection is needed more elsewhere; it must end the session.
   */
  open(
    id: CandidateId,
    listener: SessionListener,
    purpose: ConnectionPurpose,
    { present, onRevoked }: { readonly present?: CandidateId | undefined; readonly onRevoked?: () => void } = {},
  ): SourceSession | 'no_connection_left' | 'close_present_first' {
    const { budget, source, streamId } = this.#options
    const { account } = source(id)
    const lease = budget.lease(account, purpose, onRevoked, useOf(streamId, id))
    if (lease === undefined) {
      const mayReplace = present !== undefined && source(present).account?.name === account?.name
      return mayReplace && purpose === 'on_air' ? 'close_present_first' : 'no_connection_left'
    }
    const session = this.#session(id, listener, purpose, () => lease.release())
    this.#leases.set(session, lease)
    return session
  }

  /** What was opened to stand by is on air now: its connection is taken away from it no more. */
  wentOnAir(session: object): void {
    this.#leases.get(session)?.goOnAir()
  }

  /** Whether a connection to this source could be opened beside the one that is on air. */
  hasRoomBeside(id: CandidateId): boolean {
    const { budget, source } = this.#options
    return budget.hasRoomOnAir(source(id).account)
  }

  /** Forgets what was seen of sources that are not listed any more. */
  keepOnly(sources: readonly Source[]): void {
    if (this.#edges.size <= sources.length) return
    const listed = new Set(sources.map(({ candidateId }) => candidateId))
    for (const id of this.#edges.keys()) if (!listed.has(id)) this.#edges.delete(id)
  }

  #edgeOf(id: CandidateId): PlaylistEdge {
    const edge = this.#edges.get(id) ?? new PlaylistEdge()
    this.#edges.set(id, edge)
    return edge
  }

  /** Finding out where a page's media is takes its own time. */
  #firstMediaTimeoutMs(purpose: ConnectionPurpose, resolver: StreamRequest['resolver']): number {
    const { limits, hasAlternative } = this.#options
    const isShort = purpose !== 'on_air' || hasAlternative()
    const plainMs = isShort ? Math.min(limits.firstByteTimeoutMs, limits.readTimeoutMs) : limits.readTimeoutMs
    return plainMs + (resolver === undefined ? 0 : (limits.resolverTimeoutMs ?? 0))
  }

  #session(
    id: CandidateId,
    listener: SessionListener,
    purpose: ConnectionPurpose,
    onClosed: () => void,
  ): SourceSession {
    const { clock, limits, network, transportOf, decoders, request, source, onSignature, onWarning } = this.#options
    const { url, headers, userAgent } = source(id)
    const wanted = request()
    const { useStickySession, resolver } = wanted
    const { hasUsableAlternative: hasAlternative, shared } = this.#options
    const wishes: TransportWishes = {
      ...{ useStickySession, resolver, hasAlternative },
      shared: (segment) => shared(id, segment),
      edge: purpose === 'probe' ? this.#edgeOf(id) : undefined,
    }
    const signature = new SignatureReader((found) => onSignature(id, found))
    const session = new SourceSession({
      url,
      headers: { ...wanted.headers, ...headers },
      userAgent: userAgent ?? wanted.userAgent ?? limits.userAgent,
      operatorHosts: operatorHostsOf(wanted, this.#options.resolvedUrls()),
      connectTimeoutMs: limits.connectTimeoutMs,
      firstMediaTimeoutMs: this.#firstMediaTimeoutMs(purpose, resolver),
      stall: { floorMs: limits.stallFloorMs, ceilingMs: limits.stallCeilingMs },
      detection: detectionPolicy(limits, {
        choice: () => request().detect,
        silence: () => request().silence,
        hasAlternative: this.#options.hasBetterThan,
        decoders: purpose === 'probe' ? undefined : decoders,
      }),
      onWarning: (finding) => onWarning(id, finding),
      expectedContainer: this.#options.expectedContainer(),
      mpegtsOnly: wanted.strictLiveTs,
      network,
      ...(transportOf === undefined ? {} : { transport: transportOf(url, wishes) }),
      clock,
      onClosed: () => {
        signature.end()
        onClosed()
      },
      listener: {
        media: (data, joinOffsets) => {
          if (session.framer?.container === 'mpegts') signature.push(data)
          listener.media(data, joinOffsets)
        },
        failed: (failure) => listener.failed(failure),
      },
    })
    return session
  }
}

/** What one stream has of one source, in however many ways it takes it in. */
export function useOf(streamId: string, id: CandidateId): string {
  return `${streamId} ${id}`
}
