import type { SourceReader, SourceRequest, SourceTransport } from './http-client.ts'
import type { ResolverArguments, ResolverName } from './resolver-arguments.ts'
import type { ResolvedUrl, UrlResolver } from './url-resolver.ts'

export interface ResolvingOptions {
  readonly resolver: UrlResolver
  readonly name: ResolverName
  readonly arguments: ResolverArguments
  /** Text of a Netscape cookie file. */
  readonly cookies?: string | undefined
  /** How what was found is read. */
  readonly transportFor: (resolved: ResolvedUrl) => SourceTransport
}

/**
 * A source whose address is a page: each time it is opened, the page is asked where the media is, because such addresses
 * expire. Hosts that only the page names may not be private.
 */
export function createResolvingTransport(options: ResolvingOptions): SourceTransport {
  return (request, handler, network) => {
    const abort = new AbortController()
    let reader: SourceReader | undefined
    let isPaused = false
    let isClosed = false
    const open = async (): Promise<void> => {
      const { resolver, name, arguments: given, cookies, transportFor } = options
      const { url, userAgent, headers } = request
      const openedAtMs = network.clock.nowMs()
      const signal = AbortSignal.any([request.signal, abort.signal])
      const found = await resolver.resolve({
        resolver: name,
        url,
        arguments: given,
        cookies,
        userAgent,
        headers,
        signal,
      })
      if (isClosed) return
      if ('kind' in found) {
        handler.onFailure(found)
        return
      }
      const spentMs = network.clock.nowMs() - openedAtMs
      reader = transportFor(found)(requestFor(found, request, spentMs), handler, network)
      if (isPaused) reader.pause()
    }
    void open()
    return {
      close: () => {
        isClosed = true
        abort.abort()
        reader?.close()
      },
      pause: () => {
        isPaused = true
        reader?.pause()
      },
      resume: () => {
        isPaused = false
        reader?.resume()
      },
    }
  }
}

const ANSWER_MS_MIN = 1_000

/** The headers of the stream are the page's; what the resolver says has to be sent comes first. */
function requestFor(found: ResolvedUrl, request: SourceRequest, spentMs: number): SourceRequest {
  const userAgent = Object.entries(found.headers).find(([name]) => name.toLowerCase() === 'user-agent')?.[1]
  return {
    ...request,
    url: found.url,
    headers: { ...request.headers, ...found.headers },
    userAgent: userAgent ?? request.userAgent,
    answerTimeoutMs: Math.max(request.answerTimeoutMs - spentMs, ANSWER_MS_MIN),
  }
}
