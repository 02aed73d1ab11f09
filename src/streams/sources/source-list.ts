import { createHash } from 'node:crypto'
import { candidateId } from '../../failover/candidate.ts'
import type { CandidateId } from '../../failover/candidate.ts'
import type { StreamRequest } from '../service.ts'

/** One place a stream can be pulled from, with the id under which the engine ranks it. */
export interface Source {
  readonly candidateId: CandidateId
  readonly url: string
  /** 0 is the primary, 1 the first failover URL. */
  readonly index: number
}

/**
 * The sources of a stream in order: primary, failover URLs, and last those that a resolver named. An id stays
 * the same as long as its URL is in the list, so that health survives an edit; a repeated URL is a source of its own.
 */
export function sourcesOf(request: StreamRequest, resolvedUrls: readonly string[]): readonly Source[] {
  const seen = new Map<string, number>()
  const configured = [request.url, ...request.failoverUrls]
  const urls = [...configured, ...resolvedUrls.filter((url) => !configured.includes(url))]
  return urls.map((url, index) => {
    const occurrence = (seen.get(url) ?? 0) + 1
    seen.set(url, occurrence)
    const hash = createHash('sha256').update(url).digest('base64url').slice(0, 22)
    return { candidateId: candidateId(`${hash}.${occurrence}`), url, index }
  })
}

/** Host names that the operator named for a stream: they may be private addresses. */
export function operatorHostsOf(request: StreamRequest, resolvedUrls: readonly string[]): ReadonlySet<string> {
  const urls = [request.url, ...request.failoverUrls, request.failoverResolverUrl, ...resolvedUrls]
  return new Set(urls.flatMap((url) => (url !== undefined && URL.canParse(url) ? [new URL(url).hostname] : [])))
}
