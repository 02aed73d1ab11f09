import { openHttpSource } from './http-client.ts'
import type { PlaylistEdge } from '../hls/upstream/playlist-edge.ts'
import type { SharedSegments } from '../hls/upstream/segment.ts'
import type { SourceTransport } from './http-client.ts'
import { playlistAware } from './playlist-aware.ts'
import { isHlsUrl } from '../stream-kind.ts'
import type { ResolverRequest } from '../service.ts'
import { parseResolverArguments } from './resolver-arguments.ts'
import { createResolvingTransport } from './resolving-transport.ts'
import type { UrlResolver } from './url-resolver.ts'

/** What a stream wants of the way to one of its sources. */
export interface TransportWishes {
  /** Requests go on to where the first answer came from after redirects. */
  readonly useStickySession: boolean
  /** Whether another source could take over. */
  readonly hasAlternative: () => boolean
  /** The URL is a page; undefined: it is the media. */
  readonly resolver?: ResolverRequest | undefined
  /** What earlier looks saw of its playlist, where this is one more look. */
  readonly edge?: PlaylistEdge | undefined
  /** Segments of a playlist that need not be fetched for it alone. */
  readonly shared?: SharedSegments | undefined
}

/** How each kind of address is reached. */
export interface TransportsOptions {
  /** Schemes that the operator allows (SOURCE_PROTOCOLS). */
  readonly protocols: readonly string[]
  /** For playlists, segment by segment. */
  readonly hls: (wishes: TransportWishes) => SourceTransport
  /** For what HTTP cannot pull. */
  readonly remux: SourceTransport
  /** For pages. */
  readonly resolver: UrlResolver
}

/** The way to reach a URL: HTTP, HLS over it, or an ffmpeg. One that is not allowed is told as a failure when it is opened. */
export function transportOf(url: string, wishes: TransportWishes, options: TransportsOptions): SourceTransport {
  const { protocols, hls, remux } = options
  const scheme = new URL(url).protocol.slice(0, -1)
  if (!protocols.includes(scheme)) return refused(scheme, protocols)
  if (scheme !== 'http' && scheme !== 'https') return remux
  if (wishes.resolver !== undefined) return pageTransport(wishes.resolver, wishes, options)
  return isHlsUrl(url) ? hls(wishes) : playlistAware(openHttpSource, hls(wishes))
}

function pageTransport(
  { name, arguments: text, cookies }: ResolverRequest,
  wishes: TransportWishes,
  { hls, resolver }: TransportsOptions,
): SourceTransport {
  return createResolvingTransport({
    ...{ resolver, name, arguments: parseResolverArguments(name, text), cookies },
    transportFor: ({ isHls }) => (isHls ? hls(wishes) : playlistAware(openHttpSource, hls(wishes))),
  })
}

/** A stream may be older than the setting. */
function refused(scheme: string, protocols: readonly string[]): SourceTransport {
  return (request, handler) => {
    let isClosed = false
    queueMicrotask(() => {
      if (isClosed || request.signal.aborted) return
      const message = `SOURCE_PROTOCOLS does not allow ${scheme} (only ${protocols.join(', ')})`
      handler.onFailure({ kind: 'process_unavailable', message })
    })
    return { close: () => void (isClosed = true), pause: () => {}, resume: () => {} }
  }
}
