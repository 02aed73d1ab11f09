import { createHash } from 'node:crypto'
import { candidateId } from '../../failover/candidate.ts'
import type { CandidateId } from '../../failover/candidate.ts'
import type { SourceRequest, StreamRequest } from '../service.ts'

/** One place a stream can be pulled from, with the id under which the engine ranks it. */
export interface Source extends SourceRequest {
  readonly candidateId: CandidateId
  /** 0 is the primary, 1 the first failover URL. */
  readonly index: number
}

/**
 * The sources of a stream in order: as the request ranks them, and last those that a resolver named. An id stays the same
 * as long as its URL is in the list, so that health survives an edit; a repeated URL is a source of its own.
 */
export function sourcesOf(request: StreamRequest, resolvedUrls: readonly string[]): readonly Source[] {
  const seen = new Map<string, number>()
  const configured = new Set(request.sources.map(({ url }) => url))
  const resolved = resolvedUrls
    .filter((url) => !configured.has(url))
    .map((url): SourceRequest => ({ url, priority: 0, weight: 1, headers: {} }))
  return [...request.sources, ...resolved].map((source, index) => {
    const occurrence = (seen.get(source.url) ?? 0) + 1
    seen.set(source.url, occurrence)
    const hash = createHash('sha256').update(source.url).digest('base64url').slice(0, 22)
    return { ...source, candidateId: candidateId(`${hash}.${occurrence}`), index }
  })
}

/** Host names that the operator named for a stream: they may be private addresses. */
export function operatorHostsOf(request: StreamRequest, resolvedUrls: readonly string[]): ReadonlySet<string> {
  const urls = [...request.sources.map(({ url }) => url), request.failoverResolverUrl, ...resolvedUrls]
  return new Set(urls.flatMap((url) => (url !== undefined && URL.canParse(url) ? [new URL(url).hostname] : [])))
}
