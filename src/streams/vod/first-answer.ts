import type { SourceHead } from '../sources/http-client.ts'
import { parseContentRange } from './byte-range.ts'
import { partOf } from './entity.ts'
import { passedHeaders } from './viewer-headers.ts'
import type { ViewerWish } from './viewer-headers.ts'
import type { HeadVerdict, VodFailure } from './vod-upstream.ts'

/** What a source is asked first for a viewer. */
export interface FirstQuestion {
  readonly method: 'GET' | 'HEAD'
  readonly range: string | undefined
  /** The viewer asked HEAD of a source that refuses it, so it is asked for one byte instead. */
  readonly isProbe: boolean
}

/** Statuses with which servers refuse HEAD although they serve the file. */
const HEAD_REFUSED: ReadonlySet<number> = new Set([400, 403, 405, 500, 501])
/** What an expired account or a captive portal sends with 200 instead of a film. */
const NOT_MEDIA = /^\s*(text\/html|application\/xhtml\+xml|application\/json)\b/i

export function isHeadRefusal(failure: VodFailure): boolean {
  return failure.status !== undefined && HEAD_REFUSED.has(failure.status)
}

/** Judges the first answer of a source, before the viewer has had anything: what is no good goes to the next source. */
export function judgeFirst(head: SourceHead, question: FirstQuestion, wish: ViewerWish): HeadVerdict {
  const { status, headers } = head
  const isConditional = Object.keys(wish.conditions).length > 0
  if (status === 416 && question.range !== undefined && !question.isProbe) return { kind: 'head_only' }
  if ((status === 304 || status === 412) && isConditional) return { kind: 'head_only' }
  if (status !== 200 && status !== 206) return failed(`http_${status}`, `answered ${status}`, status)
  if (status === 206 && question.range === undefined) {
    return failed('bad_answer', 'answered with a part when the whole was asked for', status)
  }
  if (NOT_MEDIA.test(headers['content-type'] ?? '')) {
    return failed('not_media', `answered with ${headers['content-type']}`, status)
  }
  if (question.method === 'HEAD' || question.isProbe) return { kind: 'head_only' }
  if (partOf(head) === undefined) return failed('bad_answer', 'contradicts itself about what it sends', status)
  if (headers['content-length'] === '0') return failed('empty_body', 'answered with an empty body', status)
  return { kind: 'body' }
}

/** The answer for the viewer: the source's, except that the one byte of a probe stands for the whole. */
export function viewerHead(
  head: SourceHead,
  question: FirstQuestion,
): { readonly status: number; readonly headers: Record<string, string> } {
  const headers = passedHeaders(head.headers)
  // The text that explains a 416 is not passed on.
  if (head.status === 416 || head.status === 412) headers['content-length'] = '0'
  if (!question.isProbe || head.status !== 206) return { status: head.status, headers }
  const range = parseContentRange(headers['content-range'])
  delete headers['content-range']
  delete headers['content-length']
  if (range?.totalBytes !== undefined) headers['content-length'] = String(range.totalBytes)
  return { status: 200, headers: { ...headers, 'accept-ranges': 'bytes' } }
}

function failed(reason: string, message: string, status: number): HeadVerdict {
  return { kind: 'failed', failure: { reason, message, status } }
}
