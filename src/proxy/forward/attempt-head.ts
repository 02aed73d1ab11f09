import type { LiveEndpoint } from '../endpoints/live-endpoint.ts'
import { fieldValue } from '../wire/fields.ts'
import { upstreamRequestHead } from '../wire/forward-head.ts'
import type { RequestHead } from '../wire/head.ts'
import type { RequestFraming } from '../wire/upstream-exchange.ts'
import type { ForwardJob } from './forward-facts.ts'

const NO_BODY: RequestFraming = { kind: 'none' }

/** The framing of a request for the upstream: as it came. */
export function requestFraming({ framing }: RequestHead): RequestFraming {
  // Only responses end with their connection (RFC 9112 section 6.3).
  return framing.kind === 'close' ? NO_BODY : framing
}

/** The head of an attempt for an endpoint, complete with its empty line. */
export function attemptHead(
  request: RequestHead,
  { client, facts, shared }: ForwardJob,
  { basePath, authority, authorization }: LiveEndpoint,
  isExpectPassed: boolean,
): string {
  const path: string = facts.path ?? request.path
  const { without, isForwardedTrusted } = facts
  return upstreamRequestHead(authorization === undefined ? request : authorised(request, authorization), {
    path: basePath === '' || path === '*' ? path : basePath + path,
    host: facts.host === 'keep' ? 'keep' : { name: authority },
    client: client.peer,
    isForwardedTrusted,
    pseudonym: shared.pseudonym,
    framing: requestFraming(request),
    isUpgrade: true,
    isExpectPassed,
    without,
    random: shared.random,
  })
}

function authorised(request: RequestHead, authorization: string): RequestHead {
  const { fields } = request
  if (fieldValue(fields, 'authorization') !== undefined) return request
  return { ...request, fields: [...fields, 'Authorization', authorization] }
}
